//! A folder as a root, or as a layer. In: an open folder. Out: its entries merged into the state. Nothing is followed: each name
//! is opened in its own folder without links, so nothing outside is ever read. Spec: openat(2), overlayfs whiteouts
//! (Documentation/filesystems/overlayfs.rst: a character device 0/0 deletes, the attribute `overlay.opaque` hides).

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};
use rustix::io::Errno;

use crate::error::Error;
use crate::limits::Limits;
use crate::merge::{Merge, Meta};
use crate::mounts::{self, Mount};
use crate::roots::Spared;
use crate::watch::Watch;

const BUFFER: usize = 256 << 10;
/// Bytes of a file that are read before the rest: a page, which the kernel reads anyway.
const HEAD: usize = 4 << 10;
/// Folders within folders; each holds a descriptor open.
const MAX_DEPTH: usize = 256;
/// Names of one folder that are held at a time.
const MAX_NAMES: usize = 1 << 20;

/// A folder that is read as a root or layer.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Only these folders of it (relative), or all of it.
    pub(crate) only: Option<Vec<String>>,
    /// It is a whole machine: what no program reads for trust is passed over, and told.
    pub(crate) spare: bool,
    /// It is a layer of overlayfs: its whiteouts count.
    pub(crate) overlay: bool,
    /// Other local file systems that are mounted in it are read too.
    pub(crate) cross: bool,
}

/// What reading takes and gives at every step.
struct Walk<'a, W: Watch> {
    folder: &'a Folder,
    merge: &'a mut Merge<W::Found>,
    watch: &'a mut W,
    buffer: Vec<u8>,
    entries: u64,
    limits: Limits,
    layer: Option<usize>,
    device: u64,
    spared: Spared,
}

/// Reads a folder. Returns the entries met and whether the watcher has enough.
pub(crate) fn read<W>(
    folder: &Folder,
    merge: &mut Merge<W::Found>,
    watch: &mut W,
    layer: Option<usize>,
    limits: Limits,
) -> Result<(u64, bool), Error>
where
    W: Watch,
    W::Found: Clone,
{
    let what = || folder.path.display().to_string();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(&folder.path, flags, Mode::empty()).map_err(|errno| Error::io(what())(errno.into()))?;
    let device = fstat(&root).map_err(|errno| Error::io(what())(errno.into()))?.st_dev;
    merge.begin(layer);
    let buffer = vec![0; BUFFER];
    let mut walk = Walk { folder, merge, watch, buffer, entries: 0, limits, layer, device, spared: Spared::default() };
    match &folder.only {
        None => walk.folder(root, "", 0)?,
        Some(starts) => {
            for start in starts {
                walk.start(&root, start)?;
            }
        }
    }
    if let Some(sentence) = walk.spared.sentence() {
        walk.merge.notes.say(sentence);
    }
    let (entries, enough) = (walk.entries, walk.watch.enough());
    Ok((entries, enough))
}

