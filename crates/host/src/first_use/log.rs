//! The audit log on disk. In: an entry. Out: one more line, and the head beside it. Spec: `wire::tofu_log`.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde_json::{Map, Value};
use sidelight_wire::tofu_log::{Head, Sign, line};

use crate::files::{FileError, Meta, read_bounded, replace_file};

/// Most bytes of a log that is continued.
const LARGEST: u64 = 64 << 20;

/// Why nothing was logged.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The same, in the system's words.
    #[error("{path}: {error}")]
    Io {
        /// The log.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The log's head is missing or says something else than the log: it is not continued.
    #[error(
        "{path}: line {line}: {what}; look with `sidelight tofu log verify {path}`, and move the log away to begin a new one"
    )]
    Broken {
        /// The log.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
}

/// Where the head of a log is kept.
pub fn head_path(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".head");
    PathBuf::from(name)
}

/// Adds a line; gives the new head. `sign` is asked for an Ed25519 signature.
///
/// # Errors
/// When the log cannot be read or written, or is not as it was left.
pub fn append(log: &Path, entry: &Map<String, Value>, sign: Option<Sign<'_>>) -> Result<Head, LogError> {
    let io = |error| LogError::Io { path: log.to_owned(), error };
    let mut file = File::options().create(true).append(true).read(true).open(log).map_err(io)?;
    flock(&file, FlockOperation::LockExclusive).map_err(|error| io(error.into()))?;
    let head = head_of(log)?;
    let (text, next) = line(&head, entry, sign);
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
    let beside = head_path(log);
    let meta = Meta::of_or_new(&beside, 0o644)?;
    replace_file(&beside, next.write().as_bytes(), &meta)?;
    Ok(next)
}

/// The head as it was noted. A line that was written before a kill, and whose head was not, is the one difference that is healed.
fn head_of(log: &Path) -> Result<Head, LogError> {
    let bytes = read_bounded(log, LARGEST)?;
    let noted = match std::fs::read_to_string(head_path(log)) {
        Ok(text) => Head::read(&text),
        Err(_) => None,
    };
    let broken = |broken: sidelight_wire::tofu_log::Broken| LogError::Broken {
        path: log.to_owned(),
        line: broken.line,
        what: broken.what,
    };
    let found = sidelight_wire::tofu_log::verify(&bytes, None, None).map_err(broken)?;
    match noted {
        None if found.lines <= 1 => Ok(found),
        Some(noted) if noted == found || noted.lines + 1 == found.lines => Ok(found),
        Some(noted) => {
            let error = sidelight_wire::tofu_log::verify(&bytes, Some(&noted), None);
            Err(error.map_or_else(broken, |head| LogError::Broken {
                path: log.to_owned(),
                line: head.lines,
                what: "its head says something else".to_owned(),
            }))
        }
        None => Err(LogError::Broken {
            path: log.to_owned(),
            line: found.lines,
            what: format!("{} is missing", head_path(log).display()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_continued_and_one_that_was_cut_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let add = || append(&log, &Map::new(), None);
        assert_eq!([add().unwrap().lines, add().unwrap().lines, add().unwrap().lines], [1, 2, 3]);
        let whole = std::fs::read_to_string(&log).unwrap();
        let cut: String = whole.lines().take(2).flat_map(|line| [line, "\n"]).collect();
        std::fs::write(&log, cut).unwrap();
        assert!(add().unwrap_err().to_string().contains("the last ones were removed"));
        std::fs::write(&log, whole).unwrap();
        std::fs::remove_file(head_path(&log)).unwrap();
        assert!(add().unwrap_err().to_string().contains("log.head is missing"));
    }
}
