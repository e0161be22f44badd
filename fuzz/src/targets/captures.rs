//! Files of captured packets, the packets themselves, and key logs. In: bytes of a file. Out: broken promises.

use sidelight_wire::key_log;
use sidelight_wire::packet::{self, Content, LinkType};
use sidelight_wire::pcapng::{Item, MOST_BLOCK, Reader, Step};

/// Reading ends, takes no more than there is, asks only for more than it has, and finds the same in any pieces.
pub fn pcapng(data: &[u8]) {
    let whole = items(data, |_| data.len());
    assert_eq!(items(data, |needed| needed), whole, "with no more bytes at hand than were asked for");
}

/// Reads `data`, of which `window(needed)` bytes are at hand when `needed` are asked for.
fn items(data: &[u8], window: impl Fn(usize) -> usize) -> Vec<String> {
    let (mut reader, mut at, mut found) = (Reader::new(), 0, Vec::new());
    let mut have = window(1);
    loop {
        let rest = &data[at..];
        let (used, words) = match reader.step(&rest[..have.min(rest.len())]) {
            Step::Need(needed) => {
                assert!(needed > have.min(rest.len()) && needed <= MOST_BLOCK + 16, "{needed}");
                if needed > rest.len() {
                    return found;
                }
                have = window(needed);
                continue;
            }
            Step::Lost(why) => {
                found.push(format!("lost at {at}: {why}"));
                return found;
            }
            Step::Damage(used, why) => (used, why),
            Step::Item(used, item) => {
                if let Item::Packet(packet) = &item {
                    assert!((packet.interface as usize) < reader.interfaces().len());
                    packet::parse(packet.link, packet.bytes, packet.original);
                }
                (used, format!("{item:?}"))
            }
        };
        assert!(used > 0 && used <= rest.len(), "an item of {used} bytes where {} are", rest.len());
        at += used;
        found.push(words);
        have = window(1);
    }
}

/// The first byte names the link. What is read lies in the packet; a segment that is written again is read as the same.
pub fn packet(data: &[u8]) {
    const LINKS: [LinkType; 8] = [
        LinkType::RAW,
        LinkType::ETHERNET,
        LinkType::NULL,
        LinkType::LOOP,
        LinkType::LINUX_COOKED,
        LinkType::LINUX_COOKED_2,
        LinkType::IPV6,
        LinkType(9999),
    ];
    let Some((first, bytes)) = data.split_first() else { return };
    let original = bytes.len() as u32 + u32::from(first >> 4);
    match packet::parse(LINKS[usize::from(first % 8)], bytes, original) {
        Content::Tcp(segment) => {
            assert!(segment.payload.len() <= bytes.len());
            let mut built = Vec::new();
            packet::build(&mut built, &segment);
            let Content::Tcp(again) = packet::parse(LinkType::RAW, &built, built.len() as u32) else {
                panic!("a segment that cannot be read again: {segment:?}");
            };
            assert_eq!((canonical(again.from), canonical(again.to)), (canonical(segment.from), canonical(segment.to)));
            assert_eq!((again.seq, again.flags, again.window), (segment.seq, segment.flags, segment.window));
            assert_eq!(again.payload, &segment.payload[..segment.payload.len().min(packet::MOST_PAYLOAD)]);
        }
        Content::Udp(datagram) => assert!(datagram.payload.len() <= bytes.len()),
        Content::Fragment(_) | Content::Other | Content::Damaged(_) | Content::UnknownLink => {}
    }
}

fn canonical(address: std::net::SocketAddr) -> std::net::SocketAddr {
    std::net::SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// What is read can be written, and is the same when read again; numbers of lines rise.
pub fn key_log(data: &[u8]) {
    let (mut before, mut written, mut read) = (0, Vec::new(), Vec::new());
    for (number, line) in key_log::read(data) {
        assert!(number > before);
        before = number;
        match line {
            Ok(line) => {
                key_log::write(&mut written, &line);
                read.push(line);
            }
            Err(why) => assert!(!why.is_empty()),
        }
    }
    let again: Vec<_> = key_log::read(&written).map(|(_, line)| line.expect("a line that was written")).collect();
    assert_eq!(again, read);
}
