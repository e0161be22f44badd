//! The databases of NSS: Chromium's (`~/.pki/nssdb`) and each Firefox profile's. In: a home. Out: the certificate in each, by `certutil`.
//! Source: certutil(1); Chromium's and Mozilla's documentation of where the databases are.
//!
//! A database is put back byte for byte when nobody wrote to it since and no program has it open; else our entry alone is deleted.

use super::host::find_program;
use super::{Anchor, Machine, TrustStoreError};
use crate::files::{Reach, Snapshot};
use crate::journal::{Entry, Journal, Transaction};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Folders of profiles looked at in one place.
const PROFILES: usize = 200;

/// The files of a database.
const FILES: &[&str] = &["cert9.db", "key4.db", "pkcs11.txt"];

/// Single databases below a home.
const DATABASES: &[&str] = &[".pki/nssdb", ".local/share/pki/nssdb", "snap/chromium/current/.pki/nssdb"];

/// Folders below a home in which each folder may be a profile with a database.
const PROFILE_FOLDERS: &[&str] = &[
    ".mozilla/firefox",
    ".config/mozilla/firefox",
    "snap/firefox/common/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/.mozilla/firefox",
];

/// The databases below a home.
pub fn find_nss_databases(home: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = DATABASES.iter().map(|path| home.join(path)).collect();
    for folder in PROFILE_FOLDERS {
        let Ok(entries) = std::fs::read_dir(home.join(folder)) else { continue };
        let mut profiles: Vec<PathBuf> = entries.take(PROFILES).flatten().map(|entry| entry.path()).collect();
        profiles.sort();
        found.extend(profiles);
    }
    found.retain(|folder| folder.join("cert9.db").is_file());
    found
}

fn certutil() -> Result<PathBuf, TrustStoreError> {
    find_program(Path::new("/"), "certutil").ok_or(TrustStoreError::NoCertutil)
}

/// `-d` for the SQLite format.
pub(super) fn database(folder: &Path) -> String {
    format!("sql:{}", folder.display())
}

/// Adds the certificate to each database of the home, making Chromium's when there is none.
pub(super) fn install(
    change: &mut Transaction<'_>,
    machine: &Machine<'_>,
    anchor: &Anchor,
) -> Result<(), TrustStoreError> {
    let certutil = certutil()?;
    let home = machine.home.ok_or(TrustStoreError::NoHome)?;
    let mut databases = find_nss_databases(home);
    if databases.is_empty() {
        let folder = home.join(".pki/nssdb");
        change.folder(&folder, 0o700)?;
        note(change, &folder)?;
        change.run(&certutil, &["-N", "-d", &database(&folder), "--empty-password"])?;
        databases.push(folder);
    }
    if change.is_rehearsal() {
        for folder in databases {
            change
                .run(&certutil, &["-A", "-d", &database(&folder), "-n", &anchor.name, "-t", "C,,", "-i", "ca.pem"])?;
        }
        return Ok(());
    }
    let mut file = tempfile::NamedTempFile::new().map_err(TrustStoreError::Temporary)?;
    std::io::Write::write_all(&mut file, anchor.pem().as_bytes()).map_err(TrustStoreError::Temporary)?;
    let file = file.path().to_string_lossy().into_owned();
    for folder in databases {
        note(change, &folder)?;
        // C: trusted to issue certificates for servers.
        let arguments = ["-A", "-d", &database(&folder), "-n", &anchor.name, "-t", "C,,", "-i", &file];
        change.run(&certutil, &arguments)?;
    }
    Ok(())
}

pub(super) fn note(change: &mut Transaction<'_>, folder: &Path) -> Result<(), TrustStoreError> {
    for file in FILES {
        change.note(&folder.join(file))?;
    }
    Ok(())
}

/// A database of another root, copied to a private folder: certutil follows links, and a hostile root may have made some.
pub(super) struct Copied {
    folder: tempfile::TempDir,
    before: Vec<(&'static str, Vec<u8>)>,
}

impl Copied {
    pub(super) fn of(reach: &Reach, database: &Path) -> Result<Self, TrustStoreError> {
        let folder = tempfile::tempdir().map_err(TrustStoreError::Temporary)?;
        let mut before = Vec::new();
        for name in FILES {
            if let Snapshot::File { bytes, .. } = reach.take(&database.join(name))? {
                std::fs::write(folder.path().join(name), &bytes).map_err(TrustStoreError::Temporary)?;
                before.push((*name, bytes));
            }
        }
        Ok(Self { folder, before })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The files that certutil changed or made, by their paths in `database`.
    pub(super) fn changed(&self, database: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, TrustStoreError> {
        let mut changed = Vec::new();
        for name in FILES {
            let Snapshot::File { bytes, .. } = Snapshot::take(&self.folder.path().join(name))? else { continue };
            if !self.before.iter().any(|(known, old)| known == name && *old == bytes) {
                changed.push((database.join(name), bytes));
            }
        }
        Ok(changed)
    }
}

/// Deletes the certificates from those databases of the deed that cannot be put back as files, and gives them.
pub(super) fn delete_where_used(
    journal: &mut Journal,
    entry: &Entry,
    anchors: &[Anchor],
) -> Result<Vec<PathBuf>, TrustStoreError> {
    let paths = entry.paths().filter(|path| path.ends_with("cert9.db"));
    let folders: Vec<PathBuf> = paths.filter_map(Path::parent).map(Path::to_owned).collect();
    let mut deleted = Vec::new();
    let reach = Reach::new(entry.deed.root.as_deref())?;
    for folder in folders {
        let file = folder.join("cert9.db");
        if !matches!(reach.take(&file)?, Snapshot::File { .. }) || (untouched(entry, &folder)? && !is_open(&file)) {
            continue;
        }
        let certutil = certutil()?;
        let copy = if entry.deed.root.is_some() { Some(Copied::of(&reach, &folder)?) } else { None };
        let at = database(copy.as_ref().map_or(folder.as_path(), Copied::folder));
        for name in anchors.iter().map(|anchor| anchor.name.as_str()) {
            if journal.run(&certutil, &["-L", "-d", &at, "-n", name]).is_ok() {
                journal.run(&certutil, &["-D", "-d", &at, "-n", name])?;
            }
        }
        for (path, bytes) in copy.map_or(Ok(Vec::new()), |copy| copy.changed(&folder))? {
            reach.replace_file(&path, &bytes, &reach.meta_or_new(&path, 0o600)?)?;
        }
        deleted.push(folder);
    }
    Ok(deleted)
}

/// Whether all files of a database are as the deed left them, or as they were before it.
fn untouched(entry: &Entry, folder: &Path) -> Result<bool, TrustStoreError> {
    for file in FILES {
        let path = folder.join(file);
        let now = entry.take(&path)?;
        if !entry.knows(&path, &now) {
            return Ok(false);
        }
    }
    let reach = Reach::new(entry.deed.root.as_deref())?;
    Ok(!reach.exists(&folder.join("cert9.db-journal")) && !reach.exists(&folder.join("cert9.db-wal")))
}

/// Whether a program that this user may look at has the file open.
fn is_open(file: &Path) -> bool {
    let Ok(wanted) = std::fs::metadata(file) else { return false };
    let same = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == (wanted.dev(), wanted.ino()))
    };
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    let numbered = processes
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()));
    numbered.filter_map(|entry| std::fs::read_dir(entry.path().join("fd")).ok()).any(|open| {
        open.flatten()
            .any(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == file) && same(&entry.path()))
    })
}
