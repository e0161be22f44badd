//! Files that captures are written to. In: records. Out: files of mode 0600, rotated by size, time and number.
//!
//! A file that exists is not written over: the new one takes its place by rename, and whoever reads the old one keeps it. After an
//! error, a file ends with a whole record. [`Writer`] is for consumers: it tells the person of a trouble once, counts what is
//! lost, and tries again.

mod error;
mod name;
mod target;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sidelight_model::time::Timestamp;

pub use self::error::CaptureError;
use self::error::Doing;
pub(crate) use self::name::Names;
use self::target::Target;
pub use self::writer::{Turn, Writer};

/// Bytes that wait for [`CaptureFile::flush`] at the most.
const BUFFER: usize = 64 * 1024;

/// Where a capture goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard output. It is never rotated.
    Stdout,
    /// A file. The name may hold conversions of strftime(3), which are expanded for each file in local time.
    File(PathBuf),
}

/// When a file ends and the next begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Before it would grow beyond so many bytes.
    pub size: Option<u64>,
    /// After it was written to for so long.
    pub time: Option<Duration>,
    /// How many files are kept, the one being written included.
    pub keep: Option<usize>,
}

impl Rotation {
    const fn is_on(&self) -> bool {
        self.size.is_some() || self.time.is_some()
    }
}

/// A capture under way: the file that is being written, and those of this run before it.
#[derive(Debug)]
pub struct CaptureFile {
    option: &'static str,
    names: Option<Names>,
    rotation: Rotation,
    target: Target,
    path: Option<PathBuf>,
    since: Timestamp,
    /// Bytes that are in the file; always the end of a record.
    saved: u64,
    /// Whole records that are not in the file yet.
    buffer: Vec<u8>,
    /// How many they are.
    waiting: u64,
    former: VecDeque<PathBuf>,
}

impl CaptureFile {
    /// Opens the first file. `option` is how the user asked for it (`--har`) and stands in messages.
    ///
    /// # Errors
    /// When the folder is missing, the name is a symbolic link or a folder, a conversion in it is unknown, or the file cannot be
    /// made.
    pub fn create(
        option: &'static str,
        to: Destination,
        rotation: Rotation,
        now: Timestamp,
    ) -> Result<Self, CaptureError> {
        let mut names = match to {
            Destination::Stdout => None,
            Destination::File(path) => Some(Names::new(option, path, rotation.is_on())?),
        };
        let (path, target) = match &mut names {
            None => (None, Target::stdout()),
            Some(names) => {
                let path = names.next(now, &VecDeque::new())?;
                let target = Target::create(option, &path, names.makes_folders())?;
                (Some(path), target)
            }
        };
        let (saved, buffer, waiting, former) = (0, Vec::new(), 0, VecDeque::new());
        Ok(Self { option, names, rotation, target, path, since: now, saved, buffer, waiting, former })
    }

    /// Whether the next file should begin before `next` more bytes are written at `at`. Never for an empty file, nor for what is
    /// no regular file.
    pub fn due(&self, at: Timestamp, next: usize) -> bool {
        let written = self.written();
        self.is_seekable()
            && written > 0
            && (self.rotation.size.is_some_and(|most| written.saturating_add(next as u64) > most)
                || self.rotation.time.is_some_and(|most| at.since(self.since) >= most))
    }

    /// Ends this file, begins the next, and removes the oldest of this run beyond [`Rotation::keep`]. After an error the old file
    /// goes on.
    ///
    /// # Errors
    /// As for [`Self::create`], and when the rest of the old file cannot be written.
    pub fn rotate(&mut self, at: Timestamp) -> Result<(), CaptureError> {
        if !self.target.is_seekable() {
            return Ok(());
        }
        self.flush()?;
        let (Some(names), Some(old)) = (&mut self.names, &self.path) else { return Ok(()) };
        let mut taken = self.former.clone();
        taken.push_back(old.clone());
        let path = names.next(at, &taken)?;
        self.target = Target::create(self.option, &path, names.makes_folders())?;
        (self.path, self.since, self.saved, self.former) = (Some(path), at, 0, taken);
        self.remove_oldest();
        Ok(())
    }

