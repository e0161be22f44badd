//! A deed while it is being done. In: changes. Out: the journal's lines, then the changes. A rehearsal ([`Transaction::rehearse`]) takes
//! the same steps and changes nothing.

use super::line::{Deed, Line, State, VERSION};
use super::{Change, Entry, Journal, JournalError, now};
use crate::files::{FileError, Meta, Reach, Snapshot};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Entries of a folder that another program changes; the largest trust store has some 500.
const ENTRIES: usize = 20_000;

/// Folders within folders.
const DEPTH: usize = 8;

/// Bytes that are kept of what a program says when it fails.
const SAID: usize = 4_000;

/// One thing that was done, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A file was written.
    Write(PathBuf),
    /// A symbolic link was made.
    Link(PathBuf, PathBuf),
    /// A folder was made.
    Folder(PathBuf),
    /// A file, link or empty folder was removed.
    Remove(PathBuf),
    /// A program was run.
    Run(String),
}

/// What a program said.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// Standard output and standard error, the last some thousand bytes.
    pub said: String,
}

/// Changes that belong together.
pub struct Transaction<'j> {
    /// None in a rehearsal.
    journal: Option<&'j mut Journal>,
    reach: Reach,
    entry: Entry,
    actions: Vec<Action>,
}

impl Journal {
    /// Begins a deed.
    ///
    /// # Errors
    /// When the deed's root cannot be opened, or the journal cannot be written.
    pub fn begin(&mut self, deed: Deed) -> Result<Transaction<'_>, JournalError> {
        let reach = Reach::new(deed.root.as_deref())?;
        let (id, at) = (self.next, now());
        self.log.append(&Line::Begin { v: VERSION, id, at: at.clone(), deed: deed.clone() })?;
        self.next += 1;
        let entry = Entry { id, at, deed, complete: false, changes: BTreeMap::new(), trees: Vec::new() };
        self.entries.push(entry.clone());
        self.step("began");
        Ok(Transaction { journal: Some(self), reach, entry, actions: Vec::new() })
    }

    /// Runs a program with a plain environment and no input, and returns what it said. The program holds the journal's lock until it
    /// ends, whatever becomes of us.
    ///
    /// # Errors
    /// When it cannot be started or does not end with status 0; what it said is in the error.
    pub fn run(&mut self, program: &Path, arguments: &[&str]) -> Result<Ran, JournalError> {
        self.step(&format!("running {}", command_line(program, arguments)));
        let held = self.lock.try_clone().map_err(FileError::io("share the lock with", program))?;
        let failed = |status, said| JournalError::Program { program: program.to_owned(), status, said };
        let output = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .env("HOME", "/")
            .stdin(Stdio::from(held))
            .output()
            .map_err(|error| failed(None, error.to_string()))?;
        let said = last_of(&[output.stdout, output.stderr].concat());
        if output.status.success() { Ok(Ran { said }) } else { Err(failed(Some(output.status), said)) }
    }
}

/// A command as it would be typed.
fn command_line(program: &Path, arguments: &[&str]) -> String {
    let words = arguments.iter().map(|word| if word.is_empty() { "''" } else { word });
    words.fold(program.display().to_string(), |line, word| format!("{line} {word}"))
}

