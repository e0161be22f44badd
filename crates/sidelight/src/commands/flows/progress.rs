//! How far long work is. In: a number that grows. Out: one line on standard error, written over, when that is a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// How often the line is written.
const PERIOD: Duration = Duration::from_millis(200);

/// A line of progress; nothing at all where standard error is no terminal.
pub(super) struct Progress {
    title: String,
    next: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// Work on `file`; nothing is shown before a moment has passed.
    pub(super) fn new(file: &Path) -> Self {
        let next = std::io::stderr().is_terminal().then(|| Instant::now() + PERIOD);
        Self { title: file.display().to_string(), next, shown: false }
    }

    /// So many flows are done.
    pub(super) fn step(&mut self, flows: u64) {
        let Some(next) = self.next else { return };
        let now = Instant::now();
        if now >= next {
            self.next = Some(now + PERIOD);
            self.shown = true;
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K{}: {flows} flows", self.title);
        }
    }

    /// Takes the line away.
    pub(super) fn end(&mut self) {
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
