//! Files of this machine: looked up inside a root, remembered exactly, replaced whole.
//!
//! In: paths. Out: what stands there ([`Snapshot`]), or a change that is either done wholly or not at all (temporary file, `fsync`,
//! rename). Every failure names the path and what was being done to it.

mod folder_root;
mod reach;
mod read;
mod replace;
mod resolve;
mod snapshot;

pub use folder_root::FolderRoot;
pub use reach::Reach;
pub use read::{read_bounded, regular_files};
pub use replace::{Meta, create_directory, remove, replace_file, replace_symlink, sync_directory, write_short_lived};
pub use resolve::{resolve_in_root, within};
pub use snapshot::{Digest, Snapshot, digest};

use std::io;
use std::path::{Path, PathBuf};

/// Something that could not be done to a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The kernel refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as in "read".
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Larger than anything of its kind may be.
    #[error("{} is larger than {limit} bytes, which no file of this kind is", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// A device, socket or pipe stands where a file was looked for.
    #[error("{} is not a regular file", path.display())]
    NotRegular {
        /// The path.
        path: PathBuf,
    },
    /// More entries than any folder of its kind has.
    #[error("{} holds more than {limit} entries, which no folder of this kind does", path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
}

impl FileError {
    /// For `map_err`: attaches what was being done, and to which file.
    pub(crate) fn io<E: Into<io::Error>>(doing: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source: source.into() }
    }

    /// The same failure, of a file by another name.
    fn of(self, name: &Path) -> Self {
        let path = name.to_owned();
        match self {
            Self::Io { doing, source, .. } => Self::Io { doing, path, source },
            Self::TooLarge { limit, .. } => Self::TooLarge { path, limit },
            Self::NotRegular { .. } => Self::NotRegular { path },
            Self::TooMany { limit, .. } => Self::TooMany { path, limit },
        }
    }

    /// Whether the file is simply not there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
    }

    /// Whether more rights would help.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem))
    }
}
