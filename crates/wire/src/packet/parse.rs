//! Captured packets read. In: bytes and their link type. Out: TCP segments and UDP datagrams, or what else it is.
//! Spec: RFC 791, RFC 8200 §4, RFC 9293 §3.1, IEEE 802.1Q, the link types of the tcpdump group.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Flags, LinkType, Segment};

const TCP: u8 = 6;
const UDP: u8 = 17;
const ETHER_IPV4: u16 = 0x0800;
const ETHER_IPV6: u16 = 0x86dd;
/// Tags that may stand before the true type: 802.1Q, 802.1ad and an old one.
const ETHER_TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// Tags, and extension headers, that are passed over.
const MOST_LAYERS: usize = 16;

/// A UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'b> {
    /// Who sent it.
    pub from: SocketAddr,
    /// Whom it was sent to.
    pub to: SocketAddr,
    /// Its content, as far as it was captured.
    pub payload: &'b [u8],
}

/// What a packet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'b> {
    /// A TCP segment.
    Tcp(Segment<'b>),
    /// A UDP datagram.
    Udp(Datagram<'b>),
    /// A part of an IP packet that was fragmented, of this protocol (6 is TCP).
    Fragment(u8),
    /// Something else: another protocol over IP, or no IP.
    Other,
    /// The packet is shorter than its heads, was cut within them, or contradicts itself; in words.
    Damaged(&'static str),
    /// Packets of this link type cannot be read.
    UnknownLink,
}

/// Reads a packet that had `original` bytes on the wire.
pub fn parse(link: LinkType, bytes: &[u8], original: u32) -> Content<'_> {
    let missing = (original as usize).saturating_sub(bytes.len());
    let found = match link {
        LinkType::ETHERNET => ethernet(bytes),
        LinkType::LINUX_COOKED => cooked(bytes, 14, 16),
        LinkType::LINUX_COOKED_2 => cooked(bytes, 0, 20),
        LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => Some(Network::Ip(bytes)),
        LinkType::NULL | LinkType::LOOP => bytes.get(4..).map(Network::Ip),
        _ => return Content::UnknownLink,
    };
    match found {
        None => Content::Damaged("it is shorter than the head of its link"),
        Some(Network::Other) => Content::Other,
        Some(Network::Ip(packet)) => match packet.first().map(|first| first >> 4) {
            Some(4) => ipv4(packet, missing),
            Some(6) => ipv6(packet, missing),
            Some(_) if matches!(link, LinkType::NULL | LinkType::LOOP) => Content::Other,
            Some(_) => Content::Damaged("it has an IP version that there is not"),
            None => Content::Damaged("it has no IP head"),
        },
    }
}

enum Network<'b> {
    Ip(&'b [u8]),
    Other,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn ethernet(bytes: &[u8]) -> Option<Network<'_>> {
    tagged(u16_at(bytes, 12)?, bytes.get(14..)?)
}

fn cooked(bytes: &[u8], protocol: usize, head: usize) -> Option<Network<'_>> {
    tagged(u16_at(bytes, protocol)?, bytes.get(head..)?)
}

/// Passes over VLAN tags.
fn tagged(mut kind: u16, mut rest: &[u8]) -> Option<Network<'_>> {
    for _ in 0..MOST_LAYERS {
        match kind {
            ETHER_IPV4 | ETHER_IPV6 => return Some(Network::Ip(rest)),
            tag if ETHER_TAGS.contains(&tag) => {
                kind = u16_at(rest, 2)?;
                rest = rest.get(4..)?;
            }
            _ => return Some(Network::Other),
        }
    }
    Some(Network::Other)
}

