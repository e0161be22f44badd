//! Changing a file wholly or not at all. In: new content and attributes. Out: the file on the disk, synced, under its name.
//!
//! The new content is written beside the old under a name of our own, synced and renamed over it. Where a rename is impossible because
//! the file is itself a mount point (bundles bound into containers are), it is rewritten in place.

use super::FileError;
use super::read::open_flags;
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What a file has besides its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Permission bits, set-id and sticky included.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds and nanoseconds of the last change of the content.
    pub modified: (i64, i64),
    /// Extended attributes (access lists and labels among them), sorted by name.
    pub attributes: Vec<(String, Vec<u8>)>,
}

impl Meta {
    /// A new file's, owned by whoever runs this.
    pub fn new(mode: u32) -> Self {
        Self {
            mode,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            ..Self::default()
        }
    }

    /// Those of the file or folder that stands at `path`, or a new file's with `mode`; also where a link stands, which is replaced.
    ///
    /// # Errors
    /// When the file is there but cannot be looked at.
    pub fn of_or_new(path: &Path, mode: u32) -> Result<Self, FileError> {
        match std::fs::symlink_metadata(path).map_err(FileError::io("look at", path)) {
            Ok(found) if found.is_symlink() => Ok(Self::new(mode)),
            Ok(found) => Ok(Self {
                mode: found.mode() & 0o7777,
                uid: found.uid(),
                gid: found.gid(),
                modified: (0, 0),
                attributes: attributes(path)?,
            }),
            Err(error) if error.is_absent() => Ok(Self::new(mode)),
            Err(error) => Err(error),
        }
    }

    /// Equal but for the times.
    pub(super) fn same(&self, other: &Self) -> bool {
        (self.mode, self.uid, self.gid, &self.attributes) == (other.mode, other.uid, other.gid, &other.attributes)
    }
}

/// The extended attributes of a file, sorted by name; none where the file system knows none. A link is not followed.
pub(super) fn attributes(path: &Path) -> Result<Vec<(String, Vec<u8>)>, FileError> {
    let list = |names: &mut [u8]| rustix::fs::llistxattr(path, names);
    gather(path, list, |name, value| rustix::fs::lgetxattr(path, name, value))
}

/// As [`attributes`], of an open file.
fn attributes_of_open(open: &File, path: &Path) -> Result<Vec<(String, Vec<u8>)>, FileError> {
    let list = |names: &mut [u8]| rustix::fs::flistxattr(open, names);
    gather(path, list, |name, value| rustix::fs::fgetxattr(open, name, value))
}

fn gather(
    path: &Path,
    list: impl Fn(&mut [u8]) -> rustix::io::Result<usize>,
    get: impl Fn(&str, &mut [u8]) -> rustix::io::Result<usize>,
) -> Result<Vec<(String, Vec<u8>)>, FileError> {
    let mut names = vec![0_u8; 64 << 10];
    let length = match list(&mut names) {
        Ok(length) => length,
        Err(rustix::io::Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(errno) => return Err(FileError::io("list the attributes of", path)(errno)),
    };
    let mut found = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = String::from_utf8_lossy(name).into_owned();
        let mut value = vec![0_u8; 64 << 10];
        let length = get(&name, &mut value).map_err(FileError::io("read an attribute of", path))?;
        value.truncate(length);
        found.push((name, value));
    }
    found.sort();
    Ok(found)
}

