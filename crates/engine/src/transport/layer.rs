//! What stands between a transport and its user. In: a transport, something to do when it is read or written. Out: a transport.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Conn, Transport};

/// Something to do when a transport is read or written. Bytes are never changed by it.
pub(super) trait Layer: Send + Unpin {
    /// Reads from `below`, or gives bytes of its own that came from there before.
    fn poll_read(&mut self, below: &mut Conn, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>>;

    /// These bytes were written.
    fn written(&mut self, _bytes: &[u8]) {}
}

/// Goes over the first `count` bytes of `bufs`.
pub(crate) fn each_written(bufs: &[IoSlice<'_>], count: usize, mut each: impl FnMut(&[u8])) {
    let mut rest = count;
    for buf in bufs {
        let part = &buf[..buf.len().min(rest)];
        if !part.is_empty() {
            each(part);
        }
        rest -= part.len();
    }
}

/// A transport with a layer on it.
pub(super) struct Layered<L> {
    pub(super) layer: L,
    pub(super) below: Conn,
}

impl<L: Layer> AsyncRead for Layered<L> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { layer, below } = &mut *self;
        layer.poll_read(below, cx, buf)
    }
}

impl<L: Layer> AsyncWrite for Layered<L> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.below).poll_write(cx, buf);
        if let Poll::Ready(Ok(count)) = written {
            self.layer.written(&buf[..count]);
        }
        written
    }

    /// A TLS library has several records to write at a time; one call, and one packet, for all of them.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.below).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(count)) = written {
            each_written(bufs, count, |part| self.layer.written(part));
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.below.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.below).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.below).poll_shutdown(cx)
    }
}

impl<L: Layer> Transport for Layered<L> {
    fn reset_on_drop(&mut self) {
        self.below.reset_on_drop();
    }

    fn poll_truncate(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.below).poll_truncate(cx)
    }

    fn fail_with(self: Box<Self>, alert: u8) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.below.fail_with(alert)
    }
}
