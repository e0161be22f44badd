//! Between which addresses a decrypted conversation is written. In: what is known of its connection. Out: two ends, and a remark.
//!
//! Wireshark goes by ports. Where the port of the service is one of TLS, or none of HTTP though HTTP is spoken, the port of the same
//! protocol without TLS is written, so that the content is read without any setting.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sidelight_model::flow::{ConnId, Ends};

use crate::record::ConnectionRecord;

/// Ports on which Wireshark expects HTTP.
const HTTP_PORTS: [u16; 4] = [80, 3128, 8080, 8088];
/// Bytes of a first line that are looked at.
const LONGEST_LINE: usize = 8192;

/// Ports on which Wireshark expects TLS, and those of the same protocols without it (IANA service names).
const PLAIN_PORTS: [(u16, u16); 14] = [
    (443, 80),
    (465, 25),
    (563, 119),
    (636, 389),
    (853, 53),
    (989, 20),
    (990, 21),
    (992, 23),
    (993, 143),
    (995, 110),
    (5061, 5060),
    (5671, 5672),
    (8443, 80),
    (8883, 1883),
];

/// Whether the protocol is HTTP, by what was agreed in the handshake or by the first bytes of either side.
pub(super) fn is_http(conn: &ConnectionRecord, first: &[u8]) -> bool {
    match conn.client_tls.as_ref().and_then(|side| side.alpn.as_deref()) {
        Some(alpn) => alpn == b"h2" || alpn.starts_with(b"http/"),
        None => {
            let line = first.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
            let line = line.get(..LONGEST_LINE).unwrap_or(line);
            let words = || line.split(|byte| *byte == b' ');
            let is_version = |word: &[u8]| word.starts_with(b"HTTP/");
            words().next().is_some_and(is_version)
                || (words().count() == 3 && words().next_back().is_some_and(is_version))
        }
    }
}

/// The ends of the decrypted conversation of `conn`, which are those of no other conversation of it, and how they differ from the
/// true ones.
pub(super) fn ends(conn: &ConnectionRecord, http: bool, taken: impl Fn(&Ends) -> bool) -> (Ends, Option<String>) {
    let opened = conn.opened.as_ref();
    let named = conn.target.as_ref().and_then(|target| Some(SocketAddr::new(target.host.ip()?, target.port)));
    let client = opened.map_or_else(|| invented(conn.id), |opened| opened.client);
    let service = conn.upstream.or(named).or_else(|| opened.map(|opened| opened.local));
    let service = service.unwrap_or_else(|| invented(conn.id));
    let [client, service] = [client, service].map(canonical);
    let mut to = service;
    let mut remark = None;
    let plain = PLAIN_PORTS.iter().find(|(port, _)| *port == service.port()).map(|(_, port)| *port);
    if let Some(port) = plain.or_else(|| (http && !HTTP_PORTS.contains(&service.port())).then_some(80)) {
        to.set_port(port);
        let why = if http { "so that it is read as HTTP" } else { "as it is without TLS here" };
        remark = Some(format!("port {} is written as {port}, {why}", service.port()));
    }
    let mut ends = Ends { from: client, to };
    // The same four numbers can only be one conversation.
    for _ in 0..8 {
        if !taken(&ends) {
            break;
        }
        ends.from.set_port(ends.from.port().wrapping_add(0x4001).max(1));
        remark = Some(format!("the client's port {} is written as {}", client.port(), ends.from.port()));
    }
    one_family(&mut ends);
    (ends, remark)
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A client may use IPv6 and the service IPv4: the client's address is then written in the service's family.
fn one_family(ends: &mut Ends) {
    let ip = match (ends.from.ip(), ends.to.ip()) {
        (IpAddr::V6(from), IpAddr::V4(_)) if from.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        (IpAddr::V4(from), IpAddr::V6(_)) if from.is_loopback() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        _ => return,
    };
    ends.from.set_ip(ip);
}

/// An address for a side of which none is known: of the documentation's, with the connection's number in it.
fn invented(conn: ConnId) -> SocketAddr {
    let [.., high, low] = conn.0.to_be_bytes();
    let port = u16::from_be_bytes([high, low]).max(1);
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), port)
}
