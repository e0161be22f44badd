//! What is in the files, read back with the reader of `wire`. Whether Wireshark likes them is asked in `tests/tshark`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sidelight_model::flow::{
    Authority, Closed, Decision, Direction, Hello, How, KeyLogLine, Opened, Process, Tally, TlsSide, TlsVersion,
    Verdict,
};
use sidelight_model::redact::Secret;
use sidelight_wire::packet::{self, Content, Flags};
use sidelight_wire::pcapng::{Item, Reader, Step};

use super::*;
use crate::capture::{Destination, Rotation};

/// What is in a file: packets as `interface seq ack flags length`, and everything else in words.
#[derive(Debug, Default)]
struct Found {
    packets: Vec<(u32, u32, u32, u8, Vec<u8>)>,
    ends: Vec<String>,
    comments: Vec<String>,
    secrets: Vec<String>,
    names: Vec<String>,
}

fn read(path: &Path) -> Found {
    let bytes = std::fs::read(path).unwrap();
    let (mut reader, mut at, mut found) = (Reader::new(), 0, Found::default());
    while at < bytes.len() {
        let Step::Item(used, item) = reader.step(&bytes[at..]) else { panic!("at {at}") };
        at += used;
        match item {
            Item::Packet(packet) => {
                let Content::Tcp(tcp) = packet::parse(packet.link, packet.bytes, packet.original) else { panic!() };
                found.packets.push((packet.interface, tcp.seq, tcp.ack, tcp.flags.0, tcp.payload.to_vec()));
                found.ends.push(format!("{}>{}", tcp.from, tcp.to));
                found.comments.extend(packet.comments.iter().map(|comment| comment.clone().into_owned()));
            }
            Item::Secrets(_, text) => found.secrets.push(String::from_utf8_lossy(text).into_owned()),
            Item::Names(names) => found.names.extend(names.iter().map(|(ip, name)| format!("{ip} {name}"))),
            _ => {}
        }
    }
    found
}

struct World {
    _folder: tempfile::TempDir,
    path: PathBuf,
    pcap: Pcapng,
    conn: ConnectionRecord,
}

impl World {
    fn new(content: PcapContent, rotation: Rotation) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pcapng");
        let file = CaptureFile::create("--pcap", Destination::File(path.clone()), rotation, Timestamp(0)).unwrap();
        let conn = ConnectionRecord::new(ConnId(12), Timestamp(1));
        let mut world = Self { _folder: folder, path, pcap: Pcapng::new(file, content, Notices::none()), conn };
        let (client, local) = ("192.0.2.7:50000".parse().unwrap(), "192.0.2.8:8080".parse().unwrap());
        world.tell(EventKind::Opened(Opened { client, local, mode: "explicit".into() }));
        world
    }

    fn tell(&mut self, kind: EventKind) {
        self.conn.learn(Timestamp(5), &kind);
        self.pcap.event(&self.conn, &Event { conn: self.conn.id, at: Timestamp(5), kind });
    }

    fn socket(&mut self, leg: Leg, from: &str, to: &str) {
        self.tell(EventKind::Socket(leg, Ends { from: from.parse().unwrap(), to: to.parse().unwrap() }));
    }

    fn wire(&mut self, leg: Leg, direction: Direction, bytes: &[u8]) {
        self.tell(EventKind::Wire(leg, direction, bytes.to_vec().into()));
    }

    fn secret(&mut self, leg: Leg, label: &str) {
        let line = KeyLogLine { label: label.into(), client_random: [1; 32], secret: Secret::new(vec![2; 48]) };
        self.tell(EventKind::Secret(leg, Box::new(line)));
    }

    fn close(&mut self, how: How) {
        let (to_server, to_client) = (Tally::default(), Tally::default());
        self.tell(EventKind::Closed(Closed { to_server, to_client, how }));
    }

    fn found(&mut self) -> Found {
        self.pcap.end(&Ledger::default());
        read(&self.path)
    }
}

