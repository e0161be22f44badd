//! The content log: a record a message, written live. In: exchanges, messages, findings, ends of connections. Out: text that is read
//! by eye, by grep and by length. Spec: docs/content-log.md.

pub(crate) mod about;
pub(crate) mod read;
mod records;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use sidelight_model::finding::Finding;
use sidelight_model::flow::{ConnId, Decoded, Exchange};
use sidelight_model::time::Timestamp;
use sidelight_wire::content_log::SIGNATURE;

use crate::bus::Consumer;
use crate::capture::{CaptureFile, Turn, Writer};
use crate::ledger::Ledger;
use crate::notice::Notices;
use crate::record::ConnectionRecord;

/// Writes each message as a record. The first record of a connection in a file is preceded by one that says what it is.
#[derive(Debug)]
pub struct ContentLog {
    writer: Writer,
    /// Connections that the file says something of.
    introduced: HashSet<ConnId>,
}

impl ContentLog {
    /// Writes to `file`.
    pub fn new(file: CaptureFile, notices: Notices) -> Self {
        Self { writer: Writer::new(file, "messages", notices), introduced: HashSet::new() }
    }

    fn write(&mut self, record: &ConnectionRecord, at: Timestamp, records: &[u8]) {
        let turn = self.writer.turn(at, records.len());
        let mut text = match turn {
            Turn::Nowhere => return,
            Turn::Fresh => {
                self.introduced.clear();
                format!("{SIGNATURE}\n\n").into_bytes()
            }
            Turn::Same => Vec::new(),
        };
        let is_new = !self.introduced.contains(&record.id);
        if is_new {
            text.extend(about::connection(record));
        }
        text.extend_from_slice(records);
        if self.writer.put(&text) && is_new {
            self.introduced.insert(record.id);
        }
    }
}

impl Consumer for ContentLog {
    fn exchange(&mut self, record: &ConnectionRecord, exchange: &Arc<Exchange>) {
        self.write(record, record.latest, &records::exchange(record, exchange));
    }

    fn decoded(&mut self, record: &ConnectionRecord, decoded: &Decoded) {
        let records = records::decoded(record, decoded);
        if !records.is_empty() {
            self.write(record, record.latest, &records);
        }
    }

    fn finding(&mut self, record: &ConnectionRecord, finding: &Finding) {
        self.write(record, record.latest, &records::finding(record, finding));
    }

    fn closed(&mut self, record: &ConnectionRecord) {
        self.write(record, record.latest, &about::end(record));
        self.introduced.remove(&record.id);
    }

    fn idle(&mut self) {
        self.writer.flush();
    }

    fn end(&mut self, _: &Ledger) {
        self.writer.end();
    }
}
