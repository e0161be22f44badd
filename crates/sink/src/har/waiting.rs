//! Messages that wait for their exchange, and exchanges that wait for their messages. In: both, as they come. Out: entries with
//! their messages. What is kept is bounded; what is left out is counted in the entry.

use std::collections::{BTreeMap, HashMap};

use sidelight_model::flow::{ConnId, Decoded, Exchange, Outcome};
use sidelight_model::time::Timestamp;
use sidelight_wire::har::Entry;

use super::messages;

/// Messages that one entry has at the most, and bytes in them.
const MOST_MESSAGES: usize = 20_000;
const MOST_BYTES: usize = 8 << 20;
/// Streams of which something waits at the most.
const MOST_STREAMS: usize = 2_000;

/// Messages of one stream.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) messages: Vec<Decoded>,
    pub(super) left_out: u64,
    bytes: usize,
}

impl Pending {
    fn push(&mut self, message: &Decoded) {
        let bytes = messages::weight(message);
        if self.messages.len() >= MOST_MESSAGES || self.bytes.saturating_add(bytes) > MOST_BYTES {
            self.left_out += 1;
            return;
        }
        self.bytes += bytes;
        self.messages.push(message.clone());
    }
}

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Messages of exchanges that have not ended.
    early: HashMap<(ConnId, u64), Pending>,
    /// Exchanges that became a WebSocket.
    held: BTreeMap<(ConnId, u64), (Timestamp, Box<Entry>, Pending)>,
}

/// Whether messages come after this exchange.
pub(super) fn may_have_more(exchange: &Exchange) -> bool {
    matches!(&exchange.outcome, Outcome::Upgraded(to) if to == "websocket")
}

impl Waiting {
    /// The messages that came before their exchange.
    pub(super) fn messages_of(&mut self, exchange: &Exchange) -> Pending {
        self.early.remove(&(exchange.conn, exchange.stream)).unwrap_or_default()
    }

    /// Takes in a message; anything else is none of ours.
    pub(super) fn message(&mut self, conn: ConnId, decoded: &Decoded) {
        let Some(stream) = messages::stream(decoded) else { return };
        let key = (conn, stream);
        if let Some((_, _, pending)) = self.held.get_mut(&key) {
            return pending.push(decoded);
        }
        if self.early.len() >= MOST_STREAMS && !self.early.contains_key(&key) {
            return;
        }
        self.early.entry(key).or_default().push(decoded);
    }

    /// Keeps the entry of an exchange that became a WebSocket. Gives the oldest back when there are too many.
    pub(super) fn hold(
        &mut self,
        conn: ConnId,
        stream: u64,
        at: Timestamp,
        entry: Entry,
    ) -> Option<(Timestamp, Entry)> {
        let crowded = if self.held.len() >= MOST_STREAMS { self.held.pop_first() } else { None };
        self.held.insert((conn, stream), (at, Box::new(entry), Pending::default()));
        crowded.map(|(_, (at, entry, pending))| (at, complete(*entry, pending)))
    }

    /// The entries of a connection that ended.
    pub(super) fn release(&mut self, conn: ConnId) -> Vec<Entry> {
        self.early.retain(|(of, _), _| *of != conn);
        let streams: Vec<_> = self.held.range((conn, 0)..=(conn, u64::MAX)).map(|(key, _)| *key).collect();
        let held = streams.into_iter().filter_map(|key| self.held.remove(&key));
        held.map(|(_, entry, pending)| complete(*entry, pending)).collect()
    }

    /// All entries.
    pub(super) fn release_all(&mut self) -> Vec<(Timestamp, Entry)> {
        self.early.clear();
        let held = std::mem::take(&mut self.held).into_values();
        held.map(|(at, entry, pending)| (at, complete(*entry, pending))).collect()
    }
}

fn complete(mut entry: Entry, pending: Pending) -> Entry {
    messages::add(&mut entry, pending);
    entry
}
