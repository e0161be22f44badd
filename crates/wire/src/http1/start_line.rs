//! Request lines and status lines. In: one line without its end. Out: the ranges of its parts, and what is odd about it.
//! Spec: RFC 9112 §3 (request line), §4 (status line); RFC 9110 §5.6.2 (token).

use std::ops::Range;

use sidelight_model::flow::{AnomalyKind, HttpVersion};

use crate::anomalies::{Anomalies, quote};

/// Longest method that is believed to be one; the longest registered has 17 bytes (`UPDATEREDIRECTREF`).
const LONGEST_METHOD: usize = 64;
/// So many bytes of a line decide whether it can be a start line, as far as that can be told before its end.
pub(crate) const LINE_BEGINNING: usize = LONGEST_METHOD + 2;
const VERSION_LENGTH: usize = "HTTP/1.1".len();

/// The parts of a request line, as places in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RequestLine {
    pub(super) method: Range<usize>,
    pub(super) target: Range<usize>,
    pub(super) version: HttpVersion,
}

/// The parts of a status line, as places in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StatusLine {
    pub(super) version: HttpVersion,
    pub(super) status: u16,
    pub(super) reason: Range<usize>,
}

/// Whether a byte may stand in a token (method, field name).
pub(super) const fn is_token_byte(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
    ) || byte.is_ascii_alphanumeric()
}

/// Whether all bytes may stand in a token, and there is one.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_byte(*byte))
}

/// Says why a line, or the beginning of one, cannot be a request line; `None` while it can. More bytes never change what was said.
pub(crate) fn cannot_be_request(line: &[u8]) -> Option<String> {
    let method = line.iter().take(LONGEST_METHOD + 1).position(|byte| !is_token_byte(*byte));
    match method {
        None if line.len() > LONGEST_METHOD => Some(format!("no method: {}", quote(&line[..=LONGEST_METHOD]))),
        None => None,
        Some(at) if at > 0 && line[at] == b' ' => None,
        Some(at) if at > 0 && may_end(&line[at..]) => None,
        Some(at) => Some(format!("no method: {}", quote(&line[..=at]))),
    }
}

/// Says why a line, or the beginning of one, cannot be a status line; `None` while it can. More bytes never change what was said.
pub(crate) fn cannot_be_response(line: &[u8]) -> Option<String> {
    const START: &[u8] = b"HTTP/";
    let other = line.iter().zip(START).position(|(byte, expected)| !byte.eq_ignore_ascii_case(expected))?;
    if may_end(&line[other..]) { None } else { Some(format!("no status line: {}", quote(&line[..=other]))) }
}

/// Whether this is nothing but CR: the last one ends the line if LF comes next, and is no part of a line whose LF is there.
/// Only a byte behind them tells, so that the answer is the same for the line with and without its end.
fn may_end(rest: &[u8]) -> bool {
    rest.iter().all(|byte| *byte == b'\r')
}

/// Whether a line, without its end, is a request line of HTTP/1.
pub(crate) fn is_request_line(line: &[u8]) -> bool {
    parse_request_line(line, 0, &mut Anomalies::default()).is_ok()
}

/// Reads a request line. `at` is its place in the head, for the anomalies.
///
/// # Errors
/// Says what is missing when the line is not one of HTTP/1.
pub(super) fn parse_request_line(line: &[u8], at: u64, odd: &mut Anomalies) -> Result<RequestLine, String> {
    if let Some(why) = cannot_be_request(line) {
        return Err(why);
    }
    let Some(method) = line.iter().position(|byte| *byte == b' ') else {
        return Err(format!("a request line without a target: {}", quote(line)));
    };
    let end = line.trim_ascii_end().len();
    let version_at = line[..end].iter().rposition(|byte| *byte == b' ').map_or(end, |space| space + 1);
    let Some(version) = parse_version(&line[version_at..end], at, odd) else {
        return Err(format!("a request line that does not end with HTTP/1.x: {}", quote(line)));
    };
    let rest = &line[..version_at];
    let start = rest[method..].iter().position(|byte| !byte.is_ascii_whitespace()).map_or(version_at, |n| method + n);
    let target = start..rest.trim_ascii_end().len().max(start);
    let exact = method + 1 == start && target.end + 1 == version_at && end == line.len() && !target.is_empty();
    if !exact || line[target.clone()].iter().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control()) {
        odd.note(AnomalyKind::BadHead, Some(at), format!("odd spaces or bytes in the request line {}", quote(line)));
    }
    Ok(RequestLine { method: 0..method, target, version })
}

