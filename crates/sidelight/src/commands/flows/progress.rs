//! How far long work is. In: flows as they are read. Out: their number, and meanwhile one line on standard error, written over,
//! when that is a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sidelight_model::finding::Finding;
use sidelight_model::flow::{Decoded, Exchange};
use sidelight_sink::bus::Consumer;
use sidelight_sink::ledger::Ledger;
use sidelight_sink::record::ConnectionRecord;

/// How often the line is written.
const PERIOD: Duration = Duration::from_millis(200);

/// A line of progress; nothing at all where standard error is no terminal.
struct Progress {
    title: String,
    next: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// Work on `title`; nothing is shown before a moment has passed.
    fn new(title: &str) -> Self {
        let next = std::io::stderr().is_terminal().then(|| Instant::now() + PERIOD);
        Self { title: title.to_owned(), next, shown: false }
    }

    /// So many flows are done.
    fn step(&mut self, flows: u64) {
        let Some(next) = self.next else { return };
        let now = Instant::now();
        if now >= next {
            self.next = Some(now + PERIOD);
            self.shown = true;
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K{}: {flows} flows", self.title);
        }
    }

    /// Takes the line away.
    fn end(&mut self) {
        self.next = None;
        if std::mem::take(&mut self.shown) {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

/// Numbers that a consumer leaves behind.
#[derive(Clone, Default)]
pub(super) struct Counted(Arc<[AtomicU64; 2]>);

impl Counted {
    /// Exchanges, and connections without any.
    pub(super) fn numbers(&self) -> [u64; 2] {
        [0, 1].map(|n| self.0[n].load(Ordering::Relaxed))
    }

    fn add(&self, which: usize) {
        self.0[which].fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts flows, and shows how far it is.
pub(super) struct Counter {
    counted: Counted,
    progress: Progress,
}

impl Counter {
    /// Counts into `counted`; `title` is what is worked on.
    pub(super) fn new(title: &str, counted: &Counted) -> Self {
        Self { counted: counted.clone(), progress: Progress::new(title) }
    }
}

impl Consumer for Counter {
    fn exchange(&mut self, _conn: &ConnectionRecord, _exchange: &Arc<Exchange>) {
        self.counted.add(0);
        self.progress.step(self.counted.numbers().iter().sum());
    }

    fn decoded(&mut self, _conn: &ConnectionRecord, _decoded: &Decoded) {}

    fn finding(&mut self, _conn: &ConnectionRecord, _finding: &Finding) {}

    fn closed(&mut self, conn: &ConnectionRecord) {
        if conn.exchanges == 0 {
            self.counted.add(1);
        }
        self.progress.step(self.counted.numbers().iter().sum());
    }

    fn end(&mut self, _ledger: &Ledger) {
        self.progress.end();
    }
}