fn ipv4(packet: &[u8], missing: usize) -> Content<'_> {
    const CUT: Content<'_> = Content::Damaged("it was cut within its IPv4 head");
    let Some((head, _)) = packet.split_first_chunk::<20>() else { return CUT };
    let head_length = usize::from(head[0] & 0x0f) * 4;
    let said = usize::from(u16::from_be_bytes([head[2], head[3]]));
    // A network card that segments itself is handed packets without a length.
    let total = if said == 0 { packet.len() + missing } else { said };
    if head_length < 20 || total < head_length {
        return Content::Damaged("its IPv4 head has no sound length");
    }
    let within = packet.get(..total).unwrap_or(packet);
    let Some(rest) = within.get(head_length..) else { return CUT };
    let fragment = u16::from_be_bytes([head[6], head[7]]) & 0x3fff;
    if fragment != 0 {
        return Content::Fragment(head[9]);
    }
    let [from, to] = [12, 16].map(|at| Ipv4Addr::from_bits(u32_at(head, at).unwrap_or_default()));
    transport(head[9], from.into(), to.into(), rest, total - within.len())
}

fn ipv6(packet: &[u8], missing: usize) -> Content<'_> {
    const CUT: Content<'_> = Content::Damaged("it was cut within its IPv6 head");
    let Some((head, after)) = packet.split_first_chunk::<40>() else { return CUT };
    let said = usize::from(u16::from_be_bytes([head[4], head[5]]));
    let total = if said == 0 { after.len() + missing } else { said };
    let within = after.get(..total).unwrap_or(after);
    let cut = total - within.len();
    let address = |at: usize| {
        let octets = head.get(at..).and_then(|rest| rest.first_chunk::<16>()).copied();
        IpAddr::V6(Ipv6Addr::from(octets.unwrap_or_default()))
    };
    let (from, to) = (address(8), address(24));
    let (mut next, mut rest) = (head[6], within);
    for _ in 0..MOST_LAYERS {
        let length = match next {
            // Hop-by-hop options, routing, destination options, mobility.
            0 | 43 | 60 | 135 => rest.get(1).map(|length| (usize::from(*length) + 1) * 8),
            // Authentication.
            51 => rest.get(1).map(|length| (usize::from(*length) + 2) * 4),
            44 => {
                let Some(offset) = u16_at(rest, 2) else { return CUT };
                // A "fragment" that is the whole packet is none (RFC 6946).
                if offset & 0xfff9 != 0 {
                    return Content::Fragment(rest.first().copied().unwrap_or_default());
                }
                Some(8)
            }
            protocol => return transport(protocol, from, to, rest, cut),
        };
        let (Some(after), Some(kind)) = (length.and_then(|length| rest.get(length..)), rest.first()) else {
            return CUT;
        };
        next = *kind;
        rest = after;
    }
    Content::Damaged("it has more extension headers than are read")
}

fn transport(protocol: u8, from: IpAddr, to: IpAddr, rest: &[u8], missing: usize) -> Content<'_> {
    match protocol {
        TCP => tcp(from, to, rest, missing).unwrap_or(Content::Damaged("it was cut within its TCP head")),
        UDP => match (u16_at(rest, 0), u16_at(rest, 2), rest.get(8..)) {
            (Some(source), Some(target), Some(payload)) => {
                let (from, to) = (SocketAddr::new(from, source), SocketAddr::new(to, target));
                Content::Udp(Datagram { from, to, payload })
            }
            _ => Content::Damaged("it was cut within its UDP head"),
        },
        _ => Content::Other,
    }
}

fn tcp(from: IpAddr, to: IpAddr, rest: &[u8], missing: usize) -> Option<Content<'_>> {
    let head = rest.first_chunk::<20>()?;
    let length = usize::from(head[12] >> 4) * 4;
    if length < 20 {
        return Some(Content::Damaged("its TCP head has no sound length"));
    }
    Some(Content::Tcp(Segment {
        from: SocketAddr::new(from, u16_at(head, 0)?),
        to: SocketAddr::new(to, u16_at(head, 2)?),
        seq: u32_at(head, 4)?,
        ack: u32_at(head, 8)?,
        flags: Flags(head[13]),
        window: u16_at(head, 14)?,
        payload: rest.get(length..)?,
        missing: u32::try_from(missing).unwrap_or(u32::MAX),
    }))
}
