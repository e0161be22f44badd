//! One TCP connection of a capture. In: its segments. Out: events, under the number of the connection that it belongs to.

use std::net::SocketAddr;

use bytes::Bytes;
use sidelight_model::flow::{
    Authority, Closed, ConnId, Direction, Event, EventKind, How, Opened, Process, Tally, TlsSide, Verdict,
};
use sidelight_model::time::Timestamp;
use sidelight_wire::packet::{Flags, Segment};
use sidelight_wire::tcp::{self, Piece, State};
use sidelight_wire::tls::decrypt::Secrets;

use super::layers::{Layers, Told};
use super::own::{About, Part};
use super::verdict;

/// What a conversation is a part of.
#[derive(Clone, Debug, Default)]
pub(super) struct Role {
    /// Of a connection of sidelight's own: which part.
    pub(super) part: Option<Part>,
    /// What comments say.
    pub(super) about: About,
}

/// A TCP connection under way.
#[derive(Debug)]
pub(super) struct Conversation {
    id: ConnId,
    role: Role,
    client: SocketAddr,
    server: SocketAddr,
    tcp: tcp::Connection,
    layers: Layers,
    began: Timestamp,
    last: Timestamp,
    /// SYNs of the client.
    syns: u32,
    answered: bool,
    /// Bytes of the conversation in each direction, and bytes on the wire.
    content: [Tally; 2],
    wire: [Tally; 2],
    reset: Option<Direction>,
    closed: bool,
    /// Whether an event of this conversation opened the connection.
    opened: bool,
    differs: bool,
    process_told: bool,
    stops_told: usize,
}

impl Conversation {
    pub(super) fn new(id: ConnId, role: Role, ends: (SocketAddr, SocketAddr), at: Timestamp) -> Self {
        let (client, server) = ends;
        let limits = tcp::Limits::default();
        let own = role.part == Some(Part::Client);
        let layers = Layers::new(Authority::from(server), role.about.target.clone(), own);
        Self {
            id,
            role,
            client,
            server,
            tcp: tcp::Connection::new(limits),
            layers,
            began: at,
            last: at,
            syns: 0,
            answered: false,
            content: Default::default(),
            wire: Default::default(),
            reset: None,
            closed: false,
            opened: false,
            differs: false,
            process_told: false,
            stops_told: 0,
        }
    }

    pub(super) const fn last(&self) -> Timestamp {
        self.last
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn held(&self) -> usize {
        self.tcp.held()
    }

    /// Whether bytes came a second time as others; tells it once.
    pub(super) const fn take_differs(&mut self) -> bool {
        std::mem::replace(&mut self.differs, false)
    }

    /// Why decryption stopped, of which direction, since this was last asked.
    pub(super) fn take_stopped(&mut self) -> Vec<String> {
        let stopped = &self.layers.facts.stopped;
        let news = stopped.get(self.stops_told..).unwrap_or_default();
        let words = news.iter().map(|(direction, why)| {
            let who = if *direction == Direction::ToServer { "the client" } else { "the service" };
            format!("what {who} sends from {} to {} cannot be read on: {why}", self.client, self.server)
        });
        let words = words.collect();
        self.stops_told = stopped.len();
        words
    }

    pub(super) fn name(&self) -> String {
        format!("{} to {}", self.client, self.server)
    }

    /// Whether it was made to sidelight, which is not the service.
    fn is_own_client(&self) -> bool {
        self.role.part == Some(Part::Client)
    }

    /// The address of the client (0) or service (1), with the port that it had.
    fn true_end(&self, side: usize) -> SocketAddr {
        let mut end = if side == 0 { self.client } else { self.server };
        if let Some(port) = self.role.about.ports.get(side).copied().flatten() {
            end.set_port(port);
        }
        end
    }

    fn direction(&self, from: SocketAddr) -> Direction {
        if from == self.client { Direction::ToServer } else { Direction::ToClient }
    }

    /// Whether this segment begins another connection between the same ports.
    pub(super) fn is_reused_by(&self, segment: &Segment<'_>) -> bool {
        let is_syn = segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::ACK);
        let syn = tcp::Segment { seq: segment.seq, syn: true, ..tcp::Segment::default() };
        is_syn && (self.closed || self.tcp.is_reused_by(self.direction(segment.from), &syn))
    }

