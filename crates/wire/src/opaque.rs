//! Names protocols that are not decoded. In: the first bytes of both sides. Out: what they look like, or nothing.
//!
//! Spec: each protocol's own; the tests hold the first words of real conversations. A name is given only when bytes that the
//! protocol fixes are there: a wrong name misleads, none does not. A few dozen bytes are enough; a few hundred make it surer.

use crate::tls;

/// The first bytes of a conversation.
struct Opening<'b> {
    client: &'b [u8],
    server: &'b [u8],
}

/// What the conversation looks like: `ssh`, `postgres`, `redis` …
pub fn looks_like(first_from_client: &[u8], first_from_server: &[u8]) -> Option<&'static str> {
    let opening = Opening { client: first_from_client, server: first_from_server };
    SIGNATURES.iter().find(|(_, fits)| fits(&opening)).map(|(name, _)| *name)
}

type Signature = (&'static str, fn(&Opening<'_>) -> bool);

/// The surest signatures come first; those that need both sides come before those that would take one of them for something else.
const SIGNATURES: &[Signature] = &[
    ("ssh", |o| o.client.starts_with(b"SSH-") || o.server.starts_with(b"SSH-")),
    ("tls", |o| !matches!(tls::scan(o.client), tls::Scan::NotTls) && o.client.len() >= 3),
    ("proxy-protocol", |o| o.client.starts_with(b"PROXY TCP") || o.client.starts_with(b"\r\n\r\n\0\r\nQUIT\n")),
    ("vnc", |o| o.server.starts_with(b"RFB 00")),
    ("nats", |o| o.server.starts_with(b"INFO {")),
    ("rsync", |o| o.server.starts_with(b"@RSYNCD: ") || o.client.starts_with(b"@RSYNCD: ")),
    ("amqp", |o| matches!(o.client, [b'A', b'M', b'Q', b'P', 0 | 2 | 3, 0 | 1, ..])),
    ("bittorrent", |o| o.client.starts_with(b"\x13BitTorrent protocol")),
    ("mqtt", |o| o.client.first() == Some(&0x10) && [2, 3].iter().any(|at| mqtt_name(o.client.get(*at..)))),
    ("smb", |o| matches!(o.client, [0, _, _, _, 0xff | 0xfe, b'S', b'M', b'B', ..])),
    ("git", |o| {
        o.client
            .get(4..)
            .is_some_and(|rest| rest.starts_with(b"git-upload-pack ") || rest.starts_with(b"git-receive-pack "))
    }),
    ("dbus", |o| o.client.starts_with(b"\0AUTH ")),
    ("x11", |o| matches!(o.client, [b'l', 0, 11, 0, 0, 0, ..] | [b'B', 0, 0, 11, 0, 0, ..])),
    ("xmpp", |o| {
        o.client.starts_with(b"<stream:stream")
            || (o.client.starts_with(b"<?xml") && contains(o.client, b"<stream:stream"))
    }),
    ("clickhouse", |o| {
        o.client.first() == Some(&0) && o.client.get(2..).is_some_and(|rest| rest.starts_with(b"ClickHouse"))
    }),
    ("oracle", |o| o.client.get(4) == Some(&1) && contains(o.client, b"(DESCRIPTION=")),
    ("postgres", |o| is_postgres(o.client)),
    ("mysql", |o| matches!(o.server, [length, high, 0, 0, 10, b'0'..=b'9', ..] if (*length, *high) > (20, 0))),
    ("mssql", |o| matches!(o.client, [0x12, 1, high, low, 0, 0, _, 0, ..] if be16(*high, *low) == o.client.len())),
    ("mongodb", |o| is_mongodb(o.client)),
    (
        "rdp",
        |o| matches!(o.client, [3, 0, high, low, length, 0xe0, ..] if be16(*high, *low) == usize::from(*length) + 5),
    ),
    ("ldap", |o| is_ldap(o.client)),
    ("redis", |o| is_redis(o)),
    ("memcached", |o| is_memcached(o)),
    ("imap", |o| [&b"* OK"[..], b"* PREAUTH", b"* BYE"].iter().any(|greeting| o.server.starts_with(greeting))),
    ("pop3", |o| {
        o.server.starts_with(b"+OK")
            && (o.client.is_empty() || verb(o.client, &["CAPA", "USER", "APOP", "AUTH", "STLS", "QUIT"]))
    }),
    ("lmtp", |o| o.server.starts_with(b"220") && verb(o.client, &["LHLO"])),
    ("smtp", |o| {
        o.server.starts_with(b"220") && (verb(o.client, &["EHLO", "HELO"]) || contains(first_line(o.server), b"SMTP"))
    }),
    ("ftp", |o| {
        o.server.starts_with(b"220")
            && (verb(o.client, &["USER", "AUTH", "FEAT", "SYST"]) || contains(first_line(o.server), b"FTP"))
    }),
    ("nntp", |o| {
        (o.server.starts_with(b"200 ") || o.server.starts_with(b"201 "))
            && (o.client.is_empty()
                || verb(o.client, &["CAPABILITIES", "MODE", "GROUP", "AUTHINFO", "LIST", "STARTTLS"]))
    }),
    ("managesieve", |o| o.server.starts_with(b"\"IMPLEMENTATION\" ")),
    ("irc", |o| verb(o.client, &["NICK", "CAP"]) && printable(first_line(o.client))),
    ("sip", |o| contains(first_line(o.client), b" SIP/2.0")),
    ("rtsp", |o| contains(first_line(o.client), b" RTSP/1.0")),
    ("telnet", |o| matches!(o.server, [0xff, 0xfb..=0xfe, _, ..]) || matches!(o.client, [0xff, 0xfb..=0xfe, _, ..])),
    (
        "socks5",
        |o| matches!((o.client, o.server), ([5, count @ 1..=8, rest @ ..], [5, 0 | 1 | 2 | 0xff, ..]) if rest.len() >= usize::from(*count)),
    ),
    ("cassandra", |o| is_cassandra(o)),
    ("kafka", |o| is_kafka(o.client)),
    ("dns", |o| is_dns(o.client)),
    ("thrift", |o| matches!(o.client, [0, _, _, _, 0x80, 1, 0, 1..=4, ..] | [0x80, 1, 0, 1..=4, 0, 0, ..])),
    ("sunrpc", |o| matches!(o.client, [0x80, _, _, _, _, _, _, _, 0, 0, 0, 0, 0, 0, 0, 2, ..])),
    ("fastcgi", |o| matches!(o.client, [1, 1, _, _, 0, 8, _, 0, 0, 1..=3, ..])),
    ("ajp", |o| matches!(o.client, [0x12, 0x34, high, low, ..] if be16(*high, *low) + 4 == o.client.len())),
    ("syslog", |o| is_syslog(o.client)),
];

