//! The record of every lasting change to this machine, written before the change is made.
//!
//! In: a folder (`$XDG_STATE_HOME/sidelight/journal`) and changes to be made. Out: the changes, and their exact way back
//! ([`Journal::undo`]), also after the program was killed at any point in between.
//!
//! A deed is `begin`, a snapshot of each path before it changes, and `done` with what stands there afterwards (noted also whenever a
//! program that it ran has ended). Undoing compares three states of every path. As before: nothing to do. As we left it: put back byte for byte. Something else: somebody changed it since, and
//! a [`Reconcile`] that knows the format takes out our part alone.
//!
//! One sidelight at a time changes the machine: the journal is held by a lock (flock(2)), and so is it by the programs that a deed
//! starts, which inherit it. After a kill, undoing therefore waits until such a program has ended too.

mod line;
mod log;
mod transaction;
mod undo;

pub use line::{Also, Deed, Edit};
#[cfg(test)]
pub(crate) use transaction::tree;
pub use transaction::{Action, Ran, Transaction};
pub use undo::{Outcome, Reconcile, Undone};

use crate::files::{FileError, Reach, Snapshot};
use line::{Line, State};
use log::Log;
use sidelight_model::time::Timestamp;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// Why the journal, or a change that goes through it, failed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file could not be read or changed.
    #[error(transparent)]
    File(#[from] FileError),
    /// Somebody else holds the lock.
    #[error(
        "another sidelight, or an update command that one started, is changing this machine ({} is locked); try again when it is done",
        path.display()
    )]
    Busy {
        /// The lock.
        path: PathBuf,
    },
    /// A line that was written whole cannot be read.
    #[error("{}, line {line}: {why}; nothing was changed", path.display())]
    Line {
        /// The journal.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// Kept bytes are not what was kept.
    #[error("{} is damaged: its content does not have the digest that its name says", path.display())]
    Bytes {
        /// The file.
        path: PathBuf,
    },
    /// A path that cannot be written down.
    #[error("a file name that is not UTF-8 cannot be noted in the journal: {source}")]
    Name {
        /// What the encoder said.
        source: serde_json::Error,
    },
    /// A program could not be started or ended badly.
    #[error("{program} {}", match status { Some(status) => format!("ended with {status}: {said}"), None => format!("cannot be run: {said}") })]
    Program {
        /// Its path.
        program: PathBuf,
        /// How it ended, if it was started.
        status: Option<std::process::ExitStatus>,
        /// The end of what it said.
        said: String,
    },
}

/// A deed that the journal knows and that was not taken back.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its number.
    pub id: u64,
    /// When it began, RFC 3339.
    pub at: String,
    /// What it is.
    pub deed: Deed,
    /// Whether it was carried to its end; if not, the program was killed or failed in the middle.
    pub complete: bool,
    /// What stood at each path before, and what was left there; the latter is not known of a deed that was cut short.
    changes: BTreeMap<PathBuf, Change>,
    /// Folders of which everything was noted: a path in them that has no entry was absent.
    trees: Vec<PathBuf>,
}

impl Entry {
    /// The paths that it changed or was about to change.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.changes.keys().map(PathBuf::as_path)
    }

    /// Whether a path is as this deed left it. What it did not note may be as it likes.
    pub fn left_as_is(&self, path: &Path) -> bool {
        let left = self.changes.get(path).and_then(|change| change.after.as_deref());
        left.is_none_or(|left| self.take(path).is_ok_and(|now| now.fingerprint() == left))
    }

    /// Its paths, and the SHA-256 of the file that stood there before, where one did.
    pub fn before(&self) -> impl Iterator<Item = (&Path, Option<&str>)> {
        self.changes.iter().map(|(path, change)| match &change.before {
            State::File { sha256, .. } => (path.as_path(), Some(sha256.as_str())),
            _ => (path.as_path(), None),
        })
    }

    /// What stands at one of its paths now.
    ///
    /// # Errors
    /// When its root cannot be opened, or the path cannot be read.
    pub fn take(&self, path: &Path) -> Result<Snapshot, FileError> {
        Reach::new(self.deed.root.as_deref())?.take(path)
    }

    /// Whether what stands at a path is what stood there before this deed or what it left.
    pub fn knows(&self, path: &Path, now: &Snapshot) -> bool {
        let fingerprint = now.fingerprint();
        let same_kind = |before: &State| match (before, now) {
            (State::Absent, Snapshot::Absent) => true,
            (State::File { sha256, .. }, Snapshot::File { bytes, .. }) => *sha256 == crate::files::digest(bytes),
            _ => false,
        };
        self.changes
            .get(path)
            .is_some_and(|change| change.after.as_deref() == Some(&fingerprint) || same_kind(&change.before))
    }
}

