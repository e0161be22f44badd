//! The one place where events are decoded. In: events of many connections, interleaved. Out: exchanges, messages, findings
//! and ends of connections, in calls of [`Consumer`], and the [`Ledger`].
//!
//! It runs on a thread of its own. A decoder that panics ends the decoding of its connection, and of nothing else.

mod held;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sidelight_model::finding::Finding;
use sidelight_model::flow::{ConnId, Decoded, Direction, Event, EventKind, Exchange};
use sidelight_model::time::Timestamp;
use sidelight_wire::flow_decoder::{FlowDecoder, Limits};

use self::held::{Held, Item};
use crate::ledger::Ledger;
use crate::record::ConnectionRecord;

/// How long what was found waits for the client to become known, when nothing else happens.
const PATIENCE: Duration = Duration::from_millis(400);

/// How long one wait for an event lasts when nothing happens.
const WAIT: Duration = Duration::from_millis(500);

/// Something that shows or keeps what is found. Calls come from one thread, in the order of the events.
pub trait Consumer: Send {
    /// Whether it wants to know what is said on connections. Where none does, bytes are counted and not decoded.
    fn wants_content(&self) -> bool {
        true
    }
    /// Any event, before it is decoded and before the calls below that come of it. `conn` knows already what it tells; for
    /// [`EventKind::Shed`] it is a record of nobody.
    fn event(&mut self, _conn: &ConnectionRecord, _event: &Event) {}
    /// A connection began.
    fn opened(&mut self, _conn: &ConnectionRecord) {}
    /// An HTTP exchange ended.
    fn exchange(&mut self, conn: &ConnectionRecord, exchange: &Arc<Exchange>);
    /// Anything else that a decoder found: messages of WebSocket, gRPC and event streams, undecodable data, oddities.
    fn decoded(&mut self, conn: &ConnectionRecord, decoded: &Decoded);
    /// Something to explain to a person.
    fn finding(&mut self, conn: &ConnectionRecord, finding: &Finding);
    /// A connection ended; everything that was found on it came before.
    fn closed(&mut self, _conn: &ConnectionRecord) {}
    /// Nothing more is waiting: time to flush.
    fn idle(&mut self) {}
    /// Nothing came for half a second since [`Self::idle`], or since this was called last.
    fn quiet(&mut self) {}
    /// The run is over.
    fn end(&mut self, ledger: &Ledger);
}

/// Where events come from.
pub trait EventSource {
    /// The next event; waits for it no longer than `wait`.
    fn next(&mut self, wait: Duration) -> Next;
}

/// What came from a source.
#[derive(Debug)]
pub enum Next {
    /// An event.
    Event(Event),
    /// None within the time.
    Idle,
    /// None ever again.
    End,
}

/// Finds exchanges in the bytes of one connection. `wire::flow_decoder` does; tests bring their own.
pub trait Decoder {
    /// A TLS handshake agreed on this application protocol.
    fn agreed(&mut self, alpn: Option<&[u8]>);
    /// Bytes passed.
    fn data(&mut self, direction: Direction, at: Timestamp, bytes: &[u8], out: &mut Vec<Decoded>);
    /// Bytes passed that nobody saw.
    fn lost(&mut self, direction: Direction, at: Timestamp, bytes: u64, out: &mut Vec<Decoded>);
    /// One direction ended in order.
    fn half_closed(&mut self, direction: Direction, at: Timestamp, out: &mut Vec<Decoded>);
    /// The connection is over.
    fn closed(&mut self, at: Timestamp, out: &mut Vec<Decoded>);
}

impl Decoder for FlowDecoder {
    fn agreed(&mut self, alpn: Option<&[u8]>) {
        self.agreed(alpn);
    }

    fn data(&mut self, direction: Direction, at: Timestamp, bytes: &[u8], out: &mut Vec<Decoded>) {
        self.data(direction, at, bytes, out);
    }

    fn lost(&mut self, direction: Direction, at: Timestamp, bytes: u64, out: &mut Vec<Decoded>) {
        self.lost(direction, at, bytes, out);
    }

    fn half_closed(&mut self, direction: Direction, at: Timestamp, out: &mut Vec<Decoded>) {
        self.half_closed(direction, at, out);
    }

    fn closed(&mut self, at: Timestamp, out: &mut Vec<Decoded>) {
        self.closed(at, out);
    }
}

/// Drains `source` to its end, with the decoders of `wire`.
///
/// Consumers are flushed ([`Consumer::idle`]) whenever no event is waiting, and told the ledger at the end.
pub fn drain(source: &mut dyn EventSource, consumers: &mut [Box<dyn Consumer>], limits: Limits) -> Ledger {
    drain_with(source, consumers, |conn| FlowDecoder::new(conn, limits))
}

