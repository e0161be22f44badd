//! Taking a deed back. In: what stood at each path before, what was left there, and what stands there now. Out: what stood before, or
//! what others made of it since without our part.

use super::line::Line;
use super::transaction::tree;
use super::{Change, Entry, Journal, JournalError, now};
use crate::files::{FileError, Reach, Snapshot};
use std::path::{Path, PathBuf};

/// What is to become of a path that is neither as it was before nor as we left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All that is new in it is ours: put back what was there before.
    Restore,
    /// These bytes are what is there now without our part.
    Write(Vec<u8>),
    /// All of it is ours.
    Remove,
    /// Nothing of ours is in it.
    Leave,
    /// Ours may still be in it and cannot be told from what others did: the reason, for people.
    Unclear(String),
}

/// Knows the format of what a deed changed.
pub trait Reconcile {
    /// Judges a path that somebody changed after us, or that a deed left that was cut short (`after` is then unknown).
    fn reconcile(&self, path: &Path, before: &Snapshot, after: Option<&str>, now: &Snapshot) -> Outcome;
}

/// What undoing a deed did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Paths that were put back as they were.
    pub restored: Vec<PathBuf>,
    /// Paths that others had changed since, from which our part was taken.
    pub merged: Vec<PathBuf>,
    /// Paths that must be looked at by a person, and why; the deed then stays in the journal.
    pub unclear: Vec<(PathBuf, String)>,
}

impl Journal {
    /// Takes back the deed with this number. Being killed in the middle does no harm: what is as it was before is left alone next time.
    ///
    /// # Errors
    /// When a path cannot be read or changed. What was put back until then stays so, and the deed stays in the journal.
    pub fn undo(&mut self, id: u64, reconcile: &dyn Reconcile) -> Result<Undone, JournalError> {
        let mut undone = Undone::default();
        let Some(entry) = self.entries.iter().find(|entry| entry.id == id).cloned() else { return Ok(undone) };
        // Anew: what the root's folders were when the deed was done says nothing of now.
        let reach = Reach::new(entry.deed.root.as_deref())?;
        let changes = all_changes(&reach, &entry)?;
        // What was there comes back parents first; what was not there goes children first.
        let (absent, present): (Vec<_>, Vec<_>) = changes.iter().partition(|(_, change)| change.was_absent());
        for (path, change) in present.into_iter().chain(absent.into_iter().rev()) {
            self.undo_one(&reach, path, change, reconcile, &mut undone)?;
        }
        if undone.unclear.is_empty() {
            self.log.append(&Line::Undone { id, at: now() })?;
            self.entries.retain(|entry| entry.id != id);
            self.step("undone");
            if self.entries.is_empty() {
                self.log.empty()?;
            }
        }
        Ok(undone)
    }

    fn undo_one(
        &mut self,
        reach: &Reach,
        path: &Path,
        change: &Change,
        reconcile: &dyn Reconcile,
        undone: &mut Undone,
    ) -> Result<(), JournalError> {
        let before = change.before.snapshot(|sha256| self.log.kept(sha256))?;
        let now = reach.take(path)?;
        let untouched = change.after.as_deref() == Some(now.fingerprint().as_str());
        let outcome = if now.same(&before) {
            Outcome::Leave
        } else if let (Snapshot::Absent, Snapshot::Directory { .. }) = (&before, &now) {
            if !reach.names(path)?.is_empty() { Outcome::Leave } else { Outcome::Remove }
        } else if untouched {
            Outcome::Restore
        } else {
            reconcile.reconcile(path, &before, change.after.as_deref(), &now)
        };
        match outcome {
            Outcome::Leave => return Ok(()),
            Outcome::Unclear(why) => {
                undone.unclear.push((path.to_owned(), why));
                return Ok(());
            }
            Outcome::Restore => {
                clear_the_way(reach, path, &before, &now)?;
                reach.put_back(path, &before)?;
                undone.restored.push(path.to_owned());
            }
            Outcome::Remove => {
                reach.remove(path)?;
                undone.restored.push(path.to_owned());
            }
            Outcome::Write(bytes) => {
                reach.replace_file(path, &bytes, &reach.meta_or_new(path, 0o644)?)?;
                undone.merged.push(path.to_owned());
            }
        }
        self.step(&format!("put back {}", path.display()));
        Ok(())
    }
}

/// The noted changes, and everything that appeared in a noted folder since.
fn all_changes(reach: &Reach, entry: &Entry) -> Result<Vec<(PathBuf, Change)>, FileError> {
    let mut changes = entry.changes.clone();
    for folder in &entry.trees {
        for path in tree(reach, folder)? {
            changes.entry(path).or_insert(Change { before: super::line::State::Absent, after: None });
        }
    }
    Ok(changes.into_iter().collect())
}

/// A rename cannot put a file over a folder, nor a folder over a file.
fn clear_the_way(reach: &Reach, path: &Path, before: &Snapshot, now: &Snapshot) -> Result<(), FileError> {
    let folder = |snapshot: &Snapshot| matches!(snapshot, Snapshot::Directory { .. });
    if folder(before) != folder(now) { reach.remove(path) } else { Ok(()) }
}
