//! Who a connection is for. In: text such as `registry.test:443` or `[::1]:8443`. Out: [`Authority`].
//! Spec: RFC 3986 §3.2.2 (host), RFC 9110 §4.2 (port).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A name or an address, as the client gave it. Names are lower-case and without the trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A DNS name.
    Name(String),
    /// An IPv4 or IPv6 address.
    Ip(IpAddr),
}

impl Host {
    /// Reads a host without port. Brackets around an IPv6 address are allowed; `%zone` is not.
    ///
    /// # Errors
    /// When the text is empty, longer than 255 bytes, has an empty label, or holds a character that no host name can hold.
    pub fn parse(text: &str) -> Result<Self, ParseAuthorityError> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Some(inside) = bare {
            return inside.parse().map(Self::Ip).map_err(|_| ParseAuthorityError::Host(text.to_owned()));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let sound = !name.is_empty()
            && name.len() <= 255
            && !name.split('.').any(str::is_empty)
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_') || b >= 0x80);
        if sound { Ok(Self::Name(name.to_ascii_lowercase())) } else { Err(ParseAuthorityError::Host(text.to_owned())) }
    }

    /// The address, when it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Name(_) => None,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(address) => write!(f, "{address}"),
        }
    }
}

/// A host and a TCP port: the place that the client asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Authority {
    /// The name or address.
    pub host: Host,
    /// The TCP port.
    pub port: u16,
}

impl Authority {
    /// Reads `host`, `host:port`, `[v6]`, `[v6]:port`; without a port, `default_port` is taken.
    ///
    /// # Errors
    /// When the host or the port cannot be read, or the port is 0.
    pub fn parse(text: &str, default_port: Option<u16>) -> Result<Self, ParseAuthorityError> {
        let (host, port) = split_port(text);
        let port = match port {
            Some(digits) => digits
                .parse::<u16>()
                .ok()
                .filter(|port| *port != 0)
                .ok_or(ParseAuthorityError::Port(text.to_owned()))?,
            None => default_port.ok_or(ParseAuthorityError::NoPort(text.to_owned()))?,
        };
        Ok(Self { host: Host::parse(host)?, port })
    }
}

/// Splits at the colon before the port; a bare IPv6 address has none.
fn split_port(text: &str) -> (&str, Option<&str>) {
    if text.parse::<IpAddr>().is_ok() {
        return (text, None);
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    }
}

impl FromStr for Authority {
    type Err = ParseAuthorityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, None)
    }
}

impl From<SocketAddr> for Authority {
    fn from(address: SocketAddr) -> Self {
        Self { host: Host::Ip(address.ip().to_canonical()), port: address.port() }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

/// Why a host or authority could not be read; carries the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseAuthorityError {
    /// Not a name and not an address.
    #[error("`{0}` is not a host name or IP address")]
    Host(String),
    /// The port is not a number from 1 to 65535.
    #[error("`{0}` has no port from 1 to 65535 after its last colon")]
    Port(String),
    /// A port is needed here.
    #[error("`{0}` has no port; write it as HOST:PORT")]
    NoPort(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_and_addresses() {
        for (text, shown) in [
            ("Registry.Test.:443", "registry.test:443"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443"),
            ("2001:db8::1", "[2001:db8::1]:8443"),
            ("a_b.test", "a_b.test:8443"),
        ] {
            assert_eq!(Authority::parse(text, Some(8443)).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_neither() {
        for text in [
            "",
            ":443",
            "a b:1",
            "host:0",
            "host:65536",
            "host:x",
            "[::1",
            "[nope]:1",
            "ho/st:1",
            "..:1",
            ".a:1",
            "a..b:1",
        ] {
            assert!(Authority::parse(text, Some(1)).is_err(), "{text}");
        }
        assert_eq!("host".parse::<Authority>(), Err(ParseAuthorityError::NoPort("host".into())));
    }
}
