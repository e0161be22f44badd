//! The bytes of a capture, unpacked. In: a file, standard input, or memory; plain, gzip or zstd. Out: [`Input`], a reader that
//! knows at which byte it is and can look ahead. Spec: RFC 1952 (gzip), RFC 8878 (zstd).

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};

use super::{Damage, ImportError};

/// Bytes that can be looked at before anything is consumed.
pub(super) const PEEK: usize = 64 * 1024;

/// Bytes read at a time.
const BLOCK: usize = 128 * 1024;

/// Largest window of zstd that is unpacked, as the power of two: what `zstd --long` makes without further options.
const ZSTD_WINDOW: u32 = 27;

/// A capture as it is read, from its first byte to its last.
pub(super) struct Input<'r> {
    file: String,
    reader: Box<dyn Read + 'r>,
    buffer: Vec<u8>,
    /// What of the buffer is filled and not yet consumed.
    start: usize,
    end: usize,
    /// Bytes consumed.
    offset: u64,
    ended: bool,
    fault: Option<Damage>,
    /// How to read it a second time.
    origin: Origin<'r>,
}

/// Where the bytes of a capture lie.
#[derive(Clone)]
enum Origin<'r> {
    /// In a pipe, or elsewhere where they are read once.
    Once,
    File(PathBuf),
    Memory(&'r [u8]),
}

impl Input<'static> {
    /// Opens the file, or standard input for `-`.
    pub(super) fn open(path: &Path) -> Result<Self, ImportError> {
        if path.as_os_str() == "-" {
            return Self::from_reader("standard input".into(), Box::new(io::stdin()));
        }
        let file = path.display().to_string();
        let unreadable = |source| ImportError::Unreadable { file: file.clone(), source };
        let opened = File::open(path).map_err(unreadable)?;
        let kind = opened.metadata().map_err(unreadable)?.file_type();
        if kind.is_dir() {
            return Err(unreadable(io::ErrorKind::IsADirectory.into()));
        }
        let mut input = Self::from_reader(file, Box::new(opened))?;
        if kind.is_file() {
            input.origin = Origin::File(path.to_owned());
        }
        Ok(input)
    }
}

impl<'r> Input<'r> {
    /// Reads bytes in memory, which go by the name `file` in messages.
    pub(super) fn from_bytes(file: &str, bytes: &'r [u8]) -> Result<Self, ImportError> {
        let mut input = Self::from_reader(file.to_owned(), Box::new(bytes))?;
        input.origin = Origin::Memory(bytes);
        Ok(input)
    }

    /// The same from the beginning, where it can be read twice.
    pub(super) fn again(&self) -> Option<Self> {
        match &self.origin {
            Origin::Once => None,
            Origin::File(path) => Self::from_reader(self.file.clone(), Box::new(File::open(path).ok()?)).ok(),
            Origin::Memory(bytes) => Self::from_reader(self.file.clone(), Box::new(*bytes)).ok(),
        }
    }

    /// Reads from `reader`, which goes by the name `file` in messages; unpacks it when it is packed.
    pub(super) fn from_reader(file: String, reader: Box<dyn Read + 'r>) -> Result<Self, ImportError> {
        let mut plain = Self::new(file.clone(), reader);
        let magic = match plain.peek(4) {
            Ok(head) => <[u8; 4]>::try_from(head).unwrap_or_default(),
            Err(source) => return Err(ImportError::Unreadable { file, source }),
        };
        match magic {
            [0x1f, 0x8b, 8, _] => Ok(Self::new(file, Box::new(flate2::bufread::MultiGzDecoder::new(plain)))),
            [0x28, 0xb5, 0x2f, 0xfd] => {
                let unpacked = zstd::Decoder::with_buffer(plain).and_then(|mut decoder| {
                    decoder.window_log_max(ZSTD_WINDOW)?;
                    Ok(decoder)
                });
                let decoder = unpacked.map_err(|source| ImportError::Unreadable { file: file.clone(), source })?;
                Ok(Self::new(file, Box::new(decoder)))
            }
            _ => Ok(plain),
        }
    }

    fn new(file: String, reader: Box<dyn Read + 'r>) -> Self {
        let (buffer, fault, origin) = (Vec::new(), None, Origin::Once);
        Self { file, reader, buffer, start: 0, end: 0, offset: 0, ended: false, fault, origin }
    }
}

impl Input<'_> {
    /// Its name, for messages.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Bytes consumed so far.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// The next `count` bytes, or as many as there are; they are not consumed.
    ///
    /// # Errors
    /// When the file cannot be read and not one byte of it was read before. Later, a fault is the end: see
    /// [`Input::take_fault`].
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.end - self.start < count && !self.ended {
            self.fill(count)?;
        }
        let there = count.min(self.end - self.start);
        Ok(self.buffer.get(self.start..self.start + there).unwrap_or_default())
    }

    /// What stopped the reading before the end of the file.
    pub(super) fn take_fault(&mut self) -> Option<Damage> {
        self.fault.take()
    }

    /// Reads once more, after making room for `wanted` bytes.
    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let size = wanted.max(BLOCK);
        if self.buffer.len() < size {
            self.buffer.resize(size, 0);
        }
        let Some(room) = self.buffer.get_mut(self.end..) else { return Ok(()) };
        match self.reader.read(room) {
            Ok(0) => self.ended = true,
            Ok(count) => self.end += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Nothing at all could be read; the caller tells why.
            Err(error) if self.offset == 0 && self.end == 0 => return Err(error),
            Err(error) => {
                self.ended = true;
                let offset = self.offset + self.end as u64;
                self.fault = Some(Damage::new(offset, format!("the file cannot be read on: {error}")));
            }
        }
        Ok(())
    }
}

impl Read for Input<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let there = self.fill_buf()?;
        let count = there.len().min(out.len());
        let (Some(to), Some(from)) = (out.get_mut(..count), there.get(..count)) else { return Ok(0) };
        to.copy_from_slice(from);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Input<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.start == self.end && !self.ended {
            self.fill(1)?;
        }
        Ok(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.offset += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(bytes: &[u8]) -> (Vec<u8>, Option<Damage>) {
        let mut input = Input::from_reader("f".into(), Box::new(bytes)).unwrap();
        let mut all = Vec::new();
        input.read_to_end(&mut all).unwrap();
        assert_eq!(input.offset(), all.len() as u64);
        let fault = input.take_fault();
        (all, fault)
    }

    #[test]
    fn packed_captures_are_unpacked_and_a_cut_is_told() {
        let plain: Vec<u8> = (0..300_000u32).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect();
        assert_eq!(read(&plain), (plain.clone(), None));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        for packed in [gzip.finish().unwrap(), zstd::encode_all(plain.as_slice(), 1).unwrap()] {
            assert!(read(&packed) == (plain.clone(), None));
            let (part, fault) = read(&packed[..packed.len() / 2]);
            assert!(plain.starts_with(&part) && !part.is_empty());
            assert_eq!(fault.expect("a cut is damage").offset, part.len() as u64);
        }
    }

    #[test]
    fn looking_ahead_consumes_nothing() {
        let bytes: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
        let mut input = Input::from_reader("f".into(), Box::new(bytes.as_slice())).unwrap();
        assert_eq!(input.peek(150_000).unwrap(), &bytes[..150_000]);
        input.consume(7);
        assert_eq!((input.offset(), input.peek(3).unwrap()), (7, &bytes[7..10]));
        assert_eq!(input.peek(1 << 20).unwrap(), &bytes[7..]);
    }
}
