//! The journal on the disk. In: lines. Out: lines, each durable before `append` returns; and the bytes of files, by digest.
//!
//! `journal.jsonl` is only ever appended to; `bytes/SHA256` holds what files held. A last line that a crash cut short was never acted on
//! and is dropped. When nothing is left to take back, both are emptied.

use super::JournalError;
use super::line::{Line, VERSION};
use crate::files::{FileError, Meta, digest, read_bounded, replace_file, sync_directory};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The journal of hundreds of installations; a larger one is damaged.
const LARGEST: u64 = 256 << 20;

/// The file, open for appending.
#[derive(Debug)]
pub(super) struct Log {
    folder: PathBuf,
    file: File,
}

impl Log {
    /// Opens the journal in `folder` (made with mode 0700) and reads what it holds. The caller holds the lock.
    pub(super) fn open(folder: &Path) -> Result<(Self, Vec<Line>), JournalError> {
        let path = folder.join("journal.jsonl");
        let bytes = folder.join("bytes");
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&bytes)
            .map_err(FileError::io("create the folder", &bytes))?;
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .map_err(FileError::io("open", &path))?;
        sync_directory(folder)?;
        let (lines, whole) = read(&path)?;
        file.set_len(whole).map_err(FileError::io("cut the torn last line off", &path))?;
        Ok((Self { folder: folder.to_owned(), file }, lines))
    }

    /// Adds a line, and returns when it is on the disk.
    pub(super) fn append(&mut self, line: &Line) -> Result<(), JournalError> {
        let path = self.folder.join("journal.jsonl");
        let mut text = serde_json::to_vec(line).map_err(|source| JournalError::Name { source })?;
        text.push(b'\n');
        self.file.write_all(&text).map_err(FileError::io("write", &path))?;
        self.file.sync_data().map_err(FileError::io("sync", &path))?;
        Ok(())
    }

    /// Keeps bytes, and returns their digest when they are on the disk.
    pub(super) fn keep(&self, bytes: &[u8]) -> Result<(), JournalError> {
        let path = self.folder.join("bytes").join(digest(bytes));
        if !path.exists() {
            replace_file(&path, bytes, &Meta::new(0o600))?;
        }
        Ok(())
    }

    /// The bytes of this digest, checked against it.
    pub(super) fn kept(&self, sha256: &str) -> Result<Vec<u8>, JournalError> {
        let path = self.folder.join("bytes").join(sha256);
        let bytes = read_bounded(&path, LARGEST)?;
        if digest(&bytes) == sha256 { Ok(bytes) } else { Err(JournalError::Bytes { path }) }
    }

    /// Forgets everything.
    pub(super) fn empty(&mut self) -> Result<(), JournalError> {
        let path = self.folder.join("journal.jsonl");
        // First the lines, then what they name: never a line without its bytes.
        self.file.set_len(0).map_err(FileError::io("empty", &path))?;
        self.file.sync_all().map_err(FileError::io("sync", &path))?;
        let bytes = self.folder.join("bytes");
        for entry in std::fs::read_dir(&bytes).map_err(FileError::io("list", &bytes))?.flatten() {
            let path = entry.path();
            std::fs::remove_file(&path).map_err(FileError::io("remove", &path))?;
        }
        Ok(())
    }
}

/// The lines of a journal and the length of those that are whole; nothing when there is none.
pub(super) fn read(path: &Path) -> Result<(Vec<Line>, u64), JournalError> {
    let bytes = match read_bounded(path, LARGEST) {
        Err(error) if error.is_absent() => return Ok((Vec::new(), 0)),
        other => other?,
    };
    // What follows the last line end was cut short by a crash.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut lines = Vec::new();
    for (index, text) in bytes[..whole].split(|byte| *byte == b'\n').enumerate().filter(|(_, text)| !text.is_empty()) {
        let damaged = |why: String| JournalError::Line { path: path.to_owned(), line: index + 1, why };
        let line: Line = serde_json::from_slice(text).map_err(|error| damaged(error.to_string()))?;
        if let Line::Begin { v, .. } = &line
            && *v != VERSION
        {
            return Err(damaged(format!("version {v}; this sidelight reads version {VERSION}")));
        }
        lines.push(line);
    }
    Ok((lines, u64::try_from(whole).unwrap_or(u64::MAX)))
}
