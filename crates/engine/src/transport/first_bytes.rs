//! What a peer said first. In: a transport. Out: the same transport, and its first bytes for whoever has to explain them.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Conn, Transport};

/// Keeps the first bytes that are read, for the explanation when they turn out not to be what was expected.
pub struct FirstBytes {
    inner: Conn,
    first: Arc<Mutex<Vec<u8>>>,
    full: bool,
}

/// Enough for a status line or a greeting.
const FIRST: usize = 80;

impl FirstBytes {
    /// The same transport, and where its first bytes will be.
    pub fn watch(inner: Conn) -> (Conn, Arc<Mutex<Vec<u8>>>) {
        let first = Arc::default();
        (Box::new(Self { inner, first: Arc::clone(&first), full: false }), first)
    }
}

impl AsyncRead for FirstBytes {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        if !self.full {
            let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
            let new = &buf.filled()[before..];
            let space = FIRST - first.len();
            first.extend_from_slice(&new[..new.len().min(space)]);
            let full = first.len() == FIRST;
            drop(first);
            self.full = full;
        }
        read
    }
}

impl AsyncWrite for FirstBytes {
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

impl Transport for FirstBytes {
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
