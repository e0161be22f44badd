//! Which format a capture has. In: its first bytes. Out: a [`Format`], or what the file is instead.
//! Spec: draft-ietf-opsawg-pcap §4 and draft-ietf-opsawg-pcapng §4.1 (magic numbers); the others are told by their own modules.

use std::fmt;
use std::str::FromStr;

use super::input::{Input, PEEK};
use super::{ImportError, content_log, har, mitmproxy, pcap, sslsplit};

/// A format that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// HTTP Archive 1.2.
    Har,
    /// A flow file of mitmproxy.
    Mitmproxy,
    /// Classic pcap.
    Pcap,
    /// pcapng.
    Pcapng,
    /// A content log of sslsplit (`-L`).
    Sslsplit,
    /// A content log of sidelight.
    ContentLog,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Har, Self::Mitmproxy, Self::Pcap, Self::Pcapng, Self::Sslsplit, Self::ContentLog];

    /// Its name, on the command line and as the mode of imported connections.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Har => "har",
            Self::Mitmproxy => "mitmproxy",
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
            Self::Sslsplit => "sslsplit",
            Self::ContentLog => "log",
        }
    }

    /// What it is, in words.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Har => "HAR",
            Self::Mitmproxy => "a mitmproxy flow file",
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
            Self::Sslsplit => "a content log of sslsplit",
            Self::ContentLog => "a content log",
        }
    }

    pub(super) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|format| format.name() == text);
        known.ok_or_else(|| format!("`{text}` is no format that can be imported; formats: {}", Self::names()))
    }
}

/// The format of `input`, of which nothing is consumed.
pub(super) fn recognise(input: &mut Input<'_>) -> Result<Format, ImportError> {
    let file = input.file().to_owned();
    let head = input.peek(PEEK).map_err(|source| ImportError::Unreadable { file: file.clone(), source })?;
    if head.is_empty() {
        return Err(ImportError::Empty { file });
    }
    let known = if pcap::is_pcap(head) {
        Some(Format::Pcap)
    } else if pcap::is_pcapng(head) {
        Some(Format::Pcapng)
    } else if har::recognises(head) {
        Some(Format::Har)
    } else if mitmproxy::recognises(head) {
        Some(Format::Mitmproxy)
    } else if sslsplit::recognises(head) {
        Some(Format::Sslsplit)
    } else if content_log::recognises(head) {
        Some(Format::ContentLog)
    } else {
        None
    };
    known.ok_or_else(|| ImportError::Unknown { file, looks_like: looks_like(head) })
}

/// What a file is that is no capture, and what to do with it.
fn looks_like(head: &[u8]) -> String {
    let is_key_log = ["CLIENT_RANDOM ", "CLIENT_HANDSHAKE_TRAFFIC_SECRET ", "SERVER_HANDSHAKE_TRAFFIC_SECRET "];
    if head.starts_with(b"SQLite format 3\0") {
        return "it is an SQLite file; a recording of sidelight is read as it is, by `--store FILE`".into();
    }
    if is_key_log.iter().any(|label| contains(head.get(..4096).unwrap_or(head), label.as_bytes())) {
        return "it is a key log; give it by `--keylog FILE` together with the pcap or pcapng that it belongs to"
            .into();
    }
    let magics: [(&[u8], &str); 4] = [
        (b"PK\x03\x04", "it is a ZIP archive; unpack it first"),
        (b"\xfd7zXZ\0", "it is packed with xz; unpack it first"),
        (b"BZh", "it is packed with bzip2; unpack it first"),
        (b"snoop\0\0\0", "it is a capture of snoop; make it a pcapng with `editcap IN OUT`"),
    ];
    if let Some((_, words)) = magics.iter().find(|(magic, _)| head.starts_with(magic)) {
        return (*words).into();
    }
    let first = head.get(..24).unwrap_or(head);
    format!("it begins with \"{}\"", first.escape_ascii())
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|window| window == what)
}
