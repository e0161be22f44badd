//! HTTP archives, written live. In: exchanges and their messages. Out: HAR 1.2; a regular file is valid JSON after every entry, and
//! so is every rotated one. Spec: HAR 1.2; docs/captures.md for members that begin with `_`.

mod body;
mod cookies;
mod entry;
pub(crate) mod exchange;
mod messages;
pub(crate) mod target;
#[cfg(test)]
pub(crate) mod tests;
mod waiting;

use sidelight_model::finding::Finding;
use sidelight_model::flow::{Decoded, Exchange};
use sidelight_model::time::Timestamp;
use sidelight_wire::har::{Entry, TAIL, head};
use std::sync::Arc;

pub(crate) use self::target::url;
use self::waiting::Waiting;
use crate::bus::Consumer;
use crate::capture::{CaptureFile, Turn, Writer};
use crate::ledger::Ledger;
use crate::notice::Notices;
use crate::record::ConnectionRecord;

/// Writes each exchange as it ends. The exchange of a WebSocket waits for its messages until its connection ends.
#[derive(Debug)]
pub struct Har {
    writer: Writer,
    waiting: Waiting,
    /// Entries in the file that is being written.
    entries: u64,
    /// The head is in the file, and on a stream the tail is not.
    begun: bool,
}

impl Har {
    /// Writes to `file`, which is a valid, empty archive at once.
    pub fn new(file: CaptureFile, notices: Notices) -> Self {
        let writer = Writer::new(file, "exchanges", notices);
        let mut har = Self { writer, waiting: Waiting::default(), entries: 0, begun: false };
        har.begin(Vec::new());
        har.writer.flush();
        har
    }

    /// Begins a file, with one entry or none.
    fn begin(&mut self, entry: Vec<u8>) {
        let mut text = head(env!("CARGO_PKG_VERSION")).into_bytes();
        self.entries = u64::from(!entry.is_empty());
        if !entry.is_empty() {
            text.push(b'\n');
            text.extend(entry);
        }
        if self.writer.file().is_seekable() {
            text.extend_from_slice(TAIL.as_bytes());
        }
        self.begun = self.writer.put(&text);
        if !self.begun {
            self.entries = 0;
        }
    }

    fn write(&mut self, at: Timestamp, entry: &Entry) {
        let entry = entry.to_json();
        match self.writer.turn(at, if self.entries == 0 { 0 } else { entry.len() }) {
            Turn::Nowhere => {}
            Turn::Fresh => self.begin(entry),
            Turn::Same if !self.begun => self.begin(entry),
            Turn::Same => self.append(entry),
        }
    }

    /// Writes the entry over the brackets that end the file, and the brackets after it.
    fn append(&mut self, entry: Vec<u8>) {
        let mut text = Vec::with_capacity(entry.len() + 8);
        text.extend_from_slice(if self.entries == 0 { b"\n" } else { b",\n" });
        text.extend(entry);
        let written = if self.writer.file().is_seekable() {
            text.extend_from_slice(TAIL.as_bytes());
            self.writer.put_over(TAIL.len() as u64, &text)
        } else {
            self.writer.put(&text)
        };
        self.entries += u64::from(written);
    }
}

impl Consumer for Har {
    fn exchange(&mut self, record: &ConnectionRecord, exchange: &Arc<Exchange>) {
        let pending = self.waiting.messages_of(exchange);
        let entry = entry::new(record, exchange, pending);
        let at = exchange.timings.end.unwrap_or(record.latest);
        if !waiting::may_have_more(exchange) {
            return self.write(at, &entry);
        }
        if let Some((at, crowded_out)) = self.waiting.hold(record.id, exchange.stream, at, entry) {
            self.write(at, &crowded_out);
        }
    }

    fn decoded(&mut self, record: &ConnectionRecord, decoded: &Decoded) {
        match decoded {
            Decoded::Exchange(exchange) => self.exchange(record, exchange),
            decoded => self.waiting.message(record.id, decoded),
        }
    }

    fn finding(&mut self, _: &ConnectionRecord, _: &Finding) {}

    fn closed(&mut self, record: &ConnectionRecord) {
        for entry in self.waiting.release(record.id) {
            self.write(record.latest, &entry);
        }
    }

    fn idle(&mut self) {
        self.writer.flush();
    }

    fn end(&mut self, _: &Ledger) {
        for (at, entry) in self.waiting.release_all() {
            self.write(at, &entry);
        }
        if self.begun && !self.writer.file().is_seekable() {
            self.writer.put(TAIL.as_bytes());
        }
        self.writer.end();
    }
}
