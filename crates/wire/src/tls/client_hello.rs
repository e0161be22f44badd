//! The first bytes of a client, classified without loss. In: everything read so far. Out: whether they are TLS, and what is offered.
//!
//! Spec: RFC 8446 §4.1.2 and §5.1, RFC 6066 §3 (SNI), RFC 7301 (ALPN), RFC 8701 (GREASE), RFC 9849 (ECH), RFC 5246 appendix E.2
//! (hello in the style of SSL 2.0). The scan is a pure function of the bytes: feeding more bytes can only turn
//! [`Scan::Partial`] into something else, and every other answer stays.

use super::reader::{Ended, Reader};

/// Longest handshake message that is read: the field would allow 16 MiB; the largest hellos seen (several post-quantum key
/// shares, long tickets) stay below 16 KiB.
pub const MAX_HANDSHAKE: usize = 64 * 1024;

/// Most bytes of records that are looked at. A hello of [`MAX_HANDSHAKE`] in records of 16 bytes or more fits.
pub const MAX_WIRE: usize = 128 * 1024;

/// Records without content that are tolerated before the hello is complete.
const MAX_EMPTY_RECORDS: usize = 8;

/// Longest fragment of a plaintext record (RFC 8446 §5.1).
const MAX_FRAGMENT: usize = 16 * 1024;

/// Most extensions that are read: some 60 types are assigned, clients send up to 20.
const MAX_EXTENSIONS: usize = 512;

const RECORD_HEAD: usize = 5;
const HANDSHAKE_HEAD: usize = 4;
const CONTENT_HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// What the first bytes of a client are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scan {
    /// Not TLS; certain from the first one to three bytes.
    NotTls,
    /// TLS so far, but the hello is not complete.
    Partial,
    /// TLS, but the hello is longer than [`MAX_HANDSHAKE`], or spread over more than [`MAX_WIRE`].
    TooLong,
    /// A complete hello.
    Hello(Box<ClientHello>),
    /// It began as TLS and then is not as the specification has it; what and at which byte, in words. A hello in the style of
    /// SSL 2.0 is also told here.
    Malformed(String),
}

/// What a client offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// `legacy_version`; 0x0303 in TLS 1.2 and 1.3.
    pub legacy_version: u16,
    /// `supported_versions` in the client's order, or the legacy version alone.
    pub versions: Vec<u16>,
    /// Cipher suites in the client's order, signalling values and GREASE included.
    pub ciphers: Vec<u16>,
    /// The host name of the server name extension, as sent; bytes that are not printable ASCII are written `\xNN`.
    pub sni: Option<String>,
    /// Application protocols in the client's order.
    pub alpn: Vec<Vec<u8>>,
    /// Key exchange groups in the client's order, GREASE included.
    pub groups: Vec<u16>,
    /// Signature schemes in the client's order.
    pub signature_schemes: Vec<u16>,
    /// Groups for which a key share was sent along, with the length of the share.
    pub key_shares: Vec<(u16, usize)>,
    /// Point formats (RFC 8422 §5.1.2).
    pub point_formats: Vec<u8>,
    /// Whether an encrypted client hello is offered (real or GREASE; nobody but its server can tell).
    pub has_ech: bool,
    /// Whether reserved values of RFC 8701 occur.
    pub has_grease: bool,
    /// Types of all extensions in the client's order.
    pub extensions: Vec<u16>,
    /// Whether a session ticket of TLS 1.2 is offered (an empty extension only asks for one).
    pub offers_ticket: bool,
    /// Whether a pre-shared key (a TLS 1.3 session) is offered.
    pub offers_psk: bool,
    /// Whether data of the client follows at once (0-RTT).
    pub early_data: bool,
    /// Bytes of the records that held the hello, heads included: what follows in the input is not part of it.
    pub wire_length: usize,
}

impl ClientHello {
    /// The highest version that is offered, GREASE aside.
    pub fn highest_version(&self) -> u16 {
        self.versions.iter().copied().filter(|version| !is_grease(*version)).max().unwrap_or(self.legacy_version)
    }
}

/// Whether a cipher suite, group, version or extension number is one of the reserved values 0x0a0a, 0x1a1a … 0xfafa (RFC 8701).
pub const fn is_grease(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}

/// Classifies the first bytes of a client. Whoever has them grow should keep a [`Scanner`].
pub fn scan(bytes: &[u8]) -> Scan {
    Scanner::default().scan(bytes)
}

/// Classifies first bytes that grow, looking at each record once: a hello in thousands of tiny pieces costs no more than one
/// in a single piece.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    /// Content of the whole records so far.
    message: Vec<u8>,
    /// Where the first record begins that is not whole yet.
    end: usize,
    /// Records without content.
    empty: usize,
}

