//! The trust stores of this machine: where they are, how our CA gets in, how it gets out again.
//!
//! In: a certificate, a [`Place`], the [`Journal`]. Out: the place trusts it ([`install`]), or is as it was ([`uninstall`]).
//! Every store is changed by its own rules, and every change is in the journal first.

mod apply;
mod docker;
mod edit;
mod host;
mod nss;
mod place;
mod places;
mod reconcile;

pub use edit::{
    Edited, Target, add, add_all, find, is_as_wanted, plan_add, plan_remove, remove, remove_all, undo_edit,
};
pub use nss::find_nss_databases;
pub use place::{ParsePlaceError, Place};
pub use places::{find_host_bundles, find_java_stores};
pub use sidelight_wire::trust_edit::{Anchor, AnchorError, JavaStore, STOREPASS};

use crate::files::{FileError, Reach, read_bounded, resolve_in_root};
use crate::journal::{Action, Deed, Entry, Journal, JournalError, Transaction, Undone};
use reconcile::WithoutAnchor;
use sidelight_model::time::Timestamp;
use sidelight_wire::trust_edit;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The largest Java store; usual ones have 200 KiB.
const LARGEST_JAVA: u64 = 16 << 20;

/// What is to be known of a change besides that it was made, one sentence each.
pub type Notes = Vec<String>;

/// Why a trust store could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum TrustStoreError {
    /// The journal, or a change that goes through it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A temporary file cannot be made.
    #[error("cannot make a temporary file: {0}")]
    Temporary(#[source] io::Error),
    /// What is to be installed is not a CA's certificate.
    #[error("the certificate cannot be installed: {0}")]
    Certificate(String),
    /// A file system cannot be written.
    #[error("{} is on a file system that is mounted read-only; nothing was touched", path.display())]
    ReadOnly {
        /// What would have been written.
        path: PathBuf,
    },
    /// Another root has the name of the one that was changed.
    #[error(
        "{place} is not the one that was changed: that process ended, and what it saw is gone with it or stands elsewhere"
    )]
    Another {
        /// The root.
        place: String,
    },
    /// The system has no trust store.
    #[error("there is no trust store below {}: install the package ca-certificates first", root.display())]
    NoStore {
        /// Where was looked.
        root: PathBuf,
    },
    /// The update command ended well, but the bundle does not hold the certificate.
    #[error(
        "{} ended without error, but {} does not hold the certificate afterwards{}",
        program.display(), bundle.display(), if said.is_empty() { String::new() } else { format!("; it said: {said}") }
    )]
    NotTaken {
        /// The command.
        program: PathBuf,
        /// The bundle.
        bundle: PathBuf,
        /// What it said.
        said: String,
    },
    /// A file of that name is there.
    #[error("{} is there already and is not from sidelight: move it away first", path.display())]
    Taken {
        /// The file.
        path: PathBuf,
    },
    /// A Java trust store cannot be read or written.
    #[error("{}: {why}", path.display())]
    Java {
        /// The store.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// No Java on this machine.
    #[error("no Java trust store (cacerts) was found: set JAVA_HOME to the Java installation")]
    NoJava,
    /// certutil is needed and missing.
    #[error(
        "certutil is needed to change NSS databases and is not installed: it is in the package libnss3-tools (Debian, Ubuntu), \
         nss-tools (Fedora, RHEL, Alpine), mozilla-nss-tools (SUSE) or nss (Arch)"
    )]
    NoCertutil,
    /// Whose databases?
    #[error("HOME is not set, so the NSS databases cannot be found")]
    NoHome,
    /// The change failed in the middle, and was taken back.
    #[error("{source}; nothing is left changed")]
    TakenBack {
        /// What failed.
        source: Box<TrustStoreError>,
    },
    /// The change failed in the middle, and could not be taken back.
    #[error("{source}; taking back what was done until then failed too: {undo}; `sidelight ca uninstall` tries again")]
    HalfDone {
        /// What failed.
        source: Box<TrustStoreError>,
        /// Why it could not be taken back.
        undo: Box<TrustStoreError>,
    },
    /// Something of an earlier installation needs a person.
    #[error("{} {why}; remove {name} from it by hand, then run `sidelight ca uninstall` again", path.display())]
    Unclear {
        /// The file.
        path: PathBuf,
        /// What is the matter.
        why: String,
        /// The name of the CA there.
        name: String,
    },
}

impl TrustStoreError {
    /// Whether more rights would help.
    pub fn is_denied(&self) -> bool {
        match self {
            Self::File(error) | Self::Journal(JournalError::File(error)) => error.is_denied(),
            Self::TakenBack { source } | Self::HalfDone { source, .. } => source.is_denied(),
            _ => false,
        }
    }
}

