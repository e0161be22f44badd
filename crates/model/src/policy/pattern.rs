//! Host patterns of the command line. In: `*.example.com`, `10.0.0.0/8`, `[2001:db8::]/32`, each with `:PORT` or not; `:25`.
//! Out: whether a connection matches.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A name glob or an address range, with a port or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    what: What,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Any,
    Glob(String),
    Range(IpAddr, u8),
}

/// What is known of a connection when patterns are asked.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Every name that the connection goes by: what the client asked for, and the SNI.
    pub names: &'a [&'a str],
    /// The address of the service, when it is known.
    pub address: Option<IpAddr>,
    /// The port of the service.
    pub port: u16,
}

impl Pattern {
    /// Whether `subject` is meant.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        if self.port.is_some_and(|port| port != subject.port) {
            return false;
        }
        match &self.what {
            What::Any => true,
            What::Glob(glob) => subject.names.iter().any(|name| glob_matches(glob, &name.to_ascii_lowercase())),
            What::Range(base, bits) => subject
                .address
                .into_iter()
                .chain(subject.names.iter().filter_map(|name| name.parse().ok()))
                .any(|address| in_range(address.to_canonical(), *base, *bits)),
        }
    }
}

/// `*` stands for any run of bytes, dots included; `?` for one byte.
fn glob_matches(glob: &str, name: &str) -> bool {
    let (glob, name) = (glob.as_bytes(), name.as_bytes());
    let (mut g, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g, n));
                g += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[n] => (g, n) = (g + 1, n + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (g, n) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|byte| *byte == b'*')
}

fn in_range(address: IpAddr, base: IpAddr, bits: u8) -> bool {
    match (address, base) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (a.to_bits() ^ b.to_bits()).checked_shr(32 - u32::from(bits)).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            (a.to_bits() ^ b.to_bits()).checked_shr(128 - u32::from(bits)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

impl FromStr for Pattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |why| ParsePatternError { text: text.to_owned(), why };
        let (what, port) = split(text.trim());
        let port = port
            .map(|digits| digits.parse::<u16>().ok().filter(|port| *port > 0).ok_or(bad("its port is not 1 to 65535")))
            .transpose()?;
        let what = match what {
            "" if port.is_some() => What::Any,
            "" => return Err(bad("it is empty")),
            "*" => What::Any,
            other => parse_what(other).map_err(bad)?,
        };
        Ok(Self { text: text.to_owned(), what, port })
    }
}

/// Splits `:PORT` off; brackets and bare IPv6 addresses keep their colons.
fn split(text: &str) -> (&str, Option<&str>) {
    let bare_v6 = text.split_once('/').map_or(text, |(address, _)| address).parse::<std::net::Ipv6Addr>().is_ok();
    match text.rsplit_once(':') {
        Some((what, port)) if !bare_v6 && !port.contains(']') => (what, Some(port)),
        _ => (text, None),
    }
}

fn parse_what(text: &str) -> Result<What, &'static str> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    match (bare.parse::<IpAddr>(), bits) {
        (Ok(base), None) => Ok(What::Range(base, if base.is_ipv4() { 32 } else { 128 })),
        (Ok(base), Some(bits)) => {
            let most = if base.is_ipv4() { 32 } else { 128 };
            let bits = bits.parse::<u8>().ok().filter(|bits| *bits <= most);
            Ok(What::Range(base, bits.ok_or("its prefix length is out of range")?))
        }
        (Err(_), Some(_)) => Err("what stands before the slash is not an IP address"),
        (Err(_), None) => {
            let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
            let sound = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._*?".contains(&b) || b >= 0x80);
            if sound { Ok(What::Glob(name)) } else { Err("it holds a character that no host name can hold") }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a pattern could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a host pattern: {why}. Write a name with * in it, an address or CIDR range, each with :PORT or without"
)]
pub struct ParsePatternError {
    text: String,
    why: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(pattern: &str, name: &str, address: Option<&str>, port: u16) -> bool {
        let pattern: Pattern = pattern.parse().unwrap();
        pattern.matches(&Subject { names: &[name], address: address.map(|text| text.parse().unwrap()), port })
    }

    #[test]
    fn globs() {
        assert!(hit("*.example.com", "A.b.Example.com", None, 443));
        assert!(!hit("*.example.com", "example.com", None, 443));
        assert!(hit("re*y.t?st", "registry.test", None, 1));
        assert!(!hit("re*y.t?st", "registry.tst", None, 1));
        assert!(hit("*", "", None, 1));
        assert!(hit("*.test:8443", "a.test", None, 8443));
        assert!(!hit("*.test:8443", "a.test", None, 443));
        assert!(hit(":25", "mail.test", None, 25));
    }

    #[test]
    fn ranges() {
        assert!(hit("10.0.0.0/8", "a.test", Some("10.9.8.7"), 1));
        assert!(!hit("10.0.0.0/8", "a.test", Some("11.0.0.1"), 1));
        assert!(hit("10.0.0.0/8", "10.1.1.1", None, 1));
        assert!(hit("2001:db8::/32", "x", Some("2001:db8:1::1"), 1));
        assert!(hit("[2001:db8::1]:443", "x", Some("2001:db8::1"), 443));
        assert!(hit("0.0.0.0/0", "x", Some("::ffff:1.2.3.4"), 443));
        assert!(!hit("::/0", "x", Some("1.2.3.4"), 443));
        assert!(hit("::/0", "x", Some("::1"), 443));
    }

    #[test]
    fn refuses_nonsense_and_says_why() {
        for text in ["", "a b", "10.0.0.0/33", "x/8", "a.test:0", "a.test:http"] {
            let error = text.parse::<Pattern>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is not a host pattern: ")), "{error}");
        }
    }
}
