//! Ways into the proxy. In: `KIND[:SPEC][@[HOST:]PORT]` as the user writes it. Out: [`ModeSpec`].
//! Spec: the `--mode` section of `sidelight proxy --help`; RFC 3986 for the URLs of `reverse` and `upstream`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use sidelight_model::flow::Authority;

use super::mode_url::{Upstream, parse_upstream, without_path};

/// One listener of the proxy: what it expects, and where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ModeSpec {
    /// What arrives there.
    pub(crate) kind: ModeKind,
    /// Where it listens; port 0 lets the kernel choose.
    pub(crate) listen: SocketAddr,
}

/// What arrives at a listener, and how the destination is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ModeKind {
    /// An HTTP proxy: absolute-form requests and CONNECT; with `tls`, the listener itself speaks TLS.
    Explicit {
        /// Clients speak TLS to the proxy.
        tls: bool,
    },
    /// A SOCKS5 proxy.
    Socks5,
    /// Connections redirected by the kernel; the destination is `SO_ORIGINAL_DST`.
    Transparent,
    /// Connections diverted by TPROXY; the destination is the socket's own address.
    Tproxy,
    /// Everything goes to this place.
    Forward(Authority),
    /// The destination is the name in the ClientHello.
    Sni {
        /// The port to call there.
        port: u16,
    },
    /// Stands in front of a service, and answers as if it were it.
    Reverse {
        /// Speak TLS to the service.
        tls: bool,
        /// The service.
        to: Authority,
    },
    /// As `explicit`, but everything goes through a further proxy.
    Upstream(Upstream),
}

impl ModeKind {
    /// The first word of the mode.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Explicit { .. } => "explicit",
            Self::Socks5 => "socks5",
            Self::Transparent => "transparent",
            Self::Tproxy => "tproxy",
            Self::Forward(_) => "forward",
            Self::Sni { .. } => "sni",
            Self::Reverse { .. } => "reverse",
            Self::Upstream(_) => "upstream",
        }
    }

    /// The port that is listened on unless another is given.
    const fn default_port(&self) -> u16 {
        match self {
            Self::Explicit { .. } | Self::Upstream(_) => 8080,
            Self::Socks5 => 1080,
            Self::Transparent | Self::Tproxy | Self::Forward(_) | Self::Sni { .. } => 8443,
            Self::Reverse { .. } => 8081,
        }
    }
}

/// The words that a mode can begin with, as they appear in messages.
const KINDS: &str =
    "explicit[:tls], socks5, transparent, tproxy, forward:HOST:PORT, sni[:PORT], reverse:URL, upstream:URL";

impl Default for ModeSpec {
    fn default() -> Self {
        Self { kind: ModeKind::Explicit { tls: false }, listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)) }
    }
}

impl FromStr for ModeSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (what, place) = split_listen(text);
        let (word, spec) = what.split_once(':').map_or((what, None), |(word, spec)| (word, Some(spec)));
        let kind = read_kind(word, spec)?;
        let listen = match place {
            Some(place) => read_listen(place)?,
            None => SocketAddr::from((Ipv4Addr::LOCALHOST, kind.default_port())),
        };
        Ok(Self { kind, listen })
    }
}

fn read_kind(word: &str, spec: Option<&str>) -> Result<ModeKind, String> {
    match (word, spec) {
        ("explicit", None) => Ok(ModeKind::Explicit { tls: false }),
        ("explicit", Some("tls")) => Ok(ModeKind::Explicit { tls: true }),
        ("explicit", Some(_)) => Err("`explicit` takes nothing but `:tls`, as in explicit:tls@8443".to_owned()),
        ("socks5", None) => Ok(ModeKind::Socks5),
        ("transparent", None) => Ok(ModeKind::Transparent),
        ("tproxy", None) => Ok(ModeKind::Tproxy),
        ("socks5" | "transparent" | "tproxy", Some(_)) => {
            Err(format!("`{word}` takes nothing after a colon; where to listen is written as {word}@HOST:PORT"))
        }
        ("forward", Some(spec)) => {
            Authority::parse(spec, None).map(ModeKind::Forward).map_err(|wrong| format!("`forward`: {wrong}"))
        }
        ("forward", None) => Err("`forward` needs the place to go to: forward:HOST:PORT".to_owned()),
        ("sni", spec) => match spec.unwrap_or("443").parse::<u16>() {
            Ok(port) if port != 0 => Ok(ModeKind::Sni { port }),
            _ => Err("`sni` takes the port to call, from 1 to 65535: sni:443".to_owned()),
        },
        ("reverse", Some(url)) => parse_reverse(url).map(|(tls, to)| ModeKind::Reverse { tls, to }),
        ("reverse", None) => Err("`reverse` needs the service: reverse:https://HOST[:PORT]".to_owned()),
        ("upstream", Some(url)) => parse_upstream(url).map(ModeKind::Upstream),
        ("upstream", None) => {
            Err("`upstream` needs the next proxy: upstream:http://[USER:PASSWORD@]HOST[:PORT]".to_owned())
        }
        _ => Err(format!("`{word}` is no mode; the modes are {KINDS}, each with @[HOST:]PORT or not")),
    }
}

/// Splits the place to listen off. An `@` may also end the login in a URL: what follows it is a place to listen only if it
/// is one, and if what stands before it is a whole URL.
fn split_listen(text: &str) -> (&str, Option<&str>) {
    let Some((what, place)) = text.rsplit_once('@') else { return (text, None) };
    let is_url = what.split_once("://").is_some();
    if !is_url {
        return (what, Some(place));
    }
    let whole = what.split_once(':').is_some_and(|(word, spec)| read_kind(word, Some(spec)).is_ok());
    if whole && read_listen(place).is_ok() { (what, Some(place)) } else { (text, None) }
}

