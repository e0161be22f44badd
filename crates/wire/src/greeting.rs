//! Names a protocol by the first bytes of a server that is not speaking TLS. In: those bytes. Out: the protocol, and what can
//! turn it into TLS. Spec: the greetings of the protocols themselves (RFC 4253 §4.2, RFC 5321 §3.1, RFC 9112 §4, …).

use crate::starttls::client::Protocol;

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// HTTP without TLS.
    Http,
    /// A protocol that can turn into TLS.
    Upgrades(Protocol),
    /// Another protocol of this name.
    Other(&'static str),
    /// Nothing that is known.
    Unknown,
}

/// Names the protocol of a server by what it said first.
pub fn name(heard: &[u8]) -> Spoken {
    let lower = heard[..heard.len().min(512)].to_ascii_lowercase();
    let has = |needle: &str| memchr::memmem::find(&lower, needle.as_bytes()).is_some();
    match heard {
        [b'H', b'T', b'T', b'P', b'/', ..] => Spoken::Http,
        [b'<', ..] if has("<html") || has("<!doctype") => Spoken::Http,
        [b'<', ..] if has("stream:stream") => Spoken::Upgrades(Protocol::Xmpp),
        [b'S', b'S', b'H', b'-', ..] => Spoken::Other("SSH"),
        [b'R', b'F', b'B', b' ', ..] => Spoken::Other("VNC"),
        [b'A', b'M', b'Q', b'P', ..] => Spoken::Other("AMQP"),
        [b'-', b'E', b'R', b'R', b' ', ..]
            if has("unknown command") || has("wrong number") || has("noauth") || has("protocol error") =>
        {
            Spoken::Other("Redis")
        }
        [b'I', b'N', b'F', b'O', b' ', b'{', ..] => Spoken::Other("NATS"),
        [b'2', b'2', b'0', b' ' | b'-', ..] if has("ftp") => Spoken::Upgrades(Protocol::Ftp),
        [b'2', b'2', b'0', b' ' | b'-', ..] if has("lmtp") => Spoken::Upgrades(Protocol::Lmtp),
        [b'2', b'2', b'0', b' ' | b'-', ..] | [b'5', b'5', b'4', b' ', ..] => Spoken::Upgrades(Protocol::Smtp),
        [b'2', b'0', b'0' | b'1', b' ', ..] => Spoken::Upgrades(Protocol::Nntp),
        [b'+', b'O', b'K', ..] => Spoken::Upgrades(Protocol::Pop3),
        [b'*', b' ', b'O' | b'P' | b'B', ..] => Spoken::Upgrades(Protocol::Imap),
        [b'"', ..] if has("sieve") || has("implementation") => Spoken::Upgrades(Protocol::Sieve),
        // MySQL: length, packet 0, protocol 10; or the error that it sends to a host that it does not like.
        [_, _, 0, 0, 10, ..] => Spoken::Upgrades(Protocol::Mysql),
        [_, _, 0, 0, 0xff, ..] if has("mysql") || has("mariadb") => Spoken::Upgrades(Protocol::Mysql),
        // PostgreSQL answers nonsense with an ErrorResponse.
        [b'E', 0, 0, ..] if has("fatal") || has("unsupported frontend") => Spoken::Upgrades(Protocol::Postgres),
        // Kafka and others begin with a length; HTTP/2 without TLS with a SETTINGS frame.
        [0, 0, _, 4, 0 | 1, 0, 0, 0, 0, ..] => Spoken::Other("HTTP/2 without TLS"),
        [b'P', b'R', b'O', b'X', b'Y', ..] => Spoken::Other("the PROXY protocol"),
        _ => Spoken::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_name_their_protocol() {
        let cases: &[(&[u8], Spoken)] = &[
            (b"HTTP/1.1 400 Bad Request\r\n", Spoken::Http),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Spoken::Other("SSH")),
            (b"220 mail.test ESMTP Postfix\r\n", Spoken::Upgrades(Protocol::Smtp)),
            (b"220 (vsFTPd 3.0)\r\n", Spoken::Upgrades(Protocol::Ftp)),
            (b"* OK [CAPABILITY IMAP4rev1] ready\r\n", Spoken::Upgrades(Protocol::Imap)),
            (b"+OK ready\r\n", Spoken::Upgrades(Protocol::Pop3)),
            (b"-ERR unknown command\r\n", Spoken::Other("Redis")),
            (b"\x4a\0\0\0\x0a8.0.36\0", Spoken::Upgrades(Protocol::Mysql)),
            (b"\0\0\x12\x04\0\0\0\0\0", Spoken::Other("HTTP/2 without TLS")),
            (b"hello?\n", Spoken::Unknown),
            (b"", Spoken::Unknown),
        ];
        for (heard, expected) in cases {
            assert_eq!(name(heard), *expected, "{}", String::from_utf8_lossy(heard));
        }
    }
}
