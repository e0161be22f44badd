//! Byte streams between two parties, with the endings that TCP has and `AsyncWrite` lacks.
//! In: sockets, in-memory pipes, TLS over either. Out: one object that the relay can drive.

use std::io::{self, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A two-way byte stream.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {
    /// Lets the peer see a reset when this is dropped, in place of an orderly end.
    fn reset_on_drop(&mut self);

    /// Ends our direction below TLS: the peer sees the connection end without close_notify.
    fn poll_truncate(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends both directions with a fatal TLS alert, where this is TLS; otherwise resets.
    fn fail_with(self: Box<Self>, alert: u8) -> Pin<Box<dyn Future<Output = ()> + Send>>;
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
}

/// A decrypted stream.
///
/// What the peer sent before an alert, a reset or a missing close_notify is delivered first, as a socket would do; the TLS
/// library alone reports the error at once when both arrive together, and the bytes would be lost.
pub struct Decrypted {
    stream: tokio_rustls::TlsStream<Conn>,
    failed: Option<io::Error>,
}

impl From<tokio_rustls::TlsStream<Conn>> for Decrypted {
    fn from(stream: tokio_rustls::TlsStream<Conn>) -> Self {
        Self { stream, failed: None }
    }
}

impl Decrypted {
    fn below(&mut self) -> &mut Conn {
        match &mut self.stream {
            tokio_rustls::TlsStream::Client(stream) => stream.get_mut().0,
            tokio_rustls::TlsStream::Server(stream) => stream.get_mut().0,
        }
    }

    /// Takes what is decrypted already.
    fn take_decrypted(&mut self, buf: &mut ReadBuf<'_>) -> usize {
        let space = buf.initialize_unfilled();
        let taken = match &mut self.stream {
            tokio_rustls::TlsStream::Client(stream) => stream.get_mut().1.reader().read(space),
            tokio_rustls::TlsStream::Server(stream) => stream.get_mut().1.reader().read(space),
        };
        let taken = taken.unwrap_or(0);
        buf.advance(taken);
        taken
    }
}

impl AsyncRead for Decrypted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.failed.is_none() {
            match std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, buf)) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(error) => self.failed = Some(error),
            }
        }
        if self.take_decrypted(buf) > 0 {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(self.failed.take().map_or(Ok(()), Err))
    }
}

impl AsyncWrite for Decrypted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Transport for Decrypted {
    fn reset_on_drop(&mut self) {
        self.below().reset_on_drop();
    }

    fn poll_truncate(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().below()).poll_truncate(cx)
    }

    fn fail_with(self: Box<Self>, alert: u8) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(crate::tls::alert::send(self.stream, alert))
    }
}

/// A transport from which some bytes were already read: they come first.
pub struct Rewound {
    first: Bytes,
    inner: Conn,
}

impl Rewound {
    /// `first`, then whatever `inner` has.
    pub fn new(first: Bytes, inner: Conn) -> Self {
        Self { first, inner }
    }
}

/// `first`, then `inner`; `inner` itself when there is nothing to put before it.
pub fn rewind(first: Bytes, inner: Conn) -> Conn {
    if first.is_empty() { inner } else { Box::new(Rewound::new(first, inner)) }
}

impl AsyncRead for Rewound {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let count = self.first.len().min(buf.remaining());
        buf.put_slice(&self.first[..count]);
        self.first.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl Transport for Rewound {
    fn reset_on_drop(&mut self) {
        self.inner.reset_on_drop();
    }

    fn poll_truncate(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_truncate(cx)
    }

    fn fail_with(self: Box<Self>, alert: u8) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.inner.fail_with(alert)
    }
}
