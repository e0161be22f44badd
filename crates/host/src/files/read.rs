//! Reading with bounds. In: a path and a limit. Out: bytes, or the entries of a folder in byte order.

use super::FileError;
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Reads a regular file of at most `limit` bytes, following symbolic links.
///
/// # Errors
/// When it cannot be opened or read, is larger, or is a device, socket or pipe (which are not opened for reading: no hang).
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    read_with(path, limit, OFlags::empty())
}

/// As [`read_bounded`], refusing a symbolic link: one may have come where a file stood a moment ago.
pub(super) fn read_no_link(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    read_with(path, limit, OFlags::NOFOLLOW)
}

fn read_with(path: &Path, limit: u64, flags: OFlags) -> Result<Vec<u8>, FileError> {
    // A pipe would block at open until somebody writes; non-blocking it opens at once and is then refused.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(open_flags(flags | OFlags::NONBLOCK))
        .open(path)
        .map_err(FileError::io("read", path))?;
    read_open(file, path, limit)
}

/// Flags as the standard library takes them.
pub(super) fn open_flags(flags: OFlags) -> i32 {
    i32::try_from(flags.bits()).unwrap_or(0)
}

fn read_open(file: File, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let kind = file.metadata().map_err(FileError::io("read", path))?;
    if !kind.is_file() {
        return Err(FileError::NotRegular { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large from one that just fits, even while it grows.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(FileError::io("read", path))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        return Err(FileError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

/// The regular files (also through symbolic links) directly in a folder, sorted by name, at most `limit` entries.
///
/// # Errors
/// When the folder cannot be read or holds more entries.
pub fn regular_files(folder: &Path, limit: usize) -> Result<Vec<PathBuf>, FileError> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).map_err(FileError::io("list", folder))?;
    for (count, entry) in entries.enumerate() {
        if count >= limit {
            return Err(FileError::TooMany { path: folder.to_owned(), limit });
        }
        let path = entry.map_err(FileError::io("list", folder))?.path();
        if std::fs::metadata(&path).is_ok_and(|meta| meta.is_file()) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_too_large_and_what_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"12345").unwrap();
        assert_eq!(read_bounded(&path, 5).unwrap(), b"12345");
        assert!(matches!(read_bounded(&path, 4), Err(FileError::TooLarge { limit: 4, .. })));
        assert!(matches!(read_bounded(folder.path(), 4), Err(FileError::NotRegular { .. } | FileError::Io { .. })));
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(matches!(read_bounded(&pipe, 4), Err(FileError::NotRegular { .. })));
        assert!(read_bounded(&folder.path().join("none"), 4).unwrap_err().is_absent());
        assert_eq!(regular_files(folder.path(), 10).unwrap(), [path]);
        assert!(matches!(regular_files(folder.path(), 1), Err(FileError::TooMany { limit: 1, .. })));
    }
}
