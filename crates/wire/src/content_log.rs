//! Content logs: a record a message, for people, grep and programs. In: heads and bodies. Out: their text, and back.
//! Spec: docs/content-log.md.
//!
//! A record is a head line, then as many bytes of body as the head says, then an empty line. A line that begins with `@ ` is a head,
//! whatever is logged: what would look like one in a body is escaped.

use std::fmt::Write as _;

use sidelight_model::flow::Direction;
use sidelight_model::time::Timestamp;

/// The first line of every content log.
pub const SIGNATURE: &str = "# sidelight content log, version 1";

/// The longest head line that is read.
pub const LONGEST_HEAD: usize = 64 * 1024;

/// What begins a head.
const MARK: &str = "@ ";

/// Keys that the format itself needs.
const BYTES: &str = "bytes";
const ESCAPED: &str = "escaped";

/// The first line of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// When the message began.
    pub time: Timestamp,
    /// The connection.
    pub conn: u64,
    /// The exchange on it; `None` for what belongs to the connection.
    pub stream: Option<u64>,
    /// The client's address, or `-`.
    pub client: String,
    /// Which way it went, if it is a message.
    pub direction: Option<Direction>,
    /// The service by name and port, or `-`.
    pub service: String,
    /// What it is: `request`, `response`, `websocket-text` …
    pub kind: String,
    /// Facts about it, in their order. No value is empty or has white space in it.
    pub facts: Vec<(String, String)>,
}

impl Head {
    /// Adds a fact; white space and control characters in it are escaped, and an empty one is left out.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        let value = value.to_string();
        if !value.is_empty() {
            self.facts.push((key.to_owned(), packed(&value)));
        }
        self
    }

    /// The fact `key`, with its escapes undone.
    pub fn fact(&self, key: &str) -> Option<String> {
        self.facts.iter().find(|(name, _)| name == key).map(|(_, value)| unpacked(value))
    }

    /// The fact `key`, when it is a number.
    pub fn number(&self, key: &str) -> Option<i64> {
        self.fact(key)?.parse().ok()
    }

    /// The whole record: this head, `body` (escaped when it has to be), and the empty line.
    pub fn record(&self, body: &[u8]) -> Vec<u8> {
        let escaped = escaped(body);
        let body = escaped.as_ref().map_or(body, |text| text.as_bytes());
        let arrow = match self.direction {
            Some(Direction::ToServer) => "->",
            Some(Direction::ToClient) => "<-",
            None => "--",
        };
        let stream = self.stream.map_or_else(|| "-".to_owned(), |stream| stream.to_string());
        let (time, conn) = (self.time.rfc3339(), self.conn);
        let place = |text: &str| if text.is_empty() { "-".to_owned() } else { packed(text) };
        let (client, service, kind) = (place(&self.client), place(&self.service), &self.kind);
        let mut out = format!("{MARK}{time} {conn}/{stream} {client} {arrow} {service} {kind}");
        for (key, value) in &self.facts {
            // Writing to a String cannot fail.
            let _ = write!(out, " {key}={value}");
        }
        if escaped.is_some() {
            let _ = write!(out, " {ESCAPED}=1");
        }
        let _ = writeln!(out, " {BYTES}={}", body.len());
        let mut out = out.into_bytes();
        out.extend_from_slice(body);
        out.extend_from_slice(b"\n\n");
        out
    }

    /// Reads a head line, without its line end: the head, how many bytes of body follow, and whether they are escaped.
    pub fn parse(line: &[u8]) -> Option<(Self, u64, bool)> {
        let line = std::str::from_utf8(line).ok()?.strip_prefix(MARK)?;
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let time = Timestamp::parse(words.next()?)?;
        let (conn, stream) = words.next()?.split_once('/')?;
        let client = words.next()?;
        let direction = match words.next()? {
            "->" => Some(Direction::ToServer),
            "<-" => Some(Direction::ToClient),
            "--" => None,
            _ => return None,
        };
        let (service, kind) = (words.next()?, words.next()?);
        let place = |text: &str| if text == "-" { String::new() } else { unpacked(text) };
        let mut head = Self {
            time,
            conn: conn.parse().ok()?,
            stream: if stream == "-" { None } else { Some(stream.parse().ok()?) },
            client: place(client),
            direction,
            service: place(service),
            kind: kind.to_owned(),
            facts: Vec::new(),
        };
        let (mut bytes, mut is_escaped) = (None, false);
        for word in words {
            match word.split_once('=')? {
                (BYTES, count) => bytes = Some(count.parse().ok()?),
                (ESCAPED, flag) => is_escaped = flag == "1",
                (key, value) => head.facts.push((key.to_owned(), value.to_owned())),
            }
        }
        Some((head, bytes?, is_escaped))
    }
}

