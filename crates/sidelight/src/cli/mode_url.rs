//! The URL of a further proxy. In: `http://[USER[:PASSWORD]@]HOST[:PORT]`. Out: typed places.
//! Spec: RFC 3986 §3.2.

use std::fmt;

use sidelight_model::flow::Authority;
use sidelight_model::redact::Secret;

/// A user name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Login {
    /// The user name.
    pub(crate) user: String,
    /// The password.
    pub(crate) password: Secret<String>,
}

/// A further proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upstream {
    /// The protocol spoken to it.
    pub(crate) scheme: UpstreamScheme,
    /// Where it is.
    pub(crate) at: Authority,
    /// How to log in there.
    pub(crate) login: Option<Login>,
}

/// The protocol spoken to a further proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamScheme {
    /// HTTP CONNECT.
    Http,
    /// HTTP CONNECT inside TLS.
    Https,
    /// SOCKS5; the proxy resolves names.
    Socks5,
}

impl UpstreamScheme {
    /// As in a URL.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.at)
    }
}

/// Reads the URL of `upstream:`. Messages never repeat the login.
pub(crate) fn parse_upstream(url: &str) -> Result<Upstream, String> {
    let (scheme, rest) = match url.split_once("://") {
        Some(("http", rest)) => (UpstreamScheme::Http, rest),
        Some(("https", rest)) => (UpstreamScheme::Https, rest),
        Some(("socks5" | "socks5h", rest)) => (UpstreamScheme::Socks5, rest),
        _ => return Err("`upstream`: the URL must begin with http://, https:// or socks5://".to_owned()),
    };
    let place = without_path(rest).ok_or("`upstream`: the URL of a proxy has no path")?;
    let (login, place) = match place.rsplit_once('@') {
        Some((login, place)) => (Some(read_login(login)?), place),
        None => (None, place),
    };
    let port = match scheme {
        UpstreamScheme::Http => 8080,
        UpstreamScheme::Https => 443,
        UpstreamScheme::Socks5 => 1080,
    };
    let at = Authority::parse(place, Some(port)).map_err(|wrong| format!("`upstream`: {wrong}"))?;
    Ok(Upstream { scheme, at, login })
}

/// The authority, if at most a single slash follows it.
pub(super) fn without_path(rest: &str) -> Option<&str> {
    let place = rest.strip_suffix('/').unwrap_or(rest);
    (!place.contains(['/', '?', '#'])).then_some(place)
}

fn read_login(text: &str) -> Result<Login, String> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let decode = |part| percent_decode(part).ok_or("`upstream`: the login in the URL is not percent-encoded UTF-8");
    let user = decode(user)?;
    if user.is_empty() {
        return Err("`upstream`: the login in the URL has no user name".to_owned());
    }
    Ok(Login { user, password: Secret::new(decode(password)?) })
}

pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let hex = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_decoded_and_kept_out_of_messages() {
        let proxy = parse_upstream("http://kim:p%40ss%3Aword@proxy.test").unwrap();
        let login = proxy.login.as_ref().unwrap();
        assert_eq!((login.user.as_str(), login.password.reveal().as_str()), ("kim", "p@ss:word"));
        assert!(!format!("{proxy} {proxy:?}").contains("p@ss"));
        for url in
            ["http://kim:hunter2@", "http://kim:hunter2%zz@a.test", "http://kim:hunter2@a.test:0", "x://hunter2@a"]
        {
            assert!(!parse_upstream(url).unwrap_err().contains("hunter2"), "{url}");
        }
    }

    #[test]
    fn schemes_bring_their_ports() {
        for (url, shown) in [
            ("http://a.test", "http://a.test:8080"),
            ("https://a.test/", "https://a.test:443"),
            ("socks5h://[::1]", "socks5://[::1]:1080"),
        ] {
            assert_eq!(parse_upstream(url).unwrap().to_string(), shown);
        }
    }
}
