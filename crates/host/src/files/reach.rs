//! How a path of another root is reached. In: a root, and paths below it as this machine names them. Out: looks and changes that
//! cannot leave the root, whatever a program in it does meanwhile.
//!
//! A container that is hostile may put a link in the place of a folder between any two of our steps. So the folder above each path is
//! opened by the kernel inside the root (openat2(2), `RESOLVE_IN_ROOT`), and the last name alone is looked up, below that handle and
//! never through a link: `/proc/self/fd/N/NAME`. Kernels without that call walk folder by folder and follow no link at all, which
//! suits paths of which every link was followed when the change was planned.

use super::replace::{create_directory, remove, replace_file, replace_symlink};
use super::{FileError, Meta, Snapshot};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// The way to paths.
#[derive(Debug)]
pub enum Reach {
    /// As the kernel finds them: on this machine's own root.
    Plain,
    /// Below a root, and never out of it.
    Inside {
        /// The root, as this machine names it.
        root: PathBuf,
        /// The root, held open.
        open: OwnedFd,
    },
}

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Reach {
    /// The way to paths below `root`; none stands for this machine's own.
    ///
    /// # Errors
    /// When the root is no folder or cannot be opened.
    pub fn new(root: Option<&Path>) -> Result<Self, FileError> {
        let Some(root) = root.filter(|root| *root != Path::new("/")) else { return Ok(Self::Plain) };
        let open = rustix::fs::openat(CWD, root, FOLDER, Mode::empty()).map_err(FileError::io("look into", root))?;
        Ok(Self::Inside { root: root.to_owned(), open })
    }

    /// Does something to `path`. What is handed over leads to the same place by a way that stays inside; errors name `path`.
    fn with<T>(&self, path: &Path, act: impl FnOnce(&Path) -> Result<T, FileError>) -> Result<T, FileError> {
        let Self::Inside { root, open } = self else { return act(path) };
        let outside = |why: Errno| FileError::io("find", path)(why);
        let below = path.strip_prefix(root).map_err(|_| outside(Errno::XDEV))?;
        let (above, name) = match below.file_name() {
            Some(name) => (below.parent().unwrap_or(Path::new("")), name),
            // The root itself; `..` at the end means nothing that could be changed.
            None if below.as_os_str().is_empty() => (below, OsStr::new(".")),
            None => return Err(outside(Errno::INVAL)),
        };
        let above = folder_inside(open, above).map_err(outside)?;
        let way = PathBuf::from(format!("/proc/self/fd/{}", above.as_raw_fd())).join(name);
        act(&way).map_err(|error| error.of(path))
    }

    /// What stands at `path`; see [`Snapshot::take`].
    ///
    /// # Errors
    /// As [`Snapshot::take`].
    pub fn take(&self, path: &Path) -> Result<Snapshot, FileError> {
        match self.with(path, Snapshot::take) {
            Err(error) if error.is_absent() => Ok(Snapshot::Absent),
            other => other,
        }
    }

    /// Whether anything stands at `path`, be it a link that leads nowhere.
    pub fn exists(&self, path: &Path) -> bool {
        let look = |way: &Path| std::fs::symlink_metadata(way).map_err(FileError::io("look at", way));
        self.with(path, look).is_ok()
    }

    /// Whether `path` is a folder or, inside the root, leads to one.
    pub fn is_folder(&self, path: &Path) -> bool {
        match self {
            Self::Plain => path.is_dir(),
            Self::Inside { root, open } => {
                path.strip_prefix(root).is_ok_and(|below| folder_inside(open, below).is_ok())
            }
        }
    }

    /// The names in a folder; none where no folder stands. A link is not followed.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn names(&self, folder: &Path) -> Result<Vec<std::ffi::OsString>, FileError> {
        let list = |way: &Path| {
            if !std::fs::symlink_metadata(way).is_ok_and(|found| found.is_dir()) {
                return Ok(Vec::new());
            }
            let entries = std::fs::read_dir(way).map_err(FileError::io("list", way))?;
            entries.map(|entry| entry.map(|entry| entry.file_name()).map_err(FileError::io("list", way))).collect()
        };
        match self.with(folder, list) {
            Err(error) if error.is_absent() => Ok(Vec::new()),
            other => other,
        }
    }

    /// Mode, owner and attributes of the file at `path`, or a new file's with `mode`.
    ///
    /// # Errors
    /// When it is there but cannot be looked at.
    pub fn meta_or_new(&self, path: &Path, mode: u32) -> Result<Meta, FileError> {
        self.with(path, |way| Meta::of_or_new(way, mode))
    }

    /// Writes a file wholly or not at all; see [`replace_file`].
    ///
    /// # Errors
    /// As [`replace_file`].
    pub fn replace_file(&self, path: &Path, bytes: &[u8], meta: &Meta) -> Result<(), FileError> {
        self.with(path, |way| replace_file(way, bytes, meta))
    }

    /// Makes a link; see [`replace_symlink`].
    ///
    /// # Errors
    /// As [`replace_symlink`].
    pub fn replace_symlink(&self, path: &Path, target: &Path) -> Result<(), FileError> {
        self.with(path, |way| replace_symlink(way, target, None))
    }

    /// Makes a folder; see [`create_directory`].
    ///
    /// # Errors
    /// As [`create_directory`].
    pub fn create_directory(&self, path: &Path, mode: u32) -> Result<(), FileError> {
        self.with(path, |way| create_directory(way, mode))
    }

    /// Removes a file, link or empty folder; nothing there is fine.
    ///
    /// # Errors
    /// As [`remove`].
    pub fn remove(&self, path: &Path) -> Result<(), FileError> {
        match self.with(path, remove) {
            Err(error) if error.is_absent() => Ok(()),
            other => other,
        }
    }

    /// Gives another name in the same folder to what stands at `path`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn rename(&self, path: &Path, name: &str) -> Result<(), FileError> {
        self.with(path, |way| std::fs::rename(way, way.with_file_name(name)).map_err(FileError::io("rename", way)))
    }

    /// Gives what stands at `path`, be it a link, to another owner.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn own(&self, path: &Path, (uid, gid): (u32, u32)) -> Result<(), FileError> {
        let (uid, gid) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
        self.with(path, |way| {
            rustix::fs::chownat(CWD, way, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(FileError::io("set the owner of", way))
        })
    }

    /// Puts a snapshot back at `path`; see [`Snapshot::put_back`].
    ///
    /// # Errors
    /// As [`Snapshot::put_back`].
    pub fn put_back(&self, path: &Path, before: &Snapshot) -> Result<(), FileError> {
        match self.with(path, |way| before.put_back(way)) {
            // The folder above is gone as well: it is as it was.
            Err(error) if error.is_absent() && *before == Snapshot::Absent => Ok(()),
            other => other,
        }
    }
}

