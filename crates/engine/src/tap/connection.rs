//! The tap of one connection. In: what happens on it. Out: events with its number and the time, and counts of its bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use sidelight_model::flow::{ConnId, Direction, Event, EventKind, Tally};
use sidelight_model::time::Timestamp;

use super::losses::Losses;
use super::weight::{PER_EVENT, weight};
use super::{Overload, Queue, Tap, Weighed, now};

/// What a connection that was told about may add when the queue is full: chains, findings, counts, its end.
const SPARE: usize = 16 * 1024;

/// What all taps of one connection share.
#[derive(Debug)]
pub(super) struct Line {
    queue: Option<Queue>,
    overload: Overload,
    conn: ConnId,
    /// What is left of [`SPARE`].
    spare: AtomicUsize,
    /// What its bytes in the queue weigh.
    held: Arc<AtomicUsize>,
}

impl Line {
    /// The queue, while somebody takes from it.
    fn heard(&self) -> Option<&Queue> {
        self.queue.as_ref().filter(|queue| !queue.budget.is_deserted())
    }

    /// Whether none of its bytes are counted.
    #[cfg(test)]
    pub(super) fn is_at_rest(&self) -> bool {
        self.held.load(Ordering::Relaxed) == 0
    }

    /// Whether anybody hears of this connection.
    pub(super) fn is_heard(&self) -> bool {
        self.heard().is_some()
    }

    /// Whether anybody wants to know what is said.
    fn wants_bytes(&self) -> bool {
        self.heard().is_some_and(|queue| !queue.budget.no_bytes.load(Ordering::Relaxed))
    }

    /// Whether bytes may be told: always where traffic waits for slow sinks, as it then stops somewhere else. Otherwise as long as
    /// there is room, and more of it than this connection has taken.
    pub(super) fn takes_bytes(&self) -> bool {
        self.heard().is_some_and(|queue| {
            self.overload == Overload::Wait || queue.budget.has_room(self.held.load(Ordering::Relaxed))
        })
    }

    /// Hands an event on, whatever is held already.
    pub(super) fn send(&self, at: Timestamp, kind: EventKind) {
        if let Some(queue) = self.heard() {
            self.push(queue, at, weight(&kind), kind);
        }
    }

    /// Hands an event on, or not when the queue is full and this connection has had its share. Says whether it did.
    pub(super) fn tell(&self, at: Timestamp, kind: EventKind) -> bool {
        let Some(queue) = self.heard() else { return true };
        let weight = weight(&kind);
        let may = self.overload == Overload::Wait || queue.budget.is_below(queue.budget.limit) || self.spare(weight);
        if may {
            self.push(queue, at, weight, kind);
        }
        may
    }

    fn spare(&self, weight: usize) -> bool {
        let less = |spare: usize| spare.checked_sub(weight);
        self.spare.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    fn push(&self, queue: &Queue, at: Timestamp, weight: usize, kind: EventKind) {
        queue.budget.used.fetch_add(weight, Ordering::AcqRel);
        let held = matches!(kind, EventKind::Data(..) | EventKind::Wire(..)).then(|| {
            self.held.fetch_add(weight, Ordering::Relaxed);
            self.held.clone()
        });
        let _ = queue.sender.send(Weighed(Event { conn: self.conn, at, kind }, weight, held));
    }

    /// Ready when fewer than `times` the limit is held; at once, unless traffic is to wait for slow sinks.
    pub(super) fn poll_below(&self, times: usize, cx: &Context<'_>) -> Poll<()> {
        match &self.queue {
            Some(queue) if self.overload == Overload::Wait => {
                queue.budget.poll_below(queue.budget.limit.saturating_mul(times), self.conn, cx)
            }
            _ => Poll::Ready(()),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue
            && self.overload == Overload::Wait
        {
            queue.budget.waiting().remove(&self.conn);
        }
    }
}

/// The tap of one connection: gives its events their number and time, and counts its bytes.
#[derive(Debug)]
pub struct ConnTap {
    pub(super) line: Arc<Line>,
    losses: Losses,
    tally: [Tally; 2],
}

/// A further tap of the same connection, for events alone; it counts no bytes.
#[derive(Clone, Debug)]
pub struct Teller(pub(super) Arc<Line>);

impl Teller {
    /// As [`ConnTap::event`].
    pub fn event(&self, kind: EventKind) {
        event(&self.0, kind);
    }
}

/// The frame of a connection is always told; what lies between gives way when there is no room at all.
fn event(line: &Line, kind: EventKind) {
    match kind {
        EventKind::Opened(_) | EventKind::Process(_) | EventKind::NoProcess | EventKind::Closed(_) => {
            line.send(now(), kind);
        }
        _ => {
            line.tell(now(), kind);
        }
    }
}

impl ConnTap {
    pub(super) fn new(tap: &Tap, conn: ConnId, shed: bool) -> Self {
        let queue = tap.queue.clone().filter(|_| !shed);
        let line = Line { queue, overload: tap.overload, conn, spare: AtomicUsize::new(SPARE), held: Arc::default() };
        Self { line: Arc::new(line), losses: Losses::default(), tally: [Tally::default(); 2] }
    }

    /// A second tap of the same connection.
    pub fn teller(&self) -> Teller {
        Teller(self.line.clone())
    }

    /// Whether anybody hears of this connection.
    pub fn is_heard(&self) -> bool {
        self.line.is_heard()
    }

    /// Hands an event on; not for bytes. How a connection began, whose it is and how it ended is never dropped.
    pub fn event(&self, kind: EventKind) {
        event(&self.line, kind);
    }

    /// Hands bytes on, or counts them as lost.
    pub fn data(&mut self, direction: Direction, bytes: &[u8]) {
        let side = direction.index();
        self.tally[side].bytes += bytes.len() as u64;
        if !self.line.wants_bytes() {
            return;
        }
        if self.line.takes_bytes() && self.report_losses() {
            self.line.send(now(), EventKind::Data(direction, Bytes::copy_from_slice(bytes)));
        } else {
            self.losses.add(direction, bytes.len() as u64);
            self.tally[side].lost += bytes.len() as u64;
        }
    }

    /// Counts bytes that are relayed unseen.
    pub const fn unseen(&mut self, direction: Direction, count: u64) {
        self.tally[direction.index()].bytes += count;
    }

    /// One direction ended in order.
    pub fn half_closed(&mut self, direction: Direction) {
        self.report_losses();
        self.event(EventKind::HalfClosed(direction));
    }

    /// Ready when bytes may be taken from the peers: at once, unless traffic is to wait for slow sinks.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.line.poll_below(1, cx)
    }

    /// Bytes so far, from the client and from the service.
    pub fn tallies(&mut self) -> (Tally, Tally) {
        self.report_losses();
        (self.tally[0], self.tally[1])
    }

    /// Says how many bytes were lost, so that what follows is not taken for what comes next. Whether it could be said.
    fn report_losses(&mut self) -> bool {
        while let Some((direction, bytes)) = self.losses.first() {
            if !self.line.tell(now(), EventKind::Lost(direction, bytes)) {
                break;
            }
            self.losses.told();
        }
        self.losses.is_empty()
    }
}

const _: () = assert!(size_of::<Weighed>() <= PER_EVENT, "an event in the queue is counted as what it is at least");
