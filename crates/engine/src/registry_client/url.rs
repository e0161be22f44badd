//! URLs that registries send: realms of token servers, places of uploads, redirects. In: text from a peer. Out: [`Url`], of the two
//! schemes that are followed. Spec: RFC 3986 §5.2 (as far as registries use it), RFC 9110 §10.2.2.

use std::fmt;

use sidelight_model::flow::{Authority, Host};

/// The most bytes of a URL that is followed; signed ones of storage services have some 2,000.
const LONGEST: usize = 16 * 1024;

/// A place to ask.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether TLS is spoken there.
    pub tls: bool,
    /// The host and port.
    pub authority: Authority,
    /// Path and query, beginning with a slash.
    pub target: String,
}

impl Url {
    /// A path at a place.
    pub(super) fn new(tls: bool, authority: Authority, target: impl Into<String>) -> Self {
        Self { tls, authority, target: target.into() }
    }

    /// Reads an absolute URL.
    ///
    /// # Errors
    /// Why it is not followed: one clause, without the query, which may hold a signature.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("its {} bytes are more than a URL may have here", text.len()));
        }
        let (tls, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, _)) => return Err(format!("`{}` is a scheme that is not followed", scheme.escape_debug())),
            None => return Err("it is no absolute URL".to_owned()),
        };
        let (place, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if place.contains('@') {
            return Err("a login stands in it".to_owned());
        }
        let authority = Authority::parse(place, Some(if tls { 443 } else { 80 })).map_err(|error| error.to_string())?;
        Ok(Self { tls, authority, target: sound_target(target)? })
    }

    /// Where a `Location` leads that this place answered with: absolute, or relative to it.
    ///
    /// # Errors
    /// As [`Url::parse`].
    pub fn join(&self, location: &str) -> Result<Self, String> {
        let location = location.trim();
        if location.len() > LONGEST {
            return Err(format!("its {} bytes are more than a URL may have here", location.len()));
        }
        if let Some(rest) = location.strip_prefix("//") {
            return Self::parse(&format!("{}://{rest}", self.scheme()));
        }
        if location.starts_with('/') {
            return Ok(Self { target: sound_target(location)?, ..self.clone() });
        }
        let path = self.path();
        if location.starts_with('?') {
            return Ok(Self { target: sound_target(&format!("{path}{location}"))?, ..self.clone() });
        }
        // A scheme stands before any slash; a colon in a relative path's first segment is no name of a path (RFC 3986 §4.2).
        if location.split(['/', '?', '#']).next().is_some_and(|first| first.contains(':')) {
            return Self::parse(location);
        }
        let folder = &path[..=path.rfind('/').unwrap_or(0)];
        Ok(Self { target: sound_target(&format!("{folder}{location}"))?, ..self.clone() })
    }

    /// The same place with one more parameter in its query; the value is encoded.
    pub(super) fn with_param(mut self, name: &str, value: &str) -> Self {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target.push_str(name);
        self.target.push('=');
        self.target.push_str(&encode(value));
        self
    }

    /// Whether it is the same service: scheme, host and port.
    pub fn same_origin(&self, other: &Self) -> bool {
        self.tls == other.tls && self.authority == other.authority
    }

    /// The path without query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or("/")
    }

    /// `https` or `http`.
    pub const fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// Host and port as in a `Host` header: the port of the scheme is left out, for storage services sign what is sent there.
    pub fn host_header(&self) -> String {
        let whole = self.authority.to_string();
        let usual = if self.tls { 443 } else { 80 };
        if self.authority.port == usual {
            whole.strip_suffix(&format!(":{usual}")).map_or(whole.clone(), str::to_owned)
        } else {
            whole
        }
    }

    /// Whether it is on this very machine by its name.
    pub fn is_loopback(&self) -> bool {
        match &self.authority.host {
            Host::Ip(address) => address.to_canonical().is_loopback(),
            Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        }
    }
}

/// Without its query, which may hold a signature or a login.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.host_header(), self.path())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What follows the place, without fragment: it must fit into a request line.
fn sound_target(text: &str) -> Result<String, String> {
    let text = text.split('#').next().unwrap_or_default();
    if !text.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
        return Err("it holds characters that no URL can hold".to_owned());
    }
    Ok(if text.starts_with('/') { text.to_owned() } else { format!("/{text}") })
}

/// Percent-encodes what is not unreserved (RFC 3986 §2.3).
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_lead_where_they_should() {
        let at = Url::parse("https://r.test/v2/a/blobs/uploads/1?_state=x").unwrap();
        let table = [
            ("https://s3.test/b?X-Sig=1", "https://s3.test/b", "/b?X-Sig=1"),
            ("HTTP://s3.test:8080", "http://s3.test:8080/", "/"),
            ("//cdn.test/x", "https://cdn.test/x", "/x"),
            ("/v2/x?y=z#f", "https://r.test/v2/x", "/v2/x?y=z"),
            ("?digest=d", "https://r.test/v2/a/blobs/uploads/1", "/v2/a/blobs/uploads/1?digest=d"),
            ("2", "https://r.test/v2/a/blobs/uploads/2", "/v2/a/blobs/uploads/2"),
            ("https://r.test:443/x", "https://r.test/x", "/x"),
            ("https://[::1]:5000/x", "https://[::1]:5000/x", "/x"),
        ];
        for (location, shown, target) in table {
            let url = at.join(location).unwrap_or_else(|why| panic!("{location}: {why}"));
            assert_eq!((url.to_string().as_str(), url.target.as_str()), (shown, target), "{location}");
        }
        assert!(at.join("https://r.test:443/x").unwrap().same_origin(&at));
        assert!(!at.join("http://r.test/x").unwrap().same_origin(&at));
        let put = at.with_param("digest", "sha256:a/b");
        assert_eq!(put.target, "/v2/a/blobs/uploads/1?_state=x&digest=sha256%3Aa%2Fb");
    }

    #[test]
    fn what_is_malicious_or_broken_is_refused() {
        let at = Url::parse("https://r.test/v2/").unwrap();
        for location in [
            "file:///etc/passwd",
            "gopher://x",
            "https://user:secret@r.test/",
            "/a b",
            "/a\r\nHost: evil",
            "https://r.test:0/",
            "https:///x",
            "javascript:alert(1)",
            "/ü",
        ] {
            let why = at.join(location).unwrap_err();
            assert!(!why.contains("secret"), "{why}");
        }
        assert!(at.join(&format!("/{}", "a".repeat(LONGEST))).is_err());
        assert!(Url::parse("/relative").is_err());
    }
}