impl<W> Walk<'_, W>
where
    W: Watch,
    W::Found: Clone,
{
    /// Reads one of the chosen folders; its name may have several parts, none of which is followed as a link.
    fn start(&mut self, root: &OwnedFd, start: &str) -> Result<(), Error> {
        let (parent, base) = start.rsplit_once('/').unwrap_or(("", start));
        let parent = if parent.is_empty() { "." } else { parent };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let Ok(folder) = openat(root, parent, flags, Mode::empty()) else { return Ok(()) };
        let prefix = if parent == "." { String::new() } else { format!("/{parent}") };
        self.entry(&folder, &prefix, base.as_bytes(), 1)
    }

    fn folder(&mut self, folder: OwnedFd, path: &str, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            self.merge.notes.count(self.layer, "folders that lie too deep were left out", path.as_bytes());
            return Ok(());
        }
        let names = match names(&folder) {
            Ok(names) => names,
            Err(errno) => {
                self.unreadable(path, errno);
                return Ok(());
            }
        };
        if names.len() >= MAX_NAMES {
            self.merge.notes.count(self.layer, "folders with too many names were read in part", path.as_bytes());
        }
        for name in names {
            self.entry(&folder, path, &name, depth + 1)?;
            if self.watch.enough() {
                break;
            }
        }
        Ok(())
    }

    fn entry(&mut self, folder: &OwnedFd, parent: &str, name: &[u8], depth: usize) -> Result<(), Error> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            let why = format!("has more than {} entries", self.limits.entries);
            return Err(Error::limit(self.folder.path.display().to_string(), why));
        }
        let path = [parent.as_bytes(), b"/", name].concat();
        let Ok(stat) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { return Ok(()) };
        let kind = FileType::from_raw_mode(stat.st_mode);
        match kind {
            FileType::Directory => return self.sub_folder(folder, &path, name, &stat, depth),
            FileType::Symlink => {
                if let Ok(target) = readlinkat(folder, name, Vec::new()) {
                    self.merge.link(path, target.as_bytes());
                }
            }
            FileType::RegularFile => self.file(folder, path, name, &stat),
            FileType::CharacterDevice if self.folder.overlay && stat.st_rdev == 0 => self.merge.delete(&path),
            _ => self.merge.replace(&path),
        }
        Ok(())
    }

    fn sub_folder(
        &mut self,
        folder: &OwnedFd,
        path: &[u8],
        name: &[u8],
        stat: &Stat,
        depth: usize,
    ) -> Result<(), Error> {
        let text = String::from_utf8_lossy(path).into_owned();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let opened = match openat(folder, name, flags, Mode::empty()) {
            Ok(opened) => opened,
            Err(errno) => {
                self.unreadable(&text, errno);
                return Ok(());
            }
        };
        if self.folder.spare && self.spared.spares(&text, is_tagged(&opened)) {
            return Ok(());
        }
        let meta = Meta { mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid, size: 0 };
        self.watch.folder(&meta.head(&text));
        self.merge.folder(path);
        if self.folder.overlay && is_opaque(&opened) {
            self.merge.clear_folder(path);
        }
        if stat.st_dev != self.device {
            match mounts::kind(&opened) {
                Mount::Local if self.folder.cross => {}
                Mount::Pseudo => return Ok(()),
                Mount::Local | Mount::Remote => {
                    self.merge.notes.say(format!("{text} is another file system and was passed over"));
                    return Ok(());
                }
            }
        }
        self.folder(opened, &text, depth)
    }

    fn file(&mut self, folder: &OwnedFd, path: Vec<u8>, name: &[u8], stat: &Stat) {
        self.merge.replace(&path);
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let meta = Meta { mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid, size };
        let text = String::from_utf8_lossy(&path);
        let Some(mut open) = self.watch.open(&meta.head(&text)) else { return };
        let whole = match open_regular(folder, name, stat) {
            Ok(file) => self.feed(file, &mut open),
            Err(errno) => {
                self.unreadable(&text, errno);
                return;
            }
        };
        if let Some(found) = self.watch.close(open, whole) {
            drop(text);
            self.merge.keep(path, meta, found);
        }
    }

    /// Feeds a file; true when all of it was fed. Its head comes first: most files are told by it.
    fn feed(&mut self, mut file: File, open: &mut W::Open) -> bool {
        let mut most = HEAD;
        loop {
            let count = file.read(&mut self.buffer[..most]);
            most = BUFFER;
            match count {
                Ok(0) => return true,
                Ok(count) if !self.watch.feed(open, &self.buffer[..count]) => {
                    return matches!(file.read(&mut self.buffer[..1]), Ok(0));
                }
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }

    fn unreadable(&mut self, path: &str, errno: Errno) {
        let kind = match errno {
            Errno::ACCESS | Errno::PERM => "files and folders may not be read by this user",
            _ => "files and folders could not be read",
        };
        self.merge.notes.count(self.layer, kind, path.as_bytes());
    }
}

/// Opens a regular file that is still the one that was looked at; never waits for the other end of a FIFO.
fn open_regular(folder: &OwnedFd, name: &[u8], stat: &Stat) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(folder, name, flags, Mode::empty())?;
    let now = fstat(&file)?;
    if (now.st_dev, now.st_ino) != (stat.st_dev, stat.st_ino) || !FileType::from_raw_mode(now.st_mode).is_file() {
        return Err(Errno::AGAIN);
    }
    Ok(file.into())
}

/// The names in a folder, sorted so that two readings are alike.
fn names(folder: &OwnedFd) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." && names.len() < MAX_NAMES {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Whether a file says that the folder is a cache, which can be made anew: the Cache Directory Tagging Specification.
fn is_tagged(folder: &OwnedFd) -> bool {
    const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let Ok(file) = openat(folder, "CACHEDIR.TAG", flags, Mode::empty()) else { return false };
    let mut head = [0; SIGNATURE.len()];
    File::from(file).read_exact(&mut head).is_ok() && head == SIGNATURE
}

/// Whether overlayfs hides what lower layers have in this folder.
fn is_opaque(folder: impl AsFd) -> bool {
    ["trusted.overlay.opaque", "user.overlay.opaque"].iter().any(|attribute| {
        let mut value = [0_u8; 8];
        rustix::fs::fgetxattr(&folder, *attribute, &mut value[..]).is_ok_and(|length| value[..length] == *b"y")
    })
}
