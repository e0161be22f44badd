//! Where a request goes. In: method, target of the request line, Host fields. Out: [`RequestTarget`], and what contradicts itself.
//! Spec: RFC 9112 §3.2 (forms of the target), RFC 9110 §7.2 (Host).

use bytes::Bytes;
use sidelight_model::flow::{AnomalyKind, Header, HttpVersion, RequestTarget};

use crate::anomalies::{Anomalies, quote};

/// Reads scheme and authority out of the target, or the authority out of Host.
pub(super) fn read_target(
    method: &[u8],
    raw: &Bytes,
    version: HttpVersion,
    headers: &[Header],
    odd: &mut Anomalies,
) -> RequestTarget {
    let mut hosts = headers.iter().filter(|header| header.is("host"));
    let host = hosts.next().map(|header| header.value.as_ref());
    if let Some(second) = hosts.next() {
        odd.note(AnomalyKind::Host, None, format!("a second Host field: {}", quote(&second.value)));
    }
    if host.is_none() && version == HttpVersion::Http11 {
        odd.note(AnomalyKind::Host, None, "no Host field in an HTTP/1.1 request");
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let written = if method == b"CONNECT" { Some((None, raw.as_ref())) } else { absolute_form(raw) };
    match written {
        Some((scheme, authority)) => {
            let contradicts = host.is_some_and(|host| !same_authority(scheme, host, authority));
            if contradicts {
                let host = quote(host.unwrap_or_default());
                odd.note(AnomalyKind::Host, None, format!("Host {host} but the target names {}", quote(authority)));
            }
            RequestTarget { raw: raw.clone(), scheme: scheme.map(str::to_owned), authority: Some(text(authority)) }
        }
        None => RequestTarget { raw: raw.clone(), scheme: None, authority: host.map(text) },
    }
}

/// Scheme and authority of a target such as `http://registry.test/v2/`.
fn absolute_form(target: &[u8]) -> Option<(Option<&'static str>, &[u8])> {
    [("http", 7), ("https", 8)].into_iter().find_map(|(scheme, length)| {
        let start = target.get(..length)?;
        let fits = start[..scheme.len()].eq_ignore_ascii_case(scheme.as_bytes()) && start.ends_with(b"://");
        let rest = fits.then(|| &target[length..])?;
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let authority = &rest[..end];
        let user = authority.iter().rposition(|byte| *byte == b'@').map_or(0, |at| at + 1);
        Some((Some(scheme), &authority[user..]))
    })
}

/// Whether two authorities name the same place, the default port given or not.
fn same_authority(scheme: Option<&str>, one: &[u8], other: &[u8]) -> bool {
    let port: &[u8] = match scheme {
        Some("http") => b":80",
        _ => b":443",
    };
    let bare = |authority: &[u8]| authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase();
    bare(one) == bare(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, target: &str, hosts: &[&str]) -> (Option<String>, Option<String>, usize) {
        let headers: Vec<_> = hosts.iter().map(|host| Header::new("host", host)).collect();
        let mut odd = Anomalies::default();
        let raw = Bytes::copy_from_slice(target.as_bytes());
        let target = read_target(method.as_bytes(), &raw, HttpVersion::Http11, &headers, &mut odd);
        (target.scheme, target.authority, odd.as_slice().len())
    }

    #[test]
    fn forms_of_the_target() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read("GET", "/v2/", &["a.test"]), (None, some("a.test"), 0));
        assert_eq!(read("GET", "HTTP://a.test:80/v2/", &["A.test"]), (some("http"), some("a.test:80"), 0));
        assert_eq!(read("GET", "https://u:p@[::1]:8443?q", &["[::1]:8443"]), (some("https"), some("[::1]:8443"), 0));
        assert_eq!(read("CONNECT", "a.test:443", &["a.test"]), (None, some("a.test:443"), 0));
        assert_eq!(read("OPTIONS", "*", &[]), (None, None, 1));
        assert_eq!(read("GET", "http://a.test/", &["b.test"]).2, 1);
        assert_eq!(read("GET", "/", &["a.test", "b.test"]), (None, some("a.test"), 1));
    }
}
