//! Packets both ways. In: segments, packets of every link type. Out: the same again, right checksums, what is damaged.

use super::*;

const LINKS: [LinkType; 3] = [LinkType::RAW, LinkType::ETHERNET, LinkType::NULL];

fn segment<'b>(from: &str, to: &str, payload: &'b [u8]) -> Segment<'b> {
    let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
    let flags = Flags::ACK.and(Flags::PSH);
    Segment { from, to, seq: 0xffff_fff0, ack: 77, flags, window: 1000, payload, missing: 0 }
}

/// Puts what link types have before IP in front of a packet.
fn framed(link: LinkType, packet: &[u8]) -> Vec<u8> {
    let kind: [u8; 2] = if packet[0] >> 4 == 4 { [8, 0] } else { [0x86, 0xdd] };
    let head = match link {
        LinkType::ETHERNET => [&[2; 12][..], &[0x81, 0, 0, 5, 0x88, 0xa8, 0, 6], &kind].concat(),
        LinkType::NULL | LinkType::LOOP => vec![2, 0, 0, 0],
        LinkType::LINUX_COOKED => [&[0; 14][..], &kind].concat(),
        LinkType::LINUX_COOKED_2 => [&kind[..], &[0; 18]].concat(),
        _ => Vec::new(),
    };
    [&head[..], packet].concat()
}

fn sum_of(packet: &[u8], pseudo: u64) -> u16 {
    super::build::checksum(pseudo, packet)
}

#[test]
fn what_is_built_is_parsed_on_any_link() {
    let payload: Vec<u8> = (0..999_u32).map(|n| n as u8).collect();
    for (from, to) in [("192.0.2.1:40000", "198.51.100.2:443"), ("[2001:db8::1]:40000", "[2001:db8::2]:443")] {
        let wanted = segment(from, to, &payload);
        let mut packet = Vec::new();
        build(&mut packet, &wanted);
        for link in [&LINKS[..], &[LinkType::LINUX_COOKED, LinkType::LINUX_COOKED_2, LinkType::LOOP]].concat() {
            let mut bytes = framed(link, &packet);
            assert_eq!(parse(link, &bytes, bytes.len() as u32), Content::Tcp(wanted), "{link}");
            let (original, short) = (bytes.len() as u32, bytes.len() - 9);
            let cut = Segment { payload: &payload[..990], missing: 9, ..wanted };
            assert_eq!(parse(link, &bytes[..short], original), Content::Tcp(cut), "{link}");
            // Ethernet pads short packets: what stands after the packet is none of it.
            bytes.extend_from_slice(&[0; 6]);
            assert_eq!(parse(link, &bytes, bytes.len() as u32), Content::Tcp(wanted), "{link}");
        }
    }
}

#[test]
fn checksums_are_right() {
    // A sum over everything, checksums included, is 0 when they are right.
    for length in [0, 1, 2, 3, 64_000] {
        let payload = vec![0xab; length];
        let mut packet = Vec::new();
        build(&mut packet, &segment("192.0.2.1:1", "198.51.100.2:2", &payload));
        assert_eq!(sum_of(&packet[..20], 0), 0);
        let tcp = packet.len() - 20;
        assert_eq!(sum_of(&packet[12..], 6 + tcp as u64), 0);
        let mut packet = Vec::new();
        build(&mut packet, &segment("[2001:db8::1]:1", "[2001:db8::2]:2", &payload));
        assert_eq!(sum_of(&packet[8..], 6 + (packet.len() - 40) as u64), 0);
    }
}

#[test]
fn addresses_are_brought_to_one_family() {
    let mut packet = Vec::new();
    build(&mut packet, &segment("[::ffff:192.0.2.1]:1", "192.0.2.2:2", b""));
    let Content::Tcp(parsed) = parse(LinkType::RAW, &packet, 40) else { panic!() };
    assert_eq!((parsed.from.to_string(), parsed.to.to_string()), ("192.0.2.1:1".into(), "192.0.2.2:2".into()));
    let mut packet = Vec::new();
    build(&mut packet, &segment("[::1]:1", "192.0.2.2:2", b""));
    let Content::Tcp(parsed) = parse(LinkType::RAW, &packet, 60) else { panic!() };
    assert_eq!(parsed.to.to_string(), "[::ffff:192.0.2.2]:2");
}

#[test]
fn the_longest_payload_fits() {
    let payload = vec![7; MOST_PAYLOAD + 5];
    let mut packet = Vec::new();
    build(&mut packet, &segment("192.0.2.1:1", "192.0.2.2:2", &payload));
    assert_eq!(packet.len(), 65_535);
    let Content::Tcp(parsed) = parse(LinkType::RAW, &packet, 65_535) else { panic!() };
    assert_eq!(parsed.payload.len(), MOST_PAYLOAD);
}

#[test]
fn extension_headers_fragments_and_others() {
    let mut packet = Vec::new();
    build(&mut packet, &segment("[2001:db8::1]:1", "[2001:db8::2]:2", b"hello"));
    // Hop-by-hop, then a fragment header of a packet that is not fragmented.
    let mut extended = packet[..40].to_vec();
    extended[6] = 0;
    extended[5] += 16;
    extended.extend_from_slice(&[44, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 1]);
    extended.extend_from_slice(&packet[40..]);
    let length = extended.len() as u32;
    assert!(matches!(parse(LinkType::RAW, &extended, length), Content::Tcp(segment) if segment.payload == b"hello"));
    extended[51] = 1;
    assert_eq!(parse(LinkType::RAW, &extended, length), Content::Fragment(6));

    let mut packet = Vec::new();
    build(&mut packet, &segment("192.0.2.1:1", "192.0.2.2:2", b"hello"));
    packet[6] = 0x20;
    assert_eq!(parse(LinkType::RAW, &packet, 45), Content::Fragment(6));
    packet[6] = 0;
    packet[9] = 17;
    assert!(matches!(parse(LinkType::RAW, &packet, 45), Content::Udp(datagram) if datagram.to.port() == 2));
    packet[9] = 1;
    assert_eq!(parse(LinkType::RAW, &packet, 45), Content::Other);
    // Segmented by the network card: no length.
    (packet[9], packet[2], packet[3]) = (6, 0, 0);
    assert!(matches!(parse(LinkType::RAW, &packet, 45), Content::Tcp(segment) if segment.payload == b"hello"));
    assert_eq!(parse(LinkType::ETHERNET, &[[1; 12].as_slice(), &[8, 6, 0]].concat(), 15), Content::Other);
    assert_eq!(parse(LinkType(9), &packet, 45), Content::UnknownLink);
}

#[test]
fn a_cut_packet_is_damaged_or_misses_bytes() {
    let mut packet = Vec::new();
    build(&mut packet, &segment("192.0.2.1:1", "192.0.2.2:2", b"hello"));
    for end in 0..packet.len() {
        match parse(LinkType::RAW, &packet[..end], packet.len() as u32) {
            Content::Tcp(segment) => assert_eq!(segment.payload.len() + segment.missing as usize, 5),
            Content::Damaged(_) => assert!(end < 40),
            other => panic!("{other:?}"),
        }
    }
}
