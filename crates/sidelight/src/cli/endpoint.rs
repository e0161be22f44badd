//! Where to look. In: `HOST[:PORT]` or a URL, and the proxy to go through. Out: typed places.
//! Spec: RFC 3986 §3.2.

use std::fmt;
use std::str::FromStr;

use sidelight_model::flow::{Authority, Host};

use super::mode_url::{Upstream, parse_upstream};

/// HOST, HOST:PORT, or a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The name or address.
    pub(crate) host: Host,
    /// The port, where it was given.
    pub(crate) port: Option<u16>,
}

impl Endpoint {
    /// With the port, or `default`.
    pub(crate) fn authority(&self, default: u16) -> Authority {
        Authority { host: self.host.clone(), port: self.port.unwrap_or(default) }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.trim();
        let (bare, implied) = match bare.split_once("://") {
            Some(("https" | "wss", rest)) => (rest, None),
            Some(("ldaps", rest)) => (rest, Some(636)),
            Some((scheme, _)) => {
                return Err(format!("`{scheme}://` is not diagnosed; write HOST:PORT, or an https:// URL"));
            }
            None => (bare, None),
        };
        let place = bare.split(['/', '?', '#']).next().unwrap_or_default();
        let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
        // Port 1 stands for none: it is told apart from a port 1 that was written.
        let with = |default| Authority::parse(place, Some(default)).map_err(|wrong| wrong.to_string());
        let (one, two) = (with(1)?, with(2)?);
        let port = (one.port == two.port).then_some(one.port).or(implied);
        Ok(Self { host: one.host, port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => self.authority(port).fmt(f),
            None => self.host.fmt(f),
        }
    }
}

/// A proxy, or none at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProxyChoice {
    /// Go directly, whatever the environment says.
    None,
    /// Go through this one.
    Through(Upstream),
}

impl FromStr for ProxyChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text == "none" {
            return Ok(Self::None);
        }
        // Most programs take a proxy without a scheme for an HTTP proxy.
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let wrong = |why: String| why.trim_start_matches("`upstream`: ").to_owned();
        parse_upstream(url.trim_end_matches('/')).map(Self::Through).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_from_names_and_urls() {
        let read = |text: &str| text.parse::<Endpoint>().map(|it| it.to_string());
        assert_eq!(read("a.test"), Ok("a.test".into()));
        assert_eq!(read("a.test:8443"), Ok("a.test:8443".into()));
        assert_eq!(read("https://kim@a.test:8443/v2/?x"), Ok("a.test:8443".into()));
        assert_eq!(read("[2001:db8::1]:1"), Ok("[2001:db8::1]:1".into()));
        assert_eq!(read("2001:db8::1"), Ok("2001:db8::1".into()));
        assert!(read("http://a.test").unwrap_err().contains("http://"));
        assert!(read("a b").is_err());
    }

    #[test]
    fn proxies_may_lack_their_scheme() {
        let read = |text: &str| text.parse::<ProxyChoice>();
        assert_eq!(read("none"), Ok(ProxyChoice::None));
        assert!(matches!(read("proxy.test:3128"), Ok(ProxyChoice::Through(it)) if it.at.port == 3128));
        assert!(read("ftp://proxy.test").is_err());
    }
}
