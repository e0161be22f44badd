//! Names in alternative names and constraints. In: DER of a GeneralName. Out: [`GeneralName`]. Spec: RFC 5280 §4.2.1.6.

use super::der::{Element, Malformed, Result};
use super::name::Name;

/// A name of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GeneralName {
    /// otherName, its content raw.
    Other(Vec<u8>),
    /// rfc822Name.
    Email(String),
    /// dNSName.
    Dns(String),
    /// x400Address or ediPartyName.
    Unusual(u8),
    /// directoryName.
    Directory(Name),
    /// uniformResourceIdentifier.
    Uri(String),
    /// iPAddress: bytes as found (4 or 16; twice as many in constraints).
    Ip(Vec<u8>),
    /// registeredID.
    Registered(Vec<u8>),
}

/// The kinds of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameKind {
    /// A host name.
    Dns,
    /// An address.
    Ip,
    /// An e-mail address.
    Email,
    /// A URI.
    Uri,
    /// A distinguished name.
    Directory,
    /// Any other.
    Other,
}

impl NameKind {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Dns => "DNS",
            Self::Ip => "IP",
            Self::Email => "email",
            Self::Uri => "URI",
            Self::Directory => "directory",
            Self::Other => "other",
        }
    }
}

impl GeneralName {
    pub(super) fn read(element: &Element<'_>) -> Result<Self> {
        let ascii = || {
            let text = std::str::from_utf8(element.content).ok().filter(|text| text.is_ascii());
            text.map(str::to_owned).ok_or(Malformed("a name holds other bytes than ASCII"))
        };
        match element.tag {
            0xa0 => Ok(Self::Other(element.content.to_vec())),
            0x81 => ascii().map(Self::Email),
            0x82 => ascii().map(Self::Dns),
            0xa3 | 0xa5 => Ok(Self::Unusual(element.tag & 0x1f)),
            0xa4 => Name::read(element.content).map(Self::Directory),
            0x86 => ascii().map(Self::Uri),
            0x87 => Ok(Self::Ip(element.content.to_vec())),
            0x88 => Ok(Self::Registered(element.content.to_vec())),
            _ => Err(Malformed("a name is of no known kind")),
        }
    }

    /// Which kind.
    pub const fn kind(&self) -> NameKind {
        match self {
            Self::Dns(_) => NameKind::Dns,
            Self::Ip(_) => NameKind::Ip,
            Self::Email(_) => NameKind::Email,
            Self::Uri(_) => NameKind::Uri,
            Self::Directory(_) => NameKind::Directory,
            Self::Other(_) | Self::Unusual(_) | Self::Registered(_) => NameKind::Other,
        }
    }

    /// The name for people; what has no text is told by its kind.
    pub fn text(&self) -> String {
        match self {
            Self::Dns(text) | Self::Email(text) | Self::Uri(text) => text.clone(),
            Self::Ip(bytes) => address_text(bytes),
            Self::Directory(name) => x509_name_text(&name.der),
            Self::Other(_) => "an otherName".to_owned(),
            Self::Unusual(_) => "an X.400 or EDI name".to_owned(),
            Self::Registered(oid) => super::der::dotted(oid),
        }
    }
}

/// `10.0.0.1`, or `10.0.0.0/8` for an address with its mask.
fn address_text(bytes: &[u8]) -> String {
    let plain = |bytes: &[u8]| -> Option<std::net::IpAddr> {
        <[u8; 4]>::try_from(bytes).map(Into::into).or_else(|_| <[u8; 16]>::try_from(bytes).map(Into::into)).ok()
    };
    if let Some(address) = plain(bytes) {
        // 8 bytes are an IPv4 range; 16 bytes alone are an IPv6 address.
        return address.to_string();
    }
    let (base, mask) = bytes.split_at(bytes.len() / 2);
    let bits: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    plain(base).map_or_else(|| format!("{} bytes", bytes.len()), |base| format!("{base}/{bits}"))
}

fn x509_name_text(der: &[u8]) -> String {
    use x509_parser::prelude::FromDer;
    x509_parser::x509::X509Name::from_der(der)
        .map_or_else(|_| "a directory name".to_owned(), |(_, name)| name.to_string())
}
