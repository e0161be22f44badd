//! Blobs as files named by digest. In: a folder `blobs`. Out: `blobs/sha256/DIGITS`. Spec: OCI image layout.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use super::{Blobs, Slice, digest_parts};
use crate::error::Error;
use crate::stream::Blob;

/// A folder of blobs.
pub(crate) struct BlobFolder {
    folder: PathBuf,
    /// Blobs stand in a folder for each algorithm; a skopeo copy has them side by side.
    by_algorithm: bool,
}

impl BlobFolder {
    /// `FOLDER/sha256/DIGITS`.
    pub(crate) fn by_algorithm(folder: PathBuf) -> Self {
        Self { folder, by_algorithm: true }
    }

    /// `FOLDER/DIGITS`, as skopeo copies.
    pub(crate) fn flat(folder: PathBuf) -> Self {
        Self { folder, by_algorithm: false }
    }

    fn path(&self, digest: &str) -> Result<PathBuf, Error> {
        let (algorithm, digits) = digest_parts(digest)?;
        Ok(if self.by_algorithm { self.folder.join(algorithm).join(digits) } else { self.folder.join(digits) })
    }
}

impl Blobs for BlobFolder {
    fn blob(&mut self, digest: &str) -> Result<Box<dyn Blob>, Error> {
        let path = self.path(digest)?;
        let file = open_regular(&path)?;
        Ok(Box::new(Slice::whole(Arc::new(file)).map_err(Error::io(path.display().to_string()))?))
    }

    fn has(&mut self, digest: &str) -> bool {
        self.path(digest).is_ok_and(|path| path.is_file())
    }
}

/// Opens a file that is to be a regular one; never waits for the other end of a FIFO.
pub(crate) fn open_regular(path: &Path) -> Result<File, Error> {
    let what = || path.display().to_string();
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| Error::io(what())(errno.into()))?;
    let file = File::from(file);
    let kind = file.metadata().map_err(Error::io(what()))?.file_type();
    if !kind.is_file() {
        return Err(Error::damaged(what(), "is no regular file"));
    }
    Ok(file)
}
