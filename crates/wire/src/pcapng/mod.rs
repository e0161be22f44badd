//! pcapng files: blocks to bytes and back. In: values. Out: bytes; and the other way, also from classic pcap files.
//! Spec: draft-ietf-opsawg-pcapng, draft-ietf-opsawg-pcap.
//!
//! [`write`] appends blocks to a buffer, always in little-endian byte order. [`Reader`] reads either byte order and all blocks that
//! hold packets, secrets or names; blocks that it does not know are told by their type and passed over.

mod classic;
mod options;
mod read;
pub mod write;

use std::borrow::Cow;
use std::net::IpAddr;

use sidelight_model::time::Timestamp;

pub use self::read::Reader;
use crate::packet::LinkType;

/// The longest block, or packet of a classic file, that is read.
pub const MOST_BLOCK: usize = 32 << 20;
/// Interfaces of one section that are kept.
const MOST_INTERFACES: usize = 1 << 16;
/// Names of one block that are kept.
const MOST_NAMES: usize = 1 << 16;

/// The types of blocks.
mod block {
    pub(super) const SECTION: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE: u32 = 1;
    pub(super) const OBSOLETE_PACKET: u32 = 2;
    pub(super) const SIMPLE_PACKET: u32 = 3;
    pub(super) const NAMES: u32 = 4;
    pub(super) const STATISTICS: u32 = 5;
    pub(super) const PACKET: u32 = 6;
    pub(super) const SECRETS: u32 = 10;
}

/// The byte-order magic of a section.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// The type of secrets that is a key log in the NSS format.
pub const TLS_KEY_LOG: u32 = 0x544c_534b;

/// What the reader made of the bytes at its place.
#[derive(Debug, PartialEq)]
pub enum Step<'b> {
    /// At least so many bytes from here are needed, if the file has them; when it ends before, it was cut here.
    Need(usize),
    /// An item, and how many bytes it took: go on behind them.
    Item(usize, Item<'b>),
    /// A block that cannot be used, and why; go on behind so many bytes.
    Damage(usize, String),
    /// The file cannot be read from here on, and why.
    Lost(String),
}

/// What lies in a capture file.
#[derive(Debug, PartialEq)]
pub enum Item<'b> {
    /// A file, or a section of one, begins. Interfaces are counted from 0 again.
    Section,
    /// An interface was described; it is this one of [`Reader::interfaces`].
    Interface(u32),
    /// A packet.
    Packet(Packet<'b>),
    /// Secrets of this type ([`TLS_KEY_LOG`] …); they come before the packets that they decrypt.
    Secrets(u32, &'b [u8]),
    /// Names of addresses.
    Names(Vec<(IpAddr, String)>),
    /// A block of this type, which holds nothing of use here.
    Other(u32),
}

/// A packet as it was captured.
#[derive(Debug, PartialEq)]
pub struct Packet<'b> {
    /// Which one of [`Reader::interfaces`] it was seen on.
    pub interface: u32,
    /// How its first bytes are to be read.
    pub link: LinkType,
    /// When it was seen, to the microsecond; simple packet blocks do not tell.
    pub at: Option<Timestamp>,
    /// Its bytes, perhaps not all.
    pub bytes: &'b [u8],
    /// How many it had on the wire.
    pub original: u32,
    /// Comments on it.
    pub comments: Vec<Cow<'b, str>>,
}

/// An interface that packets were seen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// How the first bytes of its packets are to be read.
    pub link: LinkType,
    /// Packets were cut after so many bytes; 0 is none.
    pub snap_length: u32,
    /// Its name, where given.
    pub name: Option<String>,
    /// What it is, for people, where given.
    pub description: Option<String>,
    /// How its times are to be read.
    clock: Clock,
}

impl Interface {
    fn new(link: u32, snap_length: u32, clock: Clock) -> Self {
        Self { link: LinkType(link), snap_length, name: None, description: None, clock }
    }
}

/// Units of a time in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clock {
    /// As in the option `if_tsresol`: negative power of 10, or of 2 when the highest bit is set.
    resolution: u8,
    /// Seconds to add.
    offset: i64,
}

impl Clock {
    const MICROSECONDS: Self = Self { resolution: 6, offset: 0 };
    const NANOSECONDS: Self = Self { resolution: 9, offset: 0 };

    fn timestamp(self, units: u64) -> Timestamp {
        let exponent = u32::from(self.resolution & 0x7f);
        let micros = if self.resolution & 0x80 != 0 {
            // No shift of 128 bits or more: such a clock has not ticked yet.
            (u128::from(units) * 1_000_000).checked_shr(exponent).unwrap_or(0)
        } else if exponent <= 6 {
            u128::from(units) * 10_u128.pow(6 - exponent)
        } else {
            10_u128.checked_pow(exponent - 6).map_or(0, |scale| u128::from(units) / scale)
        };
        let micros = i64::try_from(micros).unwrap_or(i64::MAX);
        Timestamp(micros.saturating_add(self.offset.saturating_mul(1_000_000)))
    }
}

#[cfg(test)]
mod tests;
