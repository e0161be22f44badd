//! Why a capture cannot be written. In: what was tried. Out: [`CaptureError`], which names the option, the file and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What could not be done with a capture file.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The folder of the file is not there.
    #[error("{option} {}: the folder {} does not exist; make it first: mkdir -p {}", path.display(), folder.display(), folder.display())]
    NoFolder {
        /// The option that asked for it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What is missing.
        folder: PathBuf,
    },
    /// The name is a symbolic link.
    #[error("{option} {}: this is a symbolic link to {}; name the file itself", path.display(), to.display())]
    SymbolicLink {
        /// The option that asked for it.
        option: &'static str,
        /// The link.
        path: PathBuf,
        /// Where it points.
        to: PathBuf,
    },
    /// The name is that of something that cannot be written to.
    #[error("{option} {}: this is {what}; name a file", path.display())]
    NoFile {
        /// The option that asked for it.
        option: &'static str,
        /// The thing.
        path: PathBuf,
        /// What it is, with its article.
        what: &'static str,
    },
    /// A conversion in the name is none of strftime's.
    #[error("{option} {}: {problem}; conversions are those of strftime, such as %Y%m%dT%H%M%S, and %% is a percent sign", path.display())]
    Name {
        /// The option that asked for it.
        option: &'static str,
        /// The name as given.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Whoever read standard output or a pipe has gone.
    #[error("{0}: the reader has gone; nothing more is written there")]
    ReaderGone(String),
    /// The system refused.
    #[error("{title}: cannot {doing} it: {source}")]
    Io {
        /// Option and file.
        title: String,
        /// What was tried.
        doing: Doing,
        /// What the system said.
        source: io::Error,
    },
}

/// What was tried when the system refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Making the file.
    Create,
    /// Writing to it.
    Write,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Write => "write to",
        })
    }
}

impl CaptureError {
    pub(super) fn io(option: &'static str, path: Option<&Path>, doing: Doing, source: io::Error) -> Self {
        let title = title(option, path);
        if source.kind() == io::ErrorKind::BrokenPipe {
            return Self::ReaderGone(title);
        }
        Self::Io { title, doing, source }
    }

    /// Whether trying again is of no use: nobody reads any more.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::ReaderGone(_))
    }
}

/// How messages name a capture.
pub(super) fn title(option: &str, path: Option<&Path>) -> String {
    path.map_or_else(|| format!("{option} -"), |path| format!("{option} {}", path.display()))
}
