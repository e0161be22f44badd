//! The events of connections on their way to the sinks. In: what the engine sees. Out: [`Event`]s, in order, in bounded memory.
//!
//! The tap can never change traffic. When the sinks are too slow it either drops bytes and counts them, or lets the traffic wait.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sidelight_model::flow::{ConnId, Direction, Event, EventKind, Tally};
use sidelight_model::time::Timestamp;

/// What happens to traffic when the sinks cannot follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overload {
    /// It goes on; the sinks are told how many bytes they missed.
    #[default]
    Drop,
    /// It waits for them.
    Wait,
}

/// The engine's end of the queue.
#[derive(Clone, Debug)]
pub struct Tap {
    queue: Option<(mpsc::Sender<Event>, Arc<Budget>)>,
    overload: Overload,
}

/// The sinks' end of the queue.
#[derive(Debug)]
pub struct TapReceiver {
    queue: mpsc::Receiver<Event>,
    budget: Arc<Budget>,
    held: usize,
}

/// Bytes under way, and who waits for there to be fewer.
#[derive(Debug)]
struct Budget {
    limit: usize,
    used: AtomicUsize,
    waiting: Mutex<Vec<Waker>>,
    /// Nobody takes from the queue any more.
    deserted: AtomicBool,
}

impl Budget {
    /// Whether there is room, or nobody for whom to wait.
    fn has_room(&self) -> bool {
        self.used.load(Ordering::Acquire) < self.limit || self.deserted.load(Ordering::Acquire)
    }

    /// Wakes all who wait.
    fn wake(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        waiting.drain(..).for_each(Waker::wake);
    }
}

/// What every event costs besides its bytes, so that many small ones are bounded as well.
const PER_EVENT: usize = 128;

/// A queue that holds about `limit` bytes at the most.
pub fn queue(limit: usize, overload: Overload) -> (Tap, TapReceiver) {
    let (sender, receiver) = mpsc::channel();
    let budget = Arc::new(Budget {
        limit,
        used: AtomicUsize::new(0),
        waiting: Mutex::default(),
        deserted: AtomicBool::new(false),
    });
    let tap = Tap { queue: Some((sender, budget.clone())), overload };
    (tap, TapReceiver { queue: receiver, budget, held: 0 })
}

impl Tap {
    /// A tap that nobody reads.
    pub const fn closed() -> Self {
        Self { queue: None, overload: Overload::Drop }
    }

    /// The tap of one connection.
    pub fn connection(&self, conn: ConnId) -> ConnTap {
        ConnTap { tap: self.clone(), conn, lost: [0; 2], tally: [Tally::default(); 2] }
    }
}

/// The tap of one connection: gives its events their number and time, and counts its bytes.
#[derive(Debug)]
pub struct ConnTap {
    tap: Tap,
    conn: ConnId,
    lost: [u64; 2],
    tally: [Tally; 2],
}

impl ConnTap {
    /// A second tap of the same connection for events alone; it counts no bytes.
    pub fn teller(&self) -> Self {
        self.tap.connection(self.conn)
    }

    /// Hands an event on; never dropped, so not for bytes.
    pub fn event(&self, kind: EventKind) {
        if let Some((sender, budget)) = &self.tap.queue {
            budget.used.fetch_add(PER_EVENT, Ordering::Relaxed);
            let at = Timestamp::from(SystemTime::now());
            let _ = sender.send(Event { conn: self.conn, at, kind });
        }
    }

    /// Hands bytes on, or counts them as lost.
    pub fn data(&mut self, direction: Direction, bytes: &[u8]) {
        let side = direction.index();
        self.tally[side].bytes += bytes.len() as u64;
        let Some((_, budget)) = &self.tap.queue else { return };
        if budget.deserted.load(Ordering::Acquire) {
            return;
        }
        let full = budget.used.load(Ordering::Relaxed) >= budget.limit;
        if full && self.tap.overload == Overload::Drop {
            self.lost[side] += bytes.len() as u64;
            self.tally[side].lost += bytes.len() as u64;
            return;
        }
        self.report_loss(direction);
        if let Some((_, budget)) = &self.tap.queue {
            budget.used.fetch_add(bytes.len(), Ordering::Relaxed);
        }
        self.event(EventKind::Data(direction, Bytes::copy_from_slice(bytes)));
    }

    /// Counts bytes that are relayed unseen.
    pub const fn unseen(&mut self, direction: Direction, count: u64) {
        self.tally[direction.index()].bytes += count;
    }

