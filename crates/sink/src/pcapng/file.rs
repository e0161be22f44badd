//! A pcapng file that can begin anew at any packet. In: packets, secrets, names. Out: blocks, each file with all it needs.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;

use sidelight_model::flow::{ConnId, KeyLogLine, Leg};
use sidelight_model::time::Timestamp;
use sidelight_wire::key_log;
use sidelight_wire::packet::{LinkType, Segment, build};
use sidelight_wire::pcapng::write;

use super::comment::leg_name;
use crate::capture::{CaptureFile, Turn, Writer};
use crate::notice::Notices;

/// Bytes of secrets that are remembered of an open connection; TLS that was negotiated anew again and again has more.
const MOST_SECRETS: usize = 16 * 1024;
/// Names that are remembered as written.
const MOST_NAMES: usize = 10_000;

/// The interfaces of a capture, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interface {
    Clients = 0,
    Services = 1,
    Decrypted = 2,
}

/// What an open connection needs in each file.
#[derive(Debug, Default)]
struct Needs {
    secrets: [Vec<u8>; 2],
    names: Vec<(IpAddr, String)>,
}

/// The file, or files one after the other.
#[derive(Debug)]
pub(super) struct File {
    writer: Writer,
    open: HashMap<ConnId, Needs>,
    /// Blocks that must stand before the next packet.
    waiting: Vec<u8>,
    /// Secrets among them that still gather: whose, and the lines.
    gathering: Option<(ConnId, Leg, Vec<u8>)>,
    /// Names in this file, oldest first.
    named: HashSet<(IpAddr, String)>,
    named_order: VecDeque<(IpAddr, String)>,
    packet: Vec<u8>,
    block: Vec<u8>,
}

impl File {
    pub(super) fn new(file: CaptureFile, notices: Notices) -> Self {
        Self {
            writer: Writer::new(file, "packets", notices),
            open: HashMap::new(),
            waiting: Vec::new(),
            gathering: None,
            named: HashSet::new(),
            named_order: VecDeque::new(),
            packet: Vec::new(),
            block: Vec::new(),
        }
    }

    /// A secret; it is written before the next packet.
    pub(super) fn secret(&mut self, conn: ConnId, leg: Leg, line: &KeyLogLine) {
        let mut text = Vec::new();
        key_log::write(&mut text, line);
        let kept = &mut self.open.entry(conn).or_default().secrets[leg.index()];
        if kept.len() + text.len() <= MOST_SECRETS {
            kept.extend_from_slice(&text);
        }
        match &mut self.gathering {
            Some((of, on, lines)) if (*of, *on) == (conn, leg) => lines.extend_from_slice(&text),
            _ => {
                self.gather_no_more();
                self.gathering = Some((conn, leg, text));
            }
        }
    }

    fn gather_no_more(&mut self) {
        if let Some((conn, leg, lines)) = self.gathering.take() {
            secrets(&mut self.waiting, conn, leg, &lines);
        }
    }

    /// A name of an address; it is written once a file.
    pub(super) fn name(&mut self, conn: ConnId, address: IpAddr, name: &str) {
        let name = (address, name.to_owned());
        let kept = &mut self.open.entry(conn).or_default().names;
        if !kept.contains(&name) && kept.len() < 64 {
            kept.push(name.clone());
        }
        if self.named.contains(&name) {
            return;
        }
        write::names(&mut self.waiting, &[(name.0, name.1.as_str())]);
        self.remember(name);
    }

    fn remember(&mut self, name: (IpAddr, String)) {
        if self.named.insert(name.clone()) {
            self.named_order.push_back(name);
        }
        if self.named.len() > MOST_NAMES
            && let Some(oldest) = self.named_order.pop_front()
        {
            self.named.remove(&oldest);
        }
    }

    /// A connection is over: later files do not need its secrets and names.
    pub(super) fn forget(&mut self, conn: ConnId) {
        self.open.remove(&conn);
    }

    /// Writes a packet, and before it whatever must stand before it.
    pub(super) fn packet(&mut self, interface: Interface, at: Timestamp, segment: &Segment<'_>, comment: Option<&str>) {
        self.gather_no_more();
        self.packet.clear();
        build(&mut self.packet, segment);
        let (mut block, packet) = (std::mem::take(&mut self.block), std::mem::take(&mut self.packet));
        block.clear();
        block.extend_from_slice(&self.waiting);
        write::packet(&mut block, interface as u32, at, &packet, comment);
        let written = match self.writer.turn(at, block.len()) {
            Turn::Nowhere => false,
            Turn::Same => self.writer.put(&block),
            Turn::Fresh => {
                let mut whole = self.head();
                write::packet(&mut whole, interface as u32, at, &packet, comment);
                self.writer.put(&whole)
            }
        };
        if written {
            // What could not be written waits for the next packet: without secrets, nothing that follows is of use.
            self.waiting.clear();
        }
        (self.block, self.packet) = (block, packet);
    }

    /// The beginning of a file: interfaces, and the secrets and names of all open connections.
    fn head(&mut self) -> Vec<u8> {
        const CLIENTS: &str = "TCP connections of clients with sidelight";
        const SERVICES: &str = "TCP connections of sidelight with services";
        const DECRYPTED: &str = "what was inside TLS, as TCP connections without it";
        let mut head = Vec::new();
        let application = concat!("sidelight ", env!("CARGO_PKG_VERSION"));
        write::section(&mut head, application, None);
        write::interface(&mut head, LinkType::RAW, "clients", CLIENTS);
        write::interface(&mut head, LinkType::RAW, "services", SERVICES);
        write::interface(&mut head, LinkType::RAW, "decrypted", DECRYPTED);
        (self.named, self.named_order) = (HashSet::new(), VecDeque::new());
        let mut open: Vec<(&ConnId, &Needs)> = self.open.iter().collect();
        open.sort_by_key(|(conn, _)| **conn);
        let mut names = Vec::new();
        for (conn, needs) in open {
            for leg in [Leg::Client, Leg::Server] {
                let lines = &needs.secrets[leg.index()];
                if !lines.is_empty() {
                    secrets(&mut head, *conn, leg, lines);
                }
            }
            names.extend(needs.names.iter().cloned());
        }
        for name in names {
            if !self.named.contains(&name) {
                write::names(&mut head, &[(name.0, name.1.as_str())]);
                self.remember(name);
            }
        }
        head
    }

    /// Hands everything to the system, so that a live reader sees it; a file without any packet yet can be opened, too.
    pub(super) fn flush(&mut self) {
        self.begin();
        self.writer.flush();
    }

    /// The run is over.
    pub(super) fn end(&mut self) {
        self.begin();
        self.writer.end();
    }

    fn begin(&mut self) {
        if self.writer.file().written() == 0 && self.writer.lost_in_all() == 0 {
            let head = self.head();
            self.waiting.clear();
            self.writer.put(&head);
        }
    }
}

fn secrets(out: &mut Vec<u8>, conn: ConnId, leg: Leg, lines: &[u8]) {
    let comment = format!("sidelight: connection {}, {}", conn.0, leg_name(leg));
    write::secrets(out, lines, Some(&comment));
}
