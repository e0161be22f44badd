//! Exchanges and messages of a recording, as the bytes that passed. In: exchanges as they ended. Out: bytes in the order in which
//! they passed, as far as memory allows.

use std::collections::HashMap;

use sidelight_model::flow::{ConnId, Decoded, Exchange};
use sidelight_model::time::Timestamp;
use sidelight_wire::encode::{Encoder, Turn};

use crate::record::ConnectionRecord;

/// Bytes that are held of one connection, and of all. What comes after may stand before what passed earlier.
const MOST_OF_ONE: usize = 8 << 20;
const MOST_OF_ALL: usize = 64 << 20;
/// What an exchange or message costs besides its body.
const OVERHEAD: usize = 2048;

/// Holds what ended until its connection is over, as exchanges end in another order than they begin.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    connections: HashMap<ConnId, Gathered>,
    held: usize,
}

#[derive(Debug)]
struct Gathered {
    record: Box<ConnectionRecord>,
    encoder: Encoder,
    items: Vec<(Timestamp, Item)>,
    held: usize,
}

#[derive(Debug)]
enum Item {
    Exchange(Box<Exchange>),
    Message(Decoded),
}

impl Gathering {
    /// An exchange ended; gives what must be written now.
    pub(crate) fn exchange(&mut self, conn: &ConnectionRecord, exchange: &Exchange) -> Vec<Turn> {
        let request = exchange.request.as_ref().map_or(0, |request| request.body.kept.len());
        let response = exchange.response.as_ref().map_or(0, |response| response.body.kept.len());
        let item = Item::Exchange(Box::new(exchange.clone()));
        self.push(conn, exchange.timings.request_start, item, request + response)
    }

    /// A message was whole; gives what must be written now.
    pub(crate) fn decoded(&mut self, conn: &ConnectionRecord, decoded: &Decoded) -> Vec<Turn> {
        let (at, size) = match decoded {
            Decoded::WebSocket(message) => (message.at, message.kept.len()),
            Decoded::Opaque(data) if data.ended => {
                (conn.since, data.first_to_server.len() + data.first_to_client.len())
            }
            _ => return Vec::new(),
        };
        self.push(conn, at, Item::Message(decoded.clone()), size)
    }

    fn push(&mut self, conn: &ConnectionRecord, at: Timestamp, item: Item, size: usize) -> Vec<Turn> {
        let size = size + OVERHEAD;
        let gathered = self.connections.entry(conn.id).or_insert_with(|| {
            let (record, encoder) = (Box::new(conn.clone()), Encoder::new());
            Gathered { record, encoder, items: Vec::new(), held: 0 }
        });
        gathered.items.push((at, item));
        gathered.held += size;
        self.held += size;
        if gathered.held <= MOST_OF_ONE && self.held <= MOST_OF_ALL {
            return Vec::new();
        }
        self.held -= std::mem::take(&mut gathered.held);
        gathered.turns()
    }

    /// A connection is over; gives what is left to write.
    pub(crate) fn take(&mut self, conn: ConnId) -> Vec<Turn> {
        let Some(mut gathered) = self.connections.remove(&conn) else { return Vec::new() };
        self.held -= gathered.held;
        gathered.turns()
    }

    /// The connections of which something is held, in order.
    pub(crate) fn open(&self) -> Vec<ConnectionRecord> {
        let mut open: Vec<_> = self.connections.values().map(|gathered| (*gathered.record).clone()).collect();
        open.sort_by_key(|conn| conn.id);
        open
    }
}

impl Gathered {
    fn turns(&mut self) -> Vec<Turn> {
        let mut items = std::mem::take(&mut self.items);
        items.sort_by_key(|(at, _)| *at);
        let mut turns: Vec<Turn> = Vec::new();
        for (at, item) in items {
            turns.extend(match item {
                Item::Exchange(exchange) => self.encoder.exchange(&exchange),
                Item::Message(decoded) => self.encoder.message(&decoded, at),
            });
        }
        turns.sort_by_key(|turn| turn.at);
        turns
    }
}
