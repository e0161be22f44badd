//! An independent reader of what was captured. In: events of one leg. Out: what tshark finds in them with the leg's secrets.
//! Spec: the pcap file format (LINKTYPE_RAW), RFC 791, RFC 9293.

use std::path::Path;
use std::process::Command;

use sidelight_model::flow::{ConnId, Direction, Ends, Event, EventKind, Leg};

const SYN: u8 = 2;
const ACK: u8 = 16;

/// One leg of one connection, as files.
pub(crate) struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    /// Writes the packets and secrets of a leg. Every secret is written before the packets that follow it, so what stands too
    /// late for a reader that reads once is seen as undecrypted.
    pub(crate) fn of(events: &[Event], conn: ConnId, leg: Leg) -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        let mut packets = Packets::default();
        let mut secrets = String::new();
        for event in events.iter().filter(|event| event.conn == conn) {
            match &event.kind {
                EventKind::Socket(on, ends) if *on == leg => packets.begin(*ends),
                EventKind::Wire(on, direction, bytes) if *on == leg => packets.bytes(*direction, event.at.0, bytes),
                EventKind::Secret(on, line) if *on == leg => {
                    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
                    let (random, secret) = (hex(&line.client_random), hex(line.secret.reveal()));
                    secrets.push_str(&format!("{} {random} {secret}\n", line.label));
                }
                _ => {}
            }
        }
        std::fs::write(files.path("leg.pcap"), &packets.file).unwrap();
        std::fs::write(files.path("keys.log"), secrets).unwrap();
        files
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    /// tshark with the leg's packets and secrets.
    pub(crate) fn tshark(&self, arguments: &[&str]) -> String {
        let keys = format!("tls.keylog_file:{}", self.path("keys.log").display());
        let mut command = Command::new("tshark");
        command.arg("-r").arg(self.path("leg.pcap")).args(["-o", &keys]).args(arguments);
        let output = command.output().expect("tshark is installed (cargo xtask setup)");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The decrypted bytes of both directions.
    pub(crate) fn decrypted(&self) -> [Vec<u8>; 2] {
        let mut both = [Vec::new(), Vec::new()];
        for line in self.tshark(&["-q", "-z", "follow,tls,raw,0"]).lines() {
            let (side, digits) = line.strip_prefix('\t').map_or((0, line), |digits| (1, digits));
            if !digits.is_empty() && digits.len() % 2 == 0 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                both[side].extend(data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap());
            }
        }
        both
    }
}

struct Packets {
    file: Vec<u8>,
    ends: Option<Ends>,
    next: [u32; 2],
}

impl Default for Packets {
    fn default() -> Self {
        let numbers: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 101];
        Self { file: numbers.iter().flat_map(|number| number.to_le_bytes()).collect(), ends: None, next: [1; 2] }
    }
}

impl Packets {
    fn begin(&mut self, ends: Ends) {
        (self.ends, self.next) = (Some(ends), [1; 2]);
        self.packet(0, 0, SYN, 0, 0, &[]);
        self.packet(1, 0, SYN | ACK, 0, 1, &[]);
    }

    fn bytes(&mut self, direction: Direction, micros: i64, bytes: &[u8]) {
        let side = direction.index();
        for part in bytes.chunks(16_000) {
            let (sequence, acknowledged) = (self.next[side], self.next[1 - side]);
            self.packet(side, micros, ACK, sequence, acknowledged, part);
            self.next[side] += u32::try_from(part.len()).unwrap();
        }
    }

    fn packet(&mut self, side: usize, micros: i64, flags: u8, sequence: u32, acknowledged: u32, bytes: &[u8]) {
        let Some(Ends { from: std::net::SocketAddr::V4(from), to: std::net::SocketAddr::V4(to) }) = self.ends else {
            panic!("a socket of IPv4 comes first");
        };
        let (source, target) = if side == 0 { (from, to) } else { (to, from) };
        let total = u16::try_from(40 + bytes.len()).unwrap();
        let mut packet = vec![0x45, 0];
        packet.extend(total.to_be_bytes());
        packet.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        packet.extend(source.ip().octets());
        packet.extend(target.ip().octets());
        packet.extend(source.port().to_be_bytes());
        packet.extend(target.port().to_be_bytes());
        packet.extend(sequence.to_be_bytes());
        packet.extend(acknowledged.to_be_bytes());
        packet.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend(bytes);
        let length = u32::from(total);
        for number in
            [u32::try_from(micros / 1_000_000).unwrap(), u32::try_from(micros % 1_000_000).unwrap(), length, length]
        {
            self.file.extend(number.to_le_bytes());
        }
        self.file.extend(packet);
    }
}
