//! A layer's bytes on their way. In: the blob as it is stored. Out: the uncompressed tar stream, while digest, diff_id and
//! limits are checked. Spec: OCI image layout, "Layer"; RFC 1952 (several members), RFC 8878 (frames that are skipped).
//!
//! What compresses a layer is decided by its first bytes, never by its media type, which is often wrong.

use std::io::{self, BufReader, Read};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::limits::Limits;
use crate::tar::Skip;

const BUFFER: usize = 256 << 10;
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// What a stream is expected to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    /// `sha256:…` of the blob.
    pub(crate) digest: Option<String>,
    /// `sha256:…` of the uncompressed tar.
    pub(crate) diff_id: Option<String>,
    /// The blob's size.
    pub(crate) size: Option<u64>,
}

/// Bytes that are counted and, where wanted, hashed as they pass.
pub(crate) struct Counted {
    inner: Box<dyn Blob>,
    hash: Option<Sha256>,
    count: u64,
    /// Reading itself failed, so that what follows is no damage of the blob.
    failed: bool,
}

/// Bytes that come from somewhere, with a way past them where there is one.
pub(crate) trait Blob: Read + Send {
    /// Goes past up to `count` bytes; 0: there is no way but reading.
    fn skip(&mut self, _count: u64) -> io::Result<u64> {
        Ok(0)
    }
}

/// A blob without a way past its bytes.
pub(crate) struct Plain<R>(pub(crate) R);

impl<R: Read> Read for Plain<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl<R: Read + Send> Blob for Plain<R> {}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = loop {
            match self.inner.read(into) {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = true;
                    return Err(error);
                }
            }
        };
        if let Some(hash) = &mut self.hash {
            hash.update(&into[..count]);
        }
        self.count += count as u64;
        Ok(count)
    }
}

