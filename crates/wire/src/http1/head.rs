//! Heads of HTTP/1 messages, without loss. In: bytes from the first of a message on. Out: start line, ordered raw fields, oddities.
//! Spec: RFC 9112 §2–§5.

use std::ops::Range;

use bytes::Bytes;
use memchr::memchr;
use sidelight_model::flow::{Anomaly, AnomalyKind, Header, HttpVersion, RequestTarget};

use super::fields::{Field, TooMany, check_line, line_at, parse_fields};
use super::start_line::{cannot_be_request, cannot_be_response, parse_request_line, parse_status_line};
use super::target::read_target;
use crate::anomalies::Anomalies;

/// Bytes of a head, empty line included, that are read unless told otherwise.
pub const DEFAULT_HEAD_BYTES: usize = 64 * 1024;
/// Fields of a head that are read unless told otherwise.
pub const DEFAULT_HEAD_FIELDS: usize = 1000;

/// How much of a head is read before it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes from the start line to the empty line, both included.
    pub bytes: usize,
    /// Fields.
    pub fields: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { bytes: DEFAULT_HEAD_BYTES, fields: DEFAULT_HEAD_FIELDS }
    }
}

/// How far a parser got with the bytes that there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<T> {
    /// It is whole, and took this many bytes.
    Complete(T, usize),
    /// More bytes are needed.
    Partial,
    /// This is not HTTP/1; the words say why.
    NotHttp(String),
    /// It goes on beyond the limits; the words name the one.
    TooLarge(String),
}

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// All bytes of it, as they came, from the request line to the empty line.
    pub raw: Bytes,
    /// The method, as written.
    pub method: Bytes,
    /// The target, as written, with scheme and authority where they are known.
    pub target: RequestTarget,
    /// The version.
    pub version: HttpVersion,
    /// The fields, in order.
    pub headers: Vec<Header>,
    /// For each field the place of its line, or lines, in `raw`, line ends included.
    pub lines: Vec<Range<usize>>,
    /// What is odd about it; places count from the first byte that was given to the parser.
    pub anomalies: Vec<Anomaly>,
}

impl RequestHead {
    /// Whether the connection is meant to stay open after the exchange, as far as the request says (RFC 9112 §9.3).
    pub fn keeps_alive(&self) -> bool {
        keeps_alive(self.version, &self.headers)
    }

