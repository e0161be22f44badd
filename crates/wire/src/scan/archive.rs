//! Zip archives (JAR, wheel, egg, zipapp), whose members are looked at as they pass, one level deep. In: bytes in pieces. Out: the
//! stores among the members. Spec: PKWARE APPNOTE 6.3.10 §4.3.7 (local file header), §4.3.9 (data descriptor).
//!
//! Only members whose names announce certificates are unpacked, each up to a limit; the others are passed over without being
//! inflated, also when their size stands behind them.

use flate2::{Decompress, FlushDecompress};
use sidelight_model::trust::{Content, Pool};

use super::Found;
use crate::trust_store;

const LOCAL: &[u8] = b"PK\x03\x04";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";

/// A local file header without name and extra field.
const HEAD: usize = 30;

/// Most bytes of a member, unpacked.
const MAX_MEMBER: usize = 4 << 20;

/// Most members that are unpacked.
const MAX_TAKEN: usize = 64;

/// Most bytes unpacked of one archive.
const MAX_UNPACKED: usize = 16 << 20;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const STREAMED: u16 = 8;

enum State {
    /// A header is expected.
    Header,
    /// So many bytes are passed over.
    Pass(u64),
    /// Passed over up to the descriptor that says where it ends.
    PassStreamed,
    /// A member is unpacked; so many packed bytes are left, or it ends by itself.
    Take(Box<Taking>),
    /// The members are over.
    End,
}

struct Taking {
    name: String,
    left: Option<u64>,
    inflate: Option<Decompress>,
    out: Vec<u8>,
}

/// An archive that passes.
pub(super) struct Zip {
    state: State,
    buffer: Vec<u8>,
    members: Vec<(String, Vec<u8>)>,
    unpacked: usize,
}

impl Zip {
    pub(super) fn new() -> Self {
        Self { state: State::Header, buffer: Vec::new(), members: Vec::new(), unpacked: 0 }
    }