/// Gives an open file or folder this mode, owner, attributes and (unless it is zero) time. Owner first: a change of owner clears set-id
/// bits. By its handle, not by its name: behind the name may stand another by now. `path` is for messages.
pub(super) fn set_meta(open: &File, path: &Path, meta: &Meta) -> Result<(), FileError> {
    let now = open.metadata().map_err(FileError::io("look at", path))?;
    if (now.uid(), now.gid()) != (meta.uid, meta.gid) {
        let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
        rustix::fs::fchown(open, Some(uid), Some(gid)).map_err(FileError::io("set the owner of", path))?;
    }
    rustix::fs::fchmod(open, Mode::from_raw_mode(meta.mode)).map_err(FileError::io("set the mode of", path))?;
    let present = attributes_of_open(open, path)?;
    for (name, value) in &meta.attributes {
        if !present.iter().any(|(known, held)| known == name && held == value) {
            set_attribute(open, path, name, value)?;
        }
    }
    for (name, _) in present.iter().filter(|(name, _)| !meta.attributes.iter().any(|(wanted, _)| wanted == name)) {
        // A label that the kernel's security module gives to every new file cannot be taken off, and need not be.
        if !name.starts_with("security.") {
            rustix::fs::fremovexattr(open, name.as_str()).map_err(FileError::io("remove an attribute of", path))?;
        }
    }
    let Some(times) = times(meta) else { return Ok(()) };
    rustix::fs::futimens(open, &times).map_err(FileError::io("set the time of", path))
}

/// Labels of security modules are given by the kernel's policy to whoever has no right to set them; they are no reason to fail.
fn set_attribute(open: &File, path: &Path, name: &str, value: &[u8]) -> Result<(), FileError> {
    use rustix::io::Errno;
    match rustix::fs::fsetxattr(open, name, value, XattrFlags::empty()) {
        Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) if name.starts_with("security.") => Ok(()),
        other => other.map_err(FileError::io("set an attribute of", path)),
    }
}

fn times(meta: &Meta) -> Option<Timestamps> {
    let unchanged = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    let modified = Timespec { tv_sec: meta.modified.0, tv_nsec: meta.modified.1 };
    (meta.modified != (0, 0)).then_some(Timestamps { last_access: unchanged, last_modification: modified })
}

/// Writes a file so that its name at every moment leads to the whole old or the whole new content.
///
/// # Errors
/// When a step is refused; the temporary file is then removed.
pub fn replace_file(path: &Path, bytes: &[u8], meta: &Meta) -> Result<(), FileError> {
    let beside = temporary(path);
    let written = write_new(&beside, path, bytes, meta)
        .and_then(|()| std::fs::rename(&beside, path).map_err(FileError::io("replace", path)));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    match written {
        Err(FileError::Io { source, .. }) if source.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error()) => {
            write_in_place(path, bytes, meta)
        }
        Err(error) => Err(error),
        Ok(()) => sync_parent(path),
    }
}

/// `wanted` is the name that the file will get, for messages.
fn write_new(path: &Path, wanted: &Path, bytes: &[u8], meta: &Meta) -> Result<(), FileError> {
    // Left by a run that was killed; the name is ours alone.
    let _ = std::fs::remove_file(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(FileError::io("write", wanted))?;
    file.write_all(bytes).map_err(FileError::io("write", wanted))?;
    set_meta(&file, path, meta)?;
    file.sync_all().map_err(FileError::io("sync", wanted))
}

fn write_in_place(path: &Path, bytes: &[u8], meta: &Meta) -> Result<(), FileError> {
    // By now a pipe may stand there, which would block until somebody reads, or a device, which must not be written to.
    let mut file = OpenOptions::new()
        .write(true)
        .custom_flags(open_flags(OFlags::NOFOLLOW | OFlags::NONBLOCK))
        .open(path)
        .map_err(FileError::io("write", path))?;
    if !file.metadata().map_err(FileError::io("look at", path))?.is_file() {
        return Err(FileError::NotRegular { path: path.to_owned() });
    }
    file.set_len(0).map_err(FileError::io("write", path))?;
    file.write_all(bytes).map_err(FileError::io("write", path))?;
    file.sync_all().map_err(FileError::io("sync", path))?;
    set_meta(&file, path, meta)
}

/// Writes a new file that need not outlive this process: it is not synced. Nothing may stand at `path`.
///
/// # Errors
/// When something is there, or the kernel refuses.
pub fn write_short_lived(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(FileError::io("create", path))?;
    file.write_all(bytes).map_err(FileError::io("write", path))?;
    // Not by the mode at creation, which the user's mask would narrow.
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).map_err(FileError::io("set the mode of", path))
}

