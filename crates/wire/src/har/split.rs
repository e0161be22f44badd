//! Where the entries of an archive stand. In: its bytes, in any pieces. Out: the bytes of each entry, as soon as it is whole, so that
//! an archive of any size is read with the memory of one entry. Spec: HAR 1.2, RFC 8259.

/// The largest entry that is put together; browsers keep bodies of 100 MB.
const LARGEST: usize = 256 << 20;
/// Keys and creators beyond this length are none that matter.
const LONGEST_WORD: usize = 256;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// An entry: where it begins, and its text.
    Entry(u64, Vec<u8>),
    /// Something that should be an entry but is too large or no object: where it begins, and what it is.
    Skipped(u64, &'static str),
}

/// Finds the entries of an archive.
#[derive(Debug, Default)]
pub struct Splitter {
    offset: u64,
    depth: u64,
    string: Option<Escape>,
    /// The last string at the depth of a key, and the last key.
    word: Vec<u8>,
    key: Vec<u8>,
    in_log: bool,
    in_entries: bool,
    in_creator: bool,
    creator: Option<String>,
    entry: Option<Entry>,
    seen_entries: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    No,
    Next,
}

#[derive(Debug)]
struct Entry {
    start: u64,
    text: Vec<u8>,
    too_large: bool,
}

impl Splitter {
    /// Takes the next bytes of the archive.
    pub fn push(&mut self, bytes: &[u8], found: &mut Vec<Found>) {
        let mut rest = bytes;
        while let Some((first, after)) = rest.split_first() {
            // Most of an archive is long strings in entries: these are taken in one piece.
            let plain = if self.string == Some(Escape::No) && self.entry.is_some() {
                rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(rest.len())
            } else {
                0
            };
            if plain > 0 {
                let (piece, next) = rest.split_at(plain);
                self.keep(piece);
                self.offset += plain as u64;
                rest = next;
                continue;
            }
            self.byte(*first, found);
            self.offset += 1;
            rest = after;
        }
    }

    /// The program that wrote the archive, once its name was read.
    pub fn creator(&self) -> Option<&str> {
        self.creator.as_deref()
    }

    /// Whether the list of entries was found.
    pub const fn has_entries(&self) -> bool {
        self.seen_entries
    }

    /// Says at the end of the archive what is missing: where the cut entry begins (or where the archive ends), and what is lost.
    pub fn unfinished(&self) -> Option<(u64, &'static str)> {
        match &self.entry {
            Some(entry) => Some((entry.start, "the archive ends in the middle of this entry, which is lost")),
            None if self.in_entries => {
                Some((self.offset, "the archive ends before its end; further entries may be lost"))
            }
            None => None,
        }
    }

    fn keep(&mut self, piece: &[u8]) {
        if let Some(entry) = &mut self.entry {
            if entry.text.len() + piece.len() > LARGEST {
                entry.too_large = true;
                entry.text = Vec::new();
            }
            if !entry.too_large {
                entry.text.extend_from_slice(piece);
            }
        }
    }

    fn byte(&mut self, byte: u8, found: &mut Vec<Found>) {
        if self.in_entries && self.depth == 3 && self.entry.is_none() && self.begins_item(byte, found) {
            self.entry = Some(Entry { start: self.offset, text: Vec::new(), too_large: false });
        }
        self.keep(&[byte]);
        match self.string {
            Some(Escape::Next) => self.string = Some(Escape::No),
            Some(Escape::No) => match byte {
                b'\\' => self.string = Some(Escape::Next),
                b'"' => self.end_of_string(),
                _ if self.entry.is_none() && self.word.len() < LONGEST_WORD => self.word.push(byte),
                _ => {}
            },
            None => self.structure(byte, found),
        }
    }

    /// Whether an entry begins with this byte. Anything else in the list than objects is told.
    fn begins_item(&self, byte: u8, found: &mut Vec<Found>) -> bool {
        if self.string.is_none() && !matches!(byte, b'{' | b',' | b']' | b'}') && !byte.is_ascii_whitespace() {
            let again = matches!(found.last(), Some(Found::Skipped(..)));
            if !again {
                found.push(Found::Skipped(self.offset, "this is no entry"));
            }
        }
        self.string.is_none() && byte == b'{'
    }

