//! What was found on a connection before its client was known. In: items in order. Out: the same, once the client is known.
//!
//! The look-up of a local program runs beside its connection, and a short exchange may end some milliseconds before it. What
//! was found waits for it, so that every line can name the program; never for long, and never much.

use sidelight_model::finding::Finding;
use sidelight_model::flow::{Decoded, Exchange, Header, Process};

use crate::record::ConnectionRecord;

/// Items that wait at the most, and bytes in them.
const MOST_ITEMS: usize = 64;
const MOST_BYTES: usize = 256 * 1024;

/// Something to tell consumers.
#[derive(Debug)]
pub(super) enum Item {
    /// What a decoder found.
    Decoded(Decoded),
    /// What the engine explains.
    Finding(Box<Finding>),
}

/// Items with the record as it was when each was found.
#[derive(Debug, Default)]
pub(super) struct Held {
    items: Vec<(Box<ConnectionRecord>, Item)>,
    bytes: usize,
}

impl Held {
    /// Keeps an item back. `false`: there are too many now, all should go.
    pub(super) fn push(&mut self, record: &ConnectionRecord, item: Item) -> bool {
        self.bytes += weight(&item);
        self.items.push((Box::new(record.clone()), item));
        self.items.len() < MOST_ITEMS && self.bytes < MOST_BYTES
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Hands all items out, in order, with the client that is known by now.
    pub(super) fn release(&mut self, process: Option<&Process>) -> Vec<(Box<ConnectionRecord>, Item)> {
        let mut items = std::mem::take(self).items;
        for (record, _) in &mut items {
            record.process = process.cloned();
        }
        items
    }
}

/// Roughly the bytes that an item holds.
fn weight(item: &Item) -> usize {
    match item {
        Item::Decoded(Decoded::Exchange(exchange)) => weight_of_exchange(exchange),
        Item::Decoded(Decoded::WebSocket(message)) => message.kept.len(),
        Item::Decoded(Decoded::Grpc(message)) => message.kept.len(),
        Item::Decoded(Decoded::ServerSent(event)) => event.data.len(),
        Item::Decoded(Decoded::Opaque(data)) => data.first_to_server.len() + data.first_to_client.len(),
        Item::Decoded(Decoded::Stopped(..) | Decoded::Anomaly(..)) | Item::Finding(_) => 0,
    }
}

fn weight_of_exchange(exchange: &Exchange) -> usize {
    let fields = |headers: &[Header]| headers.iter().map(|it| it.name.len() + it.value.len()).sum::<usize>();
    let request =
        exchange.request.as_ref().map_or(0, |it| it.body.kept.len() + it.target.raw.len() + fields(&it.headers));
    let response = exchange.response.as_ref().map_or(0, |it| it.body.kept.len() + fields(&it.headers));
    request + response
}
