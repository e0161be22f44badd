//! Capture files both ways. In: blocks, classic files, cut and odd ones. Out: what the reader makes of them.

use super::*;
use crate::packet::LinkType;

const AT: Timestamp = Timestamp(1_795_372_833_000_001);

/// Reads `bytes` to its end; text of what was found, so that it borrows nothing.
fn read(bytes: &[u8]) -> Vec<String> {
    let (mut reader, mut at, mut found) = (Reader::new(), 0, Vec::new());
    loop {
        match reader.step(&bytes[at..]) {
            Step::Need(_) if at == bytes.len() => return found,
            Step::Need(more) => {
                assert!(more > bytes.len() - at);
                found.push(format!("cut at {at}"));
                return found;
            }
            Step::Lost(why) => {
                found.push(format!("lost at {at}: {why}"));
                return found;
            }
            Step::Damage(used, why) => {
                found.push(format!("damage: {why}"));
                at += used;
            }
            Step::Item(used, item) => {
                found.push(format!("{item:?}"));
                at += used;
            }
        }
    }
}

fn sample() -> Vec<u8> {
    let mut out = Vec::new();
    write::section(&mut out, "sidelight", Some("a capture"));
    write::interface(&mut out, LinkType::RAW, "clients", "what clients sent");
    write::interface(&mut out, LinkType::ETHERNET, "services", "");
    write::secrets(&mut out, b"CLIENT_RANDOM 00 00\n", Some("client leg"));
    write::names(&mut out, &[("192.0.2.1".parse().unwrap(), "a.test"), ("2001:db8::1".parse().unwrap(), "b.test")]);
    write::packet(&mut out, 1, AT, b"12345", Some("first — one"));
    write::packet(&mut out, 0, AT, b"", None);
    write::statistics(&mut out, 0, AT, 2, 1);
    out
}

#[test]
fn what_is_written_is_read() {
    let found = read(&sample());
    assert_eq!(found[..3], ["Section", "Interface(0)", "Interface(1)"]);
    assert_eq!(found[3], format!("{:?}", Item::Secrets(TLS_KEY_LOG, b"CLIENT_RANDOM 00 00\n")));
    assert!(found[4].contains("192.0.2.1, \"a.test\"") && found[4].contains("2001:db8::1, \"b.test\""), "{}", found[4]);
    let packet = Packet {
        interface: 1,
        link: LinkType::ETHERNET,
        at: Some(AT),
        bytes: b"12345",
        original: 5,
        comments: vec!["first — one".into()],
    };
    assert_eq!(found[5], format!("{:?}", Item::Packet(packet)));
    assert_eq!(found[7..], ["Other(5)"]);
}

#[test]
fn a_cut_file_is_read_up_to_the_cut() {
    let (whole, all) = (sample(), read(&sample()));
    for end in 0..whole.len() {
        let mut found = read(&whole[..end]);
        if found.last().is_some_and(|last| last.starts_with("cut at")) {
            found.pop();
        }
        assert_eq!(found[..], all[..found.len()]);
    }
}

/// Swaps the numbers of a file of sections, interfaces and packets without options.
fn big_endian() -> Vec<u8> {
    let mut out = Vec::new();
    let block = |out: &mut Vec<u8>, kind: u32, body: &[u8]| {
        let length = (body.len() as u32 + 12).to_be_bytes();
        out.extend_from_slice(&[&kind.to_be_bytes()[..], &length, body, &length].concat());
    };
    block(&mut out, block::SECTION, &[&BYTE_ORDER.to_be_bytes()[..], &[0, 1, 0, 0], &[0xff; 8]].concat());
    // if_tsresol 2^-10 and if_tsoffset 100 s.
    let options = [0, 9, 0, 1, 0x8a, 0, 0, 0, 0, 14, 0, 8, 0, 0, 0, 0, 0, 0, 0, 100];
    block(&mut out, block::INTERFACE, &[&[0, 101, 0, 0, 0, 0, 0, 4][..], &options].concat());
    let packet = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 2, 0, 0, 0, 9, b'h', b'i', 0, 0];
    block(&mut out, block::PACKET, &packet);
    block(&mut out, block::SIMPLE_PACKET, &[0, 0, 0, 7, b'a', b'b', b'c', b'd']);
    block(&mut out, 0x0bad, &[1, 2, 3, 4]);
    block(&mut out, block::PACKET, &[0, 0, 0, 9, 0, 0, 0, 0]);
    out
}

#[test]
fn the_other_byte_order_and_other_clocks() {
    let found = read(&big_endian());
    assert!(found[2].contains("at: Some(Timestamp(101000000))") && found[2].contains("original: 9"), "{}", found[2]);
    assert!(found[3].contains("at: None, bytes: [97, 98, 99, 100], original: 7"), "{}", found[3]);
    assert_eq!(found[4], "Other(2989)");
    assert_eq!(found[5], "damage: a packet of an interface that is not described");
}

#[test]
fn classic_files_of_both_clocks_and_orders() {
    for (magic, fraction) in [(0xa1b2_c3d4_u32, 7_u32), (0xa1b2_3c4d, 7_999)] {
        for big in [false, true] {
            let number = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
            let words = [magic, 0, 0, 0, 65535, 0xf400_0001, 12, fraction, 3, 5];
            let mut file: Vec<u8> = words.iter().flat_map(|word| number(*word)).collect();
            file.extend_from_slice(b"abc");
            assert_eq!(Reader::recognises(&file), Some(false));
            let found = read(&file);
            assert_eq!(found.len(), 2);
            assert!(found[1].contains("LinkType(1), at: Some(Timestamp(12000007))"), "{}", found[1]);
            assert_eq!(read(&file[..file.len() - 1])[1], "cut at 24");
        }
    }
}

#[test]
fn nonsense_is_lost_at_its_place() {
    assert!(read(b"GET / HTTP/1.1\r\n")[0].starts_with("lost at 0: no capture file"));
    let mut file = sample();
    let at = file.len();
    file.extend_from_slice(&[6, 0, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(read(&file)[8], format!("lost at {at}: a block of type 0x6 that says it has 13 bytes"));
    let mut file = sample();
    let last = file.len() - 1;
    file[last] ^= 1;
    assert!(read(&file)[7].contains("two lengths differ"));
}

#[test]
fn long_comments_are_cut_at_a_character() {
    let mut out = Vec::new();
    write::section(&mut out, "s", None);
    write::interface(&mut out, LinkType::RAW, "i", "");
    write::packet(&mut out, 0, AT, b"x", Some(&"é".repeat(40_000)));
    let mut reader = Reader::new();
    let mut at = 0;
    while let Step::Item(used, item) = reader.step(&out[at..]) {
        at += used;
        if let Item::Packet(packet) = item {
            assert_eq!(packet.comments[0].len(), 65_532);
            assert!(packet.comments[0].chars().all(|c| c == 'é'));
        }
    }
    assert_eq!(at, out.len());
}
