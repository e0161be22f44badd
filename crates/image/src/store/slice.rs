//! A part of a file as a blob. In: a file, an offset, a length. Out: its bytes; nothing is shared but the file, so several may be
//! read at a time.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use crate::stream::Blob;

/// Bytes of a file from `at` up to `end`.
pub(crate) struct Slice {
    pub(crate) file: Arc<File>,
    pub(crate) at: u64,
    pub(crate) end: u64,
}

impl Slice {
    /// All of a file.
    pub(crate) fn whole(file: Arc<File>) -> io::Result<Self> {
        let end = file.metadata()?.len();
        Ok(Self { file, at: 0, end })
    }
}

impl Read for Slice {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = left.min(into.len());
        let count = self.file.read_at(&mut into[..most], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Blob for Slice {
    fn skip(&mut self, count: u64) -> io::Result<u64> {
        let step = count.min(self.end.saturating_sub(self.at));
        self.at += step;
        Ok(step)
    }
}

impl crate::tar::Skip for Slice {
    fn skip(&mut self, count: u64) -> io::Result<u64> {
        Blob::skip(self, count)
    }
}
