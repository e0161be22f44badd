//! Putting bytes back. In: bytes that were read ahead. Out: a transport that gives them first.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Conn, Transport};

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