/// The machine that is changed.
#[derive(Clone, Debug)]
pub struct Machine<'a> {
    /// `/`, or the folder of another root file system.
    pub root: &'a Path,
    /// The user's home, for NSS.
    pub home: Option<&'a Path>,
    /// `JAVA_HOME`.
    pub java_home: Option<OsString>,
    /// The password of Java stores; [`STOREPASS`] unless told otherwise.
    pub storepass: &'a str,
}

/// What an installation did.
#[derive(Clone, Debug, Default)]
pub struct Installed {
    /// The changes in order; empty when the place trusted the certificate already.
    pub actions: Vec<Action>,
    /// What else is to be known.
    pub notes: Notes,
}

/// Makes a place trust a certificate. An older one that sidelight put there is taken out first, and so is what a killed installation left.
///
/// # Errors
/// When a step fails; the place is then put back as it was.
pub fn install(
    journal: &mut Journal,
    machine: &Machine<'_>,
    place: &Place,
    anchor: &Anchor,
) -> Result<Installed, TrustStoreError> {
    let earlier: Vec<Entry> = at(journal, place);
    for entry in earlier.iter().rev() {
        if is_done(entry, anchor) {
            return Ok(Installed::default());
        }
        let undone = undo(journal, entry, machine.storepass)?;
        if let Some((path, why)) = undone.unclear.into_iter().next() {
            let name = format!("sidelight-{}", entry.deed.sha256.get(..8).unwrap_or_default());
            return Err(TrustStoreError::Unclear { path, why, name });
        }
    }
    let mut change = journal.begin(deed(place, machine, anchor)?)?;
    let result = apply(&mut change, machine, place, anchor);
    let finished = match result {
        Ok(notes) => change.finish().map(|actions| Installed { actions, notes }).map_err(TrustStoreError::from),
        Err(error) => {
            drop(change);
            Err(error)
        }
    };
    finished.map_err(|source| take_back(journal, machine, source))
}

/// What [`install`] would do, without doing it. `known` is what the journal holds.
///
/// # Errors
/// As [`install`], as far as that can be told without changing anything.
pub fn rehearse(
    known: &[Entry],
    machine: &Machine<'_>,
    place: &Place,
    anchor: &Anchor,
) -> Result<Installed, TrustStoreError> {
    if known
        .iter()
        .any(|entry| entry.deed.place == place.to_string() && entry.deed.edit.is_none() && is_done(entry, anchor))
    {
        return Ok(Installed::default());
    }
    let mut change = Transaction::rehearse(deed(place, machine, anchor)?)?;
    let notes = apply(&mut change, machine, place, anchor)?;
    Ok(Installed { actions: change.finish()?, notes })
}

/// Takes back what a deed of [`install`] changed.
///
/// # Errors
/// When a path cannot be read or changed. The deed then stays in the journal.
pub fn uninstall(journal: &mut Journal, entry: &Entry, storepass: &str) -> Result<Undone, TrustStoreError> {
    undo(journal, entry, storepass)
}

fn deed(place: &Place, machine: &Machine<'_>, anchor: &Anchor) -> Result<Deed, TrustStoreError> {
    let certificate = data_encoding::BASE64.encode(anchor.der());
    let root = match place {
        Place::Rootfs(folder) => below(&absolute(folder)?),
        Place::Host => below(machine.root),
        _ => None,
    };
    Ok(Deed { place: place.to_string(), certificate, sha256: anchor.sha256.clone(), root, edit: None })
}

/// A root as deeds note it: none for this machine's own.
fn below(root: &Path) -> Option<PathBuf> {
    (root != Path::new("/")).then(|| root.to_owned())
}

fn absolute(folder: &Path) -> Result<PathBuf, FileError> {
    std::path::absolute(folder).map_err(FileError::io("find", folder))
}

fn at(journal: &Journal, place: &Place) -> Vec<Entry> {
    let name = place.to_string();
    journal.entries().iter().filter(|entry| entry.deed.place == name && entry.deed.edit.is_none()).cloned().collect()
}

/// Whether a deed installed this certificate and all that it left is still there: an update may have lost it.
fn is_done(entry: &Entry, anchor: &Anchor) -> bool {
    entry.complete && entry.deed.sha256 == anchor.sha256 && entry.paths().all(|path| entry.left_as_is(path))
}

