//! Files that are held whole: stores, settings, scripts, text with PEM in it. In: their bytes. Out: [`Found`].

use sha2::{Digest as _, Sha256};
use sidelight_model::trust::{Content, Format, Pool, Store};

use super::{Class, Found, MAX_HELD, embedded, program, script};
use crate::trust_store::{self, Draft, Place};

/// Endings of names that announce certificates.
const ENDINGS: &[&str] = &[
    "pem",
    "crt",
    "cer",
    "cert",
    "der",
    "p7b",
    "p7c",
    "jks",
    "p12",
    "pfx",
    "bks",
    "keystore",
    "truststore",
    "ca-bundle",
    "key",
];

/// Endings of source texts, in which PEM is a literal.
const SOURCES: &[&str] = &[
    "py", "js", "mjs", "cjs", "ts", "json", "rb", "go", "c", "cc", "cpp", "java", "php", "pl", "pm", "rs", "lua", "sh",
    "yaml", "yml", "xml", "toml", "t", "tcl", "swift", "cs", "exs", "ex", "erl",
];

/// Whether the first bytes are those of a store that is not text. `size` is that of the file.
pub(super) fn is_store_magic(head: &[u8], size: u64) -> bool {
    match head {
        [0xfe, 0xed, 0xfe, 0xed, ..] | [0xce, 0xce, 0xce, 0xce, ..] => true,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        [0, 0, 0, 1 | 2, 0, 0, 0, 8..=64, ..] => true,
        [0xa1, 0x59, 0xc0, 0xa5, ..] => true,
        [0x30, 0x82, high, low, ..] => fits(4 + (u64::from(*high) << 8 | u64::from(*low)), size),
        [0x30, 0x83, a, b, c, ..] => fits(5 + (u64::from(*a) << 16 | u64::from(*b) << 8 | u64::from(*c)), size),
        [0x30, 0x81, length, ..] => fits(3 + u64::from(*length), size),
        [0x30, length @ 0x10..0x80, ..] => fits(2 + u64::from(*length), size),
        [0x30, 0x80, ..] => true,
        _ => head.starts_with(b"SQLite format 3\0"),
    }
}

/// Some bytes may follow: a line ending, or padding.
fn fits(announced: u64, size: u64) -> bool {
    announced <= size && size - announced <= 16
}

fn ending(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default()
}

/// A file's name and permission bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct File<'a> {
    pub(super) path: &'a str,
    pub(super) mode: u32,
}

/// What a file is that was held.
pub(super) fn found(class: Class, file: File<'_>, bytes: &[u8], whole: bool, pool: &mut Pool) -> Vec<Found> {
    let File { path, mode } = file;
    let content = match class {
        Class::Settings => settings(path, bytes),
        Class::Store | Class::Anchor => Some(Content::Store(expected(bytes, whole, pool))),
        Class::Any | Class::Skip if bytes.starts_with(b"#!") => {
            let program = script::read(path, mode, bytes);
            let store = literals(bytes, pool);
            match (program, store) {
                (Some(program), store) => Some(Content::Program(program, store)),
                (None, store) => store.map(Content::Store),
            }
        }
        Class::Any | Class::Skip => any(path, bytes, pool).map(Content::Store),
    };
    let sha256 = whole.then(|| data_encoding::HEXLOWER.encode(&Sha256::digest(bytes)));
    content.map(|content| Found { member: None, sha256, content }).into_iter().collect()
}

fn settings(path: &str, bytes: &[u8]) -> Option<Content> {
    // `release` is the name of many files; that of a JDK says so.
    if path.ends_with("/release") && memchr::memmem::find(bytes, b"JAVA_VERSION=").is_none() {
        return None;
    }
    Some(Content::Text(String::from_utf8_lossy(bytes).into_owned()))
}

fn expected(bytes: &[u8], whole: bool, pool: &mut Pool) -> Store {
    let mut store = trust_store::read_expected(bytes, pool);
    if !whole && bytes.len() >= MAX_HELD {
        let what = format!("it is larger than {} MiB; only its beginning was read", MAX_HELD >> 20);
        store.faults.push(sidelight_model::trust::StoreFault { what, line: None, offset: None });
    }
    store
}

/// A store wherever it stands: it needs a certificate or a key in it, or a name that announces some.
fn any(path: &str, bytes: &[u8], pool: &mut Pool) -> Option<Store> {
    let ending = ending(path);
    if SOURCES.contains(&ending.as_str()) {
        return literals(bytes, pool);
    }
    let store = trust_store::read(bytes, pool)?;
    let is_empty = store.entries.is_empty() && store.keys.is_empty() && !store.locked;
    if is_empty && store.format == Format::Pem && !ENDINGS.contains(&ending.as_str()) {
        return literals(bytes, pool);
    }
    Some(store)
}

/// The literals of a source text.
pub(super) fn literals(bytes: &[u8], pool: &mut Pool) -> Option<Store> {
    let mut draft = Draft::new(pool);
    for (offset, label, data) in embedded::blocks(bytes) {
        if label.ends_with("CERTIFICATE") {
            let line = Some(1 + memchr::memchr_iter(b'\n', bytes.get(..offset).unwrap_or_default()).count());
            draft.certificate(&data, Place { label: Some(label), offset: Some(offset), line, ..Place::default() });
        } else if let Some(key) = embedded::private_key(&label, &data) {
            draft.key(key);
        }
    }
    (!draft.is_empty()).then(|| draft.finish(Format::CompiledIn, bytes))
}

/// Text of which only PEM is of interest. It is held until it is known that there is none.
pub(super) enum TextWatch {
    /// Held.
    Held(Vec<u8>),
    /// Too large to be held.
    Searched(Box<program::Search>),
}

impl TextWatch {
    pub(super) fn new(fits: bool) -> Self {
        if fits { Self::Held(Vec::new()) } else { Self::Searched(Box::new(program::Search::new(""))) }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        match self {
            Self::Held(held) => {
                let room = MAX_HELD.saturating_sub(held.len());
                held.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
                room > bytes.len()
            }
            Self::Searched(search) => {
                search.push(bytes);
                true
            }
        }
    }

    pub(super) fn found(self, path: &str, pool: &mut Pool) -> Vec<Found> {
        match self {
            Self::Held(bytes) => {
                let is_pem = memchr::memmem::find(&bytes, b"-----BEGIN").is_some();
                if is_pem { found(Class::Any, File { path, mode: 0 }, &bytes, true, pool) } else { Vec::new() }
            }
            Self::Searched(search) => search.found(path, 0, pool),
        }
    }
}
