//! What goes wrong with a recording. In: errors of SQLite and of the system. Out: the file, what it is instead, what to do.

use std::path::PathBuf;

use rusqlite::ErrorCode;

/// A recording cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such file.
    #[error("{}: no such recording; give one with --store FILE", .0.display())]
    Missing(PathBuf),
    /// The file is something else.
    #[error("{}: not a recording but {is}; `sidelight flows import FILE` reads other captures", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        is: String,
    },
    /// It was written by a newer program.
    #[error(
        "{}: recorded by a newer sidelight (schema {found}, this one reads up to {known}); read it with that version",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Another process records to it.
    #[error("{}: another sidelight records to this file; give another one with --store FILE", .0.display())]
    Busy(PathBuf),
    /// Another process holds a lock on it for longer than we wait.
    #[error("{}: locked by another program for longer than {seconds} s; end that program, or copy the file", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
        /// How long we waited.
        seconds: u64,
    },
    /// The system refused something.
    #[error("{}: cannot {doing}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why not.
        #[source]
        error: std::io::Error,
    },
    /// The name cannot be used for a file. Its words begin with the option, others with the file.
    #[error(transparent)]
    Name(#[from] crate::capture::CaptureError),
    /// The database is damaged, full, or could not be used.
    #[error("{}: cannot {doing}: {problem}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why not, and what to do.
        problem: String,
    },
}

impl StoreError {
    /// The error of `path` for what SQLite said while we were `doing` something.
    pub(super) fn sqlite(path: &std::path::Path, doing: &'static str, error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Locked { path: path.to_owned(), seconds: super::schema::PATIENCE.as_secs() }
            }
            _ => Self::Database { path: path.to_owned(), doing, problem: words(error) },
        }
    }
}

/// What an error of SQLite means, and what to do.
pub(super) fn words(error: &rusqlite::Error) -> String {
    let advice = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => {
            "the file is damaged; `sqlite3 FILE .recover` saves what can be read into a new file"
        }
        Some(ErrorCode::NotADatabase) => "it is no SQLite database",
        Some(ErrorCode::DiskFull) => "the disk is full; free some space",
        Some(ErrorCode::ReadOnly) => "the file or its folder is read-only",
        Some(ErrorCode::CannotOpen) => "it cannot be opened; are its folder and its rights as they should be?",
        Some(ErrorCode::SystemIoFailure) => "the disk does not read or write",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program holds a lock on it",
        _ => return error.to_string(),
    };
    format!("{advice} ({error})")
}
