//! Reads capture files without doing the reading. In: the bytes at its place. Out: the item there, how many more bytes are
//! needed, or what is wrong. Spec: draft-ietf-opsawg-pcapng §3, §4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::classic::Classic;
use super::{
    BYTE_ORDER, Clock, Interface, Item, MOST_BLOCK, MOST_INTERFACES, MOST_NAMES, Packet, Step, block, options,
};

/// What a file is.
#[derive(Debug)]
enum Kind {
    /// Nothing has been read.
    Unknown,
    Next(Order),
    Classic(Classic),
}

/// The order of bytes in a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) big: bool,
}

impl Order {
    fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    fn i64(self, bytes: [u8; 8]) -> i64 {
        if self.big { i64::from_be_bytes(bytes) } else { i64::from_le_bytes(bytes) }
    }

    /// The 32-bit number at `at`.
    pub(super) fn u32_at(self, bytes: &[u8], at: usize) -> Option<u32> {
        Some(self.u32(*bytes.get(at..)?.first_chunk()?))
    }

    fn u16_at(self, bytes: &[u8], at: usize) -> Option<u16> {
        Some(self.u16(*bytes.get(at..)?.first_chunk()?))
    }
}

/// Reads pcapng, and classic pcap with microseconds or nanoseconds, in either byte order.
///
/// Hand [`Reader::step`] the bytes at the reader's place, and do what its answer says.
#[derive(Debug)]
pub struct Reader {
    kind: Kind,
    interfaces: Vec<Interface>,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// Bytes by which [`Reader::recognises`] knows a capture file.
    pub const MAGIC: usize = 4;

    /// A reader at the beginning of a file.
    pub const fn new() -> Self {
        Self { kind: Kind::Unknown, interfaces: Vec::new() }
    }

    /// Whether a file that begins with these bytes is a capture file; `Some(true)` when it is pcapng, `Some(false)` for classic pcap.
    pub fn recognises(bytes: &[u8]) -> Option<bool> {
        let magic = *bytes.first_chunk::<4>()?;
        if u32::from_le_bytes(magic) == block::SECTION {
            return Some(true);
        }
        Classic::magic(magic).map(|_| false)
    }