const fn be16(high: u8, low: u8) -> usize {
    (high as usize) << 8 | low as usize
}

fn be32(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|window| window == what)
}

fn first_line(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == b'\n').next().unwrap_or_default()
}

fn printable(text: &[u8]) -> bool {
    text.trim_ascii_end().iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ')
}

/// Whether the text begins with one of these commands, in whatever case, and white space behind it.
fn verb(text: &[u8], verbs: &[&str]) -> bool {
    let Some(end) = text.iter().position(u8::is_ascii_whitespace) else { return false };
    let word = text.get(..end).unwrap_or_default();
    verbs.iter().any(|verb| word.eq_ignore_ascii_case(verb.as_bytes()))
}

/// CONNECT: the protocol's name behind the remaining length of one or two bytes.
fn mqtt_name(bytes: Option<&[u8]>) -> bool {
    bytes.is_some_and(|name| name.starts_with(b"\0\x04MQTT") || name.starts_with(b"\0\x06MQIsdp"))
}

/// SSLRequest, GSSENCRequest, CancelRequest, or a startup message of version 3.
fn is_postgres(client: &[u8]) -> bool {
    match *client {
        [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f | 0x30, ..] | [0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e, ..] => true,
        [0, 0, _, _, 0, 3, 0 | 2, 0, ..] => contains(client, b"user\0") || contains(client, b"database\0"),
        _ => false,
    }
}

/// Length, request number, 0, and one of the operations OP_MSG, OP_QUERY, OP_COMPRESSED (little end first).
fn is_mongodb(client: &[u8]) -> bool {
    let length = le32(client, 0).is_some_and(|length| (26..48_000_000).contains(&length));
    length && le32(client, 8) == Some(0) && le32(client, 12).is_some_and(|code| matches!(code, 2013 | 2004 | 2012))
}

