//! Content logs of sslsplit (`-L`). In: bytes where a record should begin. Out: its head; the content follows by length.
//!
//! A head is `2026-11-22 16:10:01 UTC [10.0.0.2]:58842 -> [10.0.0.1]:443 (1186):` and a line end; `(EOF)` in place of the length
//! and the colon says that the connection is over. Nothing separates the content from the next head, which is why a person who
//! searches such a log finds values cut in two.

use std::net::{IpAddr, SocketAddr};

use sidelight_model::time::Timestamp;

/// The longest head: two IPv6 addresses with zones fit.
pub const MOST_HEAD: usize = 192;

/// Characters of the time at the beginning of a head.
const TIME: usize = 19;

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the head, its line end included.
    pub length: usize,
    /// When sslsplit wrote it, in whole seconds.
    pub at: Timestamp,
    /// Who sent the content.
    pub from: SocketAddr,
    /// Whom it went to.
    pub to: SocketAddr,
    /// Bytes of content; `None`: the connection is over.
    pub content: Option<u64>,
}

/// Reads the head at the beginning of `bytes`, of which there should be [`MOST_HEAD`] unless the file ends.
pub fn head(bytes: &[u8]) -> Option<Head> {
    let line = bytes.get(..MOST_HEAD.min(bytes.len()))?;
    let end = line.iter().position(|byte| *byte == b'\n')?;
    let text = std::str::from_utf8(&line[..end]).ok()?;
    let (time, rest) = text.split_once(" UTC [")?;
    let (from, rest) = rest.split_once(" -> [")?;
    let (to, rest) = rest.split_once(" (")?;
    let content = match rest.strip_suffix("):") {
        Some(count) if count.bytes().all(|byte| byte.is_ascii_digit()) => Some(count.parse().ok()?),
        Some(_) => return None,
        None if rest == "EOF)" => None,
        None => return None,
    };
    Some(Head { length: end + 1, at: moment(time)?, from: address(from)?, to: address(to)?, content })
}

/// `2026-11-22 16:10:01`.
fn moment(text: &str) -> Option<Timestamp> {
    if text.len() != TIME {
        return None;
    }
    let moment = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
    let zoned = moment.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp(zoned.timestamp().as_microsecond()))
}

/// `10.0.0.2]:58842`, the opening bracket gone; IPv6 addresses may name a zone.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.rsplit_once("]:")?;
    let host: IpAddr = host.split('%').next()?.parse().ok()?;
    Some(SocketAddr::new(host, port.parse().ok()?))
}

/// Where the next head begins in `bytes`, after damage.
pub fn find(bytes: &[u8]) -> Option<usize> {
    let mark = b" UTC [";
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.windows(mark.len()).position(|window| window == mark) {
        let at = from + at;
        if let Some(start) = at.checked_sub(TIME)
            && head(&bytes[start..]).is_some()
        {
            return Some(start);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read() {
        let line = b"2026-11-22 16:10:01 UTC [10.0.0.2]:58842 -> [fe80::1%eth0]:443 (1186):\nGET / HTTP/1.1";
        let read = head(line).unwrap();
        assert_eq!(read.at.rfc3339(), "2026-11-22T16:10:01.000000Z");
        assert_eq!((read.from.to_string(), read.to.to_string()), ("10.0.0.2:58842".into(), "[fe80::1]:443".into()));
        assert_eq!((read.content, &line[read.length..]), (Some(1186), &b"GET / HTTP/1.1"[..]));
        assert_eq!(head(b"2026-11-22 16:10:01 UTC [1.2.3.4]:5 -> [1.2.3.5]:6 (EOF)\n").unwrap().content, None);
    }

    #[test]
    fn what_only_looks_like_a_head_is_none() {
        for line in [
            "2026-11-22 16:10:01 UTC [1.2.3.4]:5 -> [1.2.3.5]:6 (x):\n",
            "2026-13-22 16:10:01 UTC [1.2.3.4]:5 -> [1.2.3.5]:6 (1):\n",
            "2026-11-22 16:10:01 UTC [1.2.3]:5 -> [1.2.3.5]:6 (1):\n",
            "2026-11-22 16:10:01 UTC [1.2.3.4]:5 -> [1.2.3.5]:66666 (1):\n",
            "2026-11-22 16:10:01 UTC [1.2.3.4]:5 -> [1.2.3.5]:6 (+1):\n",
            "2026-11-22 16:10:01 UTC [1.2.3.4]:5 -> [1.2.3.5]:6 (1):",
            "",
        ] {
            assert_eq!(head(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn the_next_head_is_found_in_rubbish() {
        let rubbish = b"\xff\x00 UTC [ and 2026 UTC [x]: UTC [";
        let line = b"2026-11-22 16:10:01 UTC [1.2.3.4]:5 -> [1.2.3.5]:6 (1):\nx";
        let both = [&rubbish[..], line].concat();
        assert_eq!(find(&both), Some(rubbish.len()));
        assert_eq!(find(rubbish), None);
    }
}