impl Scanner {
    /// Classifies `bytes`: all that the client has sent so far, the bytes of earlier calls included.
    pub fn scan(&mut self, bytes: &[u8]) -> Scan {
        match bytes {
            [] => return Scan::Partial,
            [CONTENT_HANDSHAKE, rest @ ..] => {
                let version_fits = match rest {
                    [] => true,
                    [3] => true,
                    [3, minor, ..] => *minor <= 4,
                    _ => false,
                };
                if !version_fits {
                    return Scan::NotTls;
                }
            }
            _ => return scan_ssl2(bytes),
        }
        match self.gather(bytes) {
            Err(scan) => scan,
            Ok(()) => match parse(&self.message) {
                Ok(hello) => Scan::Hello(Box::new(ClientHello { wire_length: self.end, ..hello })),
                Err(text) => Scan::Malformed(text),
            },
        }
    }

    /// Goes from record to record until the message is complete. `Err` is the answer when there is one before that.
    fn gather(&mut self, bytes: &[u8]) -> Result<(), Scan> {
        while self.needed(&[])?.is_none_or(|needed| self.message.len() < needed) {
            if self.end >= MAX_WIRE {
                return Err(Scan::TooLong);
            }
            if self.empty > MAX_EMPTY_RECORDS {
                let text = format!("more than {MAX_EMPTY_RECORDS} empty records before the end of the ClientHello");
                return Err(Scan::Malformed(text));
            }
            let length = record_length(bytes, self.end)?;
            let start = self.end + RECORD_HEAD;
            let content = bytes.get(start..bytes.len().min(start + length)).unwrap_or_default();
            if content.len() < length {
                self.needed(content)?;
                return Err(Scan::Partial);
            }
            self.message.extend_from_slice(content);
            self.end = start + length;
            self.empty += usize::from(length == 0);
        }
        Ok(())
    }

    /// Length of the handshake message with its head, once the head is there; `partial` is what there is of the next record.
    fn needed(&self, partial: &[u8]) -> Result<Option<usize>, Scan> {
        let mut head = [0; HANDSHAKE_HEAD];
        let available = self.message.iter().chain(partial).zip(&mut head).map(|(byte, slot)| *slot = *byte).count();
        let [kind, high, middle, low] = head;
        if available > 0 && kind != CLIENT_HELLO {
            let text =
                format!("handshake message of type {kind} at byte {RECORD_HEAD}, where a ClientHello (1) belongs");
            return Err(Scan::Malformed(text));
        }
        if available < HANDSHAKE_HEAD {
            return Ok(None);
        }
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        if length > MAX_HANDSHAKE { Err(Scan::TooLong) } else { Ok(Some(HANDSHAKE_HEAD + length)) }
    }
}

/// A hello in the style of SSL 2.0, which clients of the nineties sent to begin even SSL 3.0 and TLS 1.0:
/// two bytes of length with the highest bit set, type 1, version. Its length never needs more than 9 bits.
fn scan_ssl2(bytes: &[u8]) -> Scan {
    let fits = bytes.iter().take(5).enumerate().all(|(index, byte)| match index {
        0 => matches!(byte, 0x80 | 0x81),
        2 => *byte == CLIENT_HELLO,
        3 => matches!(byte, 0 | 3),
        4 => *byte <= 4,
        _ => true,
    });
    match (fits, bytes.len() >= 5) {
        (false, _) => Scan::NotTls,
        (true, false) => Scan::Partial,
        (true, true) => Scan::Malformed(
            "a ClientHello in the style of SSL 2.0, which no current TLS library answers; the client must be set to TLS 1.2 or newer"
                .into(),
        ),
    }
}

/// Length of the record whose head begins at byte `at`.
fn record_length(bytes: &[u8], at: usize) -> Result<usize, Scan> {
    let head = bytes.get(at..).unwrap_or_default();
    let malformed = |text: String| Err(Scan::Malformed(text));
    match *head {
        [kind, ..] if kind != CONTENT_HANDSHAKE => {
            malformed(format!("record of type {kind} at byte {at}, inside the ClientHello"))
        }
        [_, major, ..] if major != 3 => malformed(format!("record of version {major}.x at byte {at}")),
        [_, _, minor, ..] if minor > 4 => malformed(format!("record of version 3.{minor} at byte {at}")),
        [_, _, _, high, low, ..] => {
            let length = usize::from(high) << 8 | usize::from(low);
            if length > MAX_FRAGMENT {
                return malformed(format!("record of {length} bytes at byte {at}; {MAX_FRAGMENT} is the most"));
            }
            Ok(length)
        }
        _ => Err(Scan::Partial),
    }
}

/// Reads a complete handshake message. `Err` says what is wrong, and at which byte of the message.
fn parse(message: &[u8]) -> Result<ClientHello, String> {
    let mut reader = Reader::new(message, 0);
    read_hello(&mut reader).map_err(|fault| match fault {
        Fault::Ended(Ended { what, at }) => format!("ClientHello ends inside {what}, which begins at its byte {at}"),
        Fault::Text(text) => text,
    })
}

