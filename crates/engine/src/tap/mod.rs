//! The events of connections on their way to the sinks. In: what the engine sees. Out: [`Event`]s, in order, in bounded memory.
//!
//! The tap can never change traffic. When the sinks are too slow it either drops and counts, or lets the traffic wait:
//!
//! | held already | `drop` | `wait` |
//! | --- | --- | --- |
//! | less than 7/8 of the limit | a connection that holds more than is left up to there, and more than 64 KiB, loses bytes: the downloads, before all others | |
//! | 7/8 of the limit | bytes of every connection are counted as lost | |
//! | the limit | new connections are shed: passed unseen, and counted; those told about have some kilobytes left each, for their last words | nobody reads from the peers of an open connection; new ones wait |
//! | twice the limit | | nobody reads from any socket |

mod connection;
mod losses;
mod weight;
mod wire;

pub use connection::{ConnTap, Teller};
pub(crate) use wire::{SharedWire, WireTap};

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use sidelight_model::flow::{ConnId, Event, EventKind};
use sidelight_model::time::Timestamp;

/// What happens to traffic when the sinks cannot follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overload {
    /// It goes on; the sinks are told how many bytes and connections they missed.
    #[default]
    Drop,
    /// It waits for them.
    Wait,
}

/// The engine's end of the queue.
#[derive(Clone, Debug)]
pub struct Tap {
    queue: Option<Queue>,
    overload: Overload,
}

#[derive(Clone, Debug)]
struct Queue {
    sender: mpsc::Sender<Weighed>,
    budget: Arc<Budget>,
}

/// An event, what it was counted as, and the count of its connection's bytes if it is one of those.
#[derive(Debug)]
struct Weighed(Event, usize, Option<Arc<AtomicUsize>>);

/// The sinks' end of the queue.
#[derive(Debug)]
pub struct TapReceiver {
    queue: mpsc::Receiver<Weighed>,
    budget: Arc<Budget>,
    held: usize,
    /// Where the bytes of that event are counted.
    held_by: Option<Arc<AtomicUsize>>,
    /// An event came since the last pause.
    lively: bool,
}

/// How long events gather while there are any: whoever sends one to a receiver that waits has to wake it, which costs more than the event.
const GATHER: Duration = Duration::from_millis(1);

/// Bytes that every connection may hold as long as bytes are told at all: some exchanges of the common size.
const SHARE: usize = 64 * 1024;

/// Bytes under way, and who waits for there to be fewer.
#[derive(Debug)]
struct Budget {
    limit: usize,
    used: AtomicUsize,
    /// One entry a connection: all of it is one task.
    waiting: Mutex<HashMap<ConnId, Waker>>,
    /// Connections that passed unseen and were not told of yet.
    shed: AtomicU64,
    /// Nobody takes from the queue any more.
    deserted: AtomicBool,
    /// The sinks want to know how connections begin and end, and not what is said on them.
    no_bytes: AtomicBool,
}

impl Budget {
    /// Whether fewer than `level` bytes are held.
    fn is_below(&self, level: usize) -> bool {
        self.used.load(Ordering::Acquire) < level
    }

    /// From here on all bytes are dropped, so that there is room for what says more than bytes.
    const fn level_of_bytes(&self) -> usize {
        self.limit - self.limit / 8
    }

    /// Whether a connection whose bytes weigh `held` already may add some.
    ///
    /// It may hold as much as is left: one alone takes half of the room, of several each the same part, and whatever they do there is as
    /// much left again for one that holds little. So those give way whose bytes fill the queue.
    fn has_room(&self, held: usize) -> bool {
        let left = self.level_of_bytes().saturating_sub(self.used.load(Ordering::Acquire));
        left > 0 && held <= left.max(SHARE)
    }

