//! What is behind the name of a capture. In: a path. Out: a new regular file of mode 0600 that took its place, or the pipe or
//! device that is there.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::{CaptureError, Doing};

/// Somewhere to write.
pub(super) enum Target {
    /// A regular file of ours.
    Regular(File),
    /// Standard output, a pipe or a device.
    Stream(Box<dyn Write + Send>),
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_seekable() { "Regular" } else { "Stream" })
    }
}

/// A stream whose reader has gone.
struct Ended;

impl Write for Ended {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Target {
    pub(super) fn stdout() -> Self {
        Self::Stream(Box::new(io::stdout()))
    }

    /// A stream to nobody.
    pub(super) fn ended() -> Self {
        Self::Stream(Box::new(Ended))
    }

    pub(super) const fn is_seekable(&self) -> bool {
        matches!(self, Self::Regular(_))
    }

    /// Opens what `path` names. A regular file, or nothing, is replaced by a new file; with `makes_folders`, missing folders are
    /// made (0700).
    pub(super) fn create(option: &'static str, path: &Path, makes_folders: bool) -> Result<Self, CaptureError> {
        let failed = |source| CaptureError::io(option, Some(path), Doing::Create, source);
        let open_stream = || OpenOptions::new().write(true).open(path).map_err(failed);
        if is_own_descriptor(path) {
            return Ok(Self::Stream(Box::new(open_stream()?)));
        }
        match fs::symlink_metadata(path).map(|it| it.file_type()) {
            Ok(kind) if kind.is_symlink() => {
                let to = fs::read_link(path).unwrap_or_default();
                return Err(CaptureError::SymbolicLink { option, path: path.to_owned(), to });
            }
            Ok(kind) if kind.is_fifo() || kind.is_char_device() => return Ok(Self::Stream(Box::new(open_stream()?))),
            Ok(kind) if !kind.is_file() => {
                let what = if kind.is_dir() { "a folder" } else { "a socket or block device" };
                return Err(CaptureError::NoFile { option, path: path.to_owned(), what });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => find_folder(option, path, makes_folders)?,
            Err(error) => return Err(failed(error)),
        }
        new_file(path).map(Self::Regular).map_err(failed)
    }
}

/// `/dev/fd/63`, as a shell passes `>(command)`: links, but to what this process was given.
fn is_own_descriptor(path: &Path) -> bool {
    ["/dev/fd", "/proc/self/fd"].iter().any(|folder| path.parent() == Some(Path::new(folder)))
        || path == Path::new("/dev/stderr")
        || path == Path::new("/dev/stdout")
}

fn find_folder(option: &'static str, path: &Path, makes_folders: bool) -> Result<(), CaptureError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => return Ok(()),
    };
    if folder.is_dir() {
        return Ok(());
    }
    if !makes_folders {
        return Err(CaptureError::NoFolder { option, path: path.to_owned(), folder: folder.to_owned() });
    }
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| CaptureError::io(option, Some(path), Doing::Create, source))
}

/// Makes a file beside `path` and gives it that name: an old file of the name lives on for those who have it open.
fn new_file(path: &Path) -> io::Result<File> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::InvalidFilename)?);
    name.push(format!(".{}-{}.new", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    let beside: PathBuf = path.with_file_name(name);
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&beside)?;
    // The mode above is subject to the umask, which may take away even our own access.
    let named = file.set_permissions(Permissions::from_mode(0o600)).and_then(|()| fs::rename(&beside, path));
    if let Err(error) = named {
        fs::remove_file(&beside).ok();
        return Err(error);
    }
    Ok(file)
}
