//! The whole URL of a request. In: a request and its connection. Out: text. Spec: RFC 9112 §3.2, §3.3.

use super::{ConnectionRecord, Request};

/// The whole URL of a request, with secrets in it. A CONNECT has none: its target is shown.
pub fn url(record: &ConnectionRecord, request: &Request) -> String {
    let raw = String::from_utf8_lossy(&request.target.raw);
    let is_path = raw.starts_with('/') || raw == "*";
    if !is_path {
        return raw.into_owned();
    }
    let scheme = match &request.target.scheme {
        Some(scheme) => scheme.as_str(),
        None if record.is_https() => "https",
        None => "http",
    };
    let authority = match (&request.target.authority, &record.target) {
        (Some(authority), _) => authority.clone(),
        (None, Some(target)) => target.to_string(),
        (None, None) => record.service(),
    };
    let port = if scheme == "https" { ":443" } else { ":80" };
    let path = if raw == "*" { "/*" } else { &raw };
    format!("{scheme}://{}{path}", authority.strip_suffix(port).unwrap_or(&authority))
}