enum Coding {
    Plain(io::Chain<io::Cursor<Vec<u8>>, Counted>),
    Gzip(Box<flate2::bufread::MultiGzDecoder<Source>>),
    Zstd(zstd::stream::read::Decoder<'static, Source>),
}

type Source = BufReader<io::Chain<io::Cursor<Vec<u8>>, Counted>>;

/// The uncompressed stream of one layer or archive.
pub(crate) struct Stream {
    /// What it is called in messages.
    what: String,
    coding: Coding,
    expected: Expected,
    /// Hash of the uncompressed bytes, where they are not the blob's own.
    hash: Option<Sha256>,
    count: u64,
    /// Uncompressed bytes that may still come.
    allowed: u64,
    limits: Limits,
    /// The limit that was exceeded.
    exceeded: Option<String>,
    verify: bool,
}

impl Stream {
    /// Begins to read a blob. `allowed`: how many uncompressed bytes may come of it.
    pub(crate) fn new(
        what: String,
        blob: Box<dyn Blob>,
        expected: Expected,
        verify: bool,
        allowed: u64,
        limits: Limits,
    ) -> Result<Self, Error> {
        let mut raw = Counted { inner: blob, hash: verify.then(Sha256::new), count: 0, failed: false };
        let mut head = vec![0; 4];
        let mut have = 0;
        while have < head.len() {
            match raw.read(&mut head[have..]).map_err(Error::io(&what))? {
                0 => break,
                count => have += count,
            }
        }
        head.truncate(have);
        let skippable = have == 4 && (0x50..=0x5f).contains(&head[0]) && head[1..] == [0x2a, 0x4d, 0x18];
        let is_gzip = head.starts_with(GZIP);
        let is_zstd = head.starts_with(ZSTD) || skippable;
        let whole = io::Cursor::new(head).chain(raw);
        let coding = if is_gzip {
            Coding::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(BUFFER, whole))))
        } else if is_zstd {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(BufReader::with_capacity(BUFFER, whole))
                .map_err(Error::io(&what))?;
            decoder.window_log_max(limits.zstd_window).map_err(Error::io(&what))?;
            Coding::Zstd(decoder)
        } else {
            Coding::Plain(whole)
        };
        let hash = (verify && !matches!(coding, Coding::Plain(_)) && expected.diff_id.is_some()).then(Sha256::new);
        Ok(Self { what, coding, expected, hash, count: 0, allowed, limits, exceeded: None, verify })
    }

    /// Whether the bytes are compressed as they are stored.
    pub(crate) fn is_compressed(&self) -> bool {
        !matches!(self.coding, Coding::Plain(_))
    }

    /// The uncompressed bytes that were given so far.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// What it is called in messages.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// Reads what is left, and compares digest and diff_id.
    pub(crate) fn finish(mut self) -> Result<u64, Error> {
        if !self.verify {
            return Ok(self.count);
        }
        let mut rest = vec![0; BUFFER];
        loop {
            match self.read(&mut rest) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return Err(self.explain(error)),
            }
        }
        let count = self.count;
        let plain_hash = self.hash.take().map(|hash| name(&hash));
        let what = self.what.clone();
        let expected = self.expected.clone();
        let blob = self.raw_digest()?;
        same(&what, "digest", expected.digest.as_deref(), Some(&blob))?;
        same(&what, "diff_id", expected.diff_id.as_deref(), Some(plain_hash.as_ref().unwrap_or(&blob)))?;
        Ok(count)
    }

    /// Says what is behind an error of reading: a limit, bytes that are not the image's, or damage.
    pub(crate) fn explain(mut self, error: io::Error) -> Error {
        if let Some(why) = self.exceeded.take() {
            return Error::limit(self.what, why);
        }
        let (what, expected, verify) = (self.what.clone(), self.expected.clone(), self.verify);
        if self.raw().failed || !self.is_compressed() {
            return Error::Io { what, why: error };
        }
        // A blob that is not the one that is named explains its damage better than the decoder can.
        if verify && expected.digest.is_some() {
            let checked = self.raw_digest();
            let checked = checked.and_then(|blob| same(&what, "digest", expected.digest.as_deref(), Some(&blob)));
            if let Err(mismatch @ Error::Mismatch { .. }) = checked {
                return mismatch;
            }
        }
        Error::damaged(
            what,
            match error.kind() {
                io::ErrorKind::UnexpectedEof => "is cut off: its compressed data does not end".to_owned(),
                _ => format!("cannot be decompressed: {error}"),
            },
        )
    }

    /// The digest of the whole blob; reads what is left of it.
    fn raw_digest(self) -> Result<String, Error> {
        let mut raw = match self.coding {
            Coding::Plain(chain) => chain.into_inner().1,
            Coding::Gzip(decoder) => decoder.into_inner().into_inner().into_inner().1,
            Coding::Zstd(decoder) => decoder.finish().into_inner().into_inner().1,
        };
        let mut rest = vec![0; BUFFER];
        let most = self.expected.size.unwrap_or(u64::MAX);
        while raw.count <= most && raw.read(&mut rest).map_err(Error::io(&self.what))? > 0 {}
        // Of what is longer than it should be the rest is not read, so there is no digest to name.
        if raw.count > most {
            let (kind, expected, found) = ("size", most.to_string(), "more".to_owned());
            return Err(Error::Mismatch { what: self.what, kind, expected, found });
        }
        Ok(raw.hash.as_ref().map(name).unwrap_or_default())
    }

    /// The blob as it is stored.
    fn raw(&self) -> &Counted {
        match &self.coding {
            Coding::Plain(chain) => chain.get_ref().1,
            Coding::Gzip(decoder) => decoder.get_ref().get_ref().get_ref().1,
            Coding::Zstd(decoder) => decoder.get_ref().get_ref().get_ref().1,
        }
    }

    /// Refuses what grows beyond the limits.
    fn bound(&mut self) -> io::Result<()> {
        let raw = match &self.coding {
            Coding::Plain(_) => self.count,
            Coding::Gzip(_) | Coding::Zstd(_) => self.raw().count,
        };
        if self.count > self.limits.ratio_after && self.count / raw.max(1) > self.limits.ratio {
            self.exceeded =
                Some(format!("expands {} times ({raw} bytes gave {})", self.count / raw.max(1), self.count));
        } else if self.count > self.allowed {
            self.exceeded = Some(format!("gives more than {} bytes", self.allowed));
        } else {
            return Ok(());
        }
        Err(io::Error::other("a limit is exceeded"))
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.coding {
            Coding::Plain(plain) => plain.read(into)?,
            Coding::Gzip(decoder) => decoder.read(into)?,
            Coding::Zstd(decoder) => decoder.read(into)?,
        };
        if let Some(hash) = &mut self.hash {
            hash.update(&into[..count]);
        }
        self.count += count as u64;
        self.bound()?;
        Ok(count)
    }
}

impl Skip for Stream {
    fn skip(&mut self, count: u64) -> io::Result<u64> {
        match &mut self.coding {
            Coding::Plain(chain) if !self.verify => {
                let (head, raw) = chain.get_mut();
                let at_blob = head.position() == head.get_ref().len() as u64;
                if at_blob { raw.inner.skip(count) } else { Ok(0) }
            }
            _ => Ok(0),
        }
    }
}

fn name(hash: &Sha256) -> String {
    format!("sha256:{}", HEXLOWER.encode(&hash.clone().finalize()))
}

fn same(what: &str, kind: &'static str, expected: Option<&str>, found: Option<&str>) -> Result<(), Error> {
    match (expected, found) {
        // Only SHA-256 is computed; other algorithms are registered and not in use.
        (Some(expected), Some(found)) if expected.starts_with("sha256:") && expected != found => {
            Err(Error::Mismatch { what: what.to_owned(), kind, expected: expected.to_owned(), found: found.to_owned() })
        }
        _ => Ok(()),
    }
}
