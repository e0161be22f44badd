//! PEM, read leniently and written strictly. In: the bytes of a file. Out: its blocks, and every fault with line and byte.
//!
//! Spec: RFC 7468; RFC 1421 §4.4 for headers inside a block. Readers in the field differ: where one skips a broken block, another
//! throws the whole file away, a third loses the next block too. This one reads whatever can be read, so that one broken block
//! never hides another, and marks blocks that some reader would not accept as not [`Block::sound`].

use std::sync::LazyLock;

use data_encoding::{DecodeKind, Encoding, Specification};

/// Most faults that are kept; a file with more is no PEM.
const MAX_FAULTS: usize = 1_000;

/// Longest label; the longest in use have some 30 bytes.
const MAX_LABEL: usize = 128;

/// Most headers of a block; the old style has two.
const MAX_HEADERS: usize = 64;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
const BOM: &[u8] = b"\xef\xbb\xbf";

/// One block between its boundaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The label, as in `CERTIFICATE`.
    pub label: String,
    /// Headers of the old style (`Proc-Type`, `DEK-Info`), in order.
    pub headers: Vec<(String, String)>,
    /// The decoded content.
    pub data: Vec<u8>,
    /// Lines of the first and the last boundary, counted from 1.
    pub lines: (usize, usize),
    /// Bytes from the beginning of the first boundary line to the end of the last, its line ending included.
    pub bytes: (usize, usize),
    /// Whether every reader takes it. Blocks that are not were read in spite of a fault that [`read`] tells.
    pub sound: bool,
}

impl Block {
    /// Whether it holds an X.509 certificate under one of its three labels (`TRUSTED CERTIFICATE` has trust settings behind it).
    pub fn is_certificate(&self) -> bool {
        matches!(self.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE")
    }

    /// Whether it holds a private key, encrypted or not.
    pub fn is_private_key(&self) -> bool {
        self.label == "PRIVATE KEY" || self.label.ends_with(" PRIVATE KEY")
    }
}

/// Something in a PEM file that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} (byte {offset}): {kind}")]
pub struct Fault {
    /// Which kind.
    pub kind: FaultKind,
    /// The line, counted from 1.
    pub line: usize,
    /// The byte, counted from 0.
    pub offset: usize,
}

/// Kinds of faults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// A block does not decode; it is not among the blocks.
    #[error("the block `{label}` is not base64: {detail}")]
    Base64 {
        /// The label of the block.
        label: String,
        /// What is wrong.
        detail: String,
    },
    /// A block is not ended before the next one begins or the file ends.
    #[error("the block `{0}` has no END line")]
    MissingEnd(String),
    /// BEGIN and END name different things.
    #[error("a block begins as `{begin}` and ends as `{end}`")]
    LabelMismatch {
        /// The label at the beginning.
        begin: String,
        /// The label at the end.
        end: String,
    },
    /// An END line without block.
    #[error("`END {0}` without a BEGIN before it")]
    EndWithoutBegin(String),
    /// END and BEGIN on one line: two files were joined where the first had no final newline.
    #[error("an END and a BEGIN line are joined; a newline is missing between them")]
    JoinedBoundary,
    /// A boundary line that is not well formed.
    #[error("this line begins like a boundary but does not end with five dashes, or has text around it")]
    BadBoundary,
    /// A byte order mark.
    #[error("a byte order mark (EF BB BF) stands before this line; some readers skip the block that follows")]
    ByteOrderMark,
    /// UTF-16; nothing was read.
    #[error("the file is UTF-16, which no TLS library reads; save it as ASCII or UTF-8")]
    Utf16,
    /// White space before a boundary or base64 line.
    #[error("the block `{0}` is indented, which most readers do not accept")]
    Indented(String),
    /// There is no block in the file; with what it is instead, if that is known.
    #[error("there is no PEM block in it{0}")]
    Empty(&'static str),
    /// Faults were dropped.
    #[error("there are more than {MAX_FAULTS} faults; this is no PEM file")]
    TooMany,
}

/// Reads all blocks of a file. Memory is bounded by the size of the input.
pub fn read(bytes: &[u8]) -> (Vec<Block>, Vec<Fault>) {
    let mut scan = Scan { blocks: Vec::new(), faults: Vec::new(), open: None };
    if is_utf16(bytes) {
        scan.fault(FaultKind::Utf16, 1, 0);
        return (scan.blocks, scan.faults);
    }
    for line in lines(bytes) {
        scan.line(line);
    }
    scan.missing_end(bytes.len());
    if scan.blocks.is_empty() && scan.faults.is_empty() {
        scan.fault(FaultKind::Empty(what_else(bytes)), 1, 0);
    }
    (scan.blocks, scan.faults)
}

/// Writes one block: 64 columns, LF, a newline at the end.
pub fn write(label: &str, data: &[u8]) -> String {
    let base64 = data_encoding::BASE64.encode(data);
    let mut text = String::with_capacity(base64.len() + base64.len() / 64 + 2 * label.len() + 34);
    text.extend(["-----BEGIN ", label, "-----\n"]);
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(64).unwrap_or((rest, ""));
        text.extend([line, "\n"]);
        rest = after;
    }
    text.extend(["-----END ", label, "-----\n"]);
    text
}