const CLIENT: (&str, &str) = ("192.0.2.7:50000", "198.51.100.1:443");

#[test]
fn a_conversation_with_its_numbers_and_ends() {
    let mut world = World::new(PcapContent::Tls, Rotation::default());
    world.socket(Leg::Client, CLIENT.0, CLIENT.1);
    world.wire(Leg::Client, Direction::ToServer, b"hello");
    world.wire(Leg::Client, Direction::ToClient, &vec![7; LONG]);
    world.tell(EventKind::WireEnd(Leg::Client, Direction::ToServer, WireEnd::Fin));
    world.tell(EventKind::WireEnd(Leg::Client, Direction::ToServer, WireEnd::Fin));
    world.tell(EventKind::WireEnd(Leg::Client, Direction::ToClient, WireEnd::Reset));
    world.wire(Leg::Server, Direction::ToClient, b"of no socket");
    world.close(How::Clean);
    let found = world.found();
    let (c, s) = (found.packets[0].1, found.packets[1].1);
    let [syn, ack, push, fin, rst] = [Flags::SYN, Flags::ACK, Flags::PSH, Flags::FIN, Flags::RST].map(|flag| flag.0);
    let at = |n: usize| c.wrapping_add(n as u32);
    let from = |n: usize| s.wrapping_add(n as u32);
    let wanted = [
        (c, 0, syn, 0),
        (s, at(1), syn | ack, 0),
        (at(1), from(1), ack, 0),
        (at(1), from(1), push | ack, 5),
        (from(1), at(6), ack, 0),
        (from(1), at(6), push | ack, 64_000),
        (at(6), from(64_001), ack, 0),
        (from(64_001), at(6), push | ack, LONG - 64_000),
        (at(6), from(LONG + 1), ack, 0),
        (at(6), from(LONG + 1), fin | ack, 0),
        (from(LONG + 1), at(7), ack, 0),
        (from(LONG + 1), at(7), rst | ack, 0),
    ];
    let got: Vec<_> =
        found.packets.iter().map(|(_, seq, ack, flags, bytes)| (*seq, *ack, *flags, bytes.len())).collect();
    assert_eq!(got, wanted);
    assert!(found.packets.iter().all(|packet| packet.0 == 0));
    assert_eq!(found.ends[..2], [format!("{}>{}", CLIENT.0, CLIENT.1), format!("{}>{}", CLIENT.1, CLIENT.0)]);
}

const LONG: usize = 100_000;

#[test]
fn numbers_wrap_after_four_gibibytes_and_gaps_are_told() {
    let mut world = World::new(PcapContent::Tls, Rotation::default());
    world.socket(Leg::Server, "192.0.2.8:40000", "198.51.100.1:443");
    world.tell(EventKind::WireLost(Leg::Server, Direction::ToClient, (5 << 32) + 11));
    world.tell(EventKind::WireLost(Leg::Server, Direction::ToClient, 1));
    world.wire(Leg::Server, Direction::ToClient, b"x");
    let found = world.found();
    let first = found.packets[1].1.wrapping_add(1);
    assert_eq!((found.packets[3].0, found.packets[3].1), (1, first.wrapping_add(12)));
    assert_eq!(found.comments[0], "sidelight: connection 12, service leg");
    let gap = (5_u64 << 32) + 12;
    assert_eq!(
        found.comments[1],
        format!("sidelight: {gap} bytes from the service before this packet are missing here")
    );
}

