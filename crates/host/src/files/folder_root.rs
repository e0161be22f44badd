//! A folder as the root of a file system. In: its path. Out: [`Root`] for planners.
//!
//! Every path is opened by the kernel inside the root (openat2(2), `RESOLVE_IN_ROOT`), so that nothing in it, however it changes
//! meanwhile, leads out of it; kernels without that call are given paths of which every link was followed already.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use sidelight_wire::trust_edit::{Found, Kind, Root, RootError};

use super::reach::walk;
use super::{FileError, within};

/// The largest file that is read: trust stores are some hundred kilobytes, libraries of OpenSSL a few megabytes.
const LARGEST: u64 = 64 << 20;

/// Entries of one folder.
const ENTRIES: usize = 200_000;

/// A folder, held open.
#[derive(Debug)]
pub struct FolderRoot {
    path: PathBuf,
    open: OwnedFd,
}

impl FolderRoot {
    /// Opens a folder as a root.
    ///
    /// # Errors
    /// When it is no folder or cannot be opened.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(FileError::io("look into", path))?;
        Ok(Self { path: path.to_owned(), open })
    }

    /// Its path on this machine.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn at(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let relative = path.trim_start_matches('/');
        let relative = if relative.is_empty() { "." } else { relative };
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(&self.open, relative, flags, Mode::empty(), inside) {
            Err(Errno::NOSYS | Errno::PERM) => {
                let relative = Path::new(relative);
                let Some(name) = relative.file_name() else { return walk(&self.open, relative) };
                let above = walk(&self.open, relative.parent().unwrap_or(Path::new("")))?;
                rustix::fs::openat(&above, name, flags, Mode::empty())
            }
            other => other,
        }
    }

    fn error(&self, doing: &str, path: &str, errno: Errno) -> RootError {
        RootError(format!("cannot {doing} {}: {}", within(&self.path, path).display(), std::io::Error::from(errno)))
    }
}

fn is_absent(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
}

impl Root for FolderRoot {
    fn look(&self, path: &str) -> Result<Option<Found>, RootError> {
        let open = match self.at(path, OFlags::PATH) {
            Ok(open) => open,
            Err(errno) if is_absent(errno) => return Ok(None),
            Err(errno) => return Err(self.error("look at", path, errno)),
        };
        let stat = rustix::fs::fstat(&open).map_err(|errno| self.error("look at", path, errno))?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&open, "", Vec::new())
                    .map_err(|errno| self.error("read the link", path, errno))?;
                Kind::Link(target.to_string_lossy().into_owned())
            }
            _ => Kind::Other,
        };
        Ok(Some(Found { kind, mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid }))
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, RootError> {
        // A pipe would block at open until somebody writes.
        let open = self.at(path, OFlags::RDONLY | OFlags::NONBLOCK).map_err(|errno| self.error("read", path, errno))?;
        let failed =
            |error: std::io::Error| RootError(format!("cannot read {}: {error}", within(&self.path, path).display()));
        let file = File::from(open);
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(RootError(format!("{} is not a regular file", within(&self.path, path).display())));
        }
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST) {
            return Err(RootError(format!("{} is larger than any trust store", within(&self.path, path).display())));
        }
        Ok(bytes)
    }

    fn list(&self, path: &str) -> Result<Vec<(String, Kind)>, RootError> {
        let open = match self.at(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(open) => open,
            Err(errno) if is_absent(errno) => return Ok(Vec::new()),
            Err(errno) => return Err(self.error("list", path, errno)),
        };
        let failed = |errno| self.error("list", path, errno);
        let mut found = Vec::new();
        for entry in rustix::fs::Dir::read_from(&open).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // Stores have names of plain text; others cannot be meant.
            let Ok(name) = entry.file_name().to_str() else { continue };
            if matches!(name, "." | "..") {
                continue;
            }
            if found.len() >= ENTRIES {
                return Err(RootError(format!(
                    "{} has more than {ENTRIES} entries",
                    within(&self.path, path).display()
                )));
            }
            let mut kind = entry.file_type();
            if kind == FileType::Unknown {
                let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
                kind =
                    rustix::fs::statat(&open, name, flags).map_or(kind, |stat| FileType::from_raw_mode(stat.st_mode));
            }
            let kind = match kind {
                FileType::RegularFile => Kind::File,
                FileType::Directory => Kind::Folder,
                FileType::Symlink => Kind::Link(
                    rustix::fs::readlinkat(&open, name, Vec::new())
                        .map_or_else(|_| String::new(), |to| to.to_string_lossy().into_owned()),
                ),
                _ => Kind::Other,
            };
            found.push((name.to_owned(), kind));
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelight_wire::trust_edit::follow;
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_leads_out_of_the_root() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), b"theirs").unwrap();
        let folder = outside.path().join("root");
        std::fs::create_dir_all(folder.join("etc/ssl")).unwrap();
        std::fs::write(folder.join("etc/bundle"), b"x").unwrap();
        symlink("/etc/bundle", folder.join("etc/ssl/absolute")).unwrap();
        symlink("../../../../secret", folder.join("etc/ssl/up")).unwrap();
        symlink(outside.path(), folder.join("etc/out")).unwrap();
        symlink("loop", folder.join("etc/loop")).unwrap();
        let root = FolderRoot::open(&folder).unwrap();
        assert_eq!(follow(&root, "/etc/ssl/absolute").unwrap(), "/etc/bundle");
        assert_eq!(root.read("/etc/bundle").unwrap(), b"x");
        assert_eq!(follow(&root, "/etc/ssl/up").unwrap(), "/secret");
        assert_eq!(root.look("/secret").unwrap(), None);
        assert!(root.read("/etc/out/secret").is_err());
        assert!(follow(&root, "/etc/loop").is_err());
        assert_eq!(root.look("/etc/bundle/below").unwrap(), None);
        let names: Vec<String> = root.list("/etc").unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["bundle", "loop", "out", "ssl"]);
        assert!(root.list("/none").unwrap().is_empty());
    }

    #[test]
    fn a_pipe_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        rustix::fs::mknodat(CWD, folder.path().join("pipe"), FileType::Fifo, 0o600.into(), 0).unwrap();
        let root = FolderRoot::open(folder.path()).unwrap();
        assert_eq!(root.look("/pipe").unwrap().unwrap().kind, Kind::Other);
        assert!(root.read("/pipe").is_err());
    }
}