fn is_utf16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [b'-', 0, b'-', 0, ..] | [0, b'-', 0, b'-', ..])
}

fn what_else(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => ": it is empty",
        [0x30, 0x80..=0xff, ..] => ": it begins like DER (a certificate, PKCS#7 or PKCS#12 in binary)",
        [0xfe, 0xed, 0xfe, 0xed, ..] => ": it is a Java key store (JKS)",
        _ => "",
    }
}

/// One line of the input.
#[derive(Clone, Copy)]
struct Line<'b> {
    number: usize,
    /// First byte.
    start: usize,
    /// First byte of the next line.
    end: usize,
    /// Without its line ending.
    text: &'b [u8],
}

/// Lines that end with LF or CR LF; with CR alone when there is no LF at all.
fn lines(bytes: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let ending = if bytes.contains(&b'\n') { b'\n' } else { b'\r' };
    let mut start = 0;
    bytes.split_inclusive(move |byte| *byte == ending).enumerate().map(move |(index, whole)| {
        let text = whole.strip_suffix(&[ending]).unwrap_or(whole);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let line = Line { number: index + 1, start, end: start + whole.len(), text };
        start = line.end;
        line
    })
}

/// A block whose END was not seen yet.
struct Open<'b> {
    label: String,
    begin: Line<'b>,
    headers: Vec<(String, String)>,
    in_headers: bool,
    /// Base64 without white space.
    base64: Vec<u8>,
    /// For each line: its number, first byte, and where it begins in `base64`.
    map: Vec<(usize, usize, usize)>,
    sound: bool,
    indented: bool,
}

struct Scan<'b> {
    blocks: Vec<Block>,
    faults: Vec<Fault>,
    open: Option<Open<'b>>,
}

impl<'b> Scan<'b> {
    fn fault(&mut self, kind: FaultKind, line: usize, offset: usize) {
        match self.faults.len() {
            MAX_FAULTS => self.faults.push(Fault { kind: FaultKind::TooMany, line, offset }),
            0..MAX_FAULTS => self.faults.push(Fault { kind, line, offset }),
            _ => {}
        }
    }

    fn line(&mut self, line: Line<'b>) {
        let mut text = line.text;
        let mut sound = true;
        if let Some(rest) = text.strip_prefix(BOM) {
            text = rest;
            sound = false;
            self.fault(FaultKind::ByteOrderMark, line.number, line.start);
        }
        let indented = text.first().is_some_and(u8::is_ascii_whitespace);
        let text = text.trim_ascii();
        if let Some(joint) = find(text, b"----------BEGIN ").filter(|_| text.starts_with(END)) {
            let (end, begin) = text.split_at(joint + DASHES.len());
            self.fault(FaultKind::JoinedBoundary, line.number, line.start);
            if let Some(open) = &mut self.open {
                open.sound = false;
            }
            self.boundary(line, end, false);
            self.boundary(line, begin, false);
        } else if text.starts_with(BEGIN) || text.starts_with(END) {
            if let Some(open) = &mut self.open {
                open.indented |= indented;
            }
            self.boundary(line, text, sound);
            if let Some(open) = self.open.as_mut().filter(|open| open.begin.number == line.number) {
                open.indented |= indented;
            }
        } else if find(text, BEGIN).is_some() || find(text, END).is_some() {
            self.fault(FaultKind::BadBoundary, line.number, line.start);
            if let Some(open) = &mut self.open {
                open.sound = false;
            }
        } else if let Some(open) = &mut self.open {
            open.content(line, text, indented);
        }
    }

