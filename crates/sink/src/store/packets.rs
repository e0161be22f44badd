//! Events of sockets in blocks. In: events. Out: rows of the table `packets`, and the events again. Spec: docs/store.md.
//!
//! An event in a block, numbers little-endian: kind (1 byte), leg and direction (1: leg, 2: direction, 4: reset instead of FIN),
//! connection (8), moment in microseconds (8), length of what follows (4), and that.

use std::net::SocketAddr;

use bytes::Bytes;
use rusqlite::{Connection, params};
use sidelight_model::flow::{ConnId, Direction, Ends, Event, EventKind, KeyLogLine, Leg, WireEnd};
use sidelight_model::redact::Secret;
use sidelight_model::time::Timestamp;

use super::body::{length, pack, unpack};

/// Bytes of a block, about.
const BLOCK: usize = 256 * 1024;
/// Bytes before the contents of an event.
const HEAD: usize = 22;

const SOCKET: u8 = 1;
const WIRE: u8 = 2;
const WIRE_LOST: u8 = 3;
const WIRE_END: u8 = 4;
const SECRET: u8 = 5;

/// Collects events.
pub(super) struct Packer {
    base: i64,
    block: Vec<u8>,
    events: u64,
    since: i64,
    until: i64,
}

impl Packer {
    /// `base` is added to the numbers of connections.
    pub(super) fn new(base: i64) -> Self {
        Self { base, block: Vec::new(), events: 0, since: i64::MAX, until: i64::MIN }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.block.is_empty()
    }

    /// Forgets what was not written.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.base);
    }

    /// Takes an event; others than those of sockets are left out. Out: whether the block should be written.
    pub(super) fn push(&mut self, event: &Event) -> bool {
        let on = |leg: Leg, direction: Direction| leg.index() as u8 | (direction.index() as u8) << 1;
        let conn = event.conn.0.wrapping_add_signed(self.base);
        let mut put = |kind: u8, flags: u8, contents: &[&[u8]]| {
            let length: usize = contents.iter().map(|part| part.len()).sum();
            self.block.extend([kind, flags]);
            self.block.extend(conn.to_le_bytes());
            self.block.extend(event.at.0.to_le_bytes());
            self.block.extend(u32::try_from(length).unwrap_or(0).to_le_bytes());
            contents.iter().for_each(|part| self.block.extend_from_slice(part));
        };
        match &event.kind {
            EventKind::Socket(leg, ends) => {
                put(SOCKET, on(*leg, Direction::ToServer), &[format!("{} {}", ends.from, ends.to).as_bytes()]);
            }
            EventKind::Wire(leg, direction, bytes) => put(WIRE, on(*leg, *direction), &[bytes]),
            EventKind::WireLost(leg, direction, lost) => put(WIRE_LOST, on(*leg, *direction), &[&lost.to_le_bytes()]),
            EventKind::WireEnd(leg, direction, end) => {
                let reset = if *end == WireEnd::Reset { 4 } else { 0 };
                put(WIRE_END, on(*leg, *direction) | reset, &[]);
            }
            EventKind::Secret(leg, line) => {
                let label = line.label.as_bytes();
                let label = label.get(..label.len().min(255)).unwrap_or_default();
                let flags = on(*leg, Direction::ToServer);
                put(SECRET, flags, &[&[label.len() as u8], label, &line.client_random, line.secret.reveal()]);
            }
            _ => return false,
        }
        self.events += 1;
        self.since = self.since.min(event.at.0);
        self.until = self.until.max(event.at.0);
        self.block.len() >= BLOCK
    }

    /// Writes the block.
    pub(super) fn write(&mut self, db: &Connection, seq: i64) -> rusqlite::Result<()> {
        let (coding, data) = pack(&self.block);
        let sql = "INSERT INTO packets (seq, since, until, events, size, coding, data)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let values =
            params![seq, self.since, self.until, self.events.cast_signed(), length(&self.block), coding, data.as_ref()];
        db.prepare_cached(sql)?.execute(values)?;
        self.clear();
        Ok(())
    }
}

/// Reads the events of a block; what is damaged ends it.
pub(super) fn read(coding: i64, data: Vec<u8>, size: i64) -> rusqlite::Result<Vec<Event>> {
    let block = unpack(coding, data, size)?;
    let mut rest = block.as_slice();
    let mut events = Vec::new();
    while let Some((event, after)) = one(rest) {
        events.extend(event);
        rest = after;
    }
    Ok(events)
}

/// One event; `None` inside when its kind is unknown or it is damaged.
fn one(bytes: &[u8]) -> Option<(Option<Event>, &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let word = |at: usize| head.get(at..at + 8).and_then(|it| it.try_into().ok()).map(u64::from_le_bytes);
    let length = u32::from_le_bytes(head.get(18..22)?.try_into().ok()?);
    let (contents, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let (kind, flags) = (*head.first()?, *head.get(1)?);
    let leg = if flags & 1 == 0 { Leg::Client } else { Leg::Server };
    let direction = if flags & 2 == 0 { Direction::ToServer } else { Direction::ToClient };
    let end = if flags & 4 == 0 { WireEnd::Fin } else { WireEnd::Reset };
    let kind = match kind {
        SOCKET => ends(contents).map(|ends| EventKind::Socket(leg, ends)),
        WIRE => Some(EventKind::Wire(leg, direction, Bytes::copy_from_slice(contents))),
        WIRE_LOST => contents.try_into().ok().map(|lost| EventKind::WireLost(leg, direction, u64::from_le_bytes(lost))),
        WIRE_END => Some(EventKind::WireEnd(leg, direction, end)),
        SECRET => secret(contents).map(|line| EventKind::Secret(leg, Box::new(line))),
        _ => None,
    };
    let (conn, at) = (ConnId(word(2)?), Timestamp(word(10)?.cast_signed()));
    Some((kind.map(|kind| Event { conn, at, kind }), rest))
}

fn ends(contents: &[u8]) -> Option<Ends> {
    let (from, to) = std::str::from_utf8(contents).ok()?.split_once(' ')?;
    Some(Ends { from: from.parse::<SocketAddr>().ok()?, to: to.parse().ok()? })
}

fn secret(contents: &[u8]) -> Option<KeyLogLine> {
    let (length, rest) = contents.split_first()?;
    let (label, rest) = rest.split_at_checked(usize::from(*length))?;
    let (random, secret) = rest.split_first_chunk::<32>()?;
    Some(KeyLogLine {
        label: String::from_utf8_lossy(label).into_owned(),
        client_random: *random,
        secret: Secret::new(secret.to_vec()),
    })
}
