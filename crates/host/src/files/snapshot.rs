//! Everything about one path that has to be put back. In: a path. Out: [`Snapshot`], and its way back onto the disk.

use super::FileError;
use super::read::read_no_link;
use super::replace::{
    Meta, create_directory, open_directory, remove, replace_file, replace_symlink, set_meta, temporary,
};
use sha2::{Digest as _, Sha256};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The largest file that is remembered: trust stores are some hundred kilobytes, NSS databases a few megabytes.
const LARGEST: u64 = 64 << 20;

/// SHA-256 in lower-case hexadecimal.
pub type Digest = String;

/// SHA-256 of some bytes.
pub fn digest(bytes: &[u8]) -> Digest {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}

/// What stood at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Snapshot {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Its mode, owner, times and attributes.
        meta: Meta,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points to, as written.
        target: PathBuf,
        /// Owner (links have no mode of their own).
        meta: Meta,
    },
    /// A folder (not what is in it).
    Directory {
        /// Its mode, owner and attributes.
        meta: Meta,
    },
}

impl Snapshot {
    /// Remembers what stands at `path`, without following a link there.
    ///
    /// # Errors
    /// When it is there but cannot be read, is larger than 64 MiB, or is a device, socket or pipe.
    pub fn take(path: &Path) -> Result<Self, FileError> {
        let found = match std::fs::symlink_metadata(path).map_err(FileError::io("look at", path)) {
            Err(error) if error.is_absent() => return Ok(Self::Absent),
            other => other?,
        };
        let kind = found.file_type();
        let meta = Meta {
            mode: found.mode() & 0o7777,
            uid: found.uid(),
            gid: found.gid(),
            modified: (found.mtime(), found.mtime_nsec()),
            attributes: if kind.is_symlink() { Vec::new() } else { super::replace::attributes(path)? },
        };
        if kind.is_symlink() {
            let target = std::fs::read_link(path).map_err(FileError::io("read the link", path))?;
            Ok(Self::Symlink { target, meta })
        } else if kind.is_dir() {
            Ok(Self::Directory { meta })
        } else if kind.is_file() {
            Ok(Self::File { bytes: read_no_link(path, LARGEST)?, meta })
        } else {
            Err(FileError::NotRegular { path: path.to_owned() })
        }
    }

    /// Puts this back at `path`, whatever stands there now (and removes what a killed run may have left beside it); a folder that should not be there is removed only if it is empty.
    ///
    /// # Errors
    /// When the kernel refuses a step; what stood there is then still whole.
    pub fn put_back(&self, path: &Path) -> Result<(), FileError> {
        remove(&temporary(path))?;
        match self {
            Self::Absent => remove(path),
            Self::File { bytes, meta } => replace_file(path, bytes, meta),
            Self::Symlink { target, meta } => replace_symlink(path, target, Some(meta)),
            Self::Directory { meta } => {
                create_directory(path, meta.mode)?;
                set_meta(&open_directory(path)?, path, meta)
            }
        }
    }

    /// Whether the two hold the same for whoever reads them: kind, content, mode, owner and attributes, but not times.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Absent, Self::Absent) => true,
            (Self::File { bytes, meta }, Self::File { bytes: bytes_too, meta: meta_too }) => {
                bytes == bytes_too && meta.same(meta_too)
            }
            (Self::Symlink { target, meta }, Self::Symlink { target: target_too, meta: meta_too }) => {
                target == target_too && (meta.uid, meta.gid) == (meta_too.uid, meta_too.gid)
            }
            (Self::Directory { meta }, Self::Directory { meta: meta_too }) => meta.same(meta_too),
            _ => false,
        }
    }

    /// One line that two equal contents share: for telling later whether somebody changed it in between.
    pub fn fingerprint(&self) -> String {
        match self {
            Self::Absent => "absent".to_owned(),
            Self::File { bytes, meta } => format!("file {:o} {} {} {}", meta.mode, meta.uid, meta.gid, digest(bytes)),
            Self::Symlink { target, .. } => format!("link {}", target.display()),
            Self::Directory { meta } => format!("folder {:o} {} {}", meta.mode, meta.uid, meta.gid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn every_kind_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thing");
        let link = folder.path().join("link");
        std::fs::write(&path, b"old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("thing", &link).unwrap();
        let (file, symlink) = (Snapshot::take(&path).unwrap(), Snapshot::take(&link).unwrap());

        std::fs::write(&path, b"new and longer").unwrap();
        std::fs::remove_file(&link).unwrap();
        std::fs::write(&link, b"a file now").unwrap();
        assert!(!Snapshot::take(&path).unwrap().same(&file));
        file.put_back(&path).unwrap();
        symlink.put_back(&link).unwrap();
        assert_eq!(Snapshot::take(&path).unwrap(), file, "times included");
        assert!(Snapshot::take(&link).unwrap().same(&symlink));
        Snapshot::Absent.put_back(&link).unwrap();
        Snapshot::Absent.put_back(&link).unwrap();
        assert_eq!(Snapshot::take(&link).unwrap(), Snapshot::Absent);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_full_folder_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("made");
        std::fs::create_dir(&made).unwrap();
        std::fs::write(made.join("theirs"), b"x").unwrap();
        assert!(Snapshot::Absent.put_back(&made).is_err());
        assert!(made.join("theirs").exists());
    }
}
