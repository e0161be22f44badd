//! Programs and other binary files, searched while they pass. In: bytes in pieces. Out: markers, values, roots compiled in.
//! Nothing is held but the end of what was searched, and what was found.

use std::collections::BTreeSet;

use sidelight_model::trust::reference::Reference;
use sidelight_model::trust::{Content, Format, KeyFound, Pool, Program, ProgramKind};
use sidelight_model::x509::tlv;

use super::markers::{self, LONGEST, OWN, Sign};
use super::{Found, MAX_HELD, elf, embedded, go};
use crate::trust_store::{Draft, Place};

/// Most bytes of one thing that is found: Go's build information is the longest.
const MAX_ITEM: usize = 512 << 10;

/// Most bytes of certificates that are kept of one file.
const MAX_CERTIFICATES: usize = 4 << 20;

/// Most values of a program.
const MAX_VALUES: usize = 64;

/// Bytes before a pattern that belong to it: the two heads before a certificate's version.
const BEFORE: usize = 16;

/// The longest path or name that is taken as a value.
const MAX_VALUE: usize = 512;

/// What became of a pattern.
enum Taken {
    /// The search goes on here.
    UpTo(usize),
    /// More bytes are needed to tell.
    More,
}

/// A certificate as it was met.
struct Met {
    offset: usize,
    label: Option<String>,
    der: Vec<u8>,
}

