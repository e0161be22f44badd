//! A capture file for consumers, which must never fail. In: records. Out: the same in the file, or counted and told as lost.

use std::time::{Duration, Instant};

use sidelight_model::time::Timestamp;

use super::{CaptureError, CaptureFile};
use crate::notice::Notices;

/// How long a file that could not be written is left alone.
const PAUSE: Duration = Duration::from_secs(3);

/// Where the next record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Into the same file as the one before.
    Same,
    /// Into a new file, which begins with it.
    Fresh,
    /// Nowhere now: it is counted as lost, and the person was told.
    Nowhere,
}

/// Writes records to a [`CaptureFile`]. After an error it says once what is wrong, leaves the file alone for some seconds, tries
/// again, and says how much was lost. It never fails and never panics.
#[derive(Debug)]
pub struct Writer {
    file: CaptureFile,
    notices: Notices,
    /// What records are, in the plural: `exchanges`.
    records: &'static str,
    /// Records lost since the trouble began, and in all.
    lost: u64,
    lost_in_all: u64,
    trouble: Option<Trouble>,
    /// Since when no next file could be begun.
    stuck: Option<Instant>,
    fresh: bool,
}

#[derive(Debug)]
enum Trouble {
    /// Nothing is tried before then.
    Until(Instant),
    /// Nobody reads any more.
    Final,
}

impl Writer {
    /// Writes to `file`; `records` names in the plural what is written, for messages.
    pub const fn new(file: CaptureFile, records: &'static str, notices: Notices) -> Self {
        Self { file, notices, records, lost: 0, lost_in_all: 0, trouble: None, stuck: None, fresh: true }
    }

    /// The file that is being written.
    pub const fn file(&self) -> &CaptureFile {
        &self.file
    }

    /// Records that were lost so far.
    pub const fn lost_in_all(&self) -> u64 {
        self.lost_in_all
    }

    /// To be asked before each record, which has `size` bytes: rotates the file when it is due. After [`Turn::Nowhere`] the
    /// record is not to be written. After [`Turn::Fresh`] the format's head is to be written before it (by [`Self::put`]).
    pub fn turn(&mut self, at: Timestamp, size: usize) -> Turn {
        if self.is_resting() {
            self.lose();
            return Turn::Nowhere;
        }
        if !self.fresh && self.file.due(at, size) && self.stuck.is_none_or(|since| since.elapsed() > PAUSE) {
            self.rotate(at);
        }
        if self.fresh { Turn::Fresh } else { Turn::Same }
    }

    /// Begins the next file, or goes on in the old one.
    fn rotate(&mut self, at: Timestamp) {
        let rotated = self.file.rotate(at);
        if let (Err(error), None) = (&rotated, self.stuck) {
            self.notices.say(&format!("{error}; no next file is begun, and {} goes on", self.file.title()));
        }
        self.fresh = rotated.is_ok();
        self.stuck = rotated.err().map(|_| Instant::now());
    }

    /// Writes a record. `false`: it is lost.
    pub fn put(&mut self, record: &[u8]) -> bool {
        let written = self.file.write(record);
        self.account(written)
    }

    /// Writes a record in place of the last `back` bytes of the file ([`CaptureFile::replace_tail`]). `false`: it is lost.
    pub fn put_over(&mut self, back: u64, record: &[u8]) -> bool {
        let written = self.file.replace_tail(back, record);
        self.account(written)
    }

    /// Hands everything to the system, so that readers of the growing file see it.
    pub fn flush(&mut self) {
        if self.is_resting() {
            return;
        }
        match self.file.flush() {
            Ok(()) => self.recover(),
            Err(error) => self.trouble(&error),
        }
    }

    /// Flushes for the last time and says what was lost in all.
    pub fn end(&mut self) {
        if matches!(self.trouble, Some(Trouble::Final)) {
            return;
        }
        if let Err(error) = self.file.flush() {
            self.trouble(&error);
            self.lost_in_all += self.file.waiting();
        }
        if self.lost_in_all > 0 {
            let (title, records) = (self.file.title(), self.records);
            self.notices.say(&format!("{title}: {} {records} are missing from it", self.lost_in_all));
        }
    }

    /// Makes one record, its head when the file is new, and writes both together.
    pub fn record(&mut self, at: Timestamp, record: &[u8], head: impl FnOnce() -> Vec<u8>) -> bool {
        match self.turn(at, record.len()) {
            Turn::Nowhere => false,
            Turn::Same => self.put(record),
            Turn::Fresh => {
                let mut whole = head();
                whole.extend_from_slice(record);
                self.put(&whole)
            }
        }
    }

    fn account(&mut self, written: Result<(), CaptureError>) -> bool {
        match written {
            Ok(()) => {
                self.fresh = false;
                if self.trouble.is_some() {
                    self.recover();
                }
                true
            }
            Err(error) => {
                self.lose();
                self.trouble(&error);
                false
            }
        }
    }

    fn is_resting(&self) -> bool {
        match &self.trouble {
            None => false,
            Some(Trouble::Final) => true,
            Some(Trouble::Until(moment)) => Instant::now() < *moment,
        }
    }

    const fn lose(&mut self) {
        self.lost += 1;
        self.lost_in_all += 1;
    }

    fn trouble(&mut self, error: &CaptureError) {
        let is_news = self.trouble.is_none();
        self.trouble = Some(if error.is_final() { Trouble::Final } else { Trouble::Until(Instant::now() + PAUSE) });
        match (error.is_final(), is_news) {
            (true, _) => self.notices.say(&error.to_string()),
            (false, true) => {
                let records = self.records;
                self.notices.say(&format!("{error}; {records} are lost until it works again, and the traffic goes on"));
            }
            (false, false) => {}
        }
    }

    /// What was flushed after a trouble ends it.
    fn recover(&mut self) {
        if self.trouble.take().is_some() {
            let (title, lost, records) = (self.file.title(), self.lost, self.records);
            self.notices.say(&format!("{title}: it is written again; {lost} {records} were lost"));
        }
        self.lost = 0;
    }
}
