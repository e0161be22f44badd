//! Captures of recordings: plaintext conversations made from exchanges and messages. In: exchanges, messages. Out: packets.

use sidelight_model::finding::Finding;
use sidelight_model::flow::{Decoded, Exchange};

use super::file::File;
use crate::bus::Consumer;
use crate::ledger::Ledger;
use crate::record::ConnectionRecord;

/// Writes what a recording holds as a pcapng file.
#[derive(Debug)]
pub struct FromMessages {
    file: File,
}

impl FromMessages {
    pub(super) fn new(file: File) -> Self {
        Self { file }
    }
}

impl Consumer for FromMessages {
    fn exchange(&mut self, _conn: &ConnectionRecord, _exchange: &Exchange) {}

    fn decoded(&mut self, _conn: &ConnectionRecord, _decoded: &Decoded) {}

    fn finding(&mut self, _conn: &ConnectionRecord, _finding: &Finding) {}

    fn idle(&mut self) {
        self.file.flush();
    }

    fn end(&mut self, _ledger: &Ledger) {
        self.file.end();
    }
}
