//! The known-roots file on disk. In: a path. Out: what it records, whether it can be written, and the way to write it whole.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, FlockOperation, access, flock};
use sidelight_wire::known_roots::{self, Document, Wrong};

use crate::files::{FileError, Meta, read_bounded, replace_file};

/// What is wrong with a record on disk.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line of it cannot be read.
    #[error("{path}: {wrong}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, and what is wrong with it.
        wrong: Wrong,
    },
    /// It cannot be kept to ourselves.
    #[error("{path} cannot be locked: {error}")]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// Why.
        error: rustix::io::Errno,
    },
}

/// A record, kept to ourselves where it can be written, until this is dropped.
#[derive(Debug)]
pub struct RecordFile {
    path: PathBuf,
    /// What it says; empty when there is none.
    pub document: Document,
    /// Whether there is a file.
    pub is_there: bool,
    /// Whether it can be written.
    pub is_writable: bool,
    _lock: Option<File>,
}

impl RecordFile {
    /// Reads the record; a file that is not there is an empty record, one that cannot be read is an error.
    ///
    /// # Errors
    /// When it cannot be read, or holds what is no record.
    pub fn open(path: &Path) -> Result<Self, RecordError> {
        let folder = folder_of(path);
        // Replicas on one machine may share the folder: one at a time.
        let is_writable =
            access(&folder, Access::WRITE_OK).is_ok() && (!path.exists() || access(path, Access::WRITE_OK).is_ok());
        let lock = if is_writable { lock(&folder, path)? } else { None };
        let limit = u64::try_from(known_roots::LARGEST).unwrap_or(u64::MAX);
        let (document, is_there) = match read_bounded(path, limit) {
            Ok(bytes) => {
                let wrong = |wrong| RecordError::Wrong { path: path.to_owned(), wrong };
                (Document::read(&bytes).map_err(wrong)?, true)
            }
            Err(error) if error.is_absent() => (Document::default(), false),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { path: path.to_owned(), document, is_there, is_writable: is_writable && lock.is_some(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save(&mut self) -> Result<(), RecordError> {
        // A link (as Kubernetes makes them) is followed: what it leads to is replaced.
        let target = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let meta = Meta::of_or_new(&target, 0o644)?;
        replace_file(&target, self.document.write().as_bytes(), &meta)?;
        self.is_there = true;
        Ok(())
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The lock beside the record; none where its file cannot be made.
fn lock(folder: &Path, path: &Path) -> Result<Option<File>, RecordError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let path = folder.join(format!(".{name}.lock"));
    let Ok(file) = File::options().create(true).truncate(false).write(true).open(&path) else { return Ok(None) };
    flock(&file, FlockOperation::LockExclusive).map_err(|error| RecordError::Lock { path, error })?;
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    use sidelight_model::time::Timestamp;
    use sidelight_model::tofu::Genesis;

    use super::*;

    #[test]
    fn a_record_is_written_whole_and_a_broken_one_is_no_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known-roots");
        let mut record = RecordFile::open(&path).unwrap();
        assert!(!record.is_there && record.is_writable);
        record.document.begin(Genesis { at: Timestamp::from_secs(0), by: None });
        record.save().unwrap();
        drop(record);
        let again = RecordFile::open(&path).unwrap();
        assert!(again.is_there && again.document.known.genesis.is_some());
        drop(again);
        std::fs::write(&path, "genesis 2026-11-30\na.test:443 sha256//zz\n").unwrap();
        let error = RecordFile::open(&path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}: line 2: ", path.display())), "{error}");
    }

    #[test]
    fn a_folder_that_is_not_there_is_no_record() {
        let record = RecordFile::open(Path::new("/nowhere/known-roots")).unwrap();
        assert!(!record.is_there && !record.is_writable);
    }
}
