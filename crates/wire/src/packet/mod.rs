//! Packets of TCP over IP, as capture files hold them. In: addresses, flags, payload. Out: bytes, and back.
//! Spec: RFC 791 (IPv4), RFC 8200 (IPv6), RFC 9293 (TCP), the link types of the tcpdump group.

mod build;
mod parse;

use std::fmt;
use std::net::SocketAddr;

pub use self::build::{MOST_PAYLOAD, build};
pub use self::parse::{Content, Datagram, parse};

/// How the first bytes of a captured packet are to be read: a LINKTYPE_ value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u32);

impl LinkType {
    /// BSD loopback: an address family in the byte order of the machine that captured.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// IPv4 or IPv6 without anything before it.
    pub const RAW: Self = Self(101);
    /// OpenBSD loopback: an address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture (the interface `any`).
    pub const LINUX_COOKED: Self = Self(113);
    /// IPv4 without anything before it.
    pub const IPV4: Self = Self(228);
    /// IPv6 without anything before it.
    pub const IPV6: Self = Self(229);
    /// Linux cooked capture, version 2.
    pub const LINUX_COOKED_2: Self = Self(276);
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NULL | Self::LOOP => f.write_str("loopback"),
            Self::ETHERNET => f.write_str("Ethernet"),
            Self::RAW => f.write_str("raw IP"),
            Self::LINUX_COOKED | Self::LINUX_COOKED_2 => f.write_str("Linux cooked"),
            Self::IPV4 => f.write_str("raw IPv4"),
            Self::IPV6 => f.write_str("raw IPv6"),
            Self(other) => write!(f, "link type {other}"),
        }
    }
}

/// The flags of a TCP segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// The sender has sent everything.
    pub const FIN: Self = Self(0x01);
    /// A connection begins.
    pub const SYN: Self = Self(0x02);
    /// The connection is aborted.
    pub const RST: Self = Self(0x04);
    /// Hand it to the application now.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgement number counts.
    pub const ACK: Self = Self(0x10);

    /// Whether all flags of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags of both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A TCP segment between two addresses of the same family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'b> {
    /// Who sent it.
    pub from: SocketAddr,
    /// Whom it was sent to.
    pub to: SocketAddr,
    /// The number of its first byte; the SYN is counted as a byte before.
    pub seq: u32,
    /// The number of the byte that the sender waits for; counts only with [`Flags::ACK`].
    pub ack: u32,
    /// Its flags.
    pub flags: Flags,
    /// The window, not scaled.
    pub window: u16,
    /// Bytes of the stream, as far as they were captured.
    pub payload: &'b [u8],
    /// How many more it had on the wire.
    pub missing: u32,
}

#[cfg(test)]
mod tests;