/// A sequence with a small number and a bind, search, or extended request.
fn is_ldap(client: &[u8]) -> bool {
    let rest = match client {
        [0x30, 0..=0x7f, rest @ ..] | [0x30, 0x81, _, rest @ ..] | [0x30, 0x82, _, _, rest @ ..] => rest,
        [0x30, 0x84, _, _, _, _, rest @ ..] => rest,
        _ => return false,
    };
    matches!(rest, [2, 1, _, 0x60 | 0x63 | 0x77, ..] | [2, 2, _, _, 0x60 | 0x63 | 0x77, ..])
}

/// An array of bulk strings, or a command in text with an answer of the protocol's kind.
fn is_redis(o: &Opening<'_>) -> bool {
    let line = first_line(o.client);
    let array = match line {
        [b'*', count @ .., b'\r'] if !count.is_empty() => count.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let inline = verb(o.client, &["PING", "AUTH", "HELLO", "GET", "SET", "INFO", "SELECT"]);
    let answer =
        matches!(o.server, [b'+', b'P' | b'O', ..] | [b'-', b'E' | b'N', ..] | [b'$' | b'%' | b'*', b'0'..=b'9', ..]);
    (array && o.client.get(line.len() + 1) == Some(&b'$')) || (inline && answer)
}

/// A text command with its kind of answer, or both magic numbers of the binary protocol.
fn is_memcached(o: &Opening<'_>) -> bool {
    let answers = [&b"VALUE "[..], b"END\r\n", b"STORED\r\n", b"VERSION ", b"STAT ", b"NOT_", b"DELETED\r\n", b"HD"];
    let text = verb(o.client, &["get", "gets", "set", "add", "stats", "version", "delete", "mg", "ms"])
        && answers.iter().any(|answer| o.server.starts_with(answer));
    text || matches!((o.client, o.server), ([0x80, ..], [0x81, ..]))
}

/// A frame of version 3 to 5 with OPTIONS or STARTUP, answered in the same version.
fn is_cassandra(o: &Opening<'_>) -> bool {
    match (o.client, o.server) {
        ([3..=5, _, _, _, 1 | 5, 0, 0, ..], []) => o.client.len() >= 9,
        ([version @ 3..=5, _, _, _, 1 | 5, 0, 0, ..], [answer, ..]) => *answer == version | 0x80,
        _ => false,
    }
}

/// The length of exactly these bytes, a request for versions (18) or metadata (3), a low version, and a printable client name: no field alone would do.
fn is_kafka(client: &[u8]) -> bool {
    let (Some(length), Some(head)) = (be32(client), client.get(4..14)) else { return false };
    let [0, 18 | 3, 0, 0..=20, _, _, _, _, high, low] = *head else { return false };
    let name = client.get(14..).and_then(|rest| rest.get(..be16(high, low)));
    usize::try_from(length).is_ok_and(|length| length + 4 == client.len())
        && name.is_some_and(|name| !name.is_empty() && printable(name))
}

/// Its own length, a standard query with one question, and a name of sound labels.
fn is_dns(client: &[u8]) -> bool {
    let [high, low, _, _, flags, _, 0, 1, 0, 0, 0, 0, 0, 0..=2, rest @ ..] = client else { return false };
    if be16(*high, *low) + 2 != client.len() || flags & 0xf8 != 0 {
        return false;
    }
    let mut rest = rest;
    while let [length @ 1..=63, after @ ..] = rest {
        let Some((label, next)) = after.split_at_checked(usize::from(*length)) else { return false };
        if !label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*')) {
            return false;
        }
        rest = next;
    }
    matches!(rest, [0, _, _, 0, 1 | 3 | 255, ..])
}

/// `<PRI>` with one to three digits, and text behind it; also with the count of bytes before it.
fn is_syslog(client: &[u8]) -> bool {
    let counted = client.iter().position(|byte| !byte.is_ascii_digit()).filter(|end| client.get(*end) == Some(&b' '));
    let text = client.get(counted.map_or(0, |end| end + 1)..).unwrap_or_default();
    let Some(end) = text.iter().take(5).position(|byte| *byte == b'>') else { return false };
    let digits = text.get(1..end).unwrap_or_default();
    text.first() == Some(&b'<')
        && !digits.is_empty()
        && digits.iter().all(u8::is_ascii_digit)
        && text.len() > end + 1
        && printable(first_line(text))
}

#[cfg(test)]
#[path = "opaque_tests.rs"]
mod tests;