/// A search in progress.
pub(super) struct Search {
    is_elf: bool,
    /// Bytes that are not done with.
    buffer: Vec<u8>,
    /// Where in `buffer` the search goes on.
    at: usize,
    /// The offset in the file of the first byte of `buffer`.
    base: usize,
    /// The whole file, for libraries whose strings are read.
    held: Option<Vec<u8>>,
    markers: Vec<&'static str>,
    values: Vec<(&'static str, String)>,
    modules: Vec<(String, String)>,
    known: BTreeSet<u16>,
    met: Vec<Met>,
    met_bytes: usize,
    keys: Vec<KeyFound>,
}

impl Search {
    pub(super) fn new(path: &str) -> Self {
        Self {
            is_elf: false,
            buffer: Vec::new(),
            at: 0,
            base: 0,
            held: elf::has_telling_strings(path).then(Vec::new),
            markers: Vec::new(),
            values: Vec::new(),
            modules: Vec::new(),
            known: BTreeSet::new(),
            met: Vec::new(),
            met_bytes: 0,
            keys: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.base == 0 && self.buffer.is_empty() {
            self.is_elf = bytes.starts_with(b"\x7fELF");
        }
        if let Some(held) = &mut self.held {
            let room = MAX_HELD.saturating_sub(held.len());
            held.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
        self.buffer.extend_from_slice(bytes);
        self.search(false);
        self.forget();
    }

    /// Drops what is done with.
    fn forget(&mut self) {
        let done = self.at.saturating_sub(BEFORE).min(self.buffer.len());
        self.buffer.drain(..done);
        self.at -= done;
        self.base += done;
    }

    fn search(&mut self, is_last: bool) {
        let buffer = std::mem::take(&mut self.buffer);
        loop {
            let Some((start, end, sign)) = markers::next(&buffer, self.at) else {
                self.at = self.at.max(buffer.len().saturating_sub(LONGEST - 1));
                break;
            };
            match self.take(&buffer, start, end, sign) {
                Taken::UpTo(next) => self.at = next.max(start + 1),
                Taken::More if is_last || buffer.len() - start > MAX_ITEM => self.at = end,
                Taken::More => {
                    self.at = start;
                    break;
                }
            }
        }
        self.buffer = buffer;
    }

    fn take(&mut self, buffer: &[u8], start: usize, end: usize, sign: Sign) -> Taken {
        match sign {
            Sign::KeyAlgorithm => self.public_key(buffer, start, end),
            Sign::Certificate => self.certificate(buffer, start, end),
            Sign::Pem => self.pem(buffer, start),
            Sign::OpenSslDir => self.value("openssldir", buffer, end, |byte| byte != b'"' && byte != 0),
            Sign::NodeRelease => self
                .value("node", buffer, end, |byte| byte.is_ascii_digit() || byte == b'.' || byte.is_ascii_lowercase()),
            Sign::Library => {
                self.value("needed", buffer, start, |byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
            }
            Sign::Word(word) => {
                if !self.markers.contains(&word) {
                    self.markers.push(word);
                }
                Taken::UpTo(end)
            }
            Sign::GoBuild => match go::read(buffer.get(start..).unwrap_or_default()) {
                go::Read::More => Taken::More,
                go::Read::No => Taken::UpTo(end),
                go::Read::Info { version, modules } => {
                    self.add_value("go", version);
                    self.modules = modules;
                    Taken::UpTo(end)
                }
            },
        }
    }

    fn value(&mut self, name: &'static str, buffer: &[u8], from: usize, is_part: impl Fn(u8) -> bool) -> Taken {
        let rest = buffer.get(from..).unwrap_or_default();
        let Some(length) = rest.iter().take(MAX_VALUE).position(|byte| !is_part(*byte)) else {
            return if rest.len() < MAX_VALUE { Taken::More } else { Taken::UpTo(from) };
        };
        let value = String::from_utf8_lossy(rest.get(..length).unwrap_or_default()).into_owned();
        self.add_value(name, value);
        Taken::UpTo(from + length)
    }

    fn add_value(&mut self, name: &'static str, value: String) {
        if self.values.len() < MAX_VALUES
            && !value.is_empty()
            && !self.values.iter().any(|known| known.0 == name && known.1 == value)
        {
            self.values.push((name, value));
        }
    }

    /// A SubjectPublicKeyInfo's content: the AlgorithmIdentifier around the pattern, then a BIT STRING.
    fn public_key(&mut self, buffer: &[u8], start: usize, end: usize) -> Taken {
        let Some(content) = start.checked_sub(2).and_then(|from| buffer.get(from..)) else { return Taken::UpTo(end) };
        let [0x30, short @ ..0x80, ..] = content else { return Taken::UpTo(end) };
        let key = 2 + usize::from(*short);
        let Some(head) = content.get(key..key + 4) else { return Taken::More };
        let length = match head {
            [0x03, short @ ..=0x7f, ..] => 2 + usize::from(*short),
            [0x03, 0x81, length, ..] => 3 + usize::from(*length),
            [0x03, 0x82, high, low] => 4 + (usize::from(*high) << 8 | usize::from(*low)),
            _ => return Taken::UpTo(end),
        };
        // The largest key of a root in use has 4096 bits; this is four times that.
        if length > 2200 {
            return Taken::UpTo(end);
        }
        let Some(content) = content.get(..key + length) else { return Taken::More };
        self.known.extend(Reference::builtin().index_by_key_content(content));
        Taken::UpTo(end)
    }

    /// A certificate whose version stands at `start`: two heads of four bytes stand before it.
    fn certificate(&mut self, buffer: &[u8], start: usize, end: usize) -> Taken {
        let Some(whole) = start.checked_sub(8).and_then(|from| buffer.get(from..)) else { return Taken::UpTo(end) };
        let [0x30, 0x82, high, low, 0x30, 0x82, inner_high, inner_low, ..] = whole else { return Taken::UpTo(end) };
        let length = |high: &u8, low: &u8| 4 + (usize::from(*high) << 8 | usize::from(*low));
        let (outer, inner) = (length(high, low), length(inner_high, inner_low));
        if inner + 4 >= outer {
            return Taken::UpTo(end);
        }
        let Some(der) = whole.get(..outer) else { return Taken::More };
        self.meet(self.base + start - 8, None, der);
        Taken::UpTo(start - 8 + outer)
    }

    fn pem(&mut self, buffer: &[u8], start: usize) -> Taken {
        match embedded::block(buffer.get(start..).unwrap_or_default()) {
            embedded::Block::More => Taken::More,
            embedded::Block::No(length) => Taken::UpTo(start + length),
            embedded::Block::Whole { label, data, length } => {
                if label.ends_with("CERTIFICATE") {
                    self.meet(self.base + start, Some(label), &data);
                } else if let Some(key) = embedded::private_key(&label, &data) {
                    self.keys.push(key);
                }
                Taken::UpTo(start + length)
            }
        }
    }

    fn meet(&mut self, offset: usize, label: Option<String>, der: &[u8]) {
        if self.met_bytes + der.len() <= MAX_CERTIFICATES {
            self.met_bytes += der.len();
            self.met.push(Met { offset, label, der: der.to_vec() });
        }
    }

    /// What was found; nothing when nothing of it bears on trust.
    pub(super) fn found(mut self, path: &str, mode: u32, pool: &mut Pool) -> Vec<Found> {
        self.search(true);
        if let Some(held) = self.held.take() {
            for (name, value) in elf::telling_strings(path, &held) {
                self.add_value(name, value);
            }
        }
        if elf::has_test_keys(path) {
            self.keys.clear();
        }
        if self.is_elf && self.markers.contains(&OWN) {
            return vec![Self::ourselves()];
        }
        let store = self.store(pool);
        let is_telling = store.is_some() || !self.known.is_empty();
        let is_kept = is_telling
            || (self.is_elf
                && (elf::is_of_interest(path, mode) || !self.markers.is_empty() || !self.values.is_empty()));
        if !is_kept {
            return Vec::new();
        }
        let kind = match self.is_elf {
            true if elf::is_library(path) => ProgramKind::Library,
            true => ProgramKind::Executable,
            false => ProgramKind::Archive,
        };
        let program = Program {
            kind,
            markers: self.markers,
            values: self.values,
            go_modules: self.modules,
            known_keys: self.known.into_iter().collect(),
        };
        vec![Found { member: None, sha256: None, content: Content::Program(program, store) }]
    }

    /// This program: its lists are for comparing, and the names in it are those of others.
    fn ourselves() -> Found {
        let program = Program {
            kind: ProgramKind::Executable,
            markers: vec![OWN],
            values: Vec::new(),
            go_modules: Vec::new(),
            known_keys: Vec::new(),
        };
        Found { member: None, sha256: None, content: Content::Program(program, None) }
    }

    fn store(&mut self, pool: &mut Pool) -> Option<sidelight_model::trust::Store> {
        let format =
            if self.markers.contains(&"NSS Builtin Object") { Format::NssBuiltins } else { Format::CompiledIn };
        let mut draft = Draft::new(pool);
        let mut keys_seen = BTreeSet::new();
        for met in std::mem::take(&mut self.met) {
            let place = Place { label: met.label, offset: Some(met.offset), ..Place::default() };
            if let Some(cert) = draft.certificate(&met.der, place) {
                let certificate = draft.get(cert);
                let content = tlv::first(&certificate.public_key).map(|(key, _)| key.content);
                keys_seen.extend(content.and_then(|content| Reference::builtin().index_by_key_content(content)));
            }
        }
        // What looks like a certificate in a program and is none is chance, not a fault.
        draft.store.faults.clear();
        for index in self.known.difference(&keys_seen) {
            let root = Reference::builtin().all().get(usize::from(*index)).and_then(|root| root.certificate.as_ref());
            if let Some(certificate) = root {
                draft.certificate(&certificate.der, Place { label: Some("public key".into()), ..Place::default() });
            }
        }
        self.known.extend(keys_seen);
        for key in self.keys.drain(..) {
            draft.key(key);
        }
        (!draft.is_empty()).then(|| draft.finish(format, &[]))
    }
}