    /// One direction ended in order.
    pub fn half_closed(&mut self, direction: Direction) {
        self.report_loss(direction);
        self.event(EventKind::HalfClosed(direction));
    }

    /// Ready when bytes may be taken from the peers: at once, unless traffic is to wait for slow sinks.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Some((_, budget)) = &self.tap.queue else { return Poll::Ready(()) };
        if self.tap.overload == Overload::Drop || budget.has_room() {
            return Poll::Ready(());
        }
        let mut waiting = budget.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Asked again under the lock: the receiver takes it after it has lowered the count.
        if budget.has_room() {
            return Poll::Ready(());
        }
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Bytes so far, from the client and from the service.
    pub fn tallies(&mut self) -> (Tally, Tally) {
        self.report_loss(Direction::ToServer);
        self.report_loss(Direction::ToClient);
        (self.tally[0], self.tally[1])
    }

    fn report_loss(&mut self, direction: Direction) {
        let lost = std::mem::take(&mut self.lost[direction.index()]);
        if lost > 0 {
            self.event(EventKind::Lost(direction, lost));
        }
    }
}

/// What came out of the queue.
#[derive(Debug)]
pub enum Received {
    /// The next event.
    Event(Event),
    /// Nothing came within the time.
    Idle,
    /// All taps are gone.
    End,
}

impl TapReceiver {
    /// Waits for the next event. Calling it says that the one before is dealt with.
    pub fn next(&mut self, wait: Duration) -> Received {
        self.release();
        match self.queue.recv_timeout(wait) {
            Ok(event) => {
                let bytes = match &event.kind {
                    EventKind::Data(_, bytes) => bytes.len(),
                    _ => 0,
                };
                self.held = bytes + PER_EVENT;
                Received::Event(event)
            }
            Err(mpsc::RecvTimeoutError::Timeout) => Received::Idle,
            Err(mpsc::RecvTimeoutError::Disconnected) => Received::End,
        }
    }

    fn release(&mut self) {
        let held = std::mem::take(&mut self.held);
        let before = self.budget.used.fetch_sub(held, Ordering::AcqRel);
        let limit = self.budget.limit;
        if before >= limit && before - held < limit {
            self.budget.wake();
        }
    }
}

impl Drop for TapReceiver {
    /// Sinks that are gone, for whatever reason, must not hold traffic up for ever.
    fn drop(&mut self) {
        self.budget.deserted.store(true, Ordering::Release);
        self.budget.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_counted_and_told() {
        let (tap, mut receiver) = queue(1000, Overload::Drop);
        let mut tap = tap.connection(ConnId(1));
        tap.data(Direction::ToServer, &[1; 2000]);
        tap.data(Direction::ToServer, &[2; 50]);
        assert!(matches!(receiver.next(Duration::ZERO), Received::Event(Event { kind: EventKind::Data(..), .. })));
        assert!(matches!(receiver.next(Duration::ZERO), Received::Idle));
        tap.data(Direction::ToServer, &[3; 10]);
        let Received::Event(event) = receiver.next(Duration::ZERO) else { panic!() };
        assert!(matches!(event.kind, EventKind::Lost(Direction::ToServer, 50)));
        assert_eq!(tap.tallies().0, Tally { bytes: 2060, lost: 50 });
    }

    #[test]
    fn waiting_traffic_is_woken() {
        let (tap, mut receiver) = queue(100, Overload::Wait);
        let mut tap = tap.connection(ConnId(1));
        tap.data(Direction::ToClient, &[0; 200]);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(tap.poll_ready(&mut cx).is_pending());
        assert!(matches!(receiver.next(Duration::ZERO), Received::Event(_)));
        assert!(tap.poll_ready(&mut cx).is_pending(), "the event is not dealt with yet");
        assert!(matches!(receiver.next(Duration::ZERO), Received::Idle));
        assert!(tap.poll_ready(&mut cx).is_ready());
    }

    #[test]
    fn sinks_that_are_gone_hold_nothing_up() {
        let (tap, receiver) = queue(100, Overload::Wait);
        let mut tap = tap.connection(ConnId(1));
        tap.data(Direction::ToClient, &[0; 200]);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut cx = Context::from_waker(&waker);
        assert!(tap.poll_ready(&mut cx).is_pending());
        drop(receiver);
        assert!(woken.0.load(Ordering::Acquire), "those who wait are woken");
        assert!(tap.poll_ready(&mut cx).is_ready());
        tap.data(Direction::ToClient, &[0; 200]);
        assert_eq!(tap.tallies().1.bytes, 400);
    }

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Release);
        }
    }
}
