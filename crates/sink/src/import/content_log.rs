//! Content logs of sidelight. In: records. Out: what they hold. Spec: docs/content-log.md.
//!
//! A record is taken by its length. Where there is no head, the next line that is one is looked for, and what was passed over is told.

use std::collections::HashMap;
use std::io::{BufRead as _, Read as _};
use std::sync::Arc;

use bytes::Bytes;
use sidelight_model::finding::{Cause, Finding};
use sidelight_model::flow::{Closed, Decoded, Direction, Event, EventKind, Exchange, How, OpaqueData, Tally};
use sidelight_model::time::Timestamp;
use sidelight_wire::content_log::{Head, LONGEST_HEAD, SIGNATURE, unescape};

use super::input::Input;
use super::intake::Intake;
use super::{Damage, Format, ImportError, ImportOptions};
use crate::content_log::{about, read};
use crate::record::ConnectionRecord;

/// The largest body of a record that is read.
const LARGEST: u64 = 256 << 20;
/// Connections that are kept open because a further record of theirs may come.
const MOST_OPEN: usize = 16_384;

/// Whether a file that begins with these bytes is in this format: the first line of a log, or a record (of a part of one).
pub(super) fn recognises(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.starts_with(SIGNATURE.as_bytes()) || Head::parse(line).is_some()
}

/// Reads the whole input.
pub(super) fn run(
    input: &mut Input<'_>,
    options: &ImportOptions,
    out: &mut Intake<'_>,
) -> Result<Vec<Damage>, ImportError> {
    let file = input.file().to_owned();
    let mut log = Log { out, limit: options.limits.body_kept, open: HashMap::new(), turn: 0, records: 0 };
    let mut damage = Vec::new();
    let mut passed_over: Option<u64> = None;
    loop {
        let offset = input.offset();
        let line = line(input).map_err(|source| ImportError::Unreadable { file: file.clone(), source })?;
        let Some(line) = line else { break };
        if line.is_empty() || line.starts_with(b"#") && passed_over.is_none() {
            continue;
        }
        let Some((head, length, escaped)) = Head::parse(&line) else {
            passed_over.get_or_insert(offset);
            continue;
        };
        if let Some(from) = passed_over.take() {
            damage.push(Damage::new(from, format!("{} bytes that are no record were passed over", offset - from)));
        }
        match body(input, length) {
            Ok(body) => log.record(&head, &if escaped { unescape(&body) } else { body }),
            Err(what) => damage.push(Damage::new(offset, format!("the record `{}` is lost: {what}", head.kind))),
        }
    }
    if let Some(from) = passed_over {
        damage.push(Damage::new(from, format!("{} bytes that are no record were passed over", input.offset() - from)));
    }
    log.finish();
    if log.records == 0 && !damage.is_empty() {
        let Damage { offset, what } = damage.swap_remove(0);
        return Err(ImportError::Malformed { file, format: Format::ContentLog, offset, what });
    }
    Ok(damage)
}

/// The next line without its end; of one that is longer than heads are, its beginning. `None` at the end of the file.
fn line(input: &mut Input<'_>) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    loop {
        let bytes = input.fill_buf()?;
        if bytes.is_empty() {
            return Ok((!line.is_empty()).then_some(line));
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let piece = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let room = LONGEST_HEAD.saturating_sub(line.len()).min(piece.len());
        line.extend_from_slice(piece.get(..room).unwrap_or_default());
        let taken = end.map_or(piece.len(), |end| end + 1);
        input.consume(taken);
        if end.is_some() {
            return Ok(Some(line));
        }
    }
}

/// The body of a record, or what is wrong with it.
fn body(input: &mut Input<'_>, length: u64) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("the file cannot be read on: {error}");
    if length > LARGEST {
        std::io::copy(&mut input.by_ref().take(length), &mut std::io::sink()).map_err(unreadable)?;
        return Err(format!("it has {length} bytes; {LARGEST} are read at the most"));
    }
    let mut body = Vec::new();
    let got = input.by_ref().take(length).read_to_end(&mut body).map_err(unreadable)? as u64;
    if got < length {
        return Err(format!("the file ends after {got} of its {length} bytes"));
    }
    Ok(body)
}

/// A connection of which more may come.
struct Open {
    record: ConnectionRecord,
    draft: Option<Exchange>,
    first: [Bytes; 2],
    turn: u64,
}

struct Log<'l, 'c> {
    out: &'l mut Intake<'c>,
    limit: usize,
    /// By their numbers in the log.
    open: HashMap<u64, Open>,
    turn: u64,
    records: u64,
}

impl Log<'_, '_> {
    fn record(&mut self, head: &Head, body: &[u8]) {
        self.records += 1;
        self.turn += 1;
        let text = String::from_utf8_lossy(body);
        let mut open = match self.open.remove(&head.conn) {
            Some(open) => open,
            None if head.kind == "connection" => self.begin(head, &text),
            None => self.begin(head, ""),
        };
        open.turn = self.turn;
        open.record.latest = open.record.latest.max(head.time);
        if head.kind == "end" {
            return self.close(open, head.time, about::closed(head, &text));
        }
        self.part_or_other(&mut open, head, body);
        if self.open.len() >= MOST_OPEN {
            let oldest = self.open.iter().min_by_key(|(_, open)| open.turn).map(|(conn, _)| *conn);
            if let Some(open) = oldest.and_then(|conn| self.open.remove(&conn)) {
                self.abandon(open);
            }
        }
        self.open.insert(head.conn, open);
    }

