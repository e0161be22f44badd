//! A record that a fleet shares. In: a URL, credentials, patience. Out: the record as NATS has it, or the copy on disk when NATS is
//! down; compare-and-set when it is written.

use std::time::Instant;

use sidelight_wire::known_roots::Document;

use super::address::Address;
use super::copy::{LocalCopy, USUAL};
use super::nats::{Client, Found, Trouble};
use super::{Copy, Reach, Saved};
use crate::exit::Failure;
use crate::render::escape;

/// The first wait before another try; it doubles up to [`LONGEST_BACKOFF`].
const BACKOFF: std::time::Duration = std::time::Duration::from_millis(100);
const LONGEST_BACKOFF: std::time::Duration = std::time::Duration::from_secs(2);

/// The record of a fleet.
pub(super) struct Fleet {
    client: Client,
    runtime: tokio::runtime::Runtime,
    copy: Option<LocalCopy>,
    total: std::time::Duration,
    step: std::time::Duration,
    pub(super) document: Document,
    pub(super) is_there: bool,
    /// What it was when it was read; 0 for none.
    revision: u64,
    /// Why the copy serves.
    pub(super) from_copy: Option<String>,
    pub(super) remarks: Vec<String>,
    /// Why it could not be written the last time, other than that another wrote.
    pub(super) unsaved: Option<String>,
}

impl Fleet {
    /// Reads the record.
    ///
    /// # Errors
    /// When it cannot be reached and no copy serves, when NATS refuses us, or what it has is no record.
    pub(super) fn open(url: &str, reach: &Reach<'_>) -> Result<Self, Failure> {
        let address = Address::parse(url).map_err(|why| {
            Failure::usage(format!("--pins: {why}")).hint("write nats://[USER:PASSWORD@]HOST:PORT/BUCKET, or tls://…")
        })?;
        let name = address.to_string();
        let copy = match reach.copy {
            Copy::None => None,
            Copy::At(path) => Some(LocalCopy::new(path, true, name)),
            Copy::Usual => Some(LocalCopy::new(std::path::Path::new(USUAL), false, name)),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(format!("no threads: {error}")))?;
        let mut fleet = Self {
            client: Client::new(address, reach.nats, reach.step)?,
            runtime,
            copy,
            total: reach.total,
            step: reach.step,
            document: Document::default(),
            is_there: false,
            revision: 0,
            from_copy: None,
            remarks: Vec::new(),
            unsaved: None,
        };
        // With a copy there is no sense in waiting long for what is down.
        let has_copy = fleet.copy.as_ref().is_some_and(|copy| matches!(copy.read(), Ok(Some(_))));
        fleet.read(if has_copy { fleet.step.min(fleet.total) } else { fleet.total })?;
        Ok(fleet)
    }

    /// How people name it.
    pub(super) fn place(&self) -> String {
        self.client.address.to_string()
    }

    /// Reads it again, with all patience: somebody is about to write.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) fn read_again(&mut self) -> Result<(), Failure> {
        self.read(self.total)
    }

    fn read(&mut self, patience: std::time::Duration) -> Result<(), Failure> {
        match self.find(patience) {
            Ok(found) => self.take(found),
            Err(Trouble::Final(failure)) => Err(failure),
            Err(Trouble::Down(why)) => self.fall_back(why),
        }
    }

    fn find(&self, patience: std::time::Duration) -> Result<Option<Found>, Trouble> {
        let deadline = Instant::now() + patience;
        let mut wait = BACKOFF;
        loop {
            match self.runtime.block_on(self.client.find()) {
                Err(Trouble::Down(_)) if Instant::now() + wait < deadline => std::thread::sleep(wait),
                other => return other,
            }
            wait = (wait * 2).min(LONGEST_BACKOFF);
        }
    }

    fn take(&mut self, found: Option<Found>) -> Result<(), Failure> {
        self.from_copy = None;
        let (bytes, revision) = found.map_or((None, 0), |found| (found.bytes, found.revision));
        self.revision = revision;
        self.is_there = bytes.is_some();
        self.document = match bytes {
            None => Document::default(),
            Some(bytes) => Document::read(&bytes).map_err(|wrong| {
                Failure::new(format!(
                    "the record of known roots cannot be used: {}, revision {revision}: {wrong}",
                    self.place()
                ))
                .hint("correct that; without a readable record nothing is started and nothing is adopted")
                .hint(format!(
                    "earlier ones: nats kv history {} {}",
                    self.client.address.bucket,
                    super::nats::KEY
                ))
            })?,
        };
        self.keep();
        Ok(())
    }

    /// Keeps a copy of what is recorded.
    fn keep(&mut self) {
        let Some(copy) = self.copy.as_ref().filter(|_| self.is_there) else { return };
        if let Err(why) = copy.write(&self.document)
            && copy.is_named
        {
            self.remarks.push(format!("no copy of the record is kept: {}", escape::line(&why)));
        }
    }

    fn fall_back(&mut self, why: String) -> Result<(), Failure> {
        let place = self.place();
        let down = |failure: Failure| {
            failure.hint("without the record nothing is started and nothing is adopted; once it was read, --pins-cache FILE (on a volume) serves when NATS is down")
        };
        let message = format!("the record of known roots at {place} cannot be reached: {}", escape::line(&why));
        let Some(copy) = &self.copy else {
            return Err(Failure::new(message)
                .hint("--pins names the record: is a nats-server with JetStream at that HOST:PORT?"));
        };
        let document = match copy.read() {
            Ok(Some(document)) => document,
            Ok(None) => return Err(down(Failure::new(message))),
            Err(wrong) => {
                return Err(down(Failure::new(format!(
                    "{message}; and its copy cannot be used: {}",
                    escape::line(&wrong)
                ))));
            }
        };
        self.remarks.push(format!(
            "{place} cannot be reached ({}); what was recorded when it was read last serves, from {}; nothing is adopted",
            escape::line(&why),
            escape::line(&copy.path.display().to_string())
        ));
        (self.document, self.is_there, self.revision, self.from_copy) = (document, true, 0, Some(why));
        Ok(())
    }

    /// Writes it if nobody did since it was read.
    ///
    /// # Errors
    /// When NATS does not let us.
    pub(super) fn save(&mut self) -> Result<Saved, Failure> {
        if let Some(why) = &self.from_copy {
            return Err(Failure::new(format!("{} cannot be written: {}", self.place(), escape::line(why))));
        }
        match self.runtime.block_on(self.client.put(self.document.write(), self.revision)) {
            Ok(Some(revision)) => {
                (self.revision, self.is_there) = (revision, true);
                self.keep();
                Ok(Saved::Yes)
            }
            // Whether it was written when the connection broke is seen when it is read again.
            Ok(None) => Ok(Saved::Conflict),
            Err(Trouble::Down(why)) => {
                self.unsaved = Some(why);
                std::thread::sleep(BACKOFF);
                Ok(Saved::Conflict)
            }
            Err(Trouble::Final(failure)) => Err(failure),
        }
    }
}
