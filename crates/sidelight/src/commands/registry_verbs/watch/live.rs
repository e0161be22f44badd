//! Blocks as they end. In: exchanges from the bus. Out: each pull, push and login once nothing more happens, to whoever shows it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sidelight_model::finding::Finding;
use sidelight_model::flow::{Decoded, Event, Exchange, Verdict};
use sidelight_model::registry::seen::{Credentials, Seen};
use sidelight_model::registry::timeline::{Block, Outcome, build};
use sidelight_sink::bus::Consumer;
use sidelight_sink::ledger::Ledger;
use sidelight_sink::record::ConnectionRecord;
use sidelight_wire::registry::Observer;

/// What a client did is over when so long nothing passed: between two steps of a pull clients take less, and bytes of blobs count.
const QUIET: Duration = Duration::from_secs(2);

/// Requests that wait for the end of what they belong to; then all that there are is told.
const MOST_WAITING: usize = 20_000;

/// Shows a block.
pub(super) type Show = Box<dyn FnMut(&Block) + Send>;

/// What became of the blocks so far.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<Mutex<Vec<(Outcome, String)>>>);

impl Told {
    /// Outcome and one line of each block.
    pub(super) fn all(&self) -> Vec<(Outcome, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The consumer.
pub(super) struct Live {
    observer: Observer,
    waiting: Vec<Seen>,
    latest: Instant,
    show: Show,
    told: Told,
    /// Clients come by local ports, to which not every login is sent.
    by_local_port: bool,
}

impl Live {
    pub(super) fn new(show: Show, told: Told, by_local_port: bool) -> Self {
        let (observer, waiting, latest) = (Observer::default(), Vec::new(), Instant::now());
        Self { observer, waiting, latest, show, told, by_local_port }
    }

    fn tell(&mut self) {
        for mut block in build(std::mem::take(&mut self.waiting)) {
            if self.by_local_port && was_refused_without_login(&block) {
                let host = &block.host;
                block.verdict.notes.push(format!(
                    "no login came with it: one that the client keeps for {host} is not sent to our local port. If it has one, it went on to {host} itself, \
                     and this refusal is none of the pull's"
                ));
            }
            (self.show)(&block);
            let line = format!("{} {}: {}", block.action.name(), block.image(), block.verdict.summary);
            self.told.0.lock().unwrap_or_else(PoisonError::into_inner).push((block.verdict.outcome, line));
        }
    }
}

/// Whether a registry or token server refused somebody who showed no login.
fn was_refused_without_login(block: &Block) -> bool {
    let seen = || block.steps.iter().flat_map(|it| &it.seen);
    block.verdict.outcome == Outcome::Failed
        && seen().any(|it| matches!(it.status, Some(401 | 403)))
        && !seen().any(|it| it.credentials == Credentials::Login)
}

impl Consumer for Live {
    fn event(&mut self, conn: &ConnectionRecord, _: &Event) {
        // What is relayed unseen belongs to others.
        if conn.decision.as_ref().is_none_or(|it| it.verdict != Verdict::Relay) {
            self.latest = Instant::now();
        }
    }

    fn exchange(&mut self, conn: &ConnectionRecord, exchange: &Arc<Exchange>) {
        self.waiting.extend(self.observer.exchange(conn, exchange, false));
        if self.waiting.len() > MOST_WAITING {
            self.tell();
        }
    }

    fn decoded(&mut self, _: &ConnectionRecord, _: &Decoded) {}

    fn finding(&mut self, _: &ConnectionRecord, _: &Finding) {}

    fn closed(&mut self, conn: &ConnectionRecord) {
        if conn.exchanges == 0 {
            self.waiting.extend(Observer::connection(conn));
        }
    }

    fn quiet(&mut self) {
        if !self.waiting.is_empty() && self.latest.elapsed() >= QUIET {
            self.tell();
        }
    }

    fn end(&mut self, _: &Ledger) {
        self.tell();
    }
}