impl Transaction<'_> {
    /// A deed that is only talked about.
    ///
    /// # Errors
    /// When its root cannot be opened.
    pub fn rehearse(deed: Deed) -> Result<Transaction<'static>, JournalError> {
        let reach = Reach::new(deed.root.as_deref())?;
        let entry = Entry { id: 0, at: now(), deed, complete: false, changes: BTreeMap::new(), trees: Vec::new() };
        Ok(Transaction { journal: None, reach, entry, actions: Vec::new() })
    }

    /// Whether nothing is really done.
    pub fn is_rehearsal(&self) -> bool {
        self.journal.is_none()
    }

    /// The way to what it changes.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// What was done so far.
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    fn step(&mut self, done: &str) {
        if let Some(journal) = &mut self.journal {
            journal.step(done);
        }
    }

    /// Notes what stands at `path`, which is about to change.
    ///
    /// # Errors
    /// When it cannot be read, or the journal cannot be written.
    pub fn note(&mut self, path: &Path) -> Result<(), JournalError> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        if self.entry.changes.contains_key(path) {
            return Ok(());
        }
        let state = journal.keep(&self.reach.take(path)?)?;
        journal.log.append(&Line::Before { id: self.entry.id, path: path.to_owned(), state: state.clone() })?;
        self.entry.note(path.to_owned(), state);
        self.step(&format!("noted {}", path.display()));
        Ok(())
    }

    /// Notes all that stands in `folder`, which another program is about to change. A folder that is not there is noted as absent.
    ///
    /// # Errors
    /// When something in it cannot be read, or the journal cannot be written.
    pub fn note_tree(&mut self, folder: &Path) -> Result<(), JournalError> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let mut entries = Vec::new();
        for path in tree(&self.reach, folder)? {
            if let Some(snapshot) = taken(&self.reach, &path)? {
                entries.push((path, journal.keep(&snapshot)?));
            }
        }
        let line = Line::Tree { id: self.entry.id, path: folder.to_owned(), entries: entries.clone() };
        journal.log.append(&line)?;
        self.entry.note_tree(folder.to_owned(), entries);
        self.step(&format!("noted {}", folder.display()));
        Ok(())
    }

    /// Writes a file. One that is there keeps its mode, owner and attributes; a new one gets `mode`.
    ///
    /// # Errors
    /// When it cannot be noted or written; a missing parent folder is made.
    pub fn write(&mut self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), JournalError> {
        self.parents(path)?;
        self.note(path)?;
        self.actions.push(Action::Write(path.to_owned()));
        if let Some(journal) = &mut self.journal {
            let meta = self.reach.meta_or_new(path, mode)?;
            // Noted first, so that what we wrote is known as ours after a kill.
            let ours = Snapshot::File { bytes: bytes.to_vec(), meta: meta.clone() }.fingerprint();
            let after = vec![(path.to_owned(), ours)];
            self.entry.left(after.clone());
            journal.log.append(&Line::After { id: self.entry.id, after })?;
            self.reach.replace_file(path, bytes, &meta)?;
        }
        self.step(&format!("wrote {}", path.display()));
        Ok(())
    }

    /// Writes a file as [`Transaction::write`] does; a new one gets this owner too.
    ///
    /// # Errors
    /// As [`Transaction::write`]; when the owner cannot be given.
    pub fn write_as(&mut self, path: &Path, bytes: &[u8], mode: u32, owner: (u32, u32)) -> Result<(), JournalError> {
        let is_new = !self.reach.exists(path);
        self.write(path, bytes, mode)?;
        if is_new && self.journal.is_some() {
            own(&self.reach, path, owner)?;
        }
        Ok(())
    }

    /// Removes a file, link or empty folder; nothing there is fine.
    ///
    /// # Errors
    /// When it cannot be noted or removed.
    pub fn remove(&mut self, path: &Path) -> Result<(), JournalError> {
        if !self.reach.exists(path) {
            return Ok(());
        }
        self.note(path)?;
        self.actions.push(Action::Remove(path.to_owned()));
        if self.journal.is_some() {
            self.reach.remove(path)?;
        }
        self.step(&format!("removed {}", path.display()));
        Ok(())
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// When it cannot be noted or made.
    pub fn link(&mut self, path: &Path, target: &Path) -> Result<(), JournalError> {
        self.parents(path)?;
        self.note(path)?;
        self.actions.push(Action::Link(path.to_owned(), target.to_owned()));
        if self.journal.is_some() {
            self.reach.replace_symlink(path, target)?;
        }
        self.step(&format!("linked {}", path.display()));
        Ok(())
    }

    /// Makes a folder (and those above it) unless it is there.
    ///
    /// # Errors
    /// When it cannot be noted or made.
    pub fn folder(&mut self, path: &Path, mode: u32) -> Result<(), JournalError> {
        if self.reach.is_folder(path) {
            return Ok(());
        }
        let missing: Vec<&Path> = path.ancestors().take_while(|above| !self.reach.is_folder(above)).collect();
        for folder in missing.into_iter().rev() {
            self.note(folder)?;
            self.actions.push(Action::Folder(folder.to_owned()));
            if self.journal.is_some() {
                self.reach.create_directory(folder, mode)?;
            }
            self.step(&format!("made {}", folder.display()));
        }
        Ok(())
    }

    fn parents(&mut self, path: &Path) -> Result<(), JournalError> {
        path.parent().map_or(Ok(()), |parent| self.folder(parent, 0o755))
    }

    /// Runs a program whose changes were noted; see [`Journal::run`].
    ///
    /// # Errors
    /// When it cannot be started or does not end with status 0; what it said is in the error.
    pub fn run(&mut self, program: &Path, arguments: &[&str]) -> Result<Ran, JournalError> {
        self.actions.push(Action::Run(command_line(program, arguments)));
        let Some(journal) = &mut self.journal else { return Ok(Ran::default()) };
        let ran = journal.run(program, arguments);
        let after = self.after()?;
        self.entry.left(after.clone());
        if let Some(journal) = &mut self.journal {
            journal.log.append(&Line::After { id: self.entry.id, after })?;
        }
        self.step(&format!("ran {}", program.display()));
        ran
    }

    /// What stands at the noted paths and in the noted folders now.
    fn after(&self) -> Result<Vec<(PathBuf, String)>, JournalError> {
        let mut paths: Vec<PathBuf> = self.entry.changes.keys().cloned().collect();
        for folder in &self.entry.trees {
            paths.extend(tree(&self.reach, folder)?);
        }
        paths.sort();
        paths.dedup();
        let mut after = Vec::new();
        for path in paths {
            if let Some(snapshot) = taken(&self.reach, &path)? {
                after.push((path, snapshot.fingerprint()));
            }
        }
        Ok(after)
    }

    /// Says that the deed is done, and notes what it left.
    ///
    /// # Errors
    /// When a path cannot be looked at, or the journal cannot be written.
    pub fn finish(mut self) -> Result<Vec<Action>, JournalError> {
        if self.journal.is_none() {
            return Ok(std::mem::take(&mut self.actions));
        }
        let after = self.after()?;
        self.entry.left(after.clone());
        self.entry.complete = true;
        let (id, entry) = (self.entry.id, self.entry.clone());
        if let Some(journal) = &mut self.journal {
            journal.log.append(&Line::Done { id, after })?;
            journal.entries.retain(|known| known.id != id);
            journal.entries.push(entry);
            journal.step("done");
        }
        Ok(std::mem::take(&mut self.actions))
    }
}