/// As [`drain`]; `decoder` makes the decoder of a connection when its first data comes.
pub fn drain_with<D: Decoder>(
    source: &mut dyn EventSource,
    consumers: &mut [Box<dyn Consumer>],
    decoder: impl Fn(ConnId) -> D,
) -> Ledger {
    let mut ledger = Ledger::default();
    run(source, consumers, decoder, &mut ledger);
    for consumer in consumers.iter_mut() {
        consumer.end(&ledger);
    }
    ledger
}

/// As [`drain`], but counts in `ledger`, and does not tell the consumers that it is the end: more may come from elsewhere.
pub fn decode(source: &mut dyn EventSource, consumers: &mut [Box<dyn Consumer>], limits: Limits, ledger: &mut Ledger) {
    run(source, consumers, |conn| FlowDecoder::new(conn, limits), ledger);
}

fn run<D: Decoder>(
    source: &mut dyn EventSource,
    consumers: &mut [Box<dyn Consumer>],
    decoder: impl Fn(ConnId) -> D,
    ledger: &mut Ledger,
) {
    let (connections, last) = (HashMap::new(), Timestamp(0));
    let mut bus = Bus { consumers, decoder, connections, waiting: 0, ledger, last };
    let mut flushed = true;
    loop {
        let wait = match (flushed, bus.waiting) {
            (false, _) => Duration::ZERO,
            (true, 0) => WAIT,
            (true, _) => PATIENCE,
        };
        match source.next(wait) {
            Next::Event(event) => {
                bus.event(event);
                flushed = false;
            }
            Next::Idle if flushed && bus.waiting == 0 => bus.each(|consumer| consumer.quiet()),
            Next::Idle => {
                if flushed {
                    bus.release_all();
                }
                bus.each(|consumer| consumer.idle());
                flushed = true;
            }
            Next::End => break,
        }
    }
    bus.finish();
}

/// One connection under way.
struct Connection<D> {
    record: ConnectionRecord,
    decoding: Decoding<D>,
    /// What waits for the client to become known; `None` when it is, or when nobody waits any more.
    held: Option<Held>,
}

/// The decoder of a connection is made with its first data, so that idle connections cost nothing.
enum Decoding<D> {
    Unborn,
    Alive(D),
    Dead,
}

struct Bus<'c, D, F> {
    consumers: &'c mut [Box<dyn Consumer>],
    decoder: F,
    connections: HashMap<ConnId, Box<Connection<D>>>,
    /// Connections of which something is held back.
    waiting: usize,
    ledger: &'c mut Ledger,
    last: Timestamp,
}

