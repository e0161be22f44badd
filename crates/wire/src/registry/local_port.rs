//! A plain local port in a registry's place. In: heads of requests that a client sent to it, heads of responses that the registry gave.
//! Out: heads as the registry and the client are to get them: the registry sees its own name, and the client stays at local ports.
//! Spec: OCI distribution-spec 1.1 (`Location`, `Link`), distribution's token authentication (`realm`), containerd's `?ns=`.
//!
//! Only those fields are touched that would lead the client away, and of those only scheme, host and port: signatures in URLs stay good.

use std::ops::Range;

use sidelight_model::flow::Header;

use crate::http1::{RequestHead, ResponseHead};

/// One URL that was written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The field: `realm`, `Location`, `Link`.
    pub field: &'static str,
    /// Scheme, host and port as they were.
    pub from: String,
    /// Scheme, host and port as the client gets them.
    pub to: String,
}

/// The head as the registry is to get it: with its own name as host, and without the `ns` that containerd adds for a stand-in.
/// `keep_ns`: the registry is a stand-in itself, which is told `ns`. `origin` is our own port as the client knows it, `http://…`.
pub fn request_for_registry(head: &RequestHead, host: &str, origin: &str, keep_ns: bool) -> Vec<u8> {
    let raw = String::from_utf8_lossy(&head.target.raw).into_owned();
    let target = if keep_ns { raw } else { without_ns(&raw) };
    let mut written =
        [head.method.as_ref(), b" ", target.as_bytes(), b" ", head.version.name().as_bytes(), b"\r\n"].concat();
    for (header, line) in head.headers.iter().zip(&head.lines) {
        if header.is("host") {
            written.extend_from_slice(format!("Host: {host}\r\n").as_bytes());
        } else if !(header.is("referer") && header.value.starts_with(origin.as_bytes())) {
            // Where the client came from is nobody's business but ours, and would be a plain URL.
            written.extend_from_slice(&head.raw[line.clone()]);
        }
    }
    written.extend_from_slice(b"\r\n");
    written
}

/// A target without the parameter `ns`.
fn without_ns(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let kept: Vec<&str> = query.split('&').filter(|it| !it.starts_with("ns=")).collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

/// The head as the client is to get it. `local` gives the local port (`http://127.0.0.1:PORT`) that stands in for an origin
/// (`https://HOST[:PORT]`), or nothing for one that is to be left. `None`: nothing in it leads away.
pub fn response_for_client(
    head: &ResponseHead,
    local: &mut dyn FnMut(&str) -> Option<String>,
) -> Option<(Vec<u8>, Vec<Moved>)> {
    let mut moved = Vec::new();
    let mut written = Vec::with_capacity(head.raw.len() + 64);
    for line in head.raw.split_inclusive(|byte| *byte == b'\n') {
        let field = name_of(line).and_then(|name| {
            let kinds = [("www-authenticate", "realm"), ("location", "Location"), ("link", "Link")];
            kinds.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes())).map(|it| it.1)
        });
        match field {
            Some(field) => written.extend_from_slice(&edited(line, field, local, &mut moved)),
            None => written.extend_from_slice(line),
        }
    }
    (!moved.is_empty()).then_some((written, moved))
}

fn name_of(line: &[u8]) -> Option<&[u8]> {
    line.iter().position(|byte| *byte == b':').map(|at| &line[..at])
}

/// A line with the origin of its URL exchanged.
fn edited(
    line: &[u8],
    field: &'static str,
    local: &mut dyn FnMut(&str) -> Option<String>,
    moved: &mut Vec<Moved>,
) -> Vec<u8> {
    let Some(place) = url_in(line, field).and_then(|start| origin(line, start)) else { return line.to_owned() };
    let Ok(from) = std::str::from_utf8(&line[place.clone()]) else { return line.to_owned() };
    let Some(to) = local(&from.to_ascii_lowercase()) else { return line.to_owned() };
    let written = [&line[..place.start], to.as_bytes(), &line[place.end..]].concat();
    moved.push(Moved { field, from: from.to_owned(), to });
    written
}

/// Where the URL of a field begins.
fn url_in(line: &[u8], field: &str) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    let find = |what: &[u8]| lower.windows(what.len()).position(|it| it == what).map(|at| at + what.len());
    match field {
        "realm" => find(b"realm=\"").or_else(|| find(b"realm=")),
        "Link" => find(b"<"),
        _ => {
            let colon = line.iter().position(|byte| *byte == b':')? + 1;
            Some(colon + line[colon..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count())
        }
    }
}