/// Makes `path` a symbolic link to `target`, in place of the file or link that stands there.
///
/// # Errors
/// When a step is refused.
pub fn replace_symlink(path: &Path, target: &Path, meta: Option<&Meta>) -> Result<(), FileError> {
    let beside = temporary(path);
    let _ = std::fs::remove_file(&beside);
    std::os::unix::fs::symlink(target, &beside).map_err(FileError::io("create", path))?;
    let mut result = Ok(());
    if let Some(meta) = meta {
        result = own_symlink(&beside, meta);
    }
    let result = result.and_then(|()| std::fs::rename(&beside, path).map_err(FileError::io("replace", path)));
    if result.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    result?;
    sync_parent(path)
}

fn own_symlink(path: &Path, meta: &Meta) -> Result<(), FileError> {
    let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
    rustix::fs::chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(FileError::io("set the owner of", path))?;
    let Some(times) = times(meta) else { return Ok(()) };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(FileError::io("set the time of", path))
}

/// Makes a folder with this mode; one that is there already stays as it is.
///
/// # Errors
/// When its parent is missing or the kernel refuses.
pub fn create_directory(path: &Path, mode: u32) -> Result<(), FileError> {
    match std::fs::create_dir(path) {
        Ok(()) => {
            rustix::fs::fchmod(open_directory(path)?, Mode::from_raw_mode(mode))
                .map_err(FileError::io("set the mode of", path))?;
            sync_parent(path)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(FileError::io("create the folder", path)(error)),
    }
}

/// A folder, not followed to by a link.
pub(super) fn open_directory(path: &Path) -> Result<File, FileError> {
    let flags = open_flags(OFlags::DIRECTORY | OFlags::NOFOLLOW);
    OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(FileError::io("open the folder", path))
}

/// Removes a file, link or empty folder; nothing there is fine.
///
/// # Errors
/// When the kernel refuses, or the folder is not empty.
pub fn remove(path: &Path) -> Result<(), FileError> {
    let is_folder = match std::fs::symlink_metadata(path).map_err(FileError::io("look at", path)) {
        Err(error) if error.is_absent() => return Ok(()),
        other => other?.is_dir(),
    };
    let removed = if is_folder { std::fs::remove_dir(path) } else { std::fs::remove_file(path) };
    removed.map_err(FileError::io("remove", path))?;
    sync_parent(path)
}

fn sync_parent(path: &Path) -> Result<(), FileError> {
    path.parent().map_or(Ok(()), sync_directory)
}

/// Makes the names in a folder durable.
///
/// # Errors
/// When the folder cannot be opened or synced.
pub fn sync_directory(folder: &Path) -> Result<(), FileError> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|open| open.sync_all()).map_err(FileError::io("sync", folder))
}

/// A name beside `path` that nobody else takes: in the same folder, therefore on the same file system. It begins with a dot, so that
/// no trust store's own tool reads it.
pub(super) fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.sidelight-new"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_is_written_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let (file, pipe, link) = (folder.path().join("file"), folder.path().join("pipe"), folder.path().join("link"));
        std::fs::write(&file, b"longer than what follows").unwrap();
        write_in_place(&file, b"new", &Meta::new(0o640)).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);

        rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        // A reader lets the opening succeed; without one it fails at once.
        assert!(write_in_place(&pipe, b"x", &Meta::new(0o600)).is_err());
        let reader = OpenOptions::new().read(true).custom_flags(open_flags(OFlags::NONBLOCK)).open(&pipe).unwrap();
        let refused = write_in_place(&pipe, b"x", &Meta::new(0o600)).unwrap_err();
        assert!(matches!(refused, FileError::NotRegular { .. }), "{refused}");
        drop(reader);
        std::os::unix::fs::symlink("file", &link).unwrap();
        assert!(write_in_place(&link, b"x", &Meta::new(0o600)).is_err());
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
    }
}