impl<D: Decoder, F: Fn(ConnId) -> D> Bus<'_, D, F> {
    fn each(&mut self, mut call: impl FnMut(&mut dyn Consumer)) {
        for consumer in self.consumers.iter_mut() {
            call(consumer.as_mut());
        }
    }

    fn event(&mut self, event: Event) {
        self.last = self.last.max(event.at);
        if let EventKind::Shed(connections) = event.kind {
            self.ledger.shed += connections;
            let nobody = ConnectionRecord::new(event.conn, event.at);
            return self.each(|consumer| consumer.event(&nobody, &event));
        }
        let (conn, at) = (event.conn, event.at);
        let mut connection = match (self.connections.remove(&conn), &event.kind) {
            (Some(connection), _) => connection,
            (None, EventKind::Opened(_)) => Box::new(Connection {
                record: ConnectionRecord::new(conn, at),
                decoding: Decoding::Unborn,
                held: Some(Held::default()),
            }),
            // What is told after the end of a connection, such as a look-up that took too long, must not open it again.
            (None, _) => return,
        };
        connection.record.learn(at, &event.kind);
        self.each(|consumer| consumer.event(&connection.record, &event));
        match event.kind {
            EventKind::Opened(_) => self.each(|consumer| consumer.opened(&connection.record)),
            EventKind::ClientTls(side) => {
                self.decode_if_alive(&mut connection, |decoder, _| decoder.agreed(side.alpn.as_deref()));
            }
            EventKind::Data(direction, bytes) => self.data(&mut connection, direction, at, &bytes),
            EventKind::Lost(direction, bytes) => {
                self.decode(&mut connection, |decoder, out| decoder.lost(direction, at, bytes, out));
            }
            EventKind::HalfClosed(direction) => {
                self.decode_if_alive(&mut connection, |decoder, out| decoder.half_closed(direction, at, out));
            }
            EventKind::Finding(finding) => self.tell_in_turn(&mut connection, Item::Finding(finding)),
            EventKind::Process(_) | EventKind::NoProcess => self.release(&mut connection),
            EventKind::Closed(_) => return self.close(connection, at),
            EventKind::Target(_) | EventKind::Upstream(_) | EventKind::Decided(_) => {}
            EventKind::Hello(_) | EventKind::ServerTls(_) | EventKind::Secret(..) | EventKind::Shed(_) => {}
            EventKind::Socket(..) | EventKind::Wire(..) | EventKind::WireLost(..) | EventKind::WireEnd(..) => {}
        }
        self.connections.insert(conn, connection);
    }

    fn data(&mut self, connection: &mut Connection<D>, direction: Direction, at: Timestamp, bytes: &Bytes) {
        self.decode(connection, |decoder, out| decoder.data(direction, at, bytes, out));
    }

    fn close(&mut self, mut connection: Box<Connection<D>>, at: Timestamp) {
        self.decode_if_alive(&mut connection, |decoder, out| decoder.closed(at, out));
        self.release(&mut connection);
        self.each(|consumer| consumer.closed(&connection.record));
        self.ledger.count(&connection.record);
    }

    fn decode_if_alive(&mut self, connection: &mut Connection<D>, step: impl FnOnce(&mut D, &mut Vec<Decoded>)) {
        if matches!(connection.decoding, Decoding::Alive(_)) {
            self.decode(connection, step);
        }
    }

    /// Lets the decoder make a step, and tells what it found. A panic is the end of that decoder.
    fn decode(&mut self, connection: &mut Connection<D>, step: impl FnOnce(&mut D, &mut Vec<Decoded>)) {
        if matches!(connection.decoding, Decoding::Unborn) {
            let mut decoder = (self.decoder)(connection.record.id);
            if let Some(side) = &connection.record.client_tls {
                decoder.agreed(side.alpn.as_deref());
            }
            connection.decoding = Decoding::Alive(decoder);
        }
        let Decoding::Alive(decoder) = &mut connection.decoding else { return };
        let mut found = Vec::new();
        // The decoder is dropped unseen if it panics, so no broken invariant of it can be observed.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| step(decoder, &mut found))) {
            connection.decoding = Decoding::Dead;
            let words =
                format!("a defect in sidelight's decoder ({}); the traffic went on", panic_words(panic.as_ref()));
            for direction in [Direction::ToServer, Direction::ToClient] {
                found.push(Decoded::Stopped(direction, words.clone()));
            }
        }
        for decoded in found {
            match &decoded {
                Decoded::Exchange(_) => connection.record.exchanges += 1,
                Decoded::Stopped(..) => self.ledger.undecoded += 1,
                _ => {}
            }
            self.tell_in_turn(connection, Item::Decoded(decoded));
        }
    }

    /// Tells consumers, or holds the item back until the client is known.
    fn tell_in_turn(&mut self, connection: &mut Connection<D>, item: Item) {
        let Some(held) = &mut connection.held else { return self.tell(&connection.record, &item) };
        if held.is_empty() {
            self.waiting += 1;
        }
        if !held.push(&connection.record, item) {
            self.release(connection);
        }
    }

    /// Tells what was held back; from now on nothing is.
    fn release(&mut self, connection: &mut Connection<D>) {
        let Some(mut held) = connection.held.take() else { return };
        if !held.is_empty() {
            self.waiting -= 1;
        }
        for (record, item) in held.release(connection.record.process.as_ref()) {
            self.tell(&record, &item);
        }
    }

    fn release_all(&mut self) {
        let mut connections = std::mem::take(&mut self.connections);
        for connection in connections.values_mut() {
            if connection.held.as_ref().is_some_and(|held| !held.is_empty()) {
                self.release(connection);
            }
        }
        self.connections = connections;
    }

    fn tell(&mut self, record: &ConnectionRecord, item: &Item) {
        self.each(|consumer| match item {
            Item::Decoded(Decoded::Exchange(exchange)) => consumer.exchange(record, exchange),
            Item::Decoded(decoded) => consumer.decoded(record, decoded),
            Item::Finding(finding) => consumer.finding(record, finding),
        });
    }

    /// Ends what is still open, oldest first.
    fn finish(mut self) {
        let mut open: Vec<Box<Connection<D>>> = std::mem::take(&mut self.connections).into_values().collect();
        open.sort_by_key(|connection| connection.record.id);
        for connection in open {
            self.close(connection, self.last);
        }
    }
}

fn panic_words(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panicked")
}

#[cfg(test)]
mod tests;