    /// Takes the next bytes; `false` when the rest is of no interest.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        self.buffer.extend_from_slice(bytes);
        let buffer = std::mem::take(&mut self.buffer);
        let mut rest = buffer.as_slice();
        while let Some(after) = self.step(rest) {
            rest = after;
        }
        self.buffer = rest.to_vec();
        !matches!(self.state, State::End)
    }

    /// One step; `None` when more bytes are needed, or nothing is.
    fn step<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        match &mut self.state {
            State::End => None,
            State::Header => self.header(bytes),
            State::Pass(left) => {
                let passed = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= passed as u64;
                if *left == 0 {
                    self.state = State::Header;
                    return bytes.get(passed..);
                }
                (passed > 0).then(|| bytes.get(passed..)).flatten()
            }
            State::PassStreamed => {
                match memchr::memmem::find(bytes, DESCRIPTOR) {
                    // Behind the descriptor stands the next header, or the signature was chance.
                    Some(at) => {
                        let next = bytes.get(at + 16..at + 18)?;
                        if next == b"PK" {
                            self.state = State::Header;
                            return bytes.get(at + 16..);
                        }
                        bytes.get(at + 4..)
                    }
                    None if bytes.len() > DESCRIPTOR.len() => bytes.get(bytes.len() - DESCRIPTOR.len() + 1..),
                    None => None,
                }
            }
            State::Take(_) => self.take(bytes),
        }
    }

    fn header<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let head = bytes.get(..HEAD)?;
        if !head.starts_with(LOCAL) {
            self.state = State::End;
            return None;
        }
        let short = |at: usize| head.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
        let (flags, method) = (short(6), short(8));
        let packed = u64::from(short(18)) | u64::from(short(20)) << 16;
        let (name, extra) = (usize::from(short(26)), usize::from(short(28)));
        let rest = bytes.get(HEAD + name + extra..)?;
        let name = String::from_utf8_lossy(bytes.get(HEAD..HEAD + name)?).into_owned();
        let is_streamed = flags & STREAMED != 0 && packed == 0;
        let is_wanted = announces(&name)
            && flags & 1 == 0
            && self.members.len() < MAX_TAKEN
            && self.unpacked < MAX_UNPACKED
            && (method == DEFLATED || (method == STORED && !is_streamed));
        self.state = if is_wanted {
            let inflate = (method == DEFLATED).then(|| Decompress::new(false));
            State::Take(Box::new(Taking { name, left: (!is_streamed).then_some(packed), inflate, out: Vec::new() }))
        } else if is_streamed {
            State::PassStreamed
        } else {
            State::Pass(packed)
        };
        Some(rest)
    }

    fn take<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let State::Take(taking) = &mut self.state else { return None };
        let packed = match taking.left {
            Some(left) => bytes.get(..usize::try_from(left).unwrap_or(usize::MAX)).unwrap_or(bytes),
            None => bytes,
        };
        let (used, over) = taking.unpack(packed);
        if let Some(left) = &mut taking.left {
            *left -= used as u64;
        }
        let is_end = over || taking.left == Some(0);
        if is_end {
            let left = taking.left;
            self.unpacked += taking.out.len();
            let member = (std::mem::take(&mut taking.name), std::mem::take(&mut taking.out));
            self.members.push(member);
            self.state = match left {
                Some(left) => State::Pass(left),
                None => State::PassStreamed,
            };
            return bytes.get(used..);
        }
        (used > 0).then(|| bytes.get(used..)).flatten()
    }

    /// How many of its members are under a password.
    pub(super) fn sealed(&self) -> usize {
        self.members.iter().filter(|(_, bytes)| trust_store::is_sealed(bytes)).count()
    }

    /// Bytes that are held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.members.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() + self.buffer.len()
    }

    pub(super) fn found(self, pool: &mut Pool) -> Vec<Found> {
        let mut found = Vec::new();
        for (name, bytes) in self.members {
            let Some(store) = trust_store::read(&bytes, pool) else { continue };
            if store.entries.is_empty() && store.keys.is_empty() && !store.locked {
                continue;
            }
            found.push(Found { member: Some(name), sha256: None, content: Content::Store(store) });
        }
        found
    }
}

impl Taking {
    /// Unpacks; so many packed bytes were used, and whether the member ended by itself, by damage or by its size.
    fn unpack(&mut self, packed: &[u8]) -> (usize, bool) {
        let Some(inflate) = &mut self.inflate else {
            self.out.extend_from_slice(packed);
            return (packed.len(), self.out.len() > MAX_MEMBER);
        };
        let before = inflate.total_in();
        loop {
            if self.out.capacity() == self.out.len() {
                // Not twice what there is: a bomb would get twice the limit.
                self.out.reserve_exact(256 << 10);
            }
            let (read, written) = (inflate.total_in() - before, self.out.len());
            let rest = packed.get(usize::try_from(read).unwrap_or(usize::MAX)..).unwrap_or_default();
            let status = inflate.decompress_vec(rest, &mut self.out, FlushDecompress::None);
            let used = usize::try_from(inflate.total_in() - before).unwrap_or(packed.len());
            let stands_still = used == usize::try_from(read).unwrap_or(used) && self.out.len() == written;
            match status {
                Ok(flate2::Status::StreamEnd) | Err(_) => return (used, true),
                _ if self.out.len() > MAX_MEMBER => return (used, true),
                _ if stands_still => return (used, false),
                _ => {}
            }
        }
    }
}

/// Whether a member's name announces certificates.
fn announces(name: &str) -> bool {
    const ENDINGS: &[&str] =
        &["pem", "crt", "cer", "der", "jks", "p12", "pfx", "bks", "p7b", "keystore", "truststore", "key"];
    let lower = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let ending = lower.rsplit_once('.').map(|(_, ending)| ending).unwrap_or_default();
    ENDINGS.contains(&ending) || lower.contains("cacert") || lower.contains("truststore") || lower.contains("ca-bundle")
}
