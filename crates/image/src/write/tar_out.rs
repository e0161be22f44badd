//! An archive that appears whole or not at all. In: members. Out: a tar under its name by a temporary file beside it, `fsync` and
//! rename. Its bytes depend on its members alone.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::WriteError;

const BUFFER: usize = 256 << 10;

/// An archive that is being written.
pub(super) struct TarOut {
    path: PathBuf,
    tar: tar::Builder<BufWriter<NamedTempFile>>,
    folders: BTreeSet<String>,
    members: BTreeSet<String>,
    time: u64,
}

impl TarOut {
    /// Begins an archive. `time`: seconds since the epoch that its members get.
    pub(super) fn create(path: &Path, time: u64) -> Result<Self, WriteError> {
        let failed = || WriteError::io("write", path);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temporary = tempfile::Builder::new().prefix(".sidelight-").tempfile_in(folder).map_err(failed())?;
        let tar = tar::Builder::new(BufWriter::with_capacity(BUFFER, temporary));
        Ok(Self { path: path.to_owned(), tar, folders: BTreeSet::new(), members: BTreeSet::new(), time })
    }

    /// Whether a member of this name was written.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.contains(name)
    }

    /// Writes a member, the folders above it first.
    pub(super) fn member(&mut self, name: &str, size: u64, bytes: impl Read) -> Result<(), WriteError> {
        let failed = WriteError::io("write", &self.path);
        self.append(name, size, bytes).map_err(failed)
    }

    fn append(&mut self, name: &str, size: u64, bytes: impl Read) -> io::Result<()> {
        for (at, _) in name.match_indices('/') {
            let folder = format!("{}/", &name[..at]);
            if self.folders.insert(folder.clone()) {
                let mut header = self.header(tar::EntryType::Directory, 0o755, 0);
                self.tar.append_data(&mut header, folder, io::empty())?;
            }
        }
        let mut header = self.header(tar::EntryType::Regular, 0o644, size);
        let mut bytes = Counting { inner: bytes, count: 0 };
        self.tar.append_data(&mut header, name, &mut bytes)?;
        // One read past the end: what checks its bytes does so there.
        if bytes.count != size || bytes.read(&mut [0])? != 0 {
            return Err(io::Error::other(format!("{name} has other than {size} bytes")));
        }
        self.members.insert(name.to_owned());
        Ok(())
    }

    fn header(&self, kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(self.time);
        header.set_size(size);
        header
    }

    /// Puts the archive under its name.
    pub(super) fn finish(self) -> Result<(), WriteError> {
        let failed = || WriteError::io("write", &self.path);
        let mut buffered = self.tar.into_inner().map_err(failed())?;
        buffered.flush().map_err(failed())?;
        let temporary = buffered.into_inner().map_err(|error| failed()(error.into_error()))?;
        keep(temporary, &self.path)
    }
}

/// Gives a temporary file its name, once it is safe on the disk. It gets the mode that a new file would have.
pub(super) fn keep(temporary: NamedTempFile, path: &Path) -> Result<(), WriteError> {
    let failed = || WriteError::io("write", path);
    let mode = 0o666 & !umask();
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    temporary.as_file().set_permissions(permissions).map_err(failed())?;
    temporary.as_file().sync_all().map_err(failed())?;
    temporary.persist(path).map_err(|error| failed()(error.error))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed())
}

/// The mask of new files; it can only be read by setting it, so the kernel is asked where it tells (Linux 4.7 and later).
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|digits| u32::from_str_radix(digits.trim(), 8).ok()).unwrap_or(0o022)
}

struct Counting<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.count += count as u64;
        Ok(count)
    }
}
