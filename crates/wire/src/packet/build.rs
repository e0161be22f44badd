//! Packets made from segments. In: a segment. Out: an IP packet with right checksums, for link type RAW.
//! Spec: RFC 791, RFC 8200, RFC 9293 §3.1, RFC 1071 (checksum).

use std::net::{IpAddr, SocketAddr};

use super::{Flags, Segment};

const IPV4_HEAD: usize = 20;
const TCP_HEAD: usize = 20;
const TCP: u8 = 6;
/// The maximum segment size that a SYN announces: the most that an IPv4 packet can hold.
const SEGMENT_SIZE: u16 = 65_495;

/// The longest payload that one packet can hold, whatever the family of its addresses.
pub const MOST_PAYLOAD: usize = SEGMENT_SIZE as usize;

/// Appends the packet that carries `segment`. A payload of more than [`MOST_PAYLOAD`] is cut.
///
/// Addresses of different families, or IPv4 addresses written as IPv6, are brought to one family.
pub fn build(out: &mut Vec<u8>, segment: &Segment<'_>) {
    let payload = segment.payload.get(..MOST_PAYLOAD).unwrap_or(segment.payload);
    let options: &[u8] = if segment.flags.has(Flags::SYN) {
        let [high, low] = SEGMENT_SIZE.to_be_bytes();
        &[2, 4, high, low]
    } else {
        &[]
    };
    let length = TCP_HEAD + options.len() + payload.len();
    let pseudo = ip_head(out, segment.from, segment.to, length);
    let start = out.len();
    out.extend_from_slice(&segment.from.port().to_be_bytes());
    out.extend_from_slice(&segment.to.port().to_be_bytes());
    out.extend_from_slice(&segment.seq.to_be_bytes());
    out.extend_from_slice(&if segment.flags.has(Flags::ACK) { segment.ack } else { 0 }.to_be_bytes());
    let words = (TCP_HEAD + options.len()) / 4;
    out.push((words as u8) << 4);
    out.push(segment.flags.0);
    out.extend_from_slice(&segment.window.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(options);
    out.extend_from_slice(payload);
    let sum = checksum(pseudo, out.get(start..).unwrap_or_default());
    set(out, start + 16, sum);
}

/// Appends the head of an IP packet with `length` bytes after it; gives the sum of its pseudo header.
fn ip_head(out: &mut Vec<u8>, from: SocketAddr, to: SocketAddr, length: usize) -> u64 {
    let start = out.len();
    let pseudo = u64::from(TCP) + length as u64;
    match (from.ip().to_canonical(), to.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let whole = u16::try_from(IPV4_HEAD + length).unwrap_or(u16::MAX);
            out.extend_from_slice(&[0x45, 0]);
            out.extend_from_slice(&whole.to_be_bytes());
            // No identification is needed for packets that must not be fragmented (RFC 6864).
            out.extend_from_slice(&[0, 0, 0x40, 0, 64, TCP, 0, 0]);
            out.extend_from_slice(&from.octets());
            out.extend_from_slice(&to.octets());
            let sum = checksum(0, out.get(start..).unwrap_or_default());
            set(out, start + 10, sum);
            add(add(pseudo, &from.octets()), &to.octets())
        }
        (from, to) => {
            let [from, to] = [from, to].map(|address| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped(),
                IpAddr::V6(address) => address,
            });
            out.extend_from_slice(&[0x60, 0, 0, 0]);
            out.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
            out.extend_from_slice(&[TCP, 64]);
            out.extend_from_slice(&from.octets());
            out.extend_from_slice(&to.octets());
            add(add(pseudo, &from.octets()), &to.octets())
        }
    }
}

fn set(out: &mut [u8], at: usize, sum: u16) {
    if let Some(place) = out.get_mut(at..at + 2) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
}

/// Adds 16-bit words to a sum that is folded later; an odd byte at the end counts as the upper half of a word.
fn add(mut sum: u64, bytes: &[u8]) -> u64 {
    // Words of 32 bits have the same sum when folded (RFC 1071 §2), and are several times as fast.
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        sum += u64::from(u32::from_be_bytes(*word));
    }
    let (words, rest) = rest.as_chunks::<2>();
    for word in words {
        sum += u64::from(u16::from_be_bytes(*word));
    }
    if let [last] = rest {
        sum += u64::from(*last) << 8;
    }
    sum
}

/// The ones' complement of the ones' complement sum.
pub(super) fn checksum(sum: u64, bytes: &[u8]) -> u16 {
    let mut sum = add(sum, bytes);
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