/// Reads the body of a ClientHello whose message head was taken off. `Err` says what is wrong, and at which byte of the message.
pub(super) fn parse_body(body: &[u8]) -> Result<ClientHello, String> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    let head = [CLIENT_HELLO, length[1], length[2], length[3]];
    parse(&[&head, body].concat())
}

/// Why a hello cannot be read.
enum Fault {
    Ended(Ended),
    Text(String),
}

impl From<Ended> for Fault {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

fn read_hello(reader: &mut Reader<'_>) -> Result<ClientHello, Fault> {
    let head = reader.take(HANDSHAKE_HEAD, "the head of the message")?;
    let length = head.iter().skip(1).fold(0, |length, byte| length << 8 | usize::from(*byte));
    let mut body = Reader::new(reader.take(length, "the message")?, HANDSHAKE_HEAD);
    if !reader.is_empty() {
        return Err(Fault::Text(format!("{} more bytes in the record after the ClientHello", reader.rest().len())));
    }
    let mut hello = ClientHello { legacy_version: body.u16("the version")?, ..ClientHello::default() };
    body.take(32, "the random value")?;
    let session_id = body.vector8("the session identifier")?.rest().len();
    if session_id > 32 {
        return Err(Fault::Text(format!("session identifier of {session_id} bytes; 32 is the most")));
    }
    hello.ciphers = body.vector16("the cipher suites")?.numbers("the cipher suites")?;
    body.vector8("the compression methods")?;
    if !body.is_empty() {
        let extensions = body.vector16("the extensions")?;
        if !body.is_empty() {
            return Err(Fault::Text(format!(
                "bytes after the extensions, at byte {} of the ClientHello",
                body.position()
            )));
        }
        read_extensions(extensions, &mut hello)?;
    }
    if hello.versions.is_empty() {
        hello.versions.push(hello.legacy_version);
    }
    hello.has_grease = [&hello.ciphers, &hello.groups, &hello.extensions, &hello.versions]
        .iter()
        .any(|numbers| numbers.iter().copied().any(is_grease));
    Ok(hello)
}

fn read_extensions(mut list: Reader<'_>, hello: &mut ClientHello) -> Result<(), Fault> {
    while !list.is_empty() {
        let at = list.position();
        let kind = list.u16("the type of an extension")?;
        let body = list.vector16("an extension")?;
        // Two of a kind let a middle-box and the server read different names: no library accepts it.
        if hello.extensions.contains(&kind) {
            return Err(Fault::Text(format!("extension {kind} comes a second time at byte {at} of the ClientHello")));
        }
        if hello.extensions.len() == MAX_EXTENSIONS {
            return Err(Fault::Text(format!("more than {MAX_EXTENSIONS} extensions, at byte {at} of the ClientHello")));
        }
        hello.extensions.push(kind);
        read_extension(kind, body, hello)?;
    }
    Ok(())
}

/// Reads the extensions that matter here (numbers: IANA, "TLS ExtensionType Values"); others are only listed.
fn read_extension(kind: u16, mut body: Reader<'_>, hello: &mut ClientHello) -> Result<(), Ended> {
    match kind {
        0 => hello.sni = read_server_name(body)?,
        10 => hello.groups = body.vector16("supported_groups")?.numbers("supported_groups")?,
        11 => hello.point_formats = body.vector8("ec_point_formats")?.rest().to_vec(),
        13 => hello.signature_schemes = body.vector16("signature_algorithms")?.numbers("signature_algorithms")?,
        16 => {
            let mut names = body.vector16("the application protocols")?;
            while !names.is_empty() {
                hello.alpn.push(names.vector8("an application protocol")?.rest().to_vec());
            }
        }
        35 => hello.offers_ticket = !body.is_empty(),
        41 => hello.offers_psk = true,
        42 => hello.early_data = true,
        43 => hello.versions = body.vector8("supported_versions")?.numbers("supported_versions")?,
        51 => {
            let mut shares = body.vector16("the key shares")?;
            while !shares.is_empty() {
                let group = shares.u16("the group of a key share")?;
                hello.key_shares.push((group, shares.vector16("a key share")?.rest().len()));
            }
        }
        0xfe0d => hello.has_ech = true,
        _ => {}
    }
    Ok(())
}

/// The first host name of the list; the specification allows only one.
fn read_server_name(mut body: Reader<'_>) -> Result<Option<String>, Ended> {
    let mut list = body.vector16("the server names")?;
    while !list.is_empty() {
        let kind = list.u8("the type of a server name")?;
        let name = list.vector16("a server name")?.rest();
        if kind == 0 {
            return Ok(Some(printable(name)));
        }
    }
    Ok(None)
}

fn printable(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len()), |mut text, byte| {
        if byte.is_ascii_graphic() && *byte != b'\\' {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "\\x{byte:02x}");
        }
        text
    })
}

#[cfg(test)]
#[path = "client_hello_tests.rs"]
mod tests;
