//! What a file is to trust, found while it streams past. In: its head, then its bytes in pieces. Out: [`Found`]: stores, programs with
//! their markers and the roots compiled into them, settings. Memory is bounded whatever the file holds.

mod archive;
mod elf;
mod embedded;
mod go;
mod markers;
mod names;
mod program;
mod script;
mod whole;

#[cfg(test)]
mod tests;

use sidelight_model::trust::{Content, Pool};

use crate::trust_store;

use names::Class;
pub use names::is_settings;

/// Most bytes that are held of one file. The largest bundle measured has 500 kB, the largest `cacerts` 180 kB.
pub const MAX_HELD: usize = 8 << 20;

/// Most bytes of a file of settings.
const MAX_SETTINGS: u64 = 256 << 10;

/// Bytes by which a file is told.
const SNIFFED: usize = 512;

/// What was found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The member of an archive that it was found in, by its name there.
    pub member: Option<String>,
    /// SHA-256 of the bytes in lower-case hexadecimal, where all of them were held.
    pub sha256: Option<String>,
    /// What it is.
    pub content: Content,
}

/// A file that streams past.
pub struct Scan {
    name: String,
    size: u64,
    mode: u32,
    class: Class,
    state: State,
}

enum State {
    /// Too few bytes yet to tell.
    Unknown(Vec<u8>),
    /// All of it is held.
    Held(Vec<u8>),
    /// Text that bears on trust only when PEM turns up in it.
    Text(whole::TextWatch),
    /// Searched while it passes.
    Program(Box<program::Search>),
    /// A zip, whose members are looked at as they pass.
    Archive(Box<archive::Zip>),
    /// It was told that it is of no interest.
    Done,
}

impl Scan {
    /// A regular file begins. `None`: its bytes are of no interest.
    pub fn open(path: &str, size: u64, mode: u32) -> Option<Self> {
        let class = names::class(path);
        let set_id = mode & 0o6000 != 0;
        if class == Class::Skip && !set_id {
            return None;
        }
        if class == Class::Settings && size > MAX_SETTINGS {
            return None;
        }
        // An empty file matters where a store is expected.
        if size == 0 && !matches!(class, Class::Settings | Class::Store | Class::Anchor) {
            return None;
        }
        let name = path.to_owned();
        Some(Self { name, size, mode, class, state: State::Unknown(Vec::new()) })
    }

    /// Its next bytes. Returns whether more are wanted.
    pub fn feed(&mut self, bytes: &[u8]) -> bool {
        if let State::Unknown(head) = &mut self.state {
            if head.is_empty() && (bytes.len() >= SNIFFED || bytes.len() as u64 >= self.size) {
                self.state = self.told(bytes.get(..SNIFFED).unwrap_or(bytes));
            } else {
                head.extend_from_slice(bytes);
                if head.len() < SNIFFED && (head.len() as u64) < self.size {
                    return true;
                }
                let head = std::mem::take(head);
                self.state = self.told(head.get(..SNIFFED).unwrap_or(&head));
                return self.push(&head);
            }
        }
        self.push(bytes)
    }

    /// It ended. `whole`: all its bytes were fed.
    pub fn close(mut self, whole: bool, pool: &mut Pool) -> Vec<Found> {
        if let State::Unknown(head) = &mut self.state {
            let head = std::mem::take(head);
            self.state = self.told(&head);
            self.push(&head);
        }
        match self.state {
            State::Held(bytes) => {
                let file = whole::File { path: &self.name, mode: self.mode };
                whole::found(self.class, file, &bytes, whole, pool)
            }
            State::Text(watch) => watch.found(&self.name, pool),
            State::Program(search) => search.found(&self.name, self.mode, pool),
            State::Archive(zip) => zip.found(pool),
            State::Unknown(_) | State::Done => Vec::new(),
        }
    }

    /// How many stores in it are under a password, which takes time to try.
    pub fn sealed(&self) -> usize {
        match &self.state {
            State::Held(bytes) | State::Unknown(bytes) => usize::from(trust_store::is_sealed(bytes)),
            State::Archive(zip) => zip.sealed(),
            State::Text(_) | State::Program(_) | State::Done => 0,
        }
    }

    fn push(&mut self, bytes: &[u8]) -> bool {
        match &mut self.state {
            State::Held(held) => {
                let room = MAX_HELD.saturating_sub(held.len());
                held.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
                room > bytes.len()
            }
            State::Text(watch) => watch.push(bytes),
            State::Program(search) => {
                search.push(bytes);
                true
            }
            State::Archive(zip) => zip.push(bytes),
            State::Unknown(_) => true,
            State::Done => false,
        }
    }

    /// What it is by its first bytes.
    fn told(&self, head: &[u8]) -> State {
        let fits = self.size <= MAX_HELD as u64;
        let held = || State::Held(Vec::with_capacity(usize::try_from(self.size).unwrap_or(MAX_HELD).min(MAX_HELD)));
        match self.class {
            Class::Settings | Class::Store | Class::Anchor if fits => return held(),
            _ => {}
        }
        match head {
            [0x7f, b'E', b'L', b'F', ..] => State::Program(Box::new(program::Search::new(&self.name))),
            [b'#', b'!', ..] if self.size <= MAX_SETTINGS => held(),
            [b'P', b'K', 3, 4, ..] => State::Archive(Box::new(archive::Zip::new())),
            _ if fits && whole::is_store_magic(head, self.size) => held(),
            _ if is_packed(head) => State::Done,
            _ if head.contains(&0) => State::Program(Box::new(program::Search::new(&self.name))),
            _ => State::Text(whole::TextWatch::new(fits)),
        }
    }
}

/// Compressed or coded data, in which nothing can be found by its bytes.
fn is_packed(head: &[u8]) -> bool {
    const MAGICS: &[&[u8]] = &[
        b"\x1f\x8b",
        b"\xfd7zXZ",
        b"BZh",
        b"\x28\xb5\x2f\xfd",
        b"\x89PNG",
        b"\xff\xd8\xff",
        b"GIF8",
        b"TZif",
        b"\xde\x12\x04\x95",
        b"OggS",
        b"RIFF",
        b"wOF2",
        b"\0\x01\0\0\0",
    ];
    MAGICS.iter().any(|magic| head.starts_with(magic))
}
