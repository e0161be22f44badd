//! Byte streams between two parties, with the endings that TCP has and `AsyncWrite` lacks.
//! In: sockets, in-memory pipes, TLS over either. Out: one object that the relay can drive.

mod decrypted;
mod edited;
mod first_bytes;
mod held;
mod layer;
mod rewound;
mod scratch;
mod teed;

pub use decrypted::Decrypted;
pub use edited::Edit;
pub(crate) use edited::Edited;
pub use first_bytes::{First, FirstBytes};
pub(crate) use held::hold;
pub(crate) use layer::each_written;
pub use rewound::rewind;
pub(crate) use scratch::{hear, poll_take};
pub(crate) use teed::Teed;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A two-way byte stream.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {
    /// Lets the peer see a reset when this is dropped, in place of an orderly end.
    fn reset_on_drop(&mut self);

    /// Ends our direction below TLS: the peer sees the connection end without close_notify.
    fn poll_truncate(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends both directions with a fatal TLS alert, where this is TLS; otherwise resets.
    fn fail_with(self: Box<Self>, alert: u8) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Whether the kernel holds bytes that were not read: closing then sends a reset.
    fn has_unread(&self) -> bool {
        false
    }
}

/// Any transport.
pub type Conn = Box<dyn Transport>;

impl Transport for TcpStream {
    fn reset_on_drop(&mut self) {
        // Best effort: without it the peer sees FIN instead of RST.
        let _ = socket2::SockRef::from(&*self).set_linger(Some(std::time::Duration::ZERO));
    }

    fn poll_truncate(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_shutdown(cx)
    }

    fn fail_with(mut self: Box<Self>, _alert: u8) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.reset_on_drop();
        Box::pin(std::future::ready(()))
    }

    fn has_unread(&self) -> bool {
        rustix::io::ioctl_fionread(self).is_ok_and(|count| count > 0)
    }
}

impl Transport for tokio::io::DuplexStream {
    fn reset_on_drop(&mut self) {}

    fn poll_truncate(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_shutdown(cx)
    }

    fn fail_with(self: Box<Self>, _alert: u8) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}

impl Transport for Conn {
    fn reset_on_drop(&mut self) {
        (**self).reset_on_drop();
    }

    fn poll_truncate(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut **self.get_mut()).poll_truncate(cx)
    }

    fn fail_with(self: Box<Self>, alert: u8) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        (*self).fail_with(alert)
    }

    fn has_unread(&self) -> bool {
        (**self).has_unread()
    }
}
