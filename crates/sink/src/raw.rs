//! Raw streams. In: data, or exchanges and messages of a recording. Out: one file a direction in a folder, byte for byte.
//!
//! Names are those of connections: `000012-registry.test-443.to_server`. Where bytes are missing, zeros stand in their place, so
//! that whatever follows is where it was.

mod files;
mod gathering;

use std::path::PathBuf;
use std::sync::Arc;

use sidelight_model::finding::Finding;
use sidelight_model::flow::{Decoded, Event, EventKind, Exchange};
use sidelight_wire::encode::{Piece, Turn};

use self::files::Files;
pub use self::files::RawError;
pub(crate) use self::gathering::Gathering;
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

    fn exchange(&mut self, _conn: &ConnectionRecord, _exchange: &Arc<Exchange>) {}

    fn decoded(&mut self, _conn: &ConnectionRecord, _decoded: &Decoded) {}

    fn finding(&mut self, _conn: &ConnectionRecord, _finding: &Finding) {}

    fn end(&mut self, _ledger: &Ledger) {
        self.files.end();
    }
}

/// Writes what a recording holds of each conversation, as the bytes that passed.
#[derive(Debug)]
pub struct FromMessages {
    files: Files,
    gathering: Gathering,
}

/// Raw streams of a recording in `folder`, which is made if it is missing.
///
/// # Errors
/// When the folder cannot be made, or is none.
pub fn from_messages(folder: PathBuf, notices: Notices) -> Result<FromMessages, RawError> {
    Ok(FromMessages { files: Files::new(folder, notices)?, gathering: Gathering::default() })
}

impl FromMessages {
    fn write(&mut self, conn: &ConnectionRecord, turns: Vec<Turn>) {
        for turn in turns {
            for piece in turn.pieces {
                match piece {
                    Piece::Bytes(bytes) => self.files.write(conn, turn.direction, &bytes),
                    Piece::Unseen(bytes) => self.files.skip(conn, turn.direction, bytes),
                }
            }
        }
    }

    fn close(&mut self, conn: &ConnectionRecord) {
        let turns = self.gathering.take(conn.id);
        self.write(conn, turns);
        self.files.close(conn.id);
    }
}

impl Consumer for FromMessages {
    fn exchange(&mut self, conn: &ConnectionRecord, exchange: &Arc<Exchange>) {
        let turns = self.gathering.exchange(conn, exchange);
        self.write(conn, turns);
    }

    fn decoded(&mut self, conn: &ConnectionRecord, decoded: &Decoded) {
        let turns = self.gathering.decoded(conn, decoded);
        self.write(conn, turns);
    }

    fn finding(&mut self, _conn: &ConnectionRecord, _finding: &Finding) {}

    fn closed(&mut self, conn: &ConnectionRecord) {
        self.close(conn);
    }

    fn end(&mut self, _ledger: &Ledger) {
        for conn in self.gathering.open() {
            self.close(&conn);
        }
        self.files.end();
    }
}

#[cfg(test)]
mod tests;