#[test]
fn comments_say_what_is_known_and_again_when_more_is() {
    let mut world = World::new(PcapContent::Tls, Rotation::default());
    world.socket(Leg::Client, CLIENT.0, CLIENT.1);
    let process =
        Process { pid: 1234, name: "cu;rl\n".into(), exe: None, container: Some("0123456789abcdef".repeat(4)) };
    world.tell(EventKind::Process(process));
    world.tell(EventKind::Target(Authority::parse("registry.test:443", None).unwrap()));
    let hello = Hello { sni: Some("registry.test".into()), ..Hello::default() };
    world.tell(EventKind::Hello(Arc::new(hello)));
    world.tell(EventKind::Upstream("198.51.100.1:443".parse().unwrap()));
    world.tell(EventKind::Upstream("198.51.100.1:443".parse().unwrap()));
    world.wire(Leg::Client, Direction::ToServer, b"a");
    world.tell(EventKind::Decided(Decision { verdict: Verdict::Intercept, because: String::new() }));
    world.socket(Leg::Server, "192.0.2.8:40000", "198.51.100.1:443");
    world.wire(Leg::Client, Direction::ToServer, b"b");
    world.wire(Leg::Client, Direction::ToServer, b"c");
    let found = world.found();
    let about = "cu\u{fffd}rl\u{fffd}[1234]; container 0123456789ab; to registry.test:443; SNI registry.test";
    let wanted = [
        "sidelight: connection 12, client leg".to_owned(),
        format!("sidelight: connection 12, client leg; {about}"),
        format!("sidelight: connection 12, service leg; {about}; intercept"),
        format!("sidelight: connection 12, client leg; {about}; intercept"),
    ];
    assert_eq!(found.comments, wanted);
    assert_eq!(found.names, ["198.51.100.1 registry.test"]);
}

#[test]
fn what_is_learned_after_the_last_packet_is_said_at_the_end() {
    let process = || Process { pid: 7, name: "curl".into(), exe: None, container: None };
    let mut world = World::new(PcapContent::Plain, Rotation::default());
    world.tell(EventKind::Data(Direction::ToServer, b"a".to_vec().into()));
    world.tell(EventKind::Process(process()));
    world.close(How::Clean);
    let wanted = ["sidelight: connection 12, decrypted", "sidelight: connection 12, decrypted; curl[7]"];
    assert_eq!(world.found().comments, wanted);

    let mut world = World::new(PcapContent::Tls, Rotation::default());
    world.socket(Leg::Client, CLIENT.0, CLIENT.1);
    world.tell(EventKind::WireEnd(Leg::Client, Direction::ToServer, WireEnd::Fin));
    world.tell(EventKind::WireEnd(Leg::Client, Direction::ToClient, WireEnd::Fin));
    world.tell(EventKind::Process(process()));
    world.close(How::Clean);
    let wanted = ["sidelight: connection 12, client leg", "sidelight: connection 12, client leg; curl[7]"];
    assert_eq!(world.found().comments, wanted);
}

#[test]
fn each_file_has_the_secrets_and_names_that_it_needs() {
    let rotation = Rotation { size: Some(4000), ..Rotation::default() };
    let mut world = World::new(PcapContent::Tls, rotation);
    world.socket(Leg::Client, CLIENT.0, CLIENT.1);
    world.tell(EventKind::Target(Authority::parse("registry.test:443", None).unwrap()));
    world.tell(EventKind::Upstream("198.51.100.1:443".parse().unwrap()));
    world.secret(Leg::Client, "CLIENT_RANDOM");
    world.secret(Leg::Client, "CLIENT_TRAFFIC_SECRET_0");
    world.secret(Leg::Server, "SERVER_TRAFFIC_SECRET_0");
    world.wire(Leg::Client, Direction::ToServer, &[1; 500]);
    world.wire(Leg::Client, Direction::ToServer, &[2; 3500]);
    let other = world.path.with_file_name("a-0002.pcapng");
    world.pcap.idle();
    let (first, second) = (read(&world.path), read(&other));
    for found in [&first, &second] {
        assert_eq!(found.secrets.len(), 2, "batched by leg");
        assert_eq!(found.secrets[0].lines().count(), 2);
        assert!(found.secrets[1].starts_with("SERVER_TRAFFIC_SECRET_0 0101"));
        assert_eq!(found.names, ["198.51.100.1 registry.test"]);
    }
    // The second file goes on with the numbers of the first.
    assert_eq!(second.packets[0].1, first.packets[3].1.wrapping_add(500));
    assert_eq!(second.packets[0].4.len(), 3500);
    world.close(How::Clean);
    world.conn = ConnectionRecord::new(ConnId(13), Timestamp(1));
    world.socket(Leg::Client, CLIENT.0, CLIENT.1);
    world.wire(Leg::Client, Direction::ToServer, &[3; 3500]);
    world.pcap.end(&Ledger::default());
    let last =
        (3..).map(|n| world.path.with_file_name(format!("a-{n:04}.pcapng"))).take_while(|path| path.exists()).last();
    assert_eq!(read(&last.unwrap()).secrets, Vec::<String>::new(), "connections that ended need nothing any more");
}

