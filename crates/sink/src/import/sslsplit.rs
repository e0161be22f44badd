//! Content logs of sslsplit (`-L`), read by length. In: records. Out: events with their bytes, for the decoders.
//! Spec: see `wire::sslsplit`.

use std::collections::{HashMap, VecDeque};
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sidelight_model::flow::{
    Authority, Closed, ConnId, Decision, Direction, Event, EventKind, How, Opened, Tally, TlsSide, TlsVersion, Verdict,
};
use sidelight_model::time::Timestamp;
use sidelight_wire::sslsplit::{Head, MOST_HEAD, find, head};

use super::input::{Input, PEEK};
use super::intake::Intake;
use super::{Damage, Format, ImportError, ImportOptions};
use crate::bus::{EventSource, Next};

/// Bytes of content handed on at a time.
const PIECE: usize = 64 * 1024;

/// Connections that are open at the same time; further ones push out the one that was silent for longest.
const MOST_OPEN: usize = 65_536;

/// Ports from here on are chosen by kernels for clients, not by people for services.
const EPHEMERAL: u16 = 32_768;

/// Ports on which plain HTTP is spoken: the log itself does not say what was TLS.
const PLAIN_PORTS: [u16; 5] = [80, 3128, 8000, 8080, 8888];

/// Whether a file that begins with these bytes is in this format.
pub(super) fn recognises(first: &[u8]) -> bool {
    head(first).is_some()
}

/// Reads the whole input.
pub(super) fn run(
    input: &mut Input<'_>,
    _options: &ImportOptions,
    out: &mut Intake<'_>,
) -> Result<Vec<Damage>, ImportError> {
    let mut log = Log {
        input,
        open: HashMap::new(),
        ready: VecDeque::new(),
        damage: Vec::new(),
        connections: 0,
        turn: 0,
        under_way: None,
        now: Timestamp::default(),
    };
    out.events(&mut log);
    let damage = log.damage;
    if log.connections == 0 {
        let what = damage.into_iter().next().map_or_else(|| "no record of sslsplit in it".to_owned(), |it| it.what);
        return Err(ImportError::Malformed {
            file: input.file().to_owned(),
            format: Format::Sslsplit,
            offset: 0,
            what,
        });
    }
    Ok(damage)
}

/// A connection that is not over yet.
struct Open {
    id: ConnId,
    client: SocketAddr,
    tallies: [Tally; 2],
    turn: u64,
}

/// The log as a source of events.
struct Log<'l, 'r> {
    input: &'l mut Input<'r>,
    /// By its two ends, the lower one first.
    open: HashMap<(SocketAddr, SocketAddr), Open>,
    ready: VecDeque<Event>,
    damage: Vec<Damage>,
    connections: u64,
    turn: u64,
    /// The record whose content is being read, and how much of it is still to come.
    under_way: Option<(Head, u64)>,
    now: Timestamp,
}

impl EventSource for Log<'_, '_> {
    fn next(&mut self, _: Duration) -> Next {
        while self.ready.is_empty() {
            if !self.step() {
                return Next::End;
            }
        }
        self.ready.pop_front().map_or(Next::Idle, Next::Event)
    }
}

impl Log<'_, '_> {
    /// Reads one piece; false when nothing more comes.
    fn step(&mut self) -> bool {
        if let Some((record, left)) = self.under_way.take() {
            self.content(record, left);
            return true;
        }
        let Ok(first) = self.input.peek(MOST_HEAD) else { return self.end() };
        if first.is_empty() {
            return self.end();
        }
        let Some(record) = head(first) else { return self.resynchronise() };
        self.skip(record.length);
        self.now = self.now.max(record.at);
        match record.content {
            Some(0) => {}
            Some(length) => self.under_way = Some((record, length)),
            None => self.over(&record, How::Clean),
        }
        true
    }

    fn skip(&mut self, count: usize) {
        std::io::BufRead::consume(self.input, count);
    }

    /// Looks for the next head, and says what lies before it.
    fn resynchronise(&mut self) -> bool {
        let start = self.input.offset();
        loop {
            let Ok(window) = self.input.peek(PEEK) else { return self.end() };
            let (length, found) = (window.len(), find(window));
            if let Some(at) = found {
                self.skip(at);
                break;
            }
            if length < PEEK {
                self.skip(length);
                break;
            }
            // A head may lie across the end of the window.
            self.skip(length - MOST_HEAD);
        }
        let lost = self.input.offset() - start;
        self.damage
            .push(Damage::new(start, format!("{lost} bytes belong to no record: a length before them is wrong")));
        true
    }