#[derive(Clone, Debug)]
struct Change {
    before: State,
    after: Option<String>,
}

/// The journal, locked.
pub struct Journal {
    log: Log,
    lock: File,
    entries: Vec<Entry>,
    next: u64,
    on_step: Box<dyn FnMut(&str)>,
}

impl Journal {
    /// Opens the journal in `folder`, making it if need be, and waits up to `wait` for whoever holds it.
    ///
    /// `on_step` is called after every durable step with what was done: for showing progress, and for tests that end the program there.
    ///
    /// # Errors
    /// When it cannot be made, read or locked.
    pub fn open(folder: &Path, wait: Duration, on_step: Box<dyn FnMut(&str)>) -> Result<Self, JournalError> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(FileError::io("create the folder", folder))?;
        let lock = lock(&folder.join("lock"), wait)?;
        let (log, lines) = Log::open(folder)?;
        let next = lines.iter().filter_map(begun).max().map_or(1, |last| last.saturating_add(1));
        Ok(Self { log, lock, entries: entries(lines), next, on_step })
    }

    /// The deeds of the journal in `folder` that were not taken back, without locking or changing anything.
    ///
    /// # Errors
    /// When it is there but cannot be read.
    pub fn look(folder: &Path) -> Result<Vec<Entry>, JournalError> {
        Ok(entries(log::read(&folder.join("journal.jsonl"))?.0))
    }

    /// The deeds that were not taken back, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn step(&mut self, done: &str) {
        (self.on_step)(done);
    }

    /// Keeps a snapshot's bytes and gives its line.
    fn keep(&self, snapshot: &Snapshot) -> Result<State, JournalError> {
        if let Snapshot::File { bytes, .. } = snapshot {
            self.log.keep(bytes)?;
        }
        Ok(State::of(snapshot))
    }
}

fn begun(line: &Line) -> Option<u64> {
    match line {
        Line::Begin { id, .. } => Some(*id),
        _ => None,
    }
}

/// Lines to deeds.
fn entries(lines: Vec<Line>) -> Vec<Entry> {
    let mut open: Vec<Entry> = Vec::new();
    for line in lines {
        let (Line::Begin { id, .. }
        | Line::Before { id, .. }
        | Line::Tree { id, .. }
        | Line::After { id, .. }
        | Line::Done { id, .. }
        | Line::Undone { id, .. }) = &line;
        let id = *id;
        if let Line::Begin { at, deed, .. } = line {
            open.push(Entry { id, at, deed, complete: false, changes: BTreeMap::new(), trees: Vec::new() });
            continue;
        }
        let Some(index) = open.iter().position(|entry| entry.id == id) else { continue };
        match line {
            Line::Before { path, state, .. } => open[index].note(path, state),
            Line::Tree { path, entries, .. } => open[index].note_tree(path, entries),
            Line::After { after, .. } => open[index].left(after),
            Line::Done { after, .. } => {
                open[index].left(after);
                open[index].complete = true;
            }
            Line::Undone { .. } => drop(open.remove(index)),
            Line::Begin { .. } => {}
        }
    }
    open
}

impl Entry {
    /// The first snapshot of a path is the true one: later ones show our own work.
    fn note(&mut self, path: PathBuf, before: State) {
        self.changes.entry(path).or_insert(Change { before, after: None });
    }

    fn note_tree(&mut self, path: PathBuf, entries: Vec<(PathBuf, State)>) {
        for (path, before) in entries {
            self.note(path, before);
        }
        self.trees.push(path);
    }

    fn left(&mut self, after: Vec<(PathBuf, String)>) {
        for (path, fingerprint) in after {
            let change = self.changes.entry(path).or_insert(Change { before: State::Absent, after: None });
            change.after = Some(fingerprint);
        }
    }
}

/// Takes the lock; std's locks are flock(2), which a child that inherits the descriptor holds too.
fn lock(path: &Path, wait: Duration) -> Result<File, JournalError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(FileError::io("open", path))?;
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) if since.elapsed() < wait => {
                std::thread::sleep(Duration::from_millis(100));
            }
            Err(std::fs::TryLockError::WouldBlock) => return Err(JournalError::Busy { path: path.to_owned() }),
            Err(std::fs::TryLockError::Error(error)) => return Err(FileError::io("lock", path)(error).into()),
        }
    }
}

fn now() -> String {
    Timestamp::from(SystemTime::now()).rfc3339()
}

#[cfg(test)]
mod tests;
