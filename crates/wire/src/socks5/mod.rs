//! SOCKS 5, both sides, without sockets. In: the bytes read so far. Out: what was asked or answered, and the bytes to send next.
//!
//! Spec: RFC 1928 (SOCKS 5), RFC 1929 (user name and password). Order on the server side: [`server::parse_greeting`],
//! [`server::choose`], [`server::method_reply`], (with [`Method::UserPassword`]: [`server::parse_credentials`],
//! [`server::credentials_reply`]), [`server::parse_request`], [`server::reply`]. On the client side: [`client::greeting`],
//! [`client::parse_method`], (with credentials: [`client::credentials`], [`client::parse_credentials_reply`]),
//! [`client::connect`], [`client::parse_reply`]. Every parser may be called again with more bytes; no message is longer than
//! 513 bytes, so the caller's buffer stays small.

pub mod client;
pub mod server;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sidelight_model::flow::{Authority, Host, ParseAuthorityError};

const VERSION: u8 = 5;
const CREDENTIALS_VERSION: u8 = 1;
const NO_METHOD: u8 = 0xff;
const TYPE_IPV4: u8 = 1;
const TYPE_NAME: u8 = 3;
const TYPE_IPV6: u8 = 4;

/// The state of a message that is read piece by piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<T> {
    /// Sound so far, but more bytes are needed.
    Partial,
    /// The message, and how many bytes of the input it took.
    Done(T, usize),
    /// It can never become a message; the connection is of no more use.
    Error(Error),
}

/// How the client shows who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Not at all.
    None,
    /// By user name and password (RFC 1929).
    UserPassword,
}

impl Method {
    const fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::UserPassword => 2,
        }
    }
}

/// The result of a request (RFC 1928 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply(pub u8);

impl Reply {
    /// The connection stands.
    pub const SUCCEEDED: Self = Self(0);
    /// Failed for a reason without a code of its own.
    pub const GENERAL_FAILURE: Self = Self(1);
    /// Rules forbid the connection.
    pub const NOT_ALLOWED: Self = Self(2);
    /// No way to the network.
    pub const NETWORK_UNREACHABLE: Self = Self(3);
    /// No way to the host, or its name does not resolve.
    pub const HOST_UNREACHABLE: Self = Self(4);
    /// The host refuses connections on that port.
    pub const CONNECTION_REFUSED: Self = Self(5);
    /// Nothing answered in time.
    pub const TTL_EXPIRED: Self = Self(6);
    /// Something other than CONNECT was asked for.
    pub const COMMAND_NOT_SUPPORTED: Self = Self(7);
    /// The address is of an unknown kind.
    pub const ADDRESS_TYPE_NOT_SUPPORTED: Self = Self(8);

    /// The words of the specification.
    pub const fn meaning(self) -> &'static str {
        match self.0 {
            0 => "succeeded",
            1 => "general failure",
            2 => "not allowed by its rules",
            3 => "network unreachable",
            4 => "host unreachable",
            5 => "connection refused",
            6 => "timed out on the way (TTL expired)",
            7 => "command not supported",
            8 => "address type not supported",
            _ => "a reply code without assigned meaning",
        }
    }
}

/// Why a SOCKS conversation cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The first byte is of no version of SOCKS.
    #[error("the first byte is 0x{0:02x}, and SOCKS 5 begins with 0x05")]
    NotSocks(u8),
    /// An older version, which carries neither IPv6 addresses nor passwords.
    #[error("the client speaks {0}; set it to SOCKS5 (socks5:// or socks5h://)")]
    Socks4(&'static str),
    /// None of the methods that the client offers is accepted here.
    #[error("the client offers authentication methods {offered:?} but {wanted} is needed")]
    NoCommonMethod {
        /// Method numbers, as sent.
        offered: Vec<u8>,
        /// What would have been accepted, in words.
        wanted: &'static str,
    },
    /// The sub-negotiation of RFC 1929 has a version other than 1.
    #[error("user name and password come in version {0} of their exchange, and only version 1 exists (RFC 1929)")]
    CredentialsVersion(u8),
    /// BIND, UDP ASSOCIATE, or a number without meaning.
    #[error("SOCKS command {0} ({name}) is not supported, only CONNECT (1)", name = command_name(*.0))]
    Command(u8),
    /// An address type other than IPv4, name, IPv6.
    #[error("SOCKS address type {0} is none of IPv4 (1), name (3) and IPv6 (4)")]
    AddressType(u8),
    /// The host name cannot be one.
    #[error("the SOCKS request names no usable host: {0}")]
    Host(ParseAuthorityError),
    /// Port 0 cannot be connected to.
    #[error("the SOCKS request is for port 0, which cannot be connected to")]
    PortZero,
    /// The proxy chose a method that was not offered to it.
    #[error("the SOCKS proxy chose authentication method {0}, which was not offered")]
    MethodNotOffered(u8),
    /// The proxy accepts none of the methods that were offered.
    #[error("the SOCKS proxy accepts none of our authentication methods; {0}")]
    MethodsRefused(&'static str),
    /// The proxy does not accept the user name or password.
    #[error("the SOCKS proxy does not accept the user name or password (status {0})")]
    CredentialsRefused(u8),
    /// User name or password do not fit the protocol.
    #[error("a SOCKS {what} of {length} bytes cannot be sent: 255 is the most, and the user name must not be empty")]
    CredentialLength {
        /// `user name` or `password`.
        what: &'static str,
        /// Its length.
        length: usize,
    },
    /// A name too long for the protocol.
    #[error("a host name in SOCKS has 255 bytes at most, and this one has {0}")]
    NameLength(usize),
    /// The proxy did not make the connection.
    #[error("the SOCKS proxy answered: {meaning} (code {code})", meaning = .0.meaning(), code = .0.0)]
    Refused(Reply),
}

const fn command_name(command: u8) -> &'static str {
    match command {
        1 => "CONNECT",
        2 => "BIND",
        3 => "UDP ASSOCIATE",
        _ => "unknown",
    }
}

