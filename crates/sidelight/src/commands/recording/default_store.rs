//! Recordings that nobody named. In: the environment, the verb, the time. Out: the name of a new one in the state folder, room for
//! it, and which of those that are there is the newest.
//! Spec: XDG base directory specification (`$XDG_STATE_HOME`).

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sidelight_model::time::Timestamp;

use crate::settings::xdg_folder;

/// How recordings are called.
const EXTENSION: &str = "sidelight";

/// Bytes that the recordings nobody named may take in all; the oldest of them make room for a new one.
pub(crate) const MOST_BYTES: u64 = 4 << 30;

/// The folder of recordings that nobody named.
pub(crate) fn folder() -> Option<PathBuf> {
    xdg_folder("XDG_STATE_HOME", ".local/state", &|name| std::env::var_os(name))
}

/// A new, empty file of mode 0600 in `folder`, called after the time and `what` was done: `20261122T215300Z-run-curl.sidelight`.
///
/// # Errors
/// When the folder or the file cannot be made.
pub(crate) fn create(folder: &Path, what: &str, now: Timestamp) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let second: String = now.rfc3339().chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
    let what: String =
        what.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).take(40).collect();
    let mut number = 1;
    loop {
        let suffix = if number == 1 { String::new() } else { format!("-{number:04}") };
        let path = folder.join(format!("{second}Z-{what}{suffix}.{EXTENSION}"));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 10_000 => number += 1,
            Err(error) => return Err(error),
        }
    }
}

/// The recordings in `folder`, the oldest first.
pub(crate) fn all(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let is_file = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
    let mut found: Vec<PathBuf> =
        entries.filter(is_file).map(|entry| entry.path()).filter(|path| is_named(path)).collect();
    // By the names without extension, so that `…-0002` comes after the one without a number.
    found.sort_by(|one, other| one.file_stem().cmp(&other.file_stem()));
    found
}

/// Whether a file is called as [`create`] calls it.
fn is_named(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().as_bytes();
    let is_time = |(n, byte): (usize, &u8)| match n {
        8 => *byte == b'T',
        15 => *byte == b'Z',
        16 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    path.extension().is_some_and(|it| it == EXTENSION)
        && stem.len() > 17
        && stem.iter().enumerate().take(17).all(is_time)
}

/// Removes the oldest recordings in `folder` that nobody has open until the rest takes no more than `most` bytes; gives what was
/// removed.
pub(crate) fn make_room(folder: &Path, most: u64) -> Vec<PathBuf> {
    let recordings = all(folder);
    let mut total: u64 = recordings.iter().map(|path| size(path)).sum();
    let mut removed = Vec::new();
    for path in recordings {
        if total <= most {
            break;
        }
        let bytes = size(&path);
        if !is_open(&path) && std::fs::remove_file(&path).is_ok() {
            for beside in beside(&path) {
                std::fs::remove_file(beside).ok();
            }
            total = total.saturating_sub(bytes);
            removed.push(path);
        }
    }
    removed
}

/// Removes a recording and what SQLite keeps beside it.
pub(crate) fn remove(path: &Path) {
    for path in std::iter::once(path.to_owned()).chain(beside(path)) {
        std::fs::remove_file(path).ok();
    }
}

/// The files that SQLite keeps beside a database in use.
fn beside(path: &Path) -> [PathBuf; 2] {
    ["-wal", "-shm"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    })
}

fn size(path: &Path) -> u64 {
    let of = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    of(path) + of(&beside(path)[0])
}

/// Whether a process of this user has it open.
fn is_open(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let descriptors = processes.filter_map(|process| std::fs::read_dir(process.path().join("fd")).ok());
    descriptors.flatten().filter_map(Result::ok).any(|it| std::fs::read_link(it.path()).is_ok_and(|to| to == path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_384_380_000_000);

    #[test]
    fn names_tell_when_and_what_and_are_private() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("a/b");
        let first = create(&folder, "run-../cu rl", NOW).unwrap();
        assert_eq!(first.file_name().unwrap(), "20261122T215300Z-run-..curl.sidelight");
        let second = create(&folder, "run-../cu rl", NOW).unwrap();
        assert_eq!(second.file_name().unwrap(), "20261122T215300Z-run-..curl-0002.sidelight");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&first)), (0o700, 0o600));
        std::fs::write(folder.join("20261122T215300Z-mine.txt"), "x").unwrap();
        std::fs::write(folder.join("mine.sidelight"), "x").unwrap();
        assert_eq!(all(&folder), [first, second]);
    }

    #[test]
    fn the_oldest_make_room_unless_they_are_open() {
        let home = tempfile::tempdir().unwrap();
        let later = |n: i64| Timestamp(NOW.0 + n * 1_000_000);
        let paths: Vec<PathBuf> = (0..4).map(|n| create(home.path(), "proxy", later(n)).unwrap()).collect();
        for path in &paths {
            std::fs::write(path, [0; 100]).unwrap();
            std::fs::write(&beside(path)[0], [0; 50]).unwrap();
        }
        let _open = std::fs::File::open(&paths[0]).unwrap();
        assert_eq!(make_room(home.path(), 600), Vec::<PathBuf>::new());
        assert_eq!(make_room(home.path(), 400), paths[1..3]);
        assert!(paths[0].exists() && paths[3].exists() && !beside(&paths[1])[0].exists());
    }
}
