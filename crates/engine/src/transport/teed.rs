//! A socket whose packets are captured. In: a socket, the tap of its leg. Out: the same socket; what passes on it is told exactly
//! as it was read and written, and how each direction ended.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sidelight_model::flow::{Direction, Ends, Leg, WireEnd};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Transport;
use crate::tap::{SharedWire, WireTap};

/// A transport, usually a socket, and the tap that is told what passes on it.
pub(crate) struct Teed<T: Transport> {
    below: T,
    wire: SharedWire,
    incoming: Direction,
    /// How each direction ended, if it did.
    ended: [Option<WireEnd>; 2],
    reset: bool,
}

impl<T: Transport> Teed<T> {
    /// Begins to tell what passes on `below`.
    pub(crate) fn new(below: T, leg: Leg, ends: Ends, wire: SharedWire) -> Self {
        let incoming = match leg {
            Leg::Client => Direction::ToServer,
            Leg::Server => Direction::ToClient,
        };
        WireTap::lock(&wire).socket(ends);
        Self { below, wire, incoming, ended: [None; 2], reset: false }
    }

    /// Tells the end of a direction: once in order, and once by a reset, after which there is nothing more.
    fn end(&mut self, direction: Direction, end: WireEnd) {
        let over = self.ended.contains(&Some(WireEnd::Reset));
        let told = &mut self.ended[direction.index()];
        if over || (told.is_some() && end == WireEnd::Fin) {
            return;
        }
        *told = Some(end);
        WireTap::lock(&self.wire).ended(direction, end);
    }

    fn failed(&mut self, error: &io::Error) {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        if matches!(error.kind(), ConnectionReset | ConnectionAborted | BrokenPipe) {
            self.end(self.incoming, WireEnd::Reset);
        }
    }

    fn wrote(&mut self, written: &io::Result<usize>, bufs: &[IoSlice<'_>]) {
        match written {
            Ok(count) => WireTap::lock(&self.wire).written(self.incoming.other(), bufs, *count),
            Err(error) => self.failed(error),
        }
    }

    fn shut(&mut self, shut: &io::Result<()>) {
        if shut.is_ok() {
            self.end(self.incoming.other(), WireEnd::Fin);
        }
    }
}

impl<T: Transport> AsyncRead for Teed<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(WireTap::lock(&self.wire).poll_room(cx));
        let (before, space) = (buf.filled().len(), buf.remaining());
        let read = ready!(Pin::new(&mut self.below).poll_read(cx, buf));
        let incoming = self.incoming;
        match &read {
            Ok(()) => match &buf.filled()[before..] {
                [] if space > 0 => self.end(incoming, WireEnd::Fin),
                [] => {}
                new => WireTap::lock(&self.wire).read(incoming, new),
            },
            Err(error) => self.failed(error),
        }
        Poll::Ready(read)
    }
}

impl<T: Transport> AsyncWrite for Teed<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.below).poll_write(cx, buf));
        self.wrote(&written, &[IoSlice::new(buf)]);
        Poll::Ready(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.below).poll_write_vectored(cx, bufs));
        self.wrote(&written, bufs);
        Poll::Ready(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.below.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.below).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = ready!(Pin::new(&mut self.below).poll_shutdown(cx));
        self.shut(&shut);
        Poll::Ready(shut)
    }
}

impl<T: Transport> Transport for Teed<T> {
    fn reset_on_drop(&mut self) {
        self.reset = true;
        self.below.reset_on_drop();
    }

    fn poll_truncate(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = ready!(Pin::new(&mut self.below).poll_truncate(cx));
        self.shut(&shut);
        Poll::Ready(shut)
    }

    fn fail_with(mut self: Box<Self>, _alert: u8) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        // There is no TLS below a capture of packets.
        self.reset_on_drop();
        Box::pin(std::future::ready(()))
    }

    fn has_unread(&self) -> bool {
        self.below.has_unread()
    }
}

impl<T: Transport> Drop for Teed<T> {
    /// What the kernel sends when the socket is closed now.
    fn drop(&mut self) {
        let outgoing = self.incoming.other();
        let over = self.ended.iter().all(Option::is_some);
        if self.below.has_unread() || (self.reset && !over) {
            self.end(outgoing, WireEnd::Reset);
        } else {
            self.end(outgoing, WireEnd::Fin);
        }
    }
}