impl Error {
    /// What a server says before it closes, when there is something to say.
    pub fn answer(&self) -> Option<Vec<u8>> {
        let unspecified = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        match self {
            Self::Socks4(_) => Some(vec![0, 0x5b, 0, 0, 0, 0, 0, 0]),
            Self::NoCommonMethod { .. } => Some(vec![VERSION, NO_METHOD]),
            Self::CredentialsVersion(_) => Some(vec![CREDENTIALS_VERSION, 1]),
            Self::Command(_) => Some(server::reply(Reply::COMMAND_NOT_SUPPORTED, unspecified)),
            Self::AddressType(_) => Some(server::reply(Reply::ADDRESS_TYPE_NOT_SUPPORTED, unspecified)),
            Self::Host(_) => Some(server::reply(Reply::HOST_UNREACHABLE, unspecified)),
            Self::PortZero => Some(server::reply(Reply::GENERAL_FAILURE, unspecified)),
            _ => None,
        }
    }
}

/// Address and port of a request or reply, as on the wire.
enum Address {
    Ip(IpAddr),
    Name(Vec<u8>),
}

/// Reads type, address and port from the beginning of `bytes`.
fn parse_address(bytes: &[u8]) -> Progress<(Address, u16)> {
    let Some((kind, rest)) = bytes.split_first() else { return Progress::Partial };
    let (address, length) = match *kind {
        TYPE_IPV4 => match rest.first_chunk::<4>() {
            Some(octets) => (Address::Ip(Ipv4Addr::from(*octets).into()), 5),
            None => return Progress::Partial,
        },
        TYPE_IPV6 => match rest.first_chunk::<16>() {
            Some(octets) => (Address::Ip(Ipv6Addr::from(*octets).into()), 17),
            None => return Progress::Partial,
        },
        TYPE_NAME => {
            let Some((length, rest)) = rest.split_first() else { return Progress::Partial };
            let length = usize::from(*length);
            match rest.get(..length) {
                Some(name) => (Address::Name(name.to_vec()), length + 2),
                None => return Progress::Partial,
            }
        }
        other => return Progress::Error(Error::AddressType(other)),
    };
    match bytes.get(length..).and_then(|rest| rest.first_chunk::<2>()) {
        Some(port) => Progress::Done((address, u16::from_be_bytes(*port)), length + 2),
        None => Progress::Partial,
    }
}

/// The authority that a request names.
fn authority(address: Address, port: u16) -> Result<Authority, Error> {
    if port == 0 {
        return Err(Error::PortZero);
    }
    let host = match address {
        Address::Ip(ip) => Host::Ip(ip.to_canonical()),
        // A name may also be an address in text: several clients send those so.
        Address::Name(name) => Host::parse(&String::from_utf8_lossy(&name)).map_err(Error::Host)?,
    };
    Ok(Authority { host, port })
}

fn write_ip(out: &mut Vec<u8>, address: IpAddr, port: u16) {
    match address {
        IpAddr::V4(v4) => {
            out.push(TYPE_IPV4);
            out.extend(v4.octets());
        }
        IpAddr::V6(v6) => {
            out.push(TYPE_IPV6);
            out.extend(v6.octets());
        }
    }
    out.extend(port.to_be_bytes());
}

#[cfg(test)]
mod tests;