    fn part_or_other(&mut self, open: &mut Open, head: &Head, body: &[u8]) {
        let is_same = open.draft.as_ref().is_some_and(|draft| Some(draft.stream) == head.stream);
        let goes_on = is_same && head.kind != "request" && (read::is_part(&head.kind) || head.kind == "anomaly");
        if !goes_on {
            self.flush(open);
        }
        match (head.stream, head.kind.as_str()) {
            (_, "connection") => {}
            (Some(stream), kind) if goes_on || read::is_part(kind) => {
                self.retarget(&mut open.record, head);
                let tls_known = open.record.client_tls.is_some();
                let draft = open.draft.get_or_insert_with(|| read::draft(stream, head));
                draft.conn = open.record.id;
                read::add(draft, head, body, tls_known);
            }
            (_, "data") => {
                let side = head.direction.unwrap_or(Direction::ToServer).index();
                if let Some(first) = open.first.get_mut(side) {
                    *first = Bytes::copy_from_slice(body);
                }
            }
            (_, "opaque") => {
                let opaque = opaque(head, std::mem::take(&mut open.first));
                self.out.decoded(&open.record, &opaque);
            }
            (_, "finding") => {
                if let Some(finding) = finding(head, body) {
                    self.tell(&mut open.record, head.time, EventKind::Finding(Box::new(finding.clone())));
                    self.out.finding(&open.record, &finding);
                }
            }
            _ => {
                if let Some(decoded) = read::other(head, body) {
                    self.out.decoded(&open.record, &decoded);
                }
            }
        }
    }

    fn begin(&mut self, head: &Head, body: &str) -> Open {
        let mut record = ConnectionRecord::new(self.out.connection(), head.time);
        for (n, kind) in about::facts(head, body, Format::ContentLog.name()).into_iter().enumerate() {
            self.tell(&mut record, head.time, kind);
            if n == 0 {
                self.out.opened(&record);
            }
        }
        Open { record, draft: None, first: [Bytes::new(), Bytes::new()], turn: 0 }
    }

    fn tell(&mut self, record: &mut ConnectionRecord, at: Timestamp, kind: EventKind) {
        let event = Event { conn: record.id, at, kind };
        record.learn(at, &event.kind);
        self.out.event(record, &event);
    }

    /// A connection to a proxy may be for one service after the other.
    fn retarget(&mut self, record: &mut ConnectionRecord, head: &Head) {
        let target = head.service.parse().ok().filter(|target| record.target.as_ref() != Some(target));
        if let Some(target) = target {
            self.tell(record, head.time, EventKind::Target(target));
        }
    }

    /// Hands out the exchange whose parts were gathered.
    fn flush(&mut self, open: &mut Open) {
        let Some(mut exchange) = open.draft.take() else { return };
        let request = exchange.request.as_mut().map(|it| &mut it.body);
        let response = exchange.response.as_mut().map(|it| &mut it.body);
        for body in request.into_iter().chain(response) {
            body.kept.truncate(self.limit);
        }
        self.out.exchange(&mut open.record, &Arc::new(exchange));
    }

    fn close(&mut self, mut open: Open, at: Timestamp, closed: Closed) {
        self.flush(&mut open);
        self.tell(&mut open.record, at, EventKind::Closed(closed));
        self.out.closed(&open.record);
    }

    /// Closes a connection whose end is not in the log.
    fn abandon(&mut self, open: Open) {
        let how = How::Ended("the log ends before the connection does".to_owned());
        let at = open.record.latest;
        self.close(open, at, Closed { to_server: Tally::default(), to_client: Tally::default(), how });
    }

    fn finish(&mut self) {
        let mut open: Vec<Open> = std::mem::take(&mut self.open).into_values().collect();
        open.sort_by_key(|open| open.record.id);
        open.into_iter().for_each(|open| self.abandon(open));
    }
}

fn opaque(head: &Head, first: [Bytes; 2]) -> Decoded {
    let count = |name: &str| head.number(name).and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
    let [first_to_server, first_to_client] = first;
    Decoded::Opaque(OpaqueData {
        looks_like: head.fact("looks-like"),
        first_to_server,
        first_to_client,
        to_server: count("to-service"),
        to_client: count("to-client"),
        ended: true,
    })
}

/// The sentence of a finding; the lines below it are its evidence.
fn finding(head: &Head, body: &[u8]) -> Option<Finding> {
    let code = head.fact("cause")?;
    let cause = Cause::ALL.iter().find(|cause| cause.code() == code)?;
    let text = String::from_utf8_lossy(body);
    let mut lines = text.lines();
    let summary = lines.next().unwrap_or_default();
    let finding = Finding::new(*cause, summary, "record", "content log", lines.collect::<Vec<_>>().join("; "));
    let fault = head.fact("fault");
    let party = sidelight_model::finding::Party::ALL.iter().find(|party| Some(party.name()) == fault.as_deref());
    Some(party.map_or(finding.clone(), |party| finding.blaming(*party)))
}
