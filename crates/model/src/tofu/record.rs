//! What is recorded of an endpoint. In: names, keys, times. Out: [`Record`], which known-roots files hold one a line.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::KeyPin;
use crate::flow::{Authority, Host};
use crate::time::Timestamp;

/// The way to a service: the same name reached in another way may well show another issuer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Host and port as `HOST:PORT`; `None`: any (`*`), for a pin that was given without an endpoint.
    pub at: Option<String>,
    /// The server name that is sent, where it is another than the host's.
    pub sni: Option<String>,
    /// The proxy on the way, `HOST:PORT`.
    pub via: Option<String>,
}

impl Endpoint {
    /// This service, reached directly and under its own name.
    pub fn direct(at: &Authority) -> Self {
        Self { at: Some(at.to_string()), sni: None, via: None }
    }

    /// Every endpoint.
    pub const fn any() -> Self {
        Self { at: None, sni: None, via: None }
    }

    /// Whether what is recorded of this endpoint speaks for `other`, too. A record without a proxy speaks for every way to the
    /// service: the proxy's CA is the same whether it was named or stood in the way.
    pub fn covers(&self, other: &Self) -> bool {
        (self.at.is_none() || self.at == other.at)
            && (self.sni.is_none() || self.sni == other.sni)
            && (self.via.is_none() || self.via == other.via)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.at.as_deref().unwrap_or("*"))?;
        if let Some(sni) = &self.sni {
            write!(f, " as {sni}")?;
        }
        if let Some(via) = &self.via {
            write!(f, " via {via}")?;
        }
        Ok(())
    }
}

/// For which names an adopted CA may speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// For all.
    Any,
    /// For these names, with what is below them, and these addresses.
    Names {
        /// DNS names.
        names: Vec<String>,
        /// Addresses.
        addresses: Vec<IpAddr>,
    },
}

impl Scope {
    /// The scope of these hosts.
    pub fn of<'a>(hosts: impl IntoIterator<Item = &'a Host>) -> Self {
        let (mut names, mut addresses) = (Vec::new(), Vec::new());
        for host in hosts {
            match host {
                Host::Name(name) => names.push(name.clone()),
                Host::Ip(address) => addresses.push(*address),
            }
        }
        names.sort();
        names.dedup();
        addresses.sort();
        addresses.dedup();
        Self::Names { names, addresses }
    }

    /// Both together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let (Self::Names { names, addresses }, Self::Names { names: more, addresses: others }) = (self, other) else {
            return Self::Any;
        };
        let hosts: Vec<Host> = names.iter().chain(more).cloned().map(Host::Name).collect();
        let ips: Vec<Host> = addresses.iter().chain(others).copied().map(Host::Ip).collect();
        Self::of(hosts.iter().chain(&ips))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Names { names, addresses } => {
                let parts: Vec<String> =
                    names.iter().cloned().chain(addresses.iter().map(ToString::to_string)).collect();
                f.write_str(&parts.join(","))
            }
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "any" {
            return Ok(Self::Any);
        }
        let part = |part: &str| {
            // A leading dot or star is how people write a domain with what is below it; the name alone means just that.
            let bare = part.strip_prefix("*.").or_else(|| part.strip_prefix('.')).unwrap_or(part);
            Host::parse(bare)
                .map_err(|wrong| format!("{wrong}; a scope is `any`, or names and addresses with commas between"))
        };
        let hosts: Vec<Host> = text.split(',').map(part).collect::<Result<_, _>>()?;
        Ok(Self::of(&hosts))
    }
}

/// That the record was begun on purpose: where it is missing, somebody took it away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// When.
    pub at: Timestamp,
    /// By whom, in their own words.
    pub by: Option<String>,
}

/// The keys that may sign for an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Keys in use.
    pub keys: Vec<KeyPin>,
    /// Keys that are to follow: the way out when one in use is lost.
    pub next: Vec<KeyPin>,
    /// SHA-256 of the CA certificate in DER, as it was seen last, in lower-case hexadecimal digits.
    pub ca: Option<String>,
    /// Its subject, for people.
    pub subject: Option<String>,
    /// Its notAfter.
    pub until: Option<Timestamp>,
    /// For which names it may speak; `None`: those that the start asks for.
    pub scope: Option<Scope>,
    /// When the key was seen first.
    pub first: Option<Timestamp>,
    /// When the key was seen last; written once a day at the most.
    pub last: Option<Timestamp>,
    /// Who put it here: `tofu`, `enrol`, a name.
    pub by: Option<String>,
    /// From when on the record is not believed any more. It never leads to a new adoption.
    pub expires: Option<Timestamp>,
}

impl Record {
    /// Just a key for an endpoint.
    pub const fn new(endpoint: Endpoint, keys: Vec<KeyPin>) -> Self {
        Self {
            endpoint,
            keys,
            next: Vec::new(),
            ca: None,
            subject: None,
            until: None,
            scope: None,
            first: None,
            last: None,
            by: None,
            expires: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_without_a_way_speaks_for_every_way() {
        let at = Authority::parse("a.test:443", None).unwrap();
        let direct = Endpoint::direct(&at);
        let via = Endpoint { via: Some("proxy.test:3128".into()), ..direct.clone() };
        assert!(direct.covers(&via) && !via.covers(&direct) && Endpoint::any().covers(&via));
        let other = Endpoint::direct(&Authority::parse("a.test:444", None).unwrap());
        assert!(!direct.covers(&other));
        assert_eq!(via.to_string(), "a.test:443 via proxy.test:3128");
    }

    #[test]
    fn scopes_are_read_as_they_are_written() {
        for text in ["any", "a.test", "a.test,b.test,192.0.2.1,2001:db8::1"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        assert_eq!(".b.test,*.a.test,a.test".parse::<Scope>().unwrap().to_string(), "a.test,b.test");
        assert!("".parse::<Scope>().is_err() && "a b".parse::<Scope>().is_err());
    }
}
