//! HTTP archives, entry by entry. In: a HAR file of any program. Out: its exchanges and messages. Spec: HAR 1.2.
//!
//! An archive that was cut is read up to the cut. Entries of one TCP connection are gathered where the archive tells it.

use std::collections::HashMap;
use std::io::BufRead as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use sidelight_model::flow::{
    Closed, Decision, Decoded, Event, EventKind, Exchange, How, Opened, Outcome, Tally, Verdict,
};
use sidelight_model::time::Timestamp;
use sidelight_wire::har::{CREATOR, Entry, Found, Splitter};

use super::input::Input;
use super::intake::Intake;
use super::{Damage, Format, ImportError, ImportOptions};
use crate::har::exchange::{self, Read};
use crate::record::ConnectionRecord;

/// Connections that are kept open because a further entry of theirs may come.
const MOST_OPEN: usize = 4096;

/// Whether a file that begins with these bytes is in this format: a JSON object with a member `log`, whose members tell the rest.
pub(super) fn recognises(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let Some(rest) = text.strip_prefix('{').map(str::trim_start) else { return false };
    let Some(rest) = rest.strip_prefix("\"log\"").map(str::trim_start) else { return false };
    rest.strip_prefix(':').is_some_and(|rest| rest.trim_start().starts_with('{'))
}

/// Reads the whole input.
pub(super) fn run(
    input: &mut Input<'_>,
    options: &ImportOptions,
    out: &mut Intake<'_>,
) -> Result<Vec<Damage>, ImportError> {
    let file = input.file().to_owned();
    let mut splitter = Splitter::default();
    let mut archive = Archive { out, limit: options.limits.body_kept, open: HashMap::new(), turn: 0 };
    let (mut damage, mut found) = (Vec::new(), Vec::new());
    loop {
        let bytes = input.fill_buf().map_err(|source| ImportError::Unreadable { file: file.clone(), source })?;
        if bytes.is_empty() {
            break;
        }
        let count = bytes.len();
        splitter.push(bytes, &mut found);
        input.consume(count);
        let own = splitter.creator() == Some(CREATOR);
        for found in found.drain(..) {
            match found {
                Found::Entry(offset, text) => {
                    if let Err(what) = archive.entry(&text, own) {
                        damage.push(Damage::new(offset, format!("an entry is lost: {what}")));
                    }
                }
                Found::Skipped(offset, what) => damage.push(Damage::new(offset, what)),
            }
        }
    }
    archive.finish();
    if !splitter.has_entries() {
        let offset = input.offset();
        let what = "it ends without a list of entries (log.entries)".to_owned();
        return Err(ImportError::Malformed { file, format: Format::Har, offset, what });
    }
    damage.extend(splitter.unfinished().map(|(offset, what)| Damage::new(offset, what)));
    Ok(damage)
}

/// A connection of which more may come.
struct Open {
    record: ConnectionRecord,
    streams: u64,
    bytes: [u64; 2],
    turn: u64,
}

struct Archive<'a, 'c> {
    out: &'a mut Intake<'c>,
    limit: usize,
    open: HashMap<String, Open>,
    turn: u64,
}

impl Archive<'_, '_> {
    fn entry(&mut self, text: &[u8], own: bool) -> Result<(), String> {
        let entry = Entry::parse(text)?;
        let read = exchange::read(&entry, own)?;
        self.turn += 1;
        // Firefox writes the port of the service for the connection: the host tells such apart as far as that goes.
        let name = entry.connection.as_deref().filter(|name| !name.is_empty() && !matches!(*name, "80" | "443" | "0"));
        let host = if own { String::new() } else { read.target.as_ref().map(ToString::to_string).unwrap_or_default() };
        let key = match (name, own, &entry.connection) {
            (Some(name), false, _) => format!("{name} {host}"),
            (_, true, Some(name)) => name.clone(),
            _ => format!("entry {}", self.turn),
        };
        let mut open = match self.open.remove(&key) {
            Some(open) => open,
            None => self.begin(&read),
        };
        open.turn = self.turn;
        self.exchange(&mut open, read);
        let is_alone = key.starts_with("entry ");
        if is_alone {
            self.close(open);
            return Ok(());
        }
        if self.open.len() >= MOST_OPEN {
            let oldest = self.open.iter().min_by_key(|(_, open)| open.turn).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest.and_then(|key| self.open.remove(&key)) {
                self.close(oldest);
            }
        }
        self.open.insert(key, open);
        Ok(())
    }