    /// The head with another target and without the fields that `keep` refuses; all other bytes as they came.
    pub fn rewritten(&self, target: &[u8], keep: impl Fn(&Header) -> bool) -> Vec<u8> {
        let mut head = Vec::with_capacity(self.raw.len());
        head.extend_from_slice(&self.method);
        head.push(b' ');
        head.extend_from_slice(target);
        head.push(b' ');
        head.extend_from_slice(self.version.name().as_bytes());
        head.extend_from_slice(b"\r\n");
        for (header, line) in self.headers.iter().zip(&self.lines) {
            if keep(header) {
                head.extend_from_slice(&self.raw[line.clone()]);
            }
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

/// The head of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// All bytes of it, as they came, from the status line to the empty line.
    pub raw: Bytes,
    /// The version.
    pub version: HttpVersion,
    /// The status code.
    pub status: u16,
    /// The reason phrase.
    pub reason: Bytes,
    /// The fields, in order.
    pub headers: Vec<Header>,
    /// What is odd about it; places count from the first byte that was given to the parser.
    pub anomalies: Vec<Anomaly>,
}

impl ResponseHead {
    /// Whether the connection is meant to stay open after the exchange, as far as the response says (RFC 9112 §9.3).
    pub fn keeps_alive(&self) -> bool {
        keeps_alive(self.version, &self.headers)
    }
}

/// The members of a comma-separated list field, over all its lines, trimmed; empty members are left out.
pub(crate) fn list_members<'h>(headers: &'h [Header], name: &'static str) -> impl Iterator<Item = &'h [u8]> {
    headers
        .iter()
        .filter(move |header| header.is(name))
        .flat_map(|header| header.value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

fn keeps_alive(version: HttpVersion, headers: &[Header]) -> bool {
    let says = |token: &[u8]| list_members(headers, "connection").any(|member| member.eq_ignore_ascii_case(token));
    !says(b"close") && (version != HttpVersion::Http10 || says(b"keep-alive"))
}

/// The place after the empty line that ends a head; the first `from` bytes are known not to hold its end.
///
/// Lines may end with LF alone. Empty lines before the start line do not count: pass the bytes after them.
pub fn find_head_end(bytes: &[u8], from: usize) -> Option<usize> {
    // The last line end before `from` may be the one that the empty line follows.
    let mut at = from.min(bytes.len()).saturating_sub(3);
    while let Some(lf) = memchr(b'\n', &bytes[at..]) {
        let after = at + lf + 1;
        match bytes.get(after..) {
            Some([b'\n', ..]) => return Some(after + 1),
            Some([b'\r', b'\n', ..]) => return Some(after + 2),
            _ => at = after,
        }
    }
    None
}

/// Empty lines at the beginning, which RFC 9112 §2.2 has servers skip.
pub(crate) fn leading_empty_lines(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match &bytes[at..] {
            [b'\n', ..] => at += 1,
            [b'\r', b'\n', ..] => at += 2,
            _ => return at,
        }
    }
}

/// Reads the head of a request from the first bytes of `bytes`.
///
/// It says [`Progress::NotHttp`] as soon as that is certain, so a caller can pass what has come so far, again and again;
/// one that gets bytes one by one should ask [`find_head_end`] first.
pub fn parse_request(bytes: &[u8], limits: &HeadLimits) -> Progress<RequestHead> {
    let (raw, skipped, mut odd) = match cut_head(bytes, limits, cannot_be_request) {
        Progress::Complete(head, _) => head,
        Progress::Partial => return Progress::Partial,
        Progress::NotHttp(why) => return Progress::NotHttp(why),
        Progress::TooLarge(why) => return Progress::TooLarge(why),
    };
    let (line, fields_at) = line_at(&raw, 0);
    check_line(&raw, &line, fields_at, &mut odd);
    let parts = match parse_request_line(&raw[line], 0, &mut odd) {
        Ok(parts) => parts,
        Err(why) => return Progress::NotHttp(why),
    };
    let Ok(fields) = parse_fields(&raw, fields_at, limits.fields, &mut odd) else { return too_many(limits) };
    let (headers, lines): (Vec<_>, _) = fields.into_iter().map(|Field { header, line }| (header, line)).unzip();
    let method = raw.slice(parts.method);
    let target = read_target(&method, &raw.slice(parts.target), parts.version, &headers, &mut odd);
    let consumed = skipped + raw.len();
    let anomalies = moved(odd, skipped);
    Progress::Complete(RequestHead { raw, method, target, version: parts.version, headers, lines, anomalies }, consumed)
}

/// Reads the head of a response from the first bytes of `bytes`; see [`parse_request`].
pub fn parse_response(bytes: &[u8], limits: &HeadLimits) -> Progress<ResponseHead> {
    let (raw, skipped, mut odd) = match cut_head(bytes, limits, cannot_be_response) {
        Progress::Complete(head, _) => head,
        Progress::Partial => return Progress::Partial,
        Progress::NotHttp(why) => return Progress::NotHttp(why),
        Progress::TooLarge(why) => return Progress::TooLarge(why),
    };
    let (line, fields_at) = line_at(&raw, 0);
    check_line(&raw, &line, fields_at, &mut odd);
    let parts = match parse_status_line(&raw[line], 0, &mut odd) {
        Ok(parts) => parts,
        Err(why) => return Progress::NotHttp(why),
    };
    let fields = match parse_fields(&raw, fields_at, limits.fields, &mut odd) {
        Ok(fields) => fields,
        Err(TooMany) => return too_many(limits),
    };
    let headers = fields.into_iter().map(|field| field.header).collect();
    let (reason, consumed) = (raw.slice(parts.reason), skipped + raw.len());
    let anomalies = moved(odd, skipped);
    let head = ResponseHead { raw, version: parts.version, status: parts.status, reason, headers, anomalies };
    Progress::Complete(head, consumed)
}

fn too_many<T>(limits: &HeadLimits) -> Progress<T> {
    Progress::TooLarge(format!("a head of more than {} fields", limits.fields))
}

fn moved(odd: Anomalies, by: usize) -> Vec<Anomaly> {
    let mut all = Anomalies::default();
    all.extend(odd.into_vec(), by as u64);
    all.into_vec()
}

/// A copy of the head's bytes, the number of bytes skipped before it, and what is odd about those.
type Cut = (Bytes, usize, Anomalies);

/// Finds the whole head, or says why there is none (yet).
fn cut_head(bytes: &[u8], limits: &HeadLimits, impossible: fn(&[u8]) -> Option<String>) -> Progress<Cut> {
    let skipped = leading_empty_lines(bytes);
    let rest = &bytes[skipped..];
    if !matches!(rest, [] | [b'\r']) {
        let (line, _) = line_at(rest, 0);
        if let Some(why) = impossible(&rest[line]) {
            return Progress::NotHttp(why);
        }
    }
    match find_head_end(rest, 0) {
        Some(end) if end <= limits.bytes => {
            let mut odd = Anomalies::default();
            if skipped > 0 {
                odd.note(AnomalyKind::TrailingBytes, None, format!("{skipped} bytes of empty lines before the head"));
            }
            Progress::Complete((Bytes::copy_from_slice(&rest[..end]), skipped, odd), end)
        }
        None if bytes.len() <= limits.bytes => Progress::Partial,
        _ => Progress::TooLarge(format!("a head of more than {} bytes", limits.bytes)),
    }
}