impl Drop for Transaction<'_> {
    /// What was noted so far is known to the journal in memory too, so that a deed that failed can be undone at once.
    fn drop(&mut self) {
        let entry = self.entry.clone();
        if let Some(journal) = &mut self.journal
            && let Some(known) = journal.entries.iter_mut().find(|known| known.id == entry.id && !known.complete)
        {
            *known = entry;
        }
    }
}

/// Gives a new file another owner, where it is another.
fn own(reach: &Reach, path: &Path, owner: (u32, u32)) -> Result<(), FileError> {
    let meta = Meta::new(0);
    if (meta.uid, meta.gid) == owner { Ok(()) } else { reach.own(path, owner) }
}

/// A snapshot; none of a device, socket or pipe, which no trust store's tool touches.
fn taken(reach: &Reach, path: &Path) -> Result<Option<Snapshot>, FileError> {
    match reach.take(path) {
        Err(FileError::NotRegular { .. }) => Ok(None),
        other => other.map(Some),
    }
}

/// A folder and all that is in it, parents before children, not following links. Only the name when it is not there.
pub(crate) fn tree(reach: &Reach, folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let mut found = vec![folder.to_owned()];
    let mut to_list = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = to_list.pop() {
        for name in reach.names(&folder)? {
            let path = folder.join(name);
            if found.len() >= ENTRIES || depth >= DEPTH {
                return Err(FileError::TooMany { path: folder, limit: ENTRIES });
            }
            found.push(path.clone());
            to_list.push((path, depth + 1));
        }
    }
    found.sort();
    Ok(found)
}

fn last_of(said: &[u8]) -> String {
    let from = said.len().saturating_sub(SAID);
    String::from_utf8_lossy(&said[from..]).trim().to_owned()
}

/// Where a change stands between before and after; used by undoing.
impl Change {
    pub(super) fn was_absent(&self) -> bool {
        self.before == State::Absent
    }
}
