//! How OpenSSL (3.0 and later) finds PEM blocks. In: a file, by lines of at most 254 bytes. Out: blocks in order, or the error that ends reading.
//!
//! Measured: a byte order mark is passed over only right where the search for a block begins; a line that begins with NUL ends a file;
//! base64 ends at the first dash, so a block without END runs on to the next one's END; a blank line ends the header of a block.

use std::ops::Range;

/// The most bytes of a line that are read at once.
const LINE: usize = 254;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const TAIL: &[u8] = b"-----";

/// Where the bytes come from; C's strings make a difference to NUL.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// A file.
    File,
    /// Memory.
    Memory,
}

/// What reading on gives.
pub(super) enum Next {
    /// No further block.
    Nothing,
    /// A block.
    Block(Block),
    /// An error: the byte of its cause, and what it is.
    Bad(usize, &'static str),
}

/// A block whose base64 was read.
pub(super) struct Block {
    /// The label.
    pub(super) label: Vec<u8>,
    /// Where its BEGIN line stands.
    pub(super) start: usize,
    /// Header lines.
    pub(super) header: Vec<u8>,
    /// The content.
    pub(super) data: Vec<u8>,
}

/// A file that is being read.
pub(super) struct Blocks<'b> {
    bytes: &'b [u8],
    position: usize,
    from: From,
    /// Lines that were passed over although BEGIN stands in them, and why.
    pub(super) passed: Vec<(Range<usize>, &'static str)>,
}

impl<'b> Blocks<'b> {
    pub(super) const fn new(bytes: &'b [u8], from: From) -> Self {
        Self { bytes, position: 0, from, passed: Vec::new() }
    }

    /// The byte that is read next.
    pub(super) const fn position(&self) -> usize {
        self.position
    }

    /// A line or a piece of one, with where it starts and whether it is whole. A C string ends at NUL.
    fn line(&mut self) -> Option<(usize, &'b [u8], bool)> {
        let rest = self.bytes.get(self.position..).filter(|rest| !rest.is_empty())?;
        let limit = rest.len().min(LINE);
        let end = memchr::memchr(b'\n', &rest[..limit]).map_or(limit, |at| at + 1);
        let start = self.position;
        self.position += end;
        let whole = rest[end - 1] == b'\n';
        let text = &rest[..memchr::memchr(0, &rest[..end]).unwrap_or(end)];
        if text.is_empty() && self.from == From::File {
            self.position = self.bytes.len();
            return None;
        }
        Some((start, text, whole))
    }

    /// Reads on to the end of the next block.
    pub(super) fn next(&mut self) -> Next {
        let mut first = true;
        loop {
            let Some((start, text, _)) = self.line() else { return Next::Nothing };
            let text = text.strip_prefix(b"\xef\xbb\xbf").filter(|_| first).unwrap_or(text);
            first = false;
            let text = trimmed(text);
            if let Some(label) = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(TAIL)) {
                return self.content(label.to_vec(), start);
            }
            self.pass(start, text);
        }
    }

    fn pass(&mut self, start: usize, text: &[u8]) {
        if let Some(at) = memchr::memmem::find(text, b"-----BEGIN ") {
            let why = match at {
                0 => "text stands behind the BEGIN line's dashes, so OpenSSL does not take it for one",
                _ if text.starts_with(b"\xef\xbb\xbf") => "a byte order mark stands before BEGIN",
                _ => "BEGIN does not stand at the start of its line",
            };
            self.passed.push((start..self.position, why));
        }
    }

    fn content(&mut self, label: Vec<u8>, start: usize) -> Next {
        let (mut header, mut body) = (Vec::new(), Vec::new());
        let mut state = State::Unknown;
        let (mut partial, mut short) = (false, false);
        loop {
            let Some((at, raw, whole)) = self.line() else { return Next::Bad(start, "the block has no END line") };
            let before = std::mem::replace(&mut partial, !whole && raw.len() == LINE);
            if state == State::Unknown && raw.contains(&b':') {
                state = State::Header;
            }
            let text = trimmed(raw);
            if text.is_empty() {
                if before {
                    continue;
                }
                if state == State::Body {
                    return Next::Bad(at, "a second blank line stands in the block");
                }
                state = State::Body;
                continue;
            }
            if let Some(rest) = text.strip_prefix(END) {
                if rest.strip_prefix(label.as_slice()) != Some(TAIL) {
                    return Next::Bad(at, "the END line does not fit the BEGIN line, or has text behind it");
                }
                if state == State::Unknown {
                    body = std::mem::take(&mut header);
                }
                break;
            }
            if short {
                return Next::Bad(at, "a short line stands in the middle of a block with a blank line");
            }
            let into = if state == State::Body { &mut body } else { &mut header };
            into.extend_from_slice(text);
            into.push(b'\n');
            if state == State::Body {
                if text.len() > 64 {
                    return Next::Bad(at, "a line of more than 64 characters stands in a block with a blank line");
                }
                short = text.len() < 64;
            }
        }
        match base64(&body) {
            Some(data) => Next::Block(Block { label, start, header, data }),
            None => Next::Bad(start, "the block is not base64"),
        }
    }
}

/// Whether lines of a block are its header; unknown until a colon or a blank line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Unknown,
    Header,
    Body,
}

/// Without what C's signed characters hold for white space at the end: everything up to the space, and everything that is not ASCII.
fn trimmed(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| (0x21..0x80).contains(byte)).map_or(0, |at| at + 1);
    &text[..end]
}

/// Base64 up to the first dash.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut clean = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'-' => break,
            _ => clean.push(*byte),
        }
    }
    super::element::base64(&clean)
}