fn tls() -> EventKind {
    EventKind::ClientTls(Arc::new(TlsSide {
        version: TlsVersion(0x0304),
        cipher: String::new(),
        group: None,
        alpn: None,
        sni: None,
        hello: None,
        resumed: false,
        chain: Vec::new(),
        verified: None,
    }))
}

#[test]
fn what_was_decrypted_is_a_conversation_on_the_port_without_tls() {
    for (content, interfaces) in
        [(PcapContent::Plain, vec![2]), (PcapContent::Both, vec![0, 2]), (PcapContent::Tls, vec![0])]
    {
        for (how, last) in [(How::Clean, Flags::ACK.0), (How::ClientCut("reset".into()), Flags::RST.and(Flags::ACK).0)]
        {
            let mut world = World::new(content, Rotation::default());
            world.socket(Leg::Client, CLIENT.0, CLIENT.1);
            world.tell(EventKind::Upstream("198.51.100.1:443".parse().unwrap()));
            world.tell(tls());
            world.tell(EventKind::Data(Direction::ToServer, b"GET /".to_vec().into()));
            world.tell(EventKind::Lost(Direction::ToServer, 100));
            world.tell(EventKind::Data(Direction::ToServer, b"x".to_vec().into()));
            world.close(how);
            let found = world.found();
            let mut seen: Vec<u32> = found.packets.iter().map(|packet| packet.0).collect();
            seen.dedup();
            assert_eq!(seen, interfaces);
            if content != PcapContent::Tls {
                assert_eq!(found.packets.last().unwrap().3, last);
                assert_eq!(found.ends.last().unwrap(), "192.0.2.7:50000>198.51.100.1:80");
                assert!(found.comments.iter().any(|comment| {
                    comment.ends_with("decrypted; port 443 is written as 80, as it is without TLS here")
                }));
            }
        }
    }
}

#[test]
fn plain_conversations_are_not_written_twice_nor_under_numbers_of_others() {
    let mut world = World::new(PcapContent::Both, Rotation::default());
    world.socket(Leg::Client, "192.0.2.7:50000", "198.51.100.1:9000");
    world.tell(EventKind::Upstream("198.51.100.1:9000".parse().unwrap()));
    world.tell(EventKind::Data(Direction::ToServer, b"STARTTLS".to_vec().into()));
    world.tell(tls());
    world.tell(EventKind::Data(Direction::ToServer, b"inside".to_vec().into()));
    let found = world.found();
    let inside: Vec<_> = found.packets.iter().filter(|packet| packet.0 == 2 && !packet.4.is_empty()).collect();
    assert_eq!((inside.len(), &inside[0].4[..]), (1, &b"inside"[..]));
    assert!(found.ends.contains(&"192.0.2.7:849>198.51.100.1:9000".to_owned()), "{:?}", found.ends);
}

#[test]
fn a_capture_of_nothing_can_be_opened() {
    let mut world = World::new(PcapContent::Tls, Rotation::default());
    world.pcap.idle();
    let found = world.found();
    assert!(found.packets.is_empty());
    assert!(std::fs::metadata(&world.path).unwrap().len() > 100);
}