/// Escapes what would end a word, or could not be seen, as in bodies. A percent sign stays, so that URLs read as they are.
fn packed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            c if !(c.is_whitespace() || c.is_control() || is_deceptive(c)) => out.push(c),
            // Writing to a String cannot fail.
            c if c.is_ascii() => _ = write!(out, "\\x{:02x}", u32::from(c)),
            c => _ = write!(out, "\\u{{{:x}}}", u32::from(c)),
        }
    }
    out
}

fn unpacked(text: &str) -> String {
    String::from_utf8_lossy(&unescape(text.as_bytes())).into_owned()
}

/// Characters that reorder or hide what stands around them (Unicode TR 36 §3.1).
const fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// The body as it is written when it cannot be written as it is: it is no UTF-8, has control characters that a terminal would obey,
/// or a line that looks like a head.
fn escaped(body: &[u8]) -> Option<String> {
    let needs = |text: &str| {
        text.starts_with(MARK)
            || text.contains("\n@ ")
            || text.char_indices().any(|(at, c)| is_obeyed(c, text.get(at + 1..)))
    };
    if std::str::from_utf8(body).is_ok_and(|text| !needs(text)) {
        return None;
    }
    let mut out = String::with_capacity(body.len() + body.len() / 8);
    for chunk in body.utf8_chunks() {
        for (at, c) in chunk.valid().char_indices() {
            let at_start = out.is_empty() || out.ends_with('\n');
            let after = chunk.valid().get(at + c.len_utf8()..);
            match c {
                '\\' => out.push_str("\\\\"),
                '@' if at_start && after.is_none_or(|after| after.is_empty() || after.starts_with(' ')) => {
                    out.push_str("\\x40");
                }
                c if is_obeyed(c, after) && u32::from(c) < 0x80 => {
                    let _ = write!(out, "\\x{:02x}", u32::from(c));
                }
                c if is_obeyed(c, after) => {
                    let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    Some(out)
}

/// Whether a terminal does something at this character other than showing it. Line ends of the Internet are none of these.
fn is_obeyed(c: char, after: Option<&str>) -> bool {
    match c {
        '\n' | '\t' => false,
        '\r' => !after.is_some_and(|after| after.starts_with('\n')),
        c => c.is_control() || is_deceptive(c),
    }
}

/// Undoes the escapes of a body. What is none of them stays as it is.
pub fn unescape(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((first, after)) = rest.split_first() {
        let (bytes, taken) = match (*first, after.first()) {
            (b'\\', Some(b'\\')) => (vec![b'\\'], 2),
            (b'\\', Some(b'x')) => {
                escape_of(after.get(1..3), |value| vec![value as u8]).map_or((vec![*first], 1), |it| (it, 4))
            }
            (b'\\', Some(b'u')) => character(after).unwrap_or((vec![*first], 1)),
            _ => (vec![*first], 1),
        };
        out.extend(bytes);
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

fn escape_of(digits: Option<&[u8]>, make: impl Fn(u32) -> Vec<u8>) -> Option<Vec<u8>> {
    let digits = std::str::from_utf8(digits?).ok()?;
    u32::from_str_radix(digits, 16).ok().map(make)
}

/// `u{…}`: the bytes of the character, and the length with the backslash.
fn character(after: &[u8]) -> Option<(Vec<u8>, usize)> {
    let digits = after.strip_prefix(b"u{")?;
    let end = digits.iter().take(7).position(|byte| *byte == b'}')?;
    let value = u32::from_str_radix(std::str::from_utf8(digits.get(..end)?).ok()?, 16).ok()?;
    Some((char::from_u32(value)?.to_string().into_bytes(), end + 4))
}

/// The line that stands for bytes that are no text.
pub fn digest_line(length: u64, media_type: &str, sha256: Option<&str>) -> String {
    let media = if media_type.is_empty() { String::new() } else { format!(" {media_type}") };
    let digest = sha256.map_or_else(String::new, |digest| format!(" sha256:{digest}"));
    format!("‹binary {length} bytes{media}{digest}›")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(record: &[u8]) -> (Head, Vec<u8>) {
        let end = record.iter().position(|byte| *byte == b'\n').unwrap();
        let (head, bytes, is_escaped) = Head::parse(&record[..end]).unwrap();
        let body = &record[end + 1..];
        assert_eq!(body.len() as u64, bytes + 2);
        let body = &body[..body.len() - 2];
        (head, if is_escaped { unescape(body) } else { body.to_vec() })
    }

    #[test]
    fn a_record_reads_like_this() {
        let head = Head {
            time: Timestamp(1_795_372_833_000_001),
            conn: 7,
            stream: Some(3),
            client: "127.0.0.1:50000".into(),
            direction: Some(Direction::ToServer),
            service: "a.test:443".into(),
            kind: "request".into(),
            facts: Vec::new(),
        };
        let head = head.with("url", "https://a.test/x y%20").with("none", "").with("size", 5);
        let expected = "@ 2026-11-22T18:40:33.000001Z 7/3 127.0.0.1:50000 -> a.test:443 request \
            url=https://a.test/x\\x20y%20 size=5 bytes=5\nhello\n\n";
        assert_eq!(String::from_utf8(head.record(b"hello")).unwrap(), expected);
        assert_eq!(split(expected.as_bytes()), (head.clone(), b"hello".to_vec()));
        assert_eq!((head.fact("url").as_deref(), head.number("size")), (Some("https://a.test/x y%20"), Some(5)));
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        for (body, shown) in [
            ("a\x1b[2Jb", "a\\x1b[2Jb"),
            ("x\n@ 2026 fake\n@y", "x\n\\x40 2026 fake\n@y"),
            ("\u{202e}c:\\d", "\\u{202e}c:\\\\d"),
            ("over\rwritten\r\n", "over\\x0dwritten\r\n"),
        ] {
            assert_eq!(escaped(body.as_bytes()).as_deref(), Some(shown));
            assert_eq!(unescape(shown.as_bytes()), body.as_bytes());
        }
        assert_eq!(escaped("c:\\d and\ttab\r\n@x 50 % é".as_bytes()), None);
        assert_eq!(escaped(b"@"), None);
        assert_eq!(unescape(b"\\q \\x4 \\u{110000} \\"), b"\\q \\x4 \\u{110000} \\");
    }

    proptest! {
        #[test]
        fn every_body_comes_back(body in prop::collection::vec(any::<u8>(), 0..60), text in "[@ \\\\\na-z\r\u{7}é]{0,30}") {
            for body in [body, text.into_bytes()] {
                let record = Head { kind: "k".into(), ..Head::default() }.record(&body);
                prop_assert_eq!(split(&record).1, body);
                let text = std::str::from_utf8(&record).unwrap();
                prop_assert_eq!(text.lines().filter(|line| line.starts_with(MARK)).count(), 1);
            }
        }

        #[test]
        fn every_fact_comes_back(value in "\\PC{1,20}|[ \t%\n\\\\x0-9]{1,9}") {
            let record = Head { kind: "k".into(), ..Head::default() }.with("f", &value).record(b"");
            prop_assert_eq!(split(&record).0.fact("f"), Some(value));
        }

        #[test]
        fn any_line_is_read(line in prop::collection::vec(any::<u8>(), 0..80)) {
            Head::parse(&line);
            Head::parse(&[b"@ 2026-11-22T18:40:33.000001Z ", &line[..]].concat());
            unescape(&line);
        }
    }
}