    /// The interfaces described so far in this section.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Reads what stands at the beginning of `bytes`, which may be less than the whole of it.
    pub fn step<'b>(&mut self, bytes: &'b [u8]) -> Step<'b> {
        match &self.kind {
            Kind::Classic(classic) => classic.packet(bytes),
            Kind::Next(order) => self.block(*order, bytes),
            Kind::Unknown => self.begin(bytes),
        }
    }

    fn begin<'b>(&mut self, bytes: &'b [u8]) -> Step<'b> {
        let Some(magic) = bytes.first_chunk::<4>() else { return Step::Need(4) };
        if u32::from_le_bytes(*magic) == block::SECTION {
            return self.block(Order { big: false }, bytes);
        }
        match Classic::begin(bytes) {
            Ok(Some((classic, interface))) => {
                self.kind = Kind::Classic(classic);
                self.interfaces = vec![interface];
                Step::Item(Classic::HEAD, Item::Section)
            }
            Ok(None) => Step::Need(Classic::HEAD),
            Err(why) => Step::Lost(why),
        }
    }

    fn block<'b>(&mut self, order: Order, bytes: &'b [u8]) -> Step<'b> {
        let (Some(kind), Some(_)) = (order.u32_at(bytes, 0), order.u32_at(bytes, 8)) else { return Step::Need(12) };
        // The type of a section reads the same in both byte orders, which its third word tells.
        let order = if kind == block::SECTION {
            match order.u32_at(bytes, 8) {
                Some(BYTE_ORDER) => order,
                Some(swapped) if swapped.swap_bytes() == BYTE_ORDER => Order { big: !order.big },
                _ => return Step::Lost("a section whose byte order cannot be told".to_owned()),
            }
        } else {
            order
        };
        let length = order.u32_at(bytes, 4).map_or(0, |length| length as usize);
        if length < 12 || !length.is_multiple_of(4) || length > MOST_BLOCK {
            return Step::Lost(format!("a block of type 0x{kind:x} that says it has {length} bytes"));
        }
        let Some(whole) = bytes.get(..length) else { return Step::Need(length) };
        if order.u32_at(whole, length - 4) != order.u32_at(whole, 4) {
            return Step::Lost(format!("a block of type 0x{kind:x} whose two lengths differ"));
        }
        let body = whole.get(8..length - 4).unwrap_or_default();
        let item = match kind {
            block::SECTION => self.section(order, body),
            block::INTERFACE => self.interface(order, body),
            block::PACKET => self.packet(order, body, true),
            block::OBSOLETE_PACKET => self.packet(order, body, false),
            block::SIMPLE_PACKET => self.simple(order, body),
            block::SECRETS => secrets(order, body),
            block::NAMES => Ok(Item::Names(names(order, body))),
            other => Ok(Item::Other(other)),
        };
        match item {
            Ok(item) => Step::Item(length, item),
            Err(why) => Step::Damage(length, why.to_owned()),
        }
    }

    fn section<'b>(&mut self, order: Order, body: &'b [u8]) -> Result<Item<'b>, &'static str> {
        if order.u16_at(body, 4) != Some(1) {
            return Err("a section of a version that is not known");
        }
        self.kind = Kind::Next(order);
        self.interfaces.clear();
        Ok(Item::Section)
    }

    fn interface<'b>(&mut self, order: Order, body: &'b [u8]) -> Result<Item<'b>, &'static str> {
        let (Some(link), Some(snap)) = (order.u16_at(body, 0), order.u32_at(body, 4)) else {
            return Err("an interface description that is too short");
        };
        if self.interfaces.len() >= MOST_INTERFACES {
            return Err("more interfaces than are kept");
        }
        let mut interface = Interface::new(u32::from(link), snap, Clock::MICROSECONDS);
        for (code, value) in options::read(body.get(8..).unwrap_or_default(), |bytes| order.u16(bytes)) {
            match (code, value) {
                (2, name) => interface.name = Some(options::text(name).into_owned()),
                (3, description) => interface.description = Some(options::text(description).into_owned()),
                (9, [resolution, ..]) => interface.clock.resolution = *resolution,
                (14, offset) => interface.clock.offset = offset.first_chunk().map_or(0, |bytes| order.i64(*bytes)),
                _ => {}
            }
        }
        self.interfaces.push(interface);
        Ok(Item::Interface(u32::try_from(self.interfaces.len() - 1).unwrap_or(u32::MAX)))
    }

    /// An enhanced packet block, or the obsolete one that has 16 bits for the interface and 16 for a count of drops.
    fn packet<'b>(&self, order: Order, body: &'b [u8], enhanced: bool) -> Result<Item<'b>, &'static str> {
        const SHORT: &str = "a packet that is longer than its block";
        let number =
            if enhanced { order.u32_at(body, 0) } else { order.u16_at(body, 0).map(u32::from) }.ok_or(SHORT)?;
        let interface = self.interfaces.get(number as usize).ok_or("a packet of an interface that is not described")?;
        let [high, low, captured, original] = [4, 8, 12, 16].map(|at| order.u32_at(body, at));
        let (Some(high), Some(low), Some(captured), Some(original)) = (high, low, captured, original) else {
            return Err(SHORT);
        };
        let rest = body.get(20..).unwrap_or_default();
        let captured = captured as usize;
        let bytes = rest.get(..captured).ok_or(SHORT)?;
        let options = rest.get(captured.next_multiple_of(4)..).unwrap_or_default();
        let comments = options::read(options, |bytes| order.u16(bytes))
            .filter(|(code, _)| *code == options::COMMENT)
            .map(|(_, value)| options::text(value))
            .collect();
        let at = Some(interface.clock.timestamp((u64::from(high) << 32) | u64::from(low)));
        Ok(Item::Packet(Packet { interface: number, link: interface.link, at, bytes, original, comments }))
    }

    fn simple<'b>(&self, order: Order, body: &'b [u8]) -> Result<Item<'b>, &'static str> {
        let interface = self.interfaces.first().ok_or("a packet of an interface that is not described")?;
        let original = order.u32_at(body, 0).ok_or("a packet that is longer than its block")?;
        let snap = if interface.snap_length == 0 { u32::MAX } else { interface.snap_length };
        let bytes = body
            .get(4..)
            .and_then(|rest| rest.get(..original.min(snap) as usize))
            .ok_or("a packet that is longer than its block")?;
        Ok(Item::Packet(Packet { interface: 0, link: interface.link, at: None, bytes, original, comments: Vec::new() }))
    }
}

fn secrets(order: Order, body: &[u8]) -> Result<Item<'_>, &'static str> {
    const SHORT: &str = "secrets that are longer than their block";
    let (Some(kind), Some(length)) = (order.u32_at(body, 0), order.u32_at(body, 4)) else { return Err(SHORT) };
    let bytes = body.get(8..).and_then(|rest| rest.get(..length as usize)).ok_or(SHORT)?;
    Ok(Item::Secrets(kind, bytes))
}

/// The records of a name resolution block; those that make no sense are left out.
fn names(order: Order, body: &[u8]) -> Vec<(IpAddr, String)> {
    let mut names = Vec::new();
    for (kind, value) in options::read(body, |bytes| order.u16(bytes)) {
        let (address, list) = match kind {
            1 => match value.split_first_chunk::<4>() {
                Some((address, list)) => (IpAddr::V4(Ipv4Addr::from(*address)), list),
                None => continue,
            },
            2 => match value.split_first_chunk::<16>() {
                Some((address, list)) => (IpAddr::V6(Ipv6Addr::from(*address)), list),
                None => continue,
            },
            _ => continue,
        };
        for name in list.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            if names.len() < MOST_NAMES {
                names.push((address, options::text(name).into_owned()));
            }
        }
    }
    names
}