    fn begin(&mut self, read: &Read) -> Open {
        let since = read.exchange.timings.request_start;
        let mut record = ConnectionRecord::new(self.out.connection(), since);
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let mode = Format::Har.name().into();
        let opened = Opened { client: read.client.unwrap_or(nowhere), local: nowhere, mode };
        let (verdict, because) = match &read.tls {
            Some(_) => (Verdict::Intercept, String::new()),
            None => (Verdict::Plain, "the archive says nothing of TLS".to_owned()),
        };
        let side = read.tls.clone().map(Arc::new);
        let facts = [
            Some(EventKind::Opened(opened)),
            Some(read.process.clone().map_or(EventKind::NoProcess, EventKind::Process)),
            read.target.clone().map(EventKind::Target),
            read.upstream.map(EventKind::Upstream),
            Some(EventKind::Decided(Decision { verdict, because })),
            side.clone().map(EventKind::ServerTls),
            side.map(EventKind::ClientTls),
        ];
        for (n, kind) in facts.into_iter().flatten().enumerate() {
            self.tell(&mut record, since, kind);
            if n == 0 {
                self.out.opened(&record);
            }
        }
        Open { record, streams: 0, bytes: [0; 2], turn: 0 }
    }

    fn tell(&mut self, record: &mut ConnectionRecord, at: Timestamp, kind: EventKind) {
        let event = Event { conn: record.id, at, kind };
        record.learn(event.at, &event.kind);
        self.out.event(record, &event);
    }

    fn exchange(&mut self, open: &mut Open, read: Read) {
        let Read { mut exchange, mut messages, target, .. } = read;
        open.streams += 1;
        exchange.conn = open.record.id;
        if exchange.stream == 0 {
            exchange.stream = open.streams;
            messages.iter_mut().for_each(|message| renumber(message, open.streams));
        }
        if let Some(target) = target.filter(|target| open.record.target.as_ref() != Some(target)) {
            let at = exchange.timings.request_start;
            self.tell(&mut open.record, at, EventKind::Target(target));
        }
        let timings = exchange.timings;
        let last = timings.end.or(timings.response_start).unwrap_or(timings.request_start);
        open.record.latest = open.record.latest.max(last);
        limit(&mut exchange, self.limit);
        open.bytes[0] += exchange.request.as_ref().map_or(0, |it| it.body.wire_length);
        open.bytes[1] += exchange.response.as_ref().map_or(0, |it| it.body.wire_length);
        // As they come live: messages of a WebSocket follow its exchange, all others are part of theirs.
        let after = matches!(exchange.outcome, Outcome::Upgraded(_));
        if !after {
            messages.iter().for_each(|message| self.out.decoded(&open.record, message));
        }
        self.out.exchange(&mut open.record, &Arc::new(exchange));
        if after {
            messages.iter().for_each(|message| self.out.decoded(&open.record, message));
        }
    }

    fn close(&mut self, mut open: Open) {
        let [to_server, to_client] = open.bytes.map(|bytes| Tally { bytes, lost: 0 });
        let at = open.record.latest;
        let kind = EventKind::Closed(Closed { to_server, to_client, how: How::Clean });
        self.tell(&mut open.record, at, kind);
        self.out.closed(&open.record);
    }

    fn finish(&mut self) {
        let mut open: Vec<Open> = std::mem::take(&mut self.open).into_values().collect();
        open.sort_by_key(|open| open.record.id);
        open.into_iter().for_each(|open| self.close(open));
    }
}

fn renumber(message: &mut Decoded, to: u64) {
    match message {
        Decoded::WebSocket(message) => message.stream = to,
        Decoded::Grpc(message) => message.stream = to,
        Decoded::ServerSent(event) => event.stream = to,
        _ => {}
    }
}

/// Keeps of bodies what is asked for.
fn limit(exchange: &mut Exchange, most: usize) {
    let request = exchange.request.as_mut().map(|it| &mut it.body);
    let response = exchange.response.as_mut().map(|it| &mut it.body);
    for body in request.into_iter().chain(response) {
        body.kept.truncate(most);
    }
}
