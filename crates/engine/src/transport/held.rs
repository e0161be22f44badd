//! Session tickets that wait for company. In: what our side of a handshake writes. Out: the same bytes in the same order; the last of a TLS 1.3 handshake, which no
//! client waits for, together with the first bytes of the conversation. Spec: RFC 8446 §4.6.1.
//!
//! Sent alone they would be a packet of their own, and one that goes before the client's request is passed on.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Conn, Transport};

/// Content type of protected records; in a handshake of TLS 1.2, and before the keys in TLS 1.3, a flight begins with another.
const PROTECTED: u8 = 23;

/// A protected alert is shorter than this, a ticket is longer.
const LEAST: u16 = 64;

/// More than this is sent at once: tickets are of some hundred bytes.
const MOST: usize = 4 * 1024;

/// Holds tickets back, up to the next write of anything or the end.
struct Held {
    below: Conn,
    held: Vec<u8>,
    at: Stage,
    handshaking: Arc<AtomicBool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Our flight has not been written yet.
    Flight,
    /// It has: what comes after the client's answer may be tickets.
    Answer,
    /// The client has answered.
    Tickets,
    /// Nothing is held any more.
    Over,
}

/// `below`, on which the tickets of a handshake are held; and what has to be set to `false` when the handshake is over.
pub(crate) fn hold(below: Conn) -> (Conn, Arc<AtomicBool>) {
    let handshaking = Arc::new(AtomicBool::new(true));
    (Box::new(Held { below, held: Vec::new(), at: Stage::Flight, handshaking: handshaking.clone() }), handshaking)
}

/// Whether these bytes begin with a protected record that is no alert.
fn are_tickets(bytes: &[u8]) -> bool {
    matches!(bytes, [PROTECTED, _, _, high, low, ..] if u16::from_be_bytes([*high, *low]) >= LEAST)
}

impl Held {
    /// Keeps tickets, and says how many bytes they are.
    fn keep(&mut self, bufs: &[IoSlice<'_>]) -> Option<usize> {
        if self.at == Stage::Over || !self.handshaking.load(Ordering::Relaxed) {
            self.at = Stage::Over;
            return None;
        }
        let was = std::mem::replace(&mut self.at, Stage::Answer);
        let count: usize = bufs.iter().map(|buf| buf.len()).sum();
        let first = bufs.iter().find(|buf| !buf.is_empty())?;
        if was != Stage::Tickets || count > MOST || !are_tickets(first) {
            return None;
        }
        self.at = Stage::Over;
        bufs.iter().for_each(|buf| self.held.extend_from_slice(buf));
        Some(count)
    }

    /// Passes on. A flight that goes out in pieces is not followed any further.
    fn poll_pass(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.below).poll_write_vectored(cx, bufs);
        let all: usize = bufs.iter().map(|buf| buf.len()).sum();
        if self.at != Stage::Over && !matches!(written, Poll::Ready(Ok(count)) if count == all) {
            self.at = Stage::Over;
        }
        written
    }

    /// Writes what is held, and as much of `bufs` as goes with it; says how many bytes of `bufs` were taken.
    fn poll_together(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            let mut all = Vec::with_capacity(bufs.len() + 1);
            all.push(IoSlice::new(&self.held));
            all.extend(bufs.iter().map(|buf| IoSlice::new(buf)));
            let count = ready!(Pin::new(&mut self.below).poll_write_vectored(cx, &all))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let own = count.min(self.held.len());
            self.held.drain(..own);
            if self.held.is_empty() {
                self.held = Vec::new();
                if count > own || bufs.iter().all(|buf| buf.is_empty()) {
                    return Poll::Ready(Ok(count - own));
                }
                return Pin::new(&mut self.below).poll_write_vectored(cx, bufs);
            }
        }
    }
}

impl AsyncRead for Held {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.below).poll_read(cx, buf);
        if self.at == Stage::Answer && buf.filled().len() > before {
            self.at = Stage::Tickets;
        }
        read
    }
}