/// Scheme, host and port of an absolute URL that begins there.
fn origin(line: &[u8], start: usize) -> Option<Range<usize>> {
    let rest = line.get(start..)?;
    let scheme = [&b"https://"[..], b"http://"]
        .into_iter()
        .find(|it| rest.get(..it.len()).is_some_and(|start| start.eq_ignore_ascii_case(it)))?;
    let host = &rest[scheme.len()..];
    let length = host.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(byte)).count();
    let ends = host.get(length).is_none_or(|byte| b"/?#\"'>;, \r\n".contains(byte));
    (length > 0 && ends).then(|| start..start + scheme.len() + length)
}

/// The origins that a response names, whatever they are: where its client may go next.
pub fn named_origins(status: u16, headers: &[Header]) -> Vec<String> {
    let mut found = Vec::new();
    for header in headers {
        let kinds = [("www-authenticate", "realm"), ("location", "Location")];
        let Some((_, field)) = kinds.into_iter().find(|(known, _)| header.is(known)) else { continue };
        let wanted = if field == "realm" { status == 401 } else { (201..400).contains(&status) };
        // As a line, so that the same code finds it.
        let line = [b"x: ".as_slice(), header.value.as_ref()].concat();
        let place = url_in(&line, field).and_then(|start| origin(&line, start)).filter(|_| wanted);
        found.extend(place.and_then(|place| Some(std::str::from_utf8(&line[place]).ok()?.to_ascii_lowercase())));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::{HeadLimits, Progress, parse_request, parse_response};

    fn response(text: &str) -> ResponseHead {
        match parse_response(text.as_bytes(), &HeadLimits::default()) {
            Progress::Complete(head, _) => head,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_registry_sees_its_own_name() {
        let text = "GET /v2/team/app/manifests/1?x=y&ns=r.test HTTP/1.1\r\nhost: 127.0.0.1:5\r\nReferer: http://127.0.0.1:5/v2\r\naccept:  a\r\n\r\n";
        let Progress::Complete(head, _) = parse_request(text.as_bytes(), &HeadLimits::default()) else { panic!() };
        let written = request_for_registry(&head, "r.test:5000", "http://127.0.0.1:5", false);
        let expected = "GET /v2/team/app/manifests/1?x=y HTTP/1.1\r\nHost: r.test:5000\r\naccept:  a\r\n\r\n";
        assert_eq!(String::from_utf8(written).unwrap(), expected);
        let kept = String::from_utf8(request_for_registry(&head, "m.test", "http://other", true)).unwrap();
        assert!(kept.contains("?x=y&ns=r.test ") && kept.contains("Referer: "), "{kept}");
    }

    #[test]
    fn only_what_leads_away_is_moved() {
        let head = response(
            "HTTP/1.1 307 x\r\nWWW-Authenticate: Bearer realm=\"https://Auth.test:8443/token?a=b\",service=\"https://r.test\"\r\n\
             Location: https://cdn.test/blob?sig=https://x\r\nLink: <https://r.test/v2/_catalog?n=2>; rel=\"next\"\r\n\
             X: https://cdn.test/\r\n\r\n",
        );
        let mut local = |origin: &str| match origin {
            "https://auth.test:8443" => Some("http://127.0.0.2:1".to_owned()),
            "https://cdn.test" => Some("http://127.0.0.3:2".to_owned()),
            _ => None,
        };
        let (written, moved) = response_for_client(&head, &mut local).unwrap();
        let expected = "HTTP/1.1 307 x\r\nWWW-Authenticate: Bearer realm=\"http://127.0.0.2:1/token?a=b\",service=\"https://r.test\"\r\n\
             Location: http://127.0.0.3:2/blob?sig=https://x\r\nLink: <https://r.test/v2/_catalog?n=2>; rel=\"next\"\r\n\
             X: https://cdn.test/\r\n\r\n";
        assert_eq!(String::from_utf8(written).unwrap(), expected);
        let fields: Vec<_> = moved.iter().map(|it| (it.field, it.from.as_str())).collect();
        assert_eq!(fields, [("realm", "https://Auth.test:8443"), ("Location", "https://cdn.test")]);
        assert_eq!(named_origins(307, &head.headers), ["https://cdn.test"]);
        assert_eq!(named_origins(401, &head.headers), ["https://auth.test:8443"]);
    }

    #[test]
    fn nothing_is_touched_where_nothing_leads_away() {
        for text in [
            "HTTP/1.1 202 x\r\nLocation: /v2/a/blobs/uploads/1\r\n\r\n",
            "HTTP/1.1 401 x\r\nWWW-Authenticate: Basic realm=\"registry\"\r\n\r\n",
            "HTTP/1.1 302 x\r\nLocation: https://user@cdn.test/\r\n\r\n",
            "HTTP/1.1 302 x\r\nLocation: ftp://cdn.test/\r\n\r\n",
            "HTTP/1.1 302 x\r\nLocation:\r\nLink: <\r\n\r\n",
        ] {
            assert_eq!(response_for_client(&response(text), &mut |_| Some("http://x".to_owned())), None, "{text}");
        }
    }
}