fn apply(
    change: &mut Transaction<'_>,
    machine: &Machine<'_>,
    place: &Place,
    anchor: &Anchor,
) -> Result<Notes, TrustStoreError> {
    match place {
        Place::Host => host::install(change, machine, anchor),
        Place::Rootfs(folder) => {
            let root = absolute(folder)?;
            resolve_in_root(&root, Path::new("/etc")).map_err(FileError::io("look into", &root))?;
            host::install(change, &Machine { root: &root, ..machine.clone() }, anchor)
        }
        Place::Nss => nss::install(change, machine, anchor).map(|()| Notes::new()),
        Place::Docker(registry) => docker::install(change, machine, registry, anchor).map(|()| Notes::new()),
        Place::Java => {
            let stores = find_java_stores(machine.root, machine.java_home.as_ref());
            if stores.is_empty() {
                return Err(TrustStoreError::NoJava);
            }
            for store in stores {
                java(change, &store, anchor, machine.storepass)?;
            }
            Ok(Notes::new())
        }
    }
}

/// Adds the certificate to a Java store, unless it is in it.
fn java(change: &mut Transaction<'_>, path: &Path, anchor: &Anchor, password: &str) -> Result<(), TrustStoreError> {
    let now = Timestamp::from(SystemTime::now());
    let new = trust_edit::add_to_java(&read_bounded(path, LARGEST_JAVA)?, anchor, &anchor.name, password, now)
        .map_err(|why| TrustStoreError::Java { path: path.to_owned(), why })?;
    match new {
        Some(bytes) => Ok(change.write(path, &bytes, 0o644)?),
        None => Ok(()),
    }
}

/// After a failure: the last deed of the journal is the one that failed.
fn take_back(journal: &mut Journal, machine: &Machine<'_>, source: TrustStoreError) -> TrustStoreError {
    let source = Box::new(source);
    let Some(entry) = journal.entries().last().cloned() else { return TrustStoreError::TakenBack { source } };
    match undo(journal, &entry, machine.storepass) {
        Ok(_) => TrustStoreError::TakenBack { source },
        Err(undo) => TrustStoreError::HalfDone { source, undo: Box::new(undo) },
    }
}

/// As [`take_back`], for an edit: the name of a Java store's password does not matter when nobody else wrote meanwhile.
fn take_back_edit(journal: &mut Journal, source: TrustStoreError) -> TrustStoreError {
    let root = Path::new("/");
    take_back(journal, &Machine { root, home: None, java_home: None, storepass: STOREPASS }, source)
}

fn undo(journal: &mut Journal, entry: &Entry, storepass: &str) -> Result<Undone, TrustStoreError> {
    if entry.deed.edit.as_ref().is_some_and(|edit| edit.removed) {
        return Ok(journal.undo(entry.id, &reconcile::Untouched)?);
    }
    let anchors = anchors_of(&entry.deed)?;
    let deleted = nss::delete_where_used(journal, entry, &anchors)?;
    let reconcile = WithoutAnchor { anchors: &anchors, storepass, deleted: &deleted };
    let undone = journal.undo(entry.id, &reconcile)?;
    for anchor in &anchors {
        close_gaps(entry, &undone, anchor)?;
    }
    Ok(undone)
}

/// The certificates of a deed with the names that they got.
fn anchors_of(deed: &Deed) -> Result<Vec<Anchor>, TrustStoreError> {
    let read = |text: &str, name: Option<&str>| {
        let der = data_encoding::BASE64
            .decode(text.as_bytes())
            .map_err(|error| TrustStoreError::Certificate(format!("the journal's copy of it is damaged: {error}")))?;
        let anchor = match name {
            None => Anchor::new(&der),
            Some(name) => Anchor::any(&der).map(|anchor| Anchor { name: name.to_owned(), ..anchor }),
        };
        anchor.map_err(|error| TrustStoreError::Certificate(error.to_string()))
    };
    let first = read(&deed.certificate, deed.edit.as_ref().map(|edit| edit.name.as_str()));
    let also = deed.edit.iter().flat_map(|edit| &edit.also);
    std::iter::once(first).chain(also.map(|also| read(&also.certificate, Some(&also.name)))).collect()
}

/// Where a link by hash was taken out of a folder that others changed too.
fn close_gaps(entry: &Entry, undone: &Undone, anchor: &Anchor) -> Result<(), TrustStoreError> {
    let prefix = format!("{}.", anchor.subject_hash);
    let reach = Reach::new(entry.deed.root.as_deref())?;
    for path in &undone.restored {
        let is_link = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
        if let (true, Some(folder)) = (is_link, path.parent()) {
            apply::close_gaps(&reach, folder, &anchor.subject_hash)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
