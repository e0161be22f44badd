//! What passes on the two sockets of one connection, below TLS, and the secrets of the TLS on them. In: bytes as they were read
//! and written. Out: events, those with secrets before those with the bytes that they decrypt.

use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use sidelight_model::flow::{Direction, Ends, EventKind, KeyLogLine, Leg, WireEnd};
use sidelight_model::time::Timestamp;

use super::connection::Line;
use super::{ConnTap, now};
use crate::transport::each_written;

/// The tap of one leg.
#[derive(Debug)]
pub(crate) struct WireTap {
    line: Arc<Line>,
    leg: Leg,
    lost: [u64; 2],
    /// There was no room to say that this socket began, so nothing else of it is said.
    untold: bool,
    /// A handshake is going on: what was read last is held back until the TLS library has looked at it, and told its secrets.
    handshaking: bool,
    held: Option<(Timestamp, Direction, Bytes)>,
}

/// The tap of a leg, for its socket and its handshakes.
pub(crate) type SharedWire = Arc<Mutex<WireTap>>;

impl WireTap {
    pub(crate) fn new(tap: &ConnTap, leg: Leg) -> SharedWire {
        let line = tap.line.clone();
        Arc::new(Mutex::new(Self { line, leg, lost: [0; 2], untold: false, handshaking: false, held: None }))
    }

    pub(crate) fn lock(shared: &Mutex<Self>) -> MutexGuard<'_, Self> {
        shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A TCP connection begins.
    pub(crate) fn socket(&mut self, ends: Ends) {
        self.flush();
        self.lost = [0; 2];
        self.untold = !self.line.tell(now(), EventKind::Socket(self.leg, ends));
    }

    /// Bytes were read.
    pub(crate) fn read(&mut self, direction: Direction, bytes: &[u8]) {
        self.flush();
        let at = now();
        if !self.takes(direction, bytes.len()) {
            return;
        }
        let bytes = Bytes::copy_from_slice(bytes);
        if self.handshaking {
            self.held = Some((at, direction, bytes));
        } else {
            self.tell(at, direction, bytes);
        }
    }

    /// The first `count` bytes of `bufs` were written at once.
    pub(crate) fn written(&mut self, direction: Direction, bufs: &[IoSlice<'_>], count: usize) {
        self.flush();
        if count > 0 && self.takes(direction, count) {
            let mut bytes = Vec::with_capacity(count);
            each_written(bufs, count, |part| bytes.extend_from_slice(part));
            self.tell(now(), direction, bytes.into());
        }
    }

    /// One direction ended.
    pub(crate) fn ended(&mut self, direction: Direction, end: WireEnd) {
        self.flush();
        self.report_loss(direction);
        if !self.untold {
            self.line.tell(now(), EventKind::WireEnd(self.leg, direction, end));
        }
    }

    /// A secret of the TLS on this leg.
    pub(crate) fn secret(&self, line: KeyLogLine) {
        self.line.tell(now(), EventKind::Secret(self.leg, Box::new(line)));
    }

    /// A handshake begins or is over.
    pub(crate) fn handshaking(&mut self, going_on: bool) {
        self.handshaking = going_on;
        self.flush();
    }

    /// Ready when more may be read.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        self.line.poll_below(2, cx)
    }

    /// Whoever reads or writes again has dealt with what was read before.
    fn flush(&mut self) {
        if let Some((at, direction, bytes)) = self.held.take() {
            self.tell(at, direction, bytes);
        }
    }

    fn tell(&self, at: Timestamp, direction: Direction, bytes: Bytes) {
        self.line.send(at, EventKind::Wire(self.leg, direction, bytes));
    }

    /// Whether bytes can be told, or else counts them as lost.
    fn takes(&mut self, direction: Direction, count: usize) -> bool {
        if self.untold || !self.line.is_heard() {
            return false;
        }
        let takes = self.line.takes_bytes() && self.report_loss(direction);
        if !takes {
            self.lost[direction.index()] += count as u64;
        }
        takes
    }

    fn report_loss(&mut self, direction: Direction) -> bool {
        let lost = &mut self.lost[direction.index()];
        if *lost > 0 && self.line.tell(now(), EventKind::WireLost(self.leg, direction, *lost)) {
            *lost = 0;
        }
        *lost == 0
    }
}
