//! The folder of one run: made, held, removed; and those of runs that were killed. In: a folder for temporary files. Out: [`RunDirectory`].
//!
//! A run holds a lock (flock(2)) on its folder for as long as it lives, and the kernel drops it however the run ends. A folder that can
//! be locked is therefore a leftover: no process number is compared, which would lie across process namespaces and after a restart.

use crate::files::FileError;
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

const PREFIX: &str = "sidelight-run-";

/// Folders looked at when leftovers are searched for.
const LOOKED_AT: usize = 10_000;

/// A new folder that only this user can write to, removed with all it holds when this is dropped.
///
/// Others may pass through it (mode 0711): it holds certificates, which are public, and a command that gives up its rights (as package
/// managers do for downloads) must still be able to read them.
#[derive(Debug)]
pub struct RunDirectory {
    // Removed before the lock is let go: nobody takes it for a leftover meanwhile.
    folder: tempfile::TempDir,
    _lock: File,
}

impl RunDirectory {
    /// Makes a folder below `base` (`$TMPDIR` or `/tmp`), after removing those of earlier runs that were killed.
    ///
    /// # Errors
    /// When no folder can be made below `base`.
    pub fn create(base: &Path) -> Result<Self, FileError> {
        remove_leftovers(base);
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let mode = std::fs::Permissions::from_mode(0o711);
        loop {
            let folder = tempfile::Builder::new()
                .prefix(&prefix)
                .permissions(mode.clone())
                .tempdir_in(base)
                .map_err(FileError::io("make a folder for temporary files in", base))?;
            let locked = lock(folder.path());
            match locked {
                Ok(lock) if folder.path().exists() => return Ok(Self { folder, _lock: lock }),
                // Another run, just starting, took the folder for a leftover before it was locked.
                _ if !folder.path().exists() => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(FileError::io("lock", folder.path())(error)),
                Ok(_) => {}
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn lock(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive)?;
    Ok(folder)
}

/// Removes the folders below `base` that killed runs of this user left, and says how many. What cannot be removed stays.
pub fn remove_leftovers(base: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(base) else { return 0 };
    let ours = rustix::process::geteuid().as_raw();
    let mut removed = 0;
    for entry in entries.take(LOOKED_AT).flatten() {
        let named = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let path = entry.path();
        // Another user's folder of that name is none of ours, nor is a link to a folder.
        let is_ours = || std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir() && found.uid() == ours);
        if !named || !is_ours() {
            continue;
        }
        if let Ok(_held) = lock(&path)
            && std::fs::remove_dir_all(&path).is_ok()
        {
            removed += 1;
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_run_keeps_its_folder_and_a_dead_one_does_not() {
        let base = tempfile::tempdir().unwrap();
        let dead = base.path().join("sidelight-run-1-00");
        std::fs::create_dir(&dead).unwrap();
        std::fs::write(dead.join("bundle.pem"), b"x").unwrap();
        let theirs = base.path().join("something-else");
        std::fs::create_dir(&theirs).unwrap();
        std::os::unix::fs::symlink(&theirs, base.path().join("sidelight-run-link")).unwrap();

        let run = RunDirectory::create(base.path()).unwrap();
        assert!(!dead.exists() && theirs.exists());
        assert_eq!(std::fs::metadata(run.path()).unwrap().mode() & 0o777, 0o711);
        let second = RunDirectory::create(base.path()).unwrap();
        assert!(run.path().exists() && second.path() != run.path());
        let path = run.path().to_owned();
        drop(run);
        assert!(!path.exists() && second.path().exists());
    }
}