fn read_listen(place: &str) -> Result<SocketAddr, String> {
    let wrong = || {
        format!(
            "`@{place}` is no place to listen; write @PORT, @ADDRESS:PORT or @[V6-ADDRESS]:PORT, the address as numbers"
        )
    };
    if let Ok(port) = place.parse::<u16>() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    if let Some(port) = place.strip_prefix("localhost:") {
        return port.parse().map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).map_err(|_| wrong());
    }
    place.parse().map_err(|_| wrong())
}

impl fmt::Display for ModeSpec {
    /// As it can be given to `--mode`, but without the login of a proxy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        match &self.kind {
            ModeKind::Explicit { tls: true } => f.write_str(":tls")?,
            ModeKind::Forward(to) => write!(f, ":{to}")?,
            ModeKind::Sni { port } => write!(f, ":{port}")?,
            ModeKind::Reverse { tls, to } => write!(f, ":{}://{to}", if *tls { "https" } else { "http" })?,
            ModeKind::Upstream(proxy) => write!(f, ":{proxy}")?,
            _ => {}
        }
        match self.listen {
            SocketAddr::V4(v4) if *v4.ip() == Ipv4Addr::LOCALHOST => write!(f, "@{}", v4.port()),
            other => write!(f, "@{other}"),
        }
    }
}

impl ModeSpec {
    /// Whether it listens on loopback alone.
    pub(crate) fn is_local(&self) -> bool {
        match self.listen.ip() {
            IpAddr::V4(v4) => v4.is_loopback(),
            IpAddr::V6(v6) => v6.is_loopback() || v6.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback()),
        }
    }
}

/// Reads the URL of `reverse:`; the flag says whether the service speaks TLS.
fn parse_reverse(url: &str) -> Result<(bool, Authority), String> {
    let (tls, rest) = match url.split_once("://") {
        Some(("http", rest)) => (false, rest),
        Some(("https", rest)) => (true, rest),
        _ => return Err(format!("`reverse`: `{url}` is no URL that begins with http:// or https://")),
    };
    let place = without_path(rest).ok_or(format!("`reverse`: write `{url}` without path; requests bring their own"))?;
    if place.contains('@') {
        return Err("`reverse`: the URL takes no login; requests bring their own".to_owned());
    }
    let to =
        Authority::parse(place, Some(if tls { 443 } else { 80 })).map_err(|wrong| format!("`reverse`: {wrong}"))?;
    Ok((tls, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<ModeSpec>().unwrap().to_string()
    }

    #[test]
    fn every_kind_with_its_default_place() {
        for (text, expected) in [
            ("explicit", "explicit@8080"),
            ("explicit:tls@0", "explicit:tls@0"),
            ("explicit@[::1]:8080", "explicit@[::1]:8080"),
            ("socks5", "socks5@1080"),
            ("transparent@0.0.0.0:9000", "transparent@0.0.0.0:9000"),
            ("tproxy", "tproxy@8443"),
            ("forward:Registry.test:5000", "forward:registry.test:5000@8443"),
            ("forward:[2001:db8::1]:443@[::]:443", "forward:[2001:db8::1]:443@[::]:443"),
            ("sni", "sni:443@8443"),
            ("sni:8443@localhost:443", "sni:8443@443"),
            ("reverse:https://a.test", "reverse:https://a.test:443@8081"),
            ("reverse:http://[::1]:81@9090", "reverse:http://[::1]:81@9090"),
            ("upstream:http://proxy.test:3128", "upstream:http://proxy.test:3128@8080"),
            ("upstream:http://proxy.test:3128@8888", "upstream:http://proxy.test:3128@8888"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn a_login_is_not_a_place_to_listen_and_is_not_shown() {
        for (text, expected) in [
            ("upstream:http://kim:pw@proxy.test:3128", "upstream:http://proxy.test:3128@8080"),
            ("upstream:http://kim:pw@10.0.0.1:3128@10.0.0.2:81", "upstream:http://10.0.0.1:3128@10.0.0.2:81"),
            ("upstream:http://kim:1234@10.0.0.1:3128/", "upstream:http://10.0.0.1:3128@8080"),
            ("upstream:socks5://kim@proxy.test", "upstream:socks5://proxy.test:1080@8080"),
        ] {
            assert_eq!(shown(text), expected);
            let ModeKind::Upstream(proxy) = text.parse::<ModeSpec>().unwrap().kind else { panic!("{text}") };
            assert!(proxy.login.is_some(), "{text}");
        }
    }

    #[test]
    fn errors_name_what_is_wrong_and_what_to_write() {
        for (text, words) in [
            ("explict", "`explict` is no mode; the modes are explicit[:tls], socks5"),
            ("explicit:8080", "takes nothing but `:tls`"),
            ("socks5:1080", "socks5@HOST:PORT"),
            ("forward", "forward:HOST:PORT"),
            ("forward:a.test", "has no port"),
            ("sni:0", "from 1 to 65535"),
            ("reverse:a.test", "http:// or https://"),
            ("reverse:https://a.test/x", "without path"),
            ("upstream:ftp://a.test", "socks5://"),
            ("explicit@name.test:80", "`@name.test:80` is no place to listen"),
            ("explicit@70000", "is no place to listen"),
        ] {
            let error = text.parse::<ModeSpec>().unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn loopback_is_recognised() {
        assert!("explicit".parse::<ModeSpec>().unwrap().is_local());
        assert!("explicit@[::1]:1".parse::<ModeSpec>().unwrap().is_local());
        assert!(!"explicit@0.0.0.0:1".parse::<ModeSpec>().unwrap().is_local());
    }
}