impl AsyncWrite for Held {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.held.is_empty() {
            return self.poll_together(cx, bufs);
        }
        match self.keep(bufs) {
            Some(kept) => Poll::Ready(Ok(kept)),
            None => self.poll_pass(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.below.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.below).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.held.is_empty() {
            ready!(self.poll_together(cx, &[]))?;
        }
        Pin::new(&mut self.below).poll_shutdown(cx)
    }
}

impl Transport for Held {
    fn reset_on_drop(&mut self) {
        self.below.reset_on_drop();
    }

    fn poll_truncate(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.held.is_empty() {
            ready!(self.poll_together(cx, &[]))?;
        }
        Pin::new(&mut self.below).poll_truncate(cx)
    }

    fn fail_with(self: Box<Self>, alert: u8) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.below.fail_with(alert)
    }

    fn has_unread(&self) -> bool {
        self.below.has_unread()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// What the peer has got by now.
    async fn got(peer: &mut tokio::io::DuplexStream) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        let count = std::future::poll_fn(|cx| {
            let mut buf = ReadBuf::new(&mut bytes);
            let read = Pin::new(&mut *peer).poll_read(cx, &mut buf);
            Poll::Ready(if read.is_ready() { buf.filled().len() } else { 0 })
        })
        .await;
        bytes.truncate(count);
        bytes
    }

    const TICKET: &[u8] = b"\x17\x03\x03\x00\x50t";

    /// A connection on which a flight was written, answered, and then `last` was written.
    async fn begun(last: &[u8]) -> (tokio::io::DuplexStream, Conn, Arc<AtomicBool>) {
        let (mut peer, ours) = tokio::io::duplex(64);
        let (mut ours, handshaking) = hold(Box::new(ours));
        ours.write_all(b"\x16 flight").await.unwrap();
        assert_eq!(got(&mut peer).await, b"\x16 flight");
        peer.write_all(b"answer").await.unwrap();
        ours.read_exact(&mut [0; 6]).await.unwrap();
        ours.write_all(last).await.unwrap();
        ours.flush().await.unwrap();
        (peer, ours, handshaking)
    }

    #[tokio::test]
    async fn tickets_go_with_what_comes_next() {
        let (mut peer, mut ours, handshaking) = begun(TICKET).await;
        assert_eq!(got(&mut peer).await, b"", "held");
        handshaking.store(false, Ordering::Relaxed);
        ours.write_all(b"words").await.unwrap();
        assert_eq!(got(&mut peer).await, [TICKET, b"words"].concat());
        peer.write_all(b"?").await.unwrap();
        ours.read_exact(&mut [0]).await.unwrap();
        ours.write_all(TICKET).await.unwrap();
        assert_eq!(got(&mut peer).await, TICKET, "only once");
    }

    #[tokio::test]
    async fn the_end_takes_them_along() {
        let (mut peer, mut ours, _) = begun(TICKET).await;
        ours.shutdown().await.unwrap();
        assert_eq!(got(&mut peer).await, TICKET);
    }

    #[tokio::test]
    async fn what_a_client_waits_for_is_not_held() {
        // The end of a handshake of TLS 1.2, and an alert of TLS 1.3.
        for last in [b"\x14\x03\x03\x00\x01\x01", b"\x17\x03\x03\x00\x13a"] {
            let (mut peer, _ours, _) = begun(last).await;
            assert_eq!(got(&mut peer).await, last);
        }
    }

    #[tokio::test]
    async fn conversations_are_not_held() {
        let (mut peer, mut ours, handshaking) = begun(b"\x14\x03\x03\x00\x01\x01").await;
        handshaking.store(false, Ordering::Relaxed);
        got(&mut peer).await;
        peer.write_all(b"?").await.unwrap();
        ours.read_exact(&mut [0]).await.unwrap();
        ours.write_all(TICKET).await.unwrap();
        assert_eq!(got(&mut peer).await, TICKET);
    }
}