    /// Takes the next segment.
    pub(super) fn segment(&mut self, at: Timestamp, segment: &Segment<'_>, secrets: &Secrets, out: &mut Vec<Event>) {
        if self.closed {
            return;
        }
        self.last = self.last.max(at);
        let direction = self.direction(segment.from);
        let flags = segment.flags;
        if !self.opened {
            self.open(at, out);
        }
        if flags.has(Flags::SYN) && direction == Direction::ToServer {
            self.syns += 1;
        }
        if direction == Direction::ToClient && !flags.has(Flags::RST) && !self.answered {
            self.answered = true;
            if !self.is_own_client() {
                self.tell(at, EventKind::Upstream(self.true_end(1)), out);
            }
        }
        let segment = tcp::Segment {
            seq: segment.seq,
            ack: flags.has(Flags::ACK).then_some(segment.ack),
            syn: flags.has(Flags::SYN),
            fin: flags.has(Flags::FIN),
            rst: flags.has(Flags::RST),
            payload: Bytes::copy_from_slice(segment.payload),
            missing: segment.missing as usize,
        };
        let mut pieces = Vec::new();
        self.tcp.segment(direction, at, &segment, &mut pieces);
        if !self.tcp.is_from_start() {
            self.layers.joined_under_way();
        }
        self.pieces(at, pieces, secrets, out);
        if self.tcp.state() == State::Over {
            self.close(at, secrets, out);
        }
    }

    /// Gives up what waits behind gaps.
    pub(super) fn flush(&mut self, secrets: &Secrets, out: &mut Vec<Event>) {
        let mut pieces = Vec::new();
        self.tcp.flush(&mut pieces);
        self.pieces(self.last, pieces, secrets, out);
    }

    /// Ends it, when it has not ended by itself; `at` is the end of the capture.
    pub(super) fn end(&mut self, at: Timestamp, secrets: &Secrets, out: &mut Vec<Event>) {
        if !self.closed && self.opened {
            self.flush(secrets, out);
            self.close(at.max(self.last), secrets, out);
        }
    }

    /// What a comment of sidelight says, on whichever packet.
    pub(super) fn learn(&mut self, about: About, at: Timestamp, out: &mut Vec<Event>) {
        self.role.about = about;
        if self.opened
            && !self.closed
            && self.role.part != Some(Part::Service)
            && let Some(process) = self.role.about.process.take()
        {
            self.process(process, at, out);
        }
    }

    fn open(&mut self, at: Timestamp, out: &mut Vec<Event>) {
        self.opened = true;
        if self.role.part == Some(Part::Service) {
            return;
        }
        let opened = Opened { client: self.true_end(0), local: self.true_end(1), mode: "pcap".into() };
        self.tell(at, EventKind::Opened(opened), out);
        match self.role.about.process.take() {
            Some(process) => self.process(process, at, out),
            // A later comment may tell.
            None if self.role.part.is_some() => {}
            None => self.tell(at, EventKind::NoProcess, out),
        }
    }

