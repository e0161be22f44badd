//! What a client says to a proxy before the conversation itself. In: the first bytes of both sides. Out: where the conversation
//! begins, and whom it is for. Spec: RFC 9110 §9.3.6 (CONNECT), RFC 1928 and RFC 1929 (SOCKS 5), SOCKS 4 and 4a.

use sidelight_model::flow::{Authority, Host};
use sidelight_wire::socks5::{Method, Progress, client, server};

/// Longest head of a request or response that is waited for.
const MOST_HEAD: usize = 64 * 1024;

/// What the first bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Preamble {
    /// Perhaps one; more bytes will tell.
    Partial,
    /// A tunnel was asked for and granted. The conversation begins behind so many bytes of each side.
    Tunnel {
        /// Bytes of the client's and of the proxy's part.
        used: [usize; 2],
        /// Whom it goes to.
        target: Option<Authority>,
    },
}

/// Reads a preamble; `None`: it is none, or the tunnel was refused. CONNECT is only read `with_connect`: it is a request that
/// can be shown like any other.
pub(super) fn read(client: &[u8], server: &[u8], with_connect: bool) -> Option<Preamble> {
    match client.first()? {
        b'C' if with_connect => connect(client, server),
        5 => socks5(client, server),
        4 => socks4(client, server),
        _ => None,
    }
}

/// The target of a CONNECT request.
pub(super) fn connect_target(bytes: &[u8]) -> Option<Authority> {
    let line = bytes.split(|byte| *byte == b'\r' || *byte == b'\n').next()?;
    let target = std::str::from_utf8(line).ok()?.strip_prefix("CONNECT ")?.split(' ').next()?;
    target.parse().ok()
}

fn connect(client: &[u8], server: &[u8]) -> Option<Preamble> {
    let word = b"CONNECT ";
    if !client.starts_with(word) {
        return word.starts_with(client).then_some(Preamble::Partial);
    }
    let (Some(request), Some(response)) = (head(client), head(server)) else {
        return (client.len() + server.len() < MOST_HEAD).then_some(Preamble::Partial);
    };
    let status = server.get(..response)?.split(|byte| *byte == b' ').nth(1)?;
    let granted = status.len() == 3 && status.first() == Some(&b'2');
    granted.then(|| Preamble::Tunnel { used: [request, response], target: connect_target(client) })
}

/// The length of a head with the empty line behind it.
fn head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn socks5(from_client: &[u8], from_server: &[u8]) -> Option<Preamble> {
    let (mut used, mut told) = (0, 0);
    let mut rest = |count: usize| {
        used += count;
        (used, from_client.get(used..).unwrap_or_default())
    };
    let greeting = match server::parse_greeting(from_client) {
        Progress::Done(_, length) => length,
        Progress::Partial => return Some(Preamble::Partial),
        Progress::Error(_) => return None,
    };
    let (_, mut after) = rest(greeting);
    match client::parse_method(from_server, true) {
        Progress::Done(Method::None, length) => told += length,
        Progress::Done(Method::UserPassword, length) => {
            told += length;
            match server::parse_credentials(after) {
                Progress::Done(_, length) => after = rest(length).1,
                Progress::Partial => return Some(Preamble::Partial),
                Progress::Error(_) => return None,
            }
            match client::parse_credentials_reply(from_server.get(told..)?) {
                Progress::Done((), length) => told += length,
                Progress::Partial => return Some(Preamble::Partial),
                Progress::Error(_) => return None,
            }
        }
        Progress::Partial => return Some(Preamble::Partial),
        Progress::Error(_) => return None,
    }
    let (target, length) = match server::parse_request(after) {
        Progress::Done(target, length) => (target, length),
        Progress::Partial => return Some(Preamble::Partial),
        Progress::Error(_) => return None,
    };
    let (used, _) = rest(length);
    match client::parse_reply(from_server.get(told..)?) {
        Progress::Done(_, length) => Some(Preamble::Tunnel { used: [used, told + length], target: Some(target) }),
        Progress::Partial => Some(Preamble::Partial),
        Progress::Error(_) => None,
    }
}

fn socks4(client: &[u8], server: &[u8]) -> Option<Preamble> {
    let ([4, 1, high, low, a, b, c, d], rest) = client.split_first_chunk::<8>()? else { return None };
    let (user, mut after) = text(rest)?;
    let mut used = 8 + user + 1;
    let mut host = Host::Ip([*a, *b, *c, *d].into());
    if [*a, *b, *c] == [0; 3] && *d != 0 {
        // SOCKS 4a: the name follows.
        let (length, behind) = text(after)?;
        host = Host::parse(std::str::from_utf8(after.get(..length)?).ok()?).ok()?;
        (used, after) = (used + length + 1, behind);
    }
    let target = Authority { host, port: u16::from_be_bytes([*high, *low]) };
    match server {
        [0, 0x5a, ..] if server.len() >= 8 => Some(Preamble::Tunnel { used: [used, 8], target: Some(target) }),
        [] | [0] | [0, 0x5a, ..] if after.is_empty() => Some(Preamble::Partial),
        _ => None,
    }
}

/// The length of a text that ends with a zero byte, and what follows.
fn text(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let length = bytes.iter().take(256).position(|byte| *byte == 0)?;
    Some((length, bytes.get(length + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tunnel(used: [usize; 2], target: &str) -> Option<Preamble> {
        Some(Preamble::Tunnel { used, target: Some(target.parse().unwrap()) })
    }

    #[test]
    fn connect_is_granted_or_not() {
        let request = b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n\x16";
        assert_eq!(read(request, b"", true), Some(Preamble::Partial));
        assert_eq!(read(b"CON", b"", true), Some(Preamble::Partial));
        assert_eq!(read(request, b"HTTP/1.1 200 OK\r\n\r\n", true), tunnel([request.len() - 1, 19], "a.test:443"));
        assert_eq!(read(request, b"HTTP/1.1 407 No\r\n\r\n", true), None);
        assert_eq!(read(request, b"", false), None);
        assert_eq!(read(b"COPY / HTTP/1.1\r\n\r\n", b"", true), None);
    }

    #[test]
    fn socks_with_and_without_password() {
        let plain = b"\x05\x01\x00\x05\x01\x00\x03\x06a.test\x01\xbb\x16\x03";
        let answers = b"\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50";
        assert_eq!(read(plain, answers, false), tunnel([16, 12], "a.test:443"));
        for cut in 0..12 {
            assert_eq!(read(plain, &answers[..cut], false), Some(Preamble::Partial), "{cut}");
        }
        let secret = b"\x05\x01\x02\x01\x01u\x01p\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50";
        let answers = b"\x05\x02\x01\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50";
        assert_eq!(read(secret, answers, false), tunnel([18, 14], "1.2.3.4:80"));
        assert_eq!(read(secret, b"\x05\xff", false), None);
        assert_eq!(read(b"\x04\x01\x01\xbb\x00\x00\x00\x01me\x00a.test\x00", b"", false), Some(Preamble::Partial));
        let granted = b"\x00\x5a\x00\x00\x00\x00\x00\x00";
        assert_eq!(
            read(b"\x04\x01\x01\xbb\x00\x00\x00\x01me\x00a.test\x00", granted, false),
            tunnel([18, 8], "a.test:443")
        );
        assert_eq!(read(b"\x04\x01\x00\x50\x01\x02\x03\x04\x00", granted, false), tunnel([9, 8], "1.2.3.4:80"));
    }
}