/// A folder below an open root.
fn folder_inside(root: &OwnedFd, below: &Path) -> Result<OwnedFd, Errno> {
    let named = if below.as_os_str().is_empty() { Path::new(".") } else { below };
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(root, named, FOLDER, Mode::empty(), inside) {
        // EPERM: a sandbox's filter that does not know the call.
        Err(Errno::NOSYS | Errno::PERM) => walk(root, below),
        // The kernel cannot be sure while somebody renames folders.
        Err(Errno::AGAIN) => rustix::fs::openat2(root, named, FOLDER, Mode::empty(), inside),
        other => other,
    }
}

/// As [`folder_inside`], by calls that every kernel has; no link is followed.
pub(super) fn walk(root: &OwnedFd, below: &Path) -> Result<OwnedFd, Errno> {
    let mut at = rustix::fs::openat(root, ".", FOLDER, Mode::empty())?;
    for part in below.components() {
        let name = match part {
            Component::Normal(name) => name,
            Component::CurDir => continue,
            _ => return Err(Errno::XDEV),
        };
        at = rustix::fs::openat(&at, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_folder_that_became_a_link_does_not_lead_out() {
        let folder = tempfile::tempdir().unwrap();
        let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
        std::fs::create_dir_all(root.join("etc/ssl")).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::write(outside.join("bundle"), b"the host's").unwrap();
        let reach = Reach::new(Some(&root)).unwrap();
        let path = root.join("etc/ssl/bundle");
        reach.replace_file(&path, b"first", &Meta::new(0o644)).unwrap();
        std::fs::remove_dir_all(root.join("etc/ssl")).unwrap();
        symlink(&outside, root.join("etc/ssl")).unwrap();

        assert!(!reach.exists(&path) && !reach.is_folder(&root.join("etc/ssl")));
        assert_eq!(reach.take(&path).unwrap(), Snapshot::Absent);
        let refused = reach.replace_file(&path, b"second", &Meta::new(0o644)).unwrap_err();
        assert!(refused.is_absent() && refused.to_string().contains("root/etc/ssl/bundle"), "{refused}");
        assert!(reach.replace_symlink(&path, Path::new("x")).is_err());
        assert!(reach.create_directory(&root.join("etc/ssl/made"), 0o755).is_err());
        assert!(reach.own(&path, (0, 0)).is_err() && reach.rename(&path, "other").is_err());
        reach.remove(&path).unwrap();
        assert!(reach.with(&outside.join("bundle"), remove).is_err(), "a path outside is no path of this root");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
        assert_eq!(std::fs::read(outside.join("bundle")).unwrap(), b"the host's");
    }

    #[test]
    fn links_inside_are_followed_inside_and_the_last_name_never() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("var/lib")).unwrap();
        std::fs::create_dir_all(root.join("etc")).unwrap();
        symlink("/var/lib", root.join("etc/ssl")).unwrap();
        symlink("/etc/hostname", root.join("etc/last")).unwrap();
        let reach = Reach::new(Some(root)).unwrap();
        reach.replace_file(&root.join("etc/ssl/bundle"), b"x", &Meta::new(0o644)).unwrap();
        assert_eq!(std::fs::read(root.join("var/lib/bundle")).unwrap(), b"x");
        assert!(reach.is_folder(&root.join("etc/ssl")) && reach.is_folder(root));
        assert!(matches!(reach.take(&root.join("etc/last")).unwrap(), Snapshot::Symlink { .. }));
        reach.replace_file(&root.join("etc/last"), b"y", &Meta::new(0o644)).unwrap();
        assert!(root.join("etc/last").symlink_metadata().unwrap().is_file());
        let Reach::Inside { open, .. } = &reach else { panic!("a folder is no plain root") };
        assert!(walk(open, Path::new("var/lib")).is_ok() && walk(open, Path::new("etc/ssl")).is_err());
        assert!(walk(open, Path::new("var/../etc")).is_err());
    }
}