    /// A file that cannot be removed (somebody else has done so) is no longer ours to count.
    fn remove_oldest(&mut self) {
        let Some(keep) = self.rotation.keep else { return };
        while self.former.len() + 1 > keep.max(1) {
            if let Some(oldest) = self.former.pop_front() {
                std::fs::remove_file(oldest).ok();
            }
        }
    }

    /// Takes one whole record. It may wait in memory until [`Self::flush`].
    ///
    /// # Errors
    /// When it cannot be taken: then nothing of it is in the file, and what was taken before still waits.
    pub fn write(&mut self, record: &[u8]) -> Result<(), CaptureError> {
        if !self.buffer.is_empty() && self.buffer.len() + record.len() > BUFFER {
            self.flush()?;
        }
        self.buffer.extend_from_slice(record);
        self.waiting += 1;
        if self.buffer.len() >= BUFFER {
            let flushed = self.flush();
            if flushed.is_err() {
                // Only this record is in there.
                (self.buffer, self.waiting) = (Vec::new(), 0);
            }
            return flushed;
        }
        Ok(())
    }

    /// Hands what waits to the system.
    ///
    /// # Errors
    /// When it does not take all of it: then a regular file is as it was before, and everything waits for the next time.
    pub fn flush(&mut self) -> Result<(), CaptureError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = match &mut self.target {
            // Cut back, so that it ends with a whole record.
            Target::Regular(file) => file.write_all_at(&self.buffer, self.saved).inspect_err(|_| {
                file.set_len(self.saved).ok();
            }),
            Target::Stream(stream) => stream.write_all(&self.buffer).and_then(|()| stream.flush()),
        };
        if let Err(source) = written {
            if !self.is_seekable() {
                // Part of it is on its way and cannot be taken back: the stream is over.
                self.target = Target::ended();
            }
            return Err(CaptureError::io(self.option, self.path.as_deref(), Doing::Write, source));
        }
        self.saved += self.buffer.len() as u64;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER);
        self.waiting = 0;
        Ok(())
    }

    /// Records that were taken and are not in the file yet.
    pub const fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Whether the end of the file can be written anew ([`Self::replace_tail`]): it is a regular file.
    pub const fn is_seekable(&self) -> bool {
        self.target.is_seekable()
    }

    /// Writes `bytes` in place of the last `back` bytes, at once.
    ///
    /// # Errors
    /// When the file is not seekable or shorter than that, or cannot be written: then it is as it was before.
    pub fn replace_tail(&mut self, back: u64, bytes: &[u8]) -> Result<(), CaptureError> {
        self.flush()?;
        let failed = |source| CaptureError::io(self.option, self.path.as_deref(), Doing::Write, source);
        let from = self.saved.checked_sub(back).ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
        let Target::Regular(file) = &self.target else { return Err(failed(io::ErrorKind::NotSeekable.into())) };
        let mut tail = vec![0; usize::try_from(back).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut tail, from).map_err(failed)?;
        if let Err(source) = file.write_all_at(bytes, from) {
            // Cutting first frees the room that the old tail needs.
            let restored = file.set_len(from).and_then(|()| file.write_all_at(&tail, from));
            return Err(failed(restored.err().unwrap_or(source)));
        }
        self.saved = from + bytes.len() as u64;
        file.set_len(self.saved).map_err(failed)
    }

    /// Where the file is that is being written; `None` for standard output.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Bytes of this file so far, those that wait included.
    pub const fn written(&self) -> u64 {
        self.saved + self.buffer.len() as u64
    }

    /// How messages name it: the option, and the file.
    pub fn title(&self) -> String {
        error::title(self.option, self.path.as_deref())
    }
}

impl Drop for CaptureFile {
    fn drop(&mut self) {
        self.flush().ok();
    }
}
