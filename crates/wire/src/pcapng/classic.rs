//! Classic pcap files. In: the bytes at the reader's place. Out: packets. Spec: draft-ietf-opsawg-pcap.

use super::read::Order;
use super::{Clock, Interface, Item, MOST_BLOCK, Packet, Step};
use crate::packet::LinkType;

/// Before each packet: seconds, fraction, captured length, original length.
const RECORD: usize = 16;

/// A classic file, after its head.
#[derive(Debug)]
pub(super) struct Classic {
    order: Order,
    clock: Clock,
    link: LinkType,
}

impl Classic {
    /// Bytes of the file's head.
    pub(super) const HEAD: usize = 24;

    /// Byte order and clock, when these are the first bytes of such a file.
    pub(super) fn magic(bytes: [u8; 4]) -> Option<(Order, Clock)> {
        let clock = |number| match number {
            0xa1b2_c3d4 => Some(Clock::MICROSECONDS),
            0xa1b2_3c4d => Some(Clock::NANOSECONDS),
            _ => None,
        };
        let little = clock(u32::from_le_bytes(bytes)).map(|clock| (Order { big: false }, clock));
        little.or_else(|| clock(u32::from_be_bytes(bytes)).map(|clock| (Order { big: true }, clock)))
    }

    /// Reads the head; `None` when bytes are missing.
    pub(super) fn begin(bytes: &[u8]) -> Result<Option<(Self, Interface)>, String> {
        let Some(first) = bytes.first_chunk::<4>() else { return Ok(None) };
        let Some((order, clock)) = Self::magic(*first) else {
            return Err(format!("no capture file: it begins with {:02x?}", first));
        };
        let (Some(snap), Some(link)) = (order.u32_at(bytes, 16), order.u32_at(bytes, 20)) else { return Ok(None) };
        // The upper bits tell about checksums at the end of frames.
        let link = link & 0x03ff_ffff;
        let interface = Interface::new(link, snap, clock);
        Ok(Some((Self { order, clock, link: interface.link }, interface)))
    }

    /// Reads the packet at the beginning of `bytes`.
    pub(super) fn packet<'b>(&self, bytes: &'b [u8]) -> Step<'b> {
        let [seconds, fraction, captured, original] = [0, 4, 8, 12].map(|at| self.order.u32_at(bytes, at));
        let (Some(seconds), Some(fraction), Some(captured), Some(original)) = (seconds, fraction, captured, original)
        else {
            return Step::Need(RECORD);
        };
        let length = captured as usize;
        if length > MOST_BLOCK {
            return Step::Lost(format!("a packet that says it has {length} bytes"));
        }
        let Some(bytes) = bytes.get(RECORD..RECORD + length) else { return Step::Need(RECORD + length) };
        let ticks = if self.clock == Clock::NANOSECONDS { 1_000_000_000 } else { 1_000_000 };
        let at = self.clock.timestamp(u64::from(seconds) * ticks + u64::from(fraction));
        let comments = Vec::new();
        let packet = Packet { interface: 0, link: self.link, at: Some(at), bytes, original, comments };
        Step::Item(RECORD + length, Item::Packet(packet))
    }
}