    fn end_of_string(&mut self) {
        self.string = None;
        if self.in_creator && self.depth == 3 && self.key == b"name" && self.creator.is_none() {
            self.creator = Some(String::from_utf8_lossy(&self.word).into_owned());
        }
    }

    fn structure(&mut self, byte: u8, found: &mut Vec<Found>) {
        match byte {
            b'"' => {
                self.string = Some(Escape::No);
                self.word.clear();
            }
            b':' if self.entry.is_none() => self.key = std::mem::take(&mut self.word),
            b'{' | b'[' => {
                match (self.depth, byte) {
                    (1, b'{') => self.in_log = self.key == b"log",
                    (2, b'[') if self.in_log && self.key == b"entries" => {
                        self.in_entries = true;
                        self.seen_entries = true;
                    }
                    (2, b'{') => self.in_creator = self.in_log && self.key == b"creator",
                    _ => {}
                }
                self.depth += 1;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                match self.depth {
                    3 if self.in_entries => self.end_of_entry(found),
                    2 => (self.in_entries, self.in_creator) = (false, false),
                    1 => self.in_log = false,
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn end_of_entry(&mut self, found: &mut Vec<Found>) {
        match self.entry.take() {
            Some(Entry { start, too_large: true, .. }) => {
                found.push(Found::Skipped(start, "this entry is larger than 256 MiB and is left out"));
            }
            Some(Entry { start, text, .. }) => found.push(Found::Entry(start, text)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ARCHIVE: &str = r#"{"x":{"entries":[{}]},"log":{"version":"1.2","pages":[{"entries":[1]}],
        "creator":{"name":"Firefox","version":"1"},"entries":[{"a":"}]{\\\""},
        {"b":{"entries":[{"c":[]}]}} , 7, null,{}],"comment":"[{"}}"#;

    fn split(pieces: &[&[u8]]) -> (Splitter, Vec<Found>) {
        let (mut splitter, mut found) = (Splitter::default(), Vec::new());
        pieces.iter().for_each(|piece| splitter.push(piece, &mut found));
        (splitter, found)
    }

    #[test]
    fn entries_are_found_where_they_stand() {
        let (splitter, found) = split(&[ARCHIVE.as_bytes()]);
        let texts: Vec<String> = found
            .iter()
            .map(|it| match it {
                Found::Entry(at, text) => {
                    assert!(ARCHIVE.as_bytes()[*at as usize..].starts_with(text));
                    String::from_utf8(text.clone()).unwrap()
                }
                Found::Skipped(at, _) => ARCHIVE[*at as usize..=*at as usize].to_owned(),
            })
            .collect();
        assert_eq!(texts, [r#"{"a":"}]{\\\""}"#, r#"{"b":{"entries":[{"c":[]}]}}"#, "7", "{}"]);
        assert_eq!(splitter.creator(), Some("Firefox"));
        assert_eq!(splitter.unfinished(), None);
    }

    #[test]
    fn a_cut_is_told_with_its_place() {
        let (whole, found) = (ARCHIVE.as_bytes(), split(&[ARCHIVE.as_bytes()]).1);
        let Found::Entry(second, _) = found[1] else { panic!("{found:?}") };
        let (splitter, before) = split(&[&whole[..second as usize + 9]]);
        assert_eq!(before, found[..1]);
        assert_eq!(splitter.unfinished().map(|it| it.0), Some(second));
        let (splitter, _) = split(&[&whole[..second as usize]]);
        assert_eq!(splitter.unfinished().map(|it| it.0), Some(second));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(cuts in prop::collection::vec(0..ARCHIVE.len(), 0..9)) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let (mut pieces, mut from) = (Vec::new(), 0);
            for cut in cuts.into_iter().chain([ARCHIVE.len()]) {
                pieces.push(&ARCHIVE.as_bytes()[from..cut]);
                from = cut;
            }
            prop_assert_eq!(split(&pieces).1, split(&[ARCHIVE.as_bytes()]).1);
        }

        #[test]
        fn anything_is_taken(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            split(&[br#"{"log":{"entries":["#, &bytes]);
        }
    }
}
