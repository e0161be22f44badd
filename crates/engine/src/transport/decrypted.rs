//! The decrypted side of a TLS connection. In: a finished handshake. Out: a transport that loses nothing at its end.

use std::io::{self, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Conn, Transport};

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
