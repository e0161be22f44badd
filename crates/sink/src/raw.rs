//! Raw streams. In: data, or exchanges and messages of a recording. Out: one file a direction in a folder, byte for byte.
//!
//! Names are those of connections: `000012-registry.test-443.to_server`. Where bytes are missing, zeros stand in their place, so
//! that whatever follows is where it was.

mod files;

use std::path::PathBuf;

use sidelight_model::finding::Finding;
use sidelight_model::flow::{Decoded, Event, EventKind, Exchange};

use self::files::Files;
pub use self::files::RawError;
use crate::bus::Consumer;
use crate::ledger::Ledger;
use crate::notice::Notices;
use crate::record::ConnectionRecord;

/// Writes the bytes of each conversation, decrypted where it was TLS, as they pass.
#[derive(Debug)]
pub struct Raw {
    files: Files,
}

impl Raw {
    /// Writes into `folder`, which is made if it is missing; trouble is told to `notices`.
    ///
    /// # Errors
    /// When the folder cannot be made, or is none.
    pub fn new(folder: PathBuf, notices: Notices) -> Result<Self, RawError> {
        Ok(Self { files: Files::new(folder, notices)? })
    }
}

impl Consumer for Raw {
    fn event(&mut self, conn: &ConnectionRecord, event: &Event) {
        match &event.kind {
            EventKind::Data(direction, bytes) => self.files.write(conn, *direction, bytes),
            EventKind::Lost(direction, bytes) => self.files.skip(conn, *direction, *bytes),
            EventKind::Closed(_) => self.files.close(conn.id),
            _ => {}
        }
    }

    fn exchange(&mut self, _conn: &ConnectionRecord, _exchange: &Exchange) {}

    fn decoded(&mut self, _conn: &ConnectionRecord, _decoded: &Decoded) {}

    fn finding(&mut self, _conn: &ConnectionRecord, _finding: &Finding) {}

    fn end(&mut self, _ledger: &Ledger) {
        self.files.end();
    }
}

#[cfg(test)]
mod tests;