    fn boundary(&mut self, line: Line<'b>, text: &[u8], sound: bool) {
        let begins = text.starts_with(BEGIN);
        let bare = text.strip_prefix(if begins { BEGIN } else { END }).unwrap_or_default();
        let Some(label) = bare.strip_suffix(DASHES).filter(|label| label.len() <= MAX_LABEL) else {
            self.fault(FaultKind::BadBoundary, line.number, line.start);
            return;
        };
        let label = String::from_utf8_lossy(label).into_owned();
        if begins {
            self.missing_end(line.start);
            self.open = Some(Open {
                label,
                begin: line,
                headers: Vec::new(),
                in_headers: true,
                base64: Vec::new(),
                map: Vec::new(),
                sound,
                indented: false,
            });
        } else if let Some(mut open) = self.open.take() {
            if open.label != label {
                let kind = FaultKind::LabelMismatch { begin: open.label.clone(), end: label };
                self.fault(kind, line.number, line.start);
                open.sound = false;
            }
            self.close(open, line.number, line.end);
        } else {
            self.fault(FaultKind::EndWithoutBegin(label), line.number, line.start);
        }
    }

    /// Ends a block that has no END line: at the next BEGIN, or at the end of the file.
    fn missing_end(&mut self, end: usize) {
        if let Some(mut open) = self.open.take() {
            let kind = FaultKind::MissingEnd(open.label.clone());
            self.fault(kind, open.begin.number, open.begin.start);
            open.sound = false;
            let last = open.map.last().map_or(open.begin.number, |(number, ..)| *number);
            self.close(open, last, end);
        }
    }

    fn close(&mut self, mut open: Open<'b>, last_line: usize, end: usize) {
        if open.indented {
            self.fault(FaultKind::Indented(open.label.clone()), open.begin.number, open.begin.start);
            open.sound = false;
        }
        match decode(&open.base64) {
            Ok(data) => self.blocks.push(Block {
                label: open.label,
                headers: open.headers,
                data,
                lines: (open.begin.number, last_line),
                bytes: (open.begin.start, end),
                sound: open.sound,
            }),
            Err((position, detail)) => {
                let (line, offset) = open.place(position);
                self.fault(FaultKind::Base64 { label: open.label, detail }, line, offset);
            }
        }
    }
}

impl Open<'_> {
    fn content(&mut self, line: Line<'_>, text: &[u8], indented: bool) {
        if self.in_headers {
            if let Some(colon) = find(text, b":").filter(|_| self.headers.len() < MAX_HEADERS) {
                let (name, value) = text.split_at(colon);
                let value = value.get(1..).unwrap_or_default().trim_ascii();
                let lossy = |bytes| String::from_utf8_lossy(bytes).into_owned();
                self.headers.push((lossy(name), lossy(value)));
                return;
            }
            // Continuation of a header, by the white space at its beginning.
            if indented && let Some((_, value)) = self.headers.last_mut() {
                value.push_str(&String::from_utf8_lossy(text));
                return;
            }
            self.in_headers = text.is_empty() && self.headers.is_empty();
        }
        if text.is_empty() {
            return;
        }
        self.indented |= indented;
        self.map.push((line.number, line.start, self.base64.len()));
        self.base64.extend(text.iter().filter(|byte| !byte.is_ascii_whitespace()));
    }

    /// Line and byte of a position in the base64 text.
    fn place(&self, position: usize) -> (usize, usize) {
        let index = self.map.partition_point(|(.., start)| *start <= position);
        let found = index.checked_sub(1).and_then(|index| self.map.get(index));
        found.map_or((self.begin.number, self.begin.start), |(number, offset, start)| {
            (*number, offset + (position - start))
        })
    }
}

/// Base64 that does not mind superfluous bits at the end, as no TLS library does.
static LENIENT: LazyLock<Option<Encoding>> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    specification.padding = Some('=');
    specification.check_trailing_bits = false;
    specification.encoding().ok()
});

fn decode(base64: &[u8]) -> Result<Vec<u8>, (usize, String)> {
    if base64.is_empty() {
        return Err((0, "the block is empty".into()));
    }
    let padding = base64.iter().position(|byte| *byte == b'=').unwrap_or(base64.len());
    if let Some(position) = (padding..base64.len()).find(|at| base64.get(*at) != Some(&b'=')) {
        return Err((position, "there are characters after the padding `=`".into()));
    }
    LENIENT.as_ref().unwrap_or(&data_encoding::BASE64).decode(base64).map_err(|error| {
        let detail = match (error.kind, base64.get(error.position)) {
            (DecodeKind::Symbol, Some(byte)) => format!("`{}` is no character of it", byte.escape_ascii()),
            (DecodeKind::Length, _) => {
                format!("it has {} characters, which is no multiple of 4: something is cut off", base64.len())
            }
            _ => "the padding at its end is wrong".into(),
        };
        (error.position, detail)
    })
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
#[path = "pem_tests.rs"]
mod tests;