    /// Tells the client's program, once.
    fn process(&mut self, process: Process, at: Timestamp, out: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.process_told, true) {
            self.tell(at, EventKind::Process(process), out);
        }
    }

    fn pieces(&mut self, at: Timestamp, pieces: Vec<Piece>, secrets: &Secrets, out: &mut Vec<Event>) {
        let mut told = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Data(direction, bytes) => {
                    self.wire[direction.index()].bytes += bytes.len() as u64;
                    self.layers.data(direction, at, bytes, secrets, &mut told);
                }
                Piece::Lost(direction, count) => {
                    let tally = &mut self.wire[direction.index()];
                    tally.bytes = tally.bytes.saturating_add(count);
                    tally.lost = tally.lost.saturating_add(count);
                    self.layers.lost(direction, at, count, secrets, &mut told);
                }
                Piece::Fin(direction) => self.layers.ended(direction, at, &mut told),
                Piece::Reset(direction) => self.reset = Some(direction),
                Piece::Differs(..) => self.differs = true,
            }
        }
        self.tell_all(told, out);
    }

    fn tell_all(&mut self, told: Vec<(Timestamp, Told)>, out: &mut Vec<Event>) {
        for (at, told) in told {
            self.tell_one(at, told, out);
        }
    }

    fn tell_one(&mut self, at: Timestamp, told: Told, out: &mut Vec<Event>) {
        if self.role.part == Some(Part::Service) {
            // The client's leg carries the conversation; this one tells what was agreed with the service.
            if let Told::Agreed(side) = told {
                self.tell(at, EventKind::ServerTls(side), out);
            }
            return;
        }
        match told {
            Told::Hello(hello) => self.tell(at, EventKind::Hello(hello), out),
            Told::Target(target) => {
                let target = self.role.about.target.clone().unwrap_or(target);
                self.tell(at, EventKind::Target(target), out);
            }
            Told::Decided(decision) => {
                if decision.verdict == Verdict::Plain && self.is_content() {
                    return self.agree_unseen(at, out);
                }
                self.tell(at, EventKind::Decided(decision), out);
            }
            Told::Agreed(side) => {
                if self.role.part.is_none() {
                    self.tell(at, EventKind::ServerTls(side.clone()), out);
                }
                if self.layers.facts.agreed {
                    self.tell(at, EventKind::ClientTls(side), out);
                }
            }
            Told::Data(direction, bytes) => {
                self.content[direction.index()].bytes += bytes.len() as u64;
                self.tell(at, EventKind::Data(direction, bytes), out);
            }
            Told::Lost(direction, count) => {
                let tally = &mut self.content[direction.index()];
                tally.bytes = tally.bytes.saturating_add(count);
                tally.lost = tally.lost.saturating_add(count);
                self.tell(at, EventKind::Lost(direction, count), out);
            }
            Told::HalfClosed(direction) => self.tell(at, EventKind::HalfClosed(direction), out),
        }
    }

    /// Whether this is what sidelight decrypted, written without TLS.
    fn is_content(&self) -> bool {
        self.role.part == Some(Part::Content) && self.role.about.verdict == Some(Verdict::Intercept)
    }

    /// It was TLS, of which only the content is in the capture.
    fn agree_unseen(&self, at: Timestamp, out: &mut Vec<Event>) {
        let side = std::sync::Arc::new(TlsSide {
            version: self.role.about.version,
            cipher: self.role.about.cipher.clone(),
            group: None,
            alpn: None,
            sni: self.role.about.sni.clone(),
            hello: None,
            resumed: false,
            chain: Vec::new(),
            verified: None,
        });
        let because = "written by sidelight without its TLS".to_owned();
        let decision = sidelight_model::flow::Decision { verdict: Verdict::Intercept, because };
        self.tell(at, EventKind::Decided(decision), out);
        self.tell(at, EventKind::ServerTls(side.clone()), out);
        self.tell(at, EventKind::ClientTls(side), out);
    }

    fn close(&mut self, at: Timestamp, secrets: &Secrets, out: &mut Vec<Event>) {
        let mut told = Vec::new();
        self.layers.closed(secrets, &mut told);
        self.tell_all(told, out);
        self.closed = true;
        let end = verdict::End {
            client: self.client,
            server: self.server,
            answered: self.answered,
            syns: self.syns,
            waited: at.since(self.began),
            reset: self.reset,
            over: self.tcp.state() == State::Over,
            said: self.content[0].bytes,
            at,
        };
        let found = verdict::finding(&end, &self.layers);
        let fails = found.as_ref().is_some_and(|_| !self.layers.facts.agreed);
        if let Some(finding) = found {
            self.tell(at, EventKind::Finding(Box::new(finding)), out);
        }
        if self.role.part == Some(Part::Service) {
            return;
        }
        let how = if fails { How::Failed } else { verdict::how(&end, &self.layers) };
        let [to_server, to_client] = if self.layers.is_unseen() { self.wire } else { self.content };
        self.tell(at, EventKind::Closed(Closed { to_server, to_client, how }), out);
    }

    fn tell(&self, at: Timestamp, kind: EventKind, out: &mut Vec<Event>) {
        out.push(Event { conn: self.id, at, kind });
    }
}
