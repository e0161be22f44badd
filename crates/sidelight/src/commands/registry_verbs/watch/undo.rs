//! Files that are changed while it is watched, and their way back. In: files. Out: the same, and at the end what stood there before;
//! also after a kill -9, by the next sidelight.
//!
//! Each watch has a journal of its own (`$XDG_STATE_HOME/sidelight/watching/PID-…`), locked for as long as it runs: a journal that can be
//! locked is that of a dead one.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sidelight_host::files::Snapshot;
use sidelight_host::journal::{Deed, Journal, JournalError, Outcome, Reconcile};

use crate::exit::Failure;
use crate::settings::xdg_folder;
use crate::ui::Ui;

/// What stands in every line of ours that is put into a file of somebody else's.
pub(super) const MARK: &str = "# sidelight registry watch";

/// Journals of dead watches that are looked at.
const MOST: usize = 1000;

/// The changes of one watch.
pub(super) struct Changes {
    /// `None` once they were taken back.
    journal: Option<Journal>,
    folder: PathBuf,
    ui: Ui,
}

fn all() -> Option<PathBuf> {
    xdg_folder("XDG_STATE_HOME", ".local/state", &|name| std::env::var_os(name)).map(|it| it.join("watching"))
}

impl Changes {
    /// Begins a journal.
    ///
    /// # Errors
    /// When there is no folder for it, or it cannot be made.
    pub(super) fn begin(ui: Ui) -> Result<Self, Failure> {
        let Some(all) = all() else {
            return Err(Failure::new("there is no folder for the journal: neither XDG_STATE_HOME nor HOME is set"));
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |it| it.as_nanos());
        let folder = all.join(format!("{}-{now}", std::process::id()));
        let journal = Journal::open(&folder, Duration::ZERO, Box::new(|_| {})).map_err(Failure::new)?;
        Ok(Self { journal: Some(journal), folder, ui })
    }

    /// Writes a file below a client's root; a new one gets mode 0644.
    ///
    /// # Errors
    /// When it cannot be noted or written.
    pub(super) fn write(&mut self, client: &str, root: &Path, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let deed = Deed {
            place: format!("watch:{client}"),
            certificate: String::new(),
            sha256: String::new(),
            root: (root != Path::new("/")).then(|| root.to_owned()),
            edit: None,
        };
        let written = journal.begin(deed).and_then(|mut change| {
            change.write(path, bytes, 0o644)?;
            change.finish()
        });
        written.map(drop).map_err(|error| cannot_write(&error))
    }

    /// Takes all of it back; gives the number of files.
    pub(super) fn take_back(&mut self) -> usize {
        let Some(mut journal) = self.journal.take() else { return 0 };
        let (done, all) = undo(&mut journal, self.ui);
        if all {
            // Before the lock goes, so that nobody finds it dead.
            forget(&self.folder);
        }
        done
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.take_back();
    }
}

/// Removes a journal, and the folder of them all where it was the last.
fn forget(folder: &Path) {
    let _ = std::fs::remove_dir_all(folder);
    if let Some(all) = folder.parent() {
        let _ = std::fs::remove_dir(all);
    }
}

fn cannot_write(error: &JournalError) -> Failure {
    let failure = Failure::new(error);
    let denied = matches!(error, JournalError::File(error) if error.is_denied());
    if denied { failure.hint("run it as root: sudo sidelight …") } else { failure }
}

/// Takes back what the journal holds, the latest first: the number of files, and whether that was all.
fn undo(journal: &mut Journal, ui: Ui) -> (usize, bool) {
    let ids: Vec<(u64, String)> = journal.entries().iter().map(|it| (it.id, paths(it))).collect();
    let (mut done, mut all) = (0, true);
    for (id, paths) in ids.into_iter().rev() {
        match journal.undo(id, &WithoutUs) {
            Ok(undone) => {
                done += undone.restored.len() + undone.merged.len();
                for (path, why) in undone.unclear {
                    all = false;
                    ui.warning(&format!("{} is not as sidelight left it: {why}", path.display()));
                }
            }
            Err(error) => {
                all = false;
                ui.warning(&format!("{paths} cannot be put back: {error}"));
            }
        }
    }
    (done, all)
}

fn paths(entry: &sidelight_host::journal::Entry) -> String {
    entry.paths().map(|it| it.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Takes back what killed watches left. Costs a look into one folder where there are none.
pub(crate) fn restore_killed(ui: Ui) {
    let Some(entries) = all().and_then(|folder| std::fs::read_dir(folder).ok()) else { return };
    for entry in entries.take(MOST).flatten() {
        let folder = entry.path();
        // Looked at without making anything first: a journal that is locked is that of a living one.
        let Ok(known) = Journal::look(&folder) else { continue };
        let Ok(mut journal) = Journal::open(&folder, Duration::ZERO, Box::new(|_| {})) else { continue };
        let (done, all) = undo(&mut journal, ui);
        let is_gone = gone(&known);
        if all || is_gone {
            forget(&folder);
        }
        if !all && is_gone {
            ui.warning("the daemon whose files those were is gone, and its root with it: sidelight gives them up");
        }
        if done > 0 {
            let paths: Vec<String> = known.iter().map(paths).collect();
            ui.note(&format!("put back what a killed `registry watch` had left: {}", paths.join(", ")));
        }
    }
}

/// Whether the roots of all that was changed are gone, with the daemons that saw them.
fn gone(known: &[sidelight_host::journal::Entry]) -> bool {
    known.iter().all(|it| it.deed.root.as_ref().is_some_and(|root| !root.exists()))
}

/// Takes our lines out of a file that somebody changed meanwhile.
struct WithoutUs;

impl Reconcile for WithoutUs {
    fn reconcile(&self, _: &Path, before: &Snapshot, _: Option<&str>, now: &Snapshot) -> Outcome {
        let Snapshot::File { bytes, .. } = now else { return Outcome::Leave };
        let Ok(text) = std::str::from_utf8(bytes) else { return Outcome::Leave };
        match without_us(text) {
            None => Outcome::Leave,
            Some(rest) if rest.trim().is_empty() && matches!(before, Snapshot::Absent) => Outcome::Remove,
            Some(rest) => Outcome::Write(rest.into_bytes()),
        }
    }
}

/// A text without our block; `None` when there is none in it.
pub(super) fn without_us(text: &str) -> Option<String> {
    let (mut rest, mut inside, mut found) = (String::new(), false, false);
    for line in text.split_inclusive('\n') {
        if line.starts_with(MARK) {
            found = true;
            inside = line.contains("begins");
        } else if !inside {
            rest.push_str(line);
        }
    }
    found.then_some(rest)
}

/// A block of ours.
pub(super) fn marked(body: &str) -> String {
    format!("{MARK} begins; it goes when the watch ends\n{body}{MARK} ends\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_block_is_found_again() {
        let text = format!("a = 1\n{}b = 2\n", marked("c = 3\n"));
        assert_eq!(without_us(&text).as_deref(), Some("a = 1\nb = 2\n"));
        assert_eq!(without_us("a = 1\n"), None);
        assert_eq!(without_us(&marked("x\n")).as_deref(), Some(""));
    }
}
