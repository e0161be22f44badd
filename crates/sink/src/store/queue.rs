//! The way from the bus to the thread that writes. In: owned values. Out: the same, in order. Bounded by their bytes: when it is
//! full, the bus waits, the tap before it fills, and the tap's own policy (drop and count, or wait) decides.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sidelight_model::finding::Finding;
use sidelight_model::flow::{Decoded, Event, Exchange, Header};
use sidelight_model::time::Timestamp;

use super::connection::Snapshot;

/// Bytes that wait at the most.
const LIMIT: usize = 16 << 20;
/// Values gather for so long, unless they are so many: each time the thread that writes is woken costs more than a value.
const GATHER: Duration = Duration::from_millis(20);
const ENOUGH: usize = LIMIT / 8;
/// What a value costs beside the bytes it holds.
const OVERHEAD: usize = 512;

/// Something to write.
#[derive(Debug)]
pub(super) enum Put {
    /// An open connection, for those who read along.
    Open(Snapshot),
    /// An exchange ended.
    Exchange(Snapshot, Arc<Exchange>),
    /// A decoder found something else.
    Decoded(Snapshot, Box<Decoded>),
    /// Something was explained.
    Finding(Snapshot, Box<Finding>),
    /// A connection ended; `true`: without any exchange, so that it is a flow itself.
    Closed(Snapshot, bool),
    /// An event of a socket.
    Packet(Box<Event>),
    /// Something passed unseen.
    Unseen(Unseen),
}

/// What passed unseen, because the sinks were too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unseen {
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    pub(super) connections: u64,
    pub(super) bytes: u64,
}

impl Put {
    /// Roughly the bytes that it holds.
    fn weight(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Exchange(_, exchange) => of_exchange(exchange),
                Self::Decoded(_, decoded) => of_decoded(decoded),
                Self::Packet(event) => of_event(event),
                Self::Open(_) | Self::Finding(..) | Self::Closed(..) | Self::Unseen(_) => OVERHEAD,
            }
    }
}

fn of_event(event: &Event) -> usize {
    match &event.kind {
        sidelight_model::flow::EventKind::Wire(_, _, bytes) => bytes.len(),
        _ => 0,
    }
}

fn of_decoded(decoded: &Decoded) -> usize {
    match decoded {
        Decoded::Exchange(exchange) => of_exchange(exchange),
        Decoded::WebSocket(it) => it.kept.len(),
        Decoded::Grpc(it) => it.kept.len(),
        Decoded::ServerSent(it) => it.data.len(),
        Decoded::Opaque(it) => it.first_to_server.len() + it.first_to_client.len(),
        Decoded::Stopped(_, words) => words.len(),
        Decoded::Anomaly(_, anomaly) => anomaly.detail.len(),
    }
}

fn of_exchange(exchange: &Exchange) -> usize {
    let fields = |headers: &[Header]| headers.iter().map(|it| it.name.len() + it.value.len() + 64).sum::<usize>();
    let request = exchange
        .request
        .as_ref()
        .map_or(0, |it| it.target.raw.len() + it.body.kept.len() + fields(&it.headers) + fields(&it.trailers));
    let response =
        exchange.response.as_ref().map_or(0, |it| it.body.kept.len() + fields(&it.headers) + fields(&it.trailers));
    request + response
}

/// A value, and roughly the bytes that it holds.
pub(super) struct Weighed(pub(super) Put, pub(super) usize);

/// What came out of the queue.
pub(super) enum Taken {
    /// At least one value.
    Puts,
    /// None within the time.
    Nothing,
    /// None ever again.
    End,
}

/// The queue; shared by its two ends.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    puts: VecDeque<Weighed>,
    bytes: usize,
    /// Nothing more will come.
    ended: bool,
    /// Nobody takes any more.
    abandoned: bool,
}

impl Queue {
    /// The mutex guards plain values that are whole at every moment, so a panic elsewhere does not matter.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a value over; waits while the queue is full.
    pub(super) fn push(&self, put: Put) {
        let weight = put.weight();
        let mut state = self.lock();
        while state.bytes >= LIMIT && !state.abandoned {
            state = self.emptied.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.abandoned {
            return;
        }
        let was_enough = state.bytes >= ENOUGH;
        state.bytes += weight;
        state.puts.push_back(Weighed(put, weight));
        let wakes = state.puts.len() == 1 || (!was_enough && state.bytes >= ENOUGH);
        drop(state);
        if wakes {
            self.filled.notify_one();
        }
    }

    /// Nothing more will come.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.filled.notify_one();
    }

    /// Whether nothing more will come, though something may still be in it.
    pub(super) fn is_ending(&self) -> bool {
        self.lock().ended
    }

    /// Nobody will take any more: whoever pushes is not to wait.
    pub(super) fn abandon(&self) {
        self.lock().abandoned = true;
        self.emptied.notify_all();
    }

    /// Takes all that is in it into `puts`, which is empty; waits for something no longer than `wait`, and then a moment for more.
    pub(super) fn take(&self, wait: Duration, puts: &mut VecDeque<Weighed>) -> Taken {
        let state = self.lock();
        let (state, _) = self
            .filled
            .wait_timeout_while(state, wait, |state| state.puts.is_empty() && !state.ended)
            .unwrap_or_else(PoisonError::into_inner);
        if state.puts.is_empty() {
            return if state.ended { Taken::End } else { Taken::Nothing };
        }
        let (mut state, _) = self
            .filled
            .wait_timeout_while(state, GATHER, |state| state.bytes < ENOUGH && !state.ended)
            .unwrap_or_else(PoisonError::into_inner);
        state.bytes = 0;
        // The room is used again, in turns: large pieces of memory that come and go make the allocator tidy up each time.
        std::mem::swap(&mut state.puts, puts);
        drop(state);
        self.emptied.notify_all();
        Taken::Puts
    }
}
