//! Going through a tar stream. In: a reader. Out: entries and, between them, their data. Memory: one buffer, and one entry's names.

use std::io::{self, Read};

use super::entry::{Entry, Kind};
use super::extended::{Extended, MAX_SEGMENTS, number};
use super::sparse::Map;
use crate::limits::Limits;

const BLOCK: u64 = 512;
/// Large enough that reading and hashing cost more than the calls between them.
const BUFFER: usize = 256 << 10;
/// Extended headers before one entry.
const MAX_PREFACES: usize = 16;

/// A reader that may know a faster way past bytes that nobody wants.
pub(crate) trait Skip: Read {
    /// Goes past up to `count` bytes without giving them, and says how many; 0: it has no such way.
    fn skip(&mut self, count: u64) -> io::Result<u64>;
}

/// Why a tar stream cannot be read further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TarError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{why} (at byte {at})")]
    Damaged { at: u64, why: String },
    #[error("{0}")]
    Limit(String),
}

/// Reads a tar stream.
pub(crate) struct TarReader<R> {
    input: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// The offset in the stream of `buffer[start]`.
    at: u64,
    /// Data of the current entry that were not given yet.
    left: u64,
    /// Bytes up to the next header after them.
    padding: u64,
    limits: Limits,
}

impl<R: Skip> TarReader<R> {
    pub(crate) fn new(input: R, limits: Limits) -> Self {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Self { input, buffer, start: 0, end: 0, at: 0, left: 0, padding: 0, limits }
    }

    /// For inputs that can be skipped, when no data are wanted: one block is read for each header.
    pub(crate) fn headers_only(input: R, limits: Limits) -> Self {
        let buffer = vec![0; BLOCK as usize].into_boxed_slice();
        Self { input, buffer, start: 0, end: 0, at: 0, left: 0, padding: 0, limits }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Gives the input back, the rest of the buffer lost.
    pub(crate) fn into_input(self) -> R {
        self.input
    }

    /// The next entry; `None` at the end of the archive.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, TarError> {
        self.pass(self.left)?;
        self.left = 0;
        // Some writers (umoci among them) end with the last byte of the last file.
        if self.padding > 0 && !self.has_more()? {
            return Ok(None);
        }
        self.pass(self.padding)?;
        self.padding = 0;
        let mut extended = Extended::default();
        let mut long_name = None;
        let mut long_target = None;
        for _ in 0..MAX_PREFACES {
            let at = self.at;
            let Some(header) = self.header()? else { return Ok(None) };
            match header.as_bytes()[156] {
                b'x' => {
                    let records = self.preface(&header, at)?;
                    let damaged = |why: &str| TarError::Damaged { at, why: format!("has {why}") };
                    extended.pax(&records).map_err(damaged)?;
                }
                // What is said of all entries has no meaning for what is read here.
                b'g' => drop(self.preface(&header, at)?),
                b'L' => long_name = Some(text_of(self.preface(&header, at)?)),
                b'K' => long_target = Some(text_of(self.preface(&header, at)?)),
                _ => {
                    extended.name = extended.name.or(long_name);
                    extended.target = extended.target.or(long_target);
                    return self.entry(&header, extended, at).map(Some);
                }
            }
        }
        Err(TarError::Damaged { at: self.at, why: "has more extended headers than entries".to_owned() })
    }

    /// The next bytes of the current entry's data as they are stored, no more than `most`; empty at their end.
    pub(crate) fn data(&mut self, most: u64) -> Result<&[u8], TarError> {
        let most = most.min(self.left);
        if most == 0 {
            return Ok(&[]);
        }
        if !self.has_more()? {
            return Err(self.truncated());
        }
        let count = (self.end - self.start).min(usize::try_from(most).unwrap_or(usize::MAX));
        let piece = self.start..self.start + count;
        self.advance(count);
        self.left -= count as u64;
        Ok(&self.buffer[piece])
    }

