//! Between URLs and targets of requests. In: a request, or a URL with the request's head. Out: the other.
//! Spec: RFC 3986 (URLs), RFC 9112 §3.2, RFC 9113 §8.3.1.

use bytes::Bytes;
use sidelight_model::flow::{Header, HttpVersion, Request, RequestTarget};

use crate::record::ConnectionRecord;
use crate::schema;

/// The absolute URL of a request, in the characters that a URL may have.
pub(crate) fn url(record: &ConnectionRecord, request: &Request) -> String {
    if request.method.as_ref() == b"CONNECT" {
        return escaped(&format!("https://{}", String::from_utf8_lossy(&request.target.raw)));
    }
    let url = schema::url(record, request);
    if url.contains("://") {
        return escaped(&url);
    }
    let scheme = if record.is_https() { "https" } else { "http" };
    escaped(&format!("{scheme}://{}/{url}", record.service().replace(' ', "-")))
}

/// Escapes whatever may not stand in a URL; a percent sign is left, and so is what it begins.
fn escaped(url: &str) -> String {
    let mut out = String::with_capacity(url.len());
    for byte in url.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// What a URL consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts<'u> {
    pub(super) scheme: &'u str,
    pub(super) authority: &'u str,
    /// Path and query; empty when there are none.
    pub(super) path: &'u str,
    /// The query, without its question mark.
    pub(super) query: &'u str,
}

/// Takes a URL apart. Its fragment is none of the request's.
pub(super) fn parts(url: &str) -> Parts<'_> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let query = path.split_once('?').map_or("", |(_, query)| query);
    Parts { scheme, authority, path, query }
}

/// The target that a request most likely had, by its URL and head. With `tls_known`, the connection says that it is https.
pub(crate) fn likely(
    method: &[u8],
    url: &str,
    version: HttpVersion,
    headers: &[Header],
    tls_known: bool,
) -> RequestTarget {
    let Parts { scheme, authority, path, .. } = parts(url);
    let owned = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    if method == b"CONNECT" {
        let raw = Bytes::copy_from_slice(authority.as_bytes());
        return RequestTarget { raw, scheme: None, authority: owned(authority) };
    }
    let raw = match path.as_bytes().first() {
        Some(b'/') => path.to_owned(),
        _ => format!("/{path}"),
    };
    let host = Header::find(headers, "host").map(str::to_owned);
    let is_http1 = matches!(version, HttpVersion::Http10 | HttpVersion::Http11);
    let (scheme, authority) = if is_http1 {
        (owned(scheme).filter(|scheme| scheme == "https" && !tls_known), host)
    } else {
        (owned(scheme), owned(authority))
    };
    RequestTarget { raw: Bytes::from(raw), scheme, authority }
}

/// Names and values of a query or form, decoded.
pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(n, v)| (decoded(n), decoded(v))).collect()
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(escaped) => {
                out.push(escaped);
                at += 3;
            }
            None => {
                out.push(if *byte == b'+' { b' ' } else { *byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_and_escaped() {
        let Parts { scheme, authority, path, query } = parts("https://a.test:8443/x/y?b=1&c#d");
        assert_eq!((scheme, authority, path, query), ("https", "a.test:8443", "/x/y?b=1&c", "b=1&c"));
        assert_eq!(parts("http://a.test").path, "");
        assert_eq!(escaped("http://a/b c?\"é%20\u{7f}#"), "http://a/b%20c?%22%C3%A9%20%7F%23");
        assert_eq!(pairs("a=1&b&&c=%2f+x%"), [("a", "1"), ("b", ""), ("c", "/ x%")].map(|(n, v)| (n.into(), v.into())));
    }
}
