//! A client for whom heads are written anew. In: its transport, what is to be edited. Out: a transport that gives what the service is
//! to get, and takes what the service said. What stands behind it, the relay and its observers among it, sees the service's side.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Conn, Transport};

/// Changes the bytes of one connection.
pub trait Edit: Send {
    /// Bytes of the client; what the service is to get is added to `out`.
    fn from_client(&mut self, bytes: &[u8], out: &mut Vec<u8>);
    /// Bytes of the service; what the client is to get is added to `out`.
    fn from_service(&mut self, bytes: &[u8], out: &mut Vec<u8>);
    /// The client has ended; what was held back is added to `out`.
    fn client_ended(&mut self, out: &mut Vec<u8>);
    /// The service has ended; what was held back is added to `out`.
    fn service_ended(&mut self, out: &mut Vec<u8>);
}

/// Bytes read at a time.
const PIECE: usize = 16 << 10;

/// A client's transport with an [`Edit`] on it.
pub(crate) struct Edited {
    edit: Box<dyn Edit>,
    below: Conn,
    /// What was read and edited, and how much of it was taken.
    read: (Vec<u8>, usize),
    /// What was edited and is to be written, and how much of it was.
    write: (Vec<u8>, usize),
    ended: bool,
    service_ended: bool,
}

impl Edited {
    pub(crate) fn new(edit: Box<dyn Edit>, below: Conn) -> Self {
        Self { edit, below, read: (Vec::new(), 0), write: (Vec::new(), 0), ended: false, service_ended: false }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (bytes, written) = &mut self.write;
        while *written < bytes.len() {
            let count = ready!(Pin::new(&mut self.below).poll_write(cx, &bytes[*written..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *written += count;
        }
        // Given back, not kept: an idle connection holds no buffer.
        self.write = (Vec::new(), 0);
        Poll::Ready(Ok(()))
    }

    fn end_service(&mut self) {
        if !std::mem::replace(&mut self.service_ended, true) {
            self.edit.service_ended(&mut self.write.0);
        }
    }
}

impl AsyncRead for Edited {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { edit, below, read: (bytes, taken), ended, .. } = &mut *self;
        loop {
            if *taken < bytes.len() {
                let count = (bytes.len() - *taken).min(buf.remaining());
                buf.put_slice(&bytes[*taken..*taken + count]);
                *taken += count;
                return Poll::Ready(Ok(()));
            }
            (*bytes, *taken) = (Vec::new(), 0);
            if *ended {
                return Poll::Ready(Ok(()));
            }
            let mut piece = [0; PIECE];
            let mut piece = ReadBuf::new(&mut piece);
            ready!(Pin::new(&mut *below).poll_read(cx, &mut piece))?;
            if piece.filled().is_empty() {
                *ended = true;
                edit.client_ended(bytes);
            } else {
                edit.from_client(piece.filled(), bytes);
            }
        }
    }
}

impl AsyncWrite for Edited {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_drain(cx))?;
        let Self { edit, write: (bytes, _), .. } = &mut *self;
        edit.from_service(buf, bytes);
        // What cannot be written now is written before the next piece, or by a flush.
        match self.poll_drain(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(buf.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.below).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end_service();
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.below).poll_shutdown(cx)
    }
}

impl Transport for Edited {
    fn reset_on_drop(&mut self) {
        self.below.reset_on_drop();
    }

    fn poll_truncate(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end_service();
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.below).poll_truncate(cx)
    }

    fn fail_with(self: Box<Self>, alert: u8) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.below.fail_with(alert)
    }

    fn has_unread(&self) -> bool {
        self.below.has_unread()
    }
}