    /// Takes the next header; `None` at the end of the archive.
    fn header(&mut self) -> Result<Option<tar::Header>, TarError> {
        let at = self.at;
        let mut block = [0; BLOCK as usize];
        let mut have = 0;
        while have < block.len() {
            if !self.has_more()? {
                // Many writers leave the closing blocks of zeros out.
                return if have == 0 { Ok(None) } else { Err(self.truncated()) };
            }
            let count = (self.end - self.start).min(block.len() - have);
            block[have..have + count].copy_from_slice(&self.buffer[self.start..self.start + count]);
            self.advance(count);
            have += count;
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = tar::Header::from_byte_slice(&block).clone();
        let sum: u32 = block[..148].iter().chain(&block[156..]).map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
        if header.cksum().ok() != Some(sum) {
            return Err(TarError::Damaged { at, why: "has no tar header where one should be".to_owned() });
        }
        Ok(Some(header))
    }

    /// The data of an extended header.
    fn preface(&mut self, header: &tar::Header, at: u64) -> Result<Vec<u8>, TarError> {
        let size = header.entry_size().unwrap_or(u64::MAX);
        if size > self.limits.extended {
            return Err(TarError::Limit(format!(
                "has an extended header of {size} bytes at byte {at}, and {} are read",
                self.limits.extended
            )));
        }
        let mut bytes = Vec::new();
        self.left = size;
        while self.left > 0 {
            let piece = self.data(u64::MAX)?;
            bytes.extend_from_slice(piece);
        }
        self.pass(padding(size))?;
        Ok(bytes)
    }

    fn entry(&mut self, header: &tar::Header, mut extended: Extended, at: u64) -> Result<Entry, TarError> {
        if header.as_bytes()[156] == b'S'
            && let Some(gnu) = header.as_gnu()
        {
            extended.real_size = gnu.real_size().ok();
            extended.map = Some(self.gnu_map(gnu, at)?);
        }
        let map_in_data = extended.map_in_data;
        let mut entry = Entry::new(header, extended, at)?;
        if entry.name.len().max(entry.target.len()) > self.limits.name {
            return Err(TarError::Limit(format!("has a name of {} bytes at byte {at}", entry.name.len())));
        }
        (self.left, self.padding) = (entry.stored, padding(entry.stored));
        if map_in_data && entry.kind == Kind::File {
            entry.map = Some(self.map_of_data(at)?);
            entry.stored = self.left;
        }
        entry.offset = self.at;
        Ok(entry)
    }

    /// The map of GNU's own sparse format: in the header and in blocks behind it.
    fn gnu_map(&mut self, gnu: &tar::GnuHeader, at: u64) -> Result<Map, TarError> {
        let damaged = || TarError::Damaged { at, why: "has a sparse map with a number that is none".to_owned() };
        let mut segments = Vec::new();
        let mut take = |list: &[tar::GnuSparseHeader]| -> Result<(), TarError> {
            for part in list.iter().filter(|part| !part.is_empty()) {
                if segments.len() == MAX_SEGMENTS {
                    return Err(TarError::Limit("has a sparse file with too many parts".to_owned()));
                }
                segments.push((part.offset().map_err(|_| damaged())?, part.length().map_err(|_| damaged())?));
            }
            Ok(())
        };
        take(&gnu.sparse)?;
        let mut more = gnu.is_extended();
        while more {
            let mut block = tar::GnuExtSparseHeader::new();
            self.exact(block.as_mut_bytes())?;
            take(block.sparse())?;
            more = block.is_extended();
        }
        Ok(Map::new(segments))
    }

    /// The map at the beginning of the data (PAX sparse 1.0): decimal numbers in lines, padded to a block.
    fn map_of_data(&mut self, at: u64) -> Result<Map, TarError> {
        let damaged = || TarError::Damaged { at, why: "has a sparse map that cannot be read".to_owned() };
        let mut numbers: Vec<u64> = Vec::new();
        let mut text = Vec::new();
        loop {
            if self.left < BLOCK {
                return Err(damaged());
            }
            let mut block = [0; BLOCK as usize];
            self.exact(&mut block)?;
            self.left -= BLOCK;
            for byte in block {
                match byte {
                    b'\n' => numbers.push(number(&text).ok_or_else(damaged)?),
                    _ if text.len() < 20 => {
                        text.push(byte);
                        continue;
                    }
                    _ => return Err(damaged()),
                }
                text.clear();
                let count = usize::try_from(numbers[0]).unwrap_or(usize::MAX);
                if count > MAX_SEGMENTS {
                    return Err(TarError::Limit("has a sparse file with too many parts".to_owned()));
                }
                if numbers.len() == 1 + 2 * count {
                    return Ok(Map::new(numbers[1..].chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()));
                }
            }
        }
    }

    /// Fills `into` from the stream.
    fn exact(&mut self, into: &mut [u8]) -> Result<(), TarError> {
        let mut have = 0;
        while have < into.len() {
            if !self.has_more()? {
                return Err(self.truncated());
            }
            let count = (self.end - self.start).min(into.len() - have);
            into[have..have + count].copy_from_slice(&self.buffer[self.start..self.start + count]);
            self.advance(count);
            have += count;
        }
        Ok(())
    }

    /// Goes past `count` bytes.
    fn pass(&mut self, mut count: u64) -> Result<(), TarError> {
        while count > 0 {
            if self.start == self.end {
                let skipped = self.input.skip(count)?.min(count);
                self.at += skipped;
                count -= skipped;
                if skipped > 0 {
                    continue;
                }
                if !self.fill()? {
                    return Err(self.truncated());
                }
            }
            let step = (self.end - self.start).min(usize::try_from(count).unwrap_or(usize::MAX));
            self.advance(step);
            count -= step as u64;
        }
        Ok(())
    }

    /// Whether the stream goes on.
    fn has_more(&mut self) -> io::Result<bool> {
        Ok(self.start < self.end || self.fill()?)
    }

    fn advance(&mut self, count: usize) {
        self.start += count;
        self.at += count as u64;
    }

    /// Reads more; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        self.start = 0;
        self.end = 0;
        self.end = self.input.read(&mut self.buffer)?;
        Ok(self.end > 0)
    }

    fn truncated(&self) -> TarError {
        TarError::Damaged { at: self.at, why: "is cut off".to_owned() }
    }
}

/// From the end of `size` bytes to the next block.
fn padding(size: u64) -> u64 {
    (BLOCK - size % BLOCK) % BLOCK
}

/// A long name ends with a zero.
fn text_of(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    bytes
}