    fn is_deserted(&self) -> bool {
        self.deserted.load(Ordering::Acquire)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<ConnId, Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when fewer than `level` bytes are held, or nobody is there for whom to wait.
    fn poll_below(&self, level: usize, conn: ConnId, cx: &Context<'_>) -> Poll<()> {
        let ready = || self.is_below(level) || self.is_deserted();
        if ready() {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting();
        // Asked again under the lock: the receiver takes it after it has lowered the count.
        if ready() {
            return Poll::Ready(());
        }
        waiting.insert(conn, cx.waker().clone());
        Poll::Pending
    }

    /// Wakes all who wait.
    fn wake(&self) {
        let waiting = std::mem::take(&mut *self.waiting());
        waiting.into_values().for_each(Waker::wake);
    }
}

/// A queue that holds about `limit` bytes at the most.
pub fn queue(limit: usize, overload: Overload) -> (Tap, TapReceiver) {
    let (sender, receiver) = mpsc::channel();
    let budget = Arc::new(Budget {
        limit,
        used: AtomicUsize::new(0),
        waiting: Mutex::default(),
        shed: AtomicU64::new(0),
        deserted: AtomicBool::new(false),
        no_bytes: AtomicBool::new(false),
    });
    let tap = Tap { queue: Some(Queue { sender, budget: budget.clone() }), overload };
    (tap, TapReceiver { queue: receiver, budget, held: 0, held_by: None, lively: false })
}

impl Tap {
    /// A tap that nobody reads.
    pub const fn closed() -> Self {
        Self { queue: None, overload: Overload::Drop }
    }

    /// Waits until a new connection may be told about; not at all where it would rather be shed.
    pub async fn admit(&self, conn: ConnId) {
        let Some(queue) = self.queue.as_ref().filter(|_| self.overload == Overload::Wait) else { return };
        std::future::poll_fn(|cx| queue.budget.poll_below(queue.budget.limit, conn, cx)).await;
    }

    /// The tap of a new connection. While the sinks are too slow, and traffic does not wait for them, nothing of it is told.
    pub fn connection(&self, conn: ConnId) -> ConnTap {
        let full = |queue: &Queue| self.overload == Overload::Drop && !queue.budget.is_below(queue.budget.limit);
        let shed = self.queue.as_ref().filter(|queue| full(queue));
        if let Some(queue) = shed {
            queue.budget.shed.fetch_add(1, Ordering::AcqRel);
        }
        ConnTap::new(self, conn, shed.is_some())
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
    /// Asks for no bytes: they are counted, and not lost.
    pub fn decline_bytes(&self) {
        self.budget.no_bytes.store(true, Ordering::Release);
    }

    /// Waits for the next event. Calling it says that the one before is dealt with.
    pub fn next(&mut self, wait: Duration) -> Received {
        self.release();
        if self.budget.is_below(self.budget.limit)
            && let Some(event) = self.shed()
        {
            return Received::Event(event);
        }
        match self.receive(wait) {
            Ok(Weighed(event, weight, held_by)) => {
                (self.held, self.held_by) = (weight, held_by);
                self.lively = true;
                Received::Event(event)
            }
            Err(mpsc::RecvTimeoutError::Timeout) => Received::Idle,
            Err(mpsc::RecvTimeoutError::Disconnected) => self.shed().map_or(Received::End, Received::Event),
        }
    }

    fn receive(&mut self, wait: Duration) -> Result<Weighed, mpsc::RecvTimeoutError> {
        match self.queue.try_recv() {
            Ok(weighed) => return Ok(weighed),
            Err(mpsc::TryRecvError::Disconnected) => return Err(mpsc::RecvTimeoutError::Disconnected),
            Err(mpsc::TryRecvError::Empty) if wait.is_zero() => return Err(mpsc::RecvTimeoutError::Timeout),
            Err(mpsc::TryRecvError::Empty) => {}
        }
        if std::mem::take(&mut self.lively) {
            std::thread::sleep(GATHER);
        }
        self.queue.recv_timeout(wait)
    }

    /// The word for connections that passed unseen, when there were any.
    fn shed(&self) -> Option<Event> {
        let shed = &self.budget.shed;
        let count = if shed.load(Ordering::Acquire) == 0 { 0 } else { shed.swap(0, Ordering::AcqRel) };
        (count > 0).then(|| Event { conn: ConnId(0), at: now(), kind: EventKind::Shed(count) })
    }

    fn release(&mut self) {
        let held = std::mem::take(&mut self.held);
        if let Some(count) = self.held_by.take() {
            count.fetch_sub(held, Ordering::Relaxed);
        }
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

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

#[cfg(test)]
mod tests;