/// Reads a status line. `at` is its place in the head, for the anomalies.
///
/// # Errors
/// Says what is missing when the line is not one of HTTP/1.
pub(super) fn parse_status_line(line: &[u8], at: u64, odd: &mut Anomalies) -> Result<StatusLine, String> {
    let not = || format!("no status line: {}", quote(line));
    let version = line.get(..VERSION_LENGTH).and_then(|version| parse_version(version, at, odd)).ok_or_else(not)?;
    let rest = &line[VERSION_LENGTH..];
    let spaces = rest.iter().take_while(|byte| **byte == b' ' || **byte == b'\t').count();
    let digits = rest.get(spaces..spaces + 3).filter(|digits| digits.iter().all(u8::is_ascii_digit)).ok_or_else(not)?;
    let status = digits.iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    let code_end = VERSION_LENGTH + spaces + 3;
    let reason = match line.get(code_end) {
        None => code_end..code_end,
        Some(b' ' | b'\t') => code_end + 1..line.len(),
        Some(_) => return Err(not()),
    };
    let control = line[reason.clone()].iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
    if spaces != 1 || control || !(100..=599).contains(&status) {
        odd.note(AnomalyKind::BadHead, Some(at), format!("an odd status line {}", quote(line)));
    }
    Ok(StatusLine { version, status, reason })
}

/// Reads `HTTP/1.0` or `HTTP/1.1`, and takes what is near enough for one of them.
fn parse_version(text: &[u8], at: u64, odd: &mut Anomalies) -> Option<HttpVersion> {
    let (name, digits) = text.split_at_checked(VERSION_LENGTH - 3)?;
    if !name.eq_ignore_ascii_case(b"HTTP/") || digits.len() != 3 || digits[1] != b'.' {
        return None;
    }
    let version = match (digits[0], digits[2]) {
        (b'1', b'0') | (b'0', b'9') => HttpVersion::Http10,
        (b'1', b'1'..=b'9') => HttpVersion::Http11,
        _ => return None,
    };
    if text != version.name().as_bytes() {
        odd.note(AnomalyKind::BadHead, Some(at), format!("{} taken for {}", quote(text), version.name()));
    }
    Some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str) -> Result<(&str, &str, HttpVersion, usize), String> {
        let mut odd = Anomalies::default();
        parse_request_line(line.as_bytes(), 0, &mut odd)
            .map(|parts| (&line[parts.method], &line[parts.target], parts.version, odd.as_slice().len()))
    }

    #[test]
    fn request_lines() {
        use HttpVersion::{Http10, Http11};
        for (line, expected) in [
            ("GET / HTTP/1.1", ("GET", "/", Http11, 0)),
            ("M-SEARCH * HTTP/1.0", ("M-SEARCH", "*", Http10, 0)),
            ("CONNECT [::1]:443 HTTP/1.1", ("CONNECT", "[::1]:443", Http11, 0)),
            ("GET  / HTTP/1.1", ("GET", "/", Http11, 1)),
            ("GET /a b HTTP/1.1", ("GET", "/a b", Http11, 1)),
            ("GET /\t HTTP/1.1 ", ("GET", "/", Http11, 1)),
            ("GET HTTP/1.1", ("GET", "", Http11, 1)),
            ("get / http/1.1", ("get", "/", Http11, 1)),
            ("GET / HTTP/1.7", ("GET", "/", Http11, 1)),
        ] {
            assert_eq!(request(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn not_request_lines() {
        for line in
            ["", "GET", "GET /", "GET / HTTP/2.0", "GET / FTP/1.1", " GET / HTTP/1.1", "G\0T / HTTP/1.1", "EHLO x"]
        {
            assert!(request(line).is_err(), "{line}");
        }
        assert!(cannot_be_request(b"SSH-2.0-OpenSSH_9.2").is_none());
        assert!(cannot_be_request(&[b'A'; 65]).is_some());
        assert!(cannot_be_request(b"\x16\x03\x01").is_some());
    }

    #[test]
    fn status_lines() {
        let mut odd = Anomalies::default();
        for (line, status, reason, count) in [
            ("HTTP/1.1 200 OK", 200, "OK", 0),
            ("HTTP/1.0 404 Not  Found", 404, "Not  Found", 0),
            ("HTTP/1.1 204 ", 204, "", 0),
            ("HTTP/1.1 204", 204, "", 0),
            ("HTTP/1.1  200 OK", 200, "OK", 1),
            ("HTTP/1.1 999 Odd", 999, "Odd", 1),
            ("HTTP/1.1 200 O\x01K", 200, "O\x01K", 1),
        ] {
            let parts = parse_status_line(line.as_bytes(), 0, &mut odd).unwrap();
            assert_eq!((parts.status, &line[parts.reason], odd.take().len()), (status, reason, count), "{line}");
        }
        for line in ["", "HTTP/1.1", "HTTP/1.1 20", "HTTP/1.1 2000 OK", "HTTP/2 200", "HTTP/1.1 abc", "ICY 200 OK"] {
            assert!(parse_status_line(line.as_bytes(), 0, &mut odd).is_err(), "{line}");
        }
    }
}