    /// Hands on a piece of the content of `record`.
    fn content(&mut self, record: Head, left: u64) {
        let wanted = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let mut piece = vec![0; wanted];
        let mut got = 0;
        while let Some(room) = piece.get_mut(got..).filter(|room| !room.is_empty()) {
            match self.input.read(room) {
                Ok(count) if count > 0 => got += count,
                _ => break,
            }
        }
        piece.truncate(got);
        if got > 0 {
            self.data(&record, Bytes::from(piece));
        }
        let left = left - got as u64;
        if got < wanted {
            let offset = self.input.offset();
            self.damage.push(Damage::new(offset, format!("the file ends {left} bytes before the end of a record")));
        } else if left > 0 {
            self.under_way = Some((record, left));
        }
    }

    fn data(&mut self, record: &Head, bytes: Bytes) {
        let key = key(record);
        if !self.open.contains_key(&key) {
            self.begin(record);
        }
        self.turn += 1;
        let Some(open) = self.open.get_mut(&key) else { return };
        open.turn = self.turn;
        let direction = if record.from == open.client { Direction::ToServer } else { Direction::ToClient };
        open.tallies[direction.index()].bytes += bytes.len() as u64;
        let event = Event { conn: open.id, at: record.at, kind: EventKind::Data(direction, bytes) };
        self.ready.push_back(event);
    }

    /// A connection of which nothing was seen yet.
    fn begin(&mut self, record: &Head) {
        if self.open.len() == MOST_OPEN {
            let silent = self.open.iter().min_by_key(|(_, open)| open.turn).map(|(key, _)| *key);
            if let Some(open) = silent.and_then(|key| self.open.remove(&key)) {
                self.close(open, How::Ended("nothing more of it is in the log".to_owned()));
            }
        }
        self.connections += 1;
        let id = ConnId(self.connections);
        let (client, service) = parties(record);
        let is_tls = !PLAIN_PORTS.contains(&service.port());
        let side = || Arc::new(unknown_tls());
        let (verdict, because) = if is_tls {
            (Verdict::Intercept, "sslsplit opened it")
        } else {
            (Verdict::Plain, "taken for plain by its port")
        };
        let mode = Format::Sslsplit.name().into();
        let mut facts = vec![
            EventKind::Opened(Opened { client, local: service, mode }),
            EventKind::NoProcess,
            EventKind::Target(Authority::from(service)),
            EventKind::Upstream(service),
            EventKind::Decided(Decision { verdict, because: because.to_owned() }),
        ];
        if is_tls {
            facts.extend([EventKind::ServerTls(side()), EventKind::ClientTls(side())]);
        }
        self.ready.extend(facts.into_iter().map(|kind| Event { conn: id, at: record.at, kind }));
        self.open.insert(key(record), Open { id, client, tallies: [Tally::default(); 2], turn: self.turn });
    }

    /// The log says that a connection ended.
    fn over(&mut self, record: &Head, how: How) {
        if let Some(open) = self.open.remove(&key(record)) {
            self.close(open, how);
        }
    }

    fn close(&mut self, open: Open, how: How) {
        let [to_server, to_client] = open.tallies;
        if how == How::Clean {
            let halves = [Direction::ToServer, Direction::ToClient].map(EventKind::HalfClosed);
            self.ready.extend(halves.into_iter().map(|kind| Event { conn: open.id, at: self.now, kind }));
        }
        let kind = EventKind::Closed(Closed { to_server, to_client, how });
        self.ready.push_back(Event { conn: open.id, at: self.now, kind });
    }

    /// The end of the log: what is still open, oldest first. True while there is something to tell.
    fn end(&mut self) -> bool {
        let mut open: Vec<Open> = std::mem::take(&mut self.open).into_values().collect();
        open.sort_by_key(|open| open.id);
        for open in open {
            self.close(open, How::Ended("the log ends before it does".to_owned()));
        }
        !self.ready.is_empty()
    }
}

fn key(record: &Head) -> (SocketAddr, SocketAddr) {
    (record.from.min(record.to), record.from.max(record.to))
}

/// Client and service of the connection whose first record this is: the service has the port that a person chose. Where ports
/// do not tell, whoever speaks first is the client.
fn parties(record: &Head) -> (SocketAddr, SocketAddr) {
    if record.from.port() < EPHEMERAL && record.to.port() >= EPHEMERAL {
        (record.to, record.from)
    } else {
        (record.from, record.to)
    }
}

/// The log says nothing of TLS but that it was there.
fn unknown_tls() -> TlsSide {
    TlsSide {
        version: TlsVersion(0),
        cipher: String::new(),
        group: None,
        alpn: None,
        sni: None,
        hello: None,
        resumed: false,
        chain: Vec::new(),
        verified: None,
    }
}
