//! The packets of a capture, one after the other, as a source of events. In: a file. Out: events of all its TCP connections.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::BufRead;
use std::time::Duration;

use sidelight_model::flow::{ConnId, Event};
use sidelight_model::time::Timestamp;
use sidelight_wire::packet::{Content, Datagram, LinkType, parse};
use sidelight_wire::pcapng::{Item, Packet, Reader, Step, TLS_KEY_LOG};
use sidelight_wire::tls::decrypt::Secrets;

use super::conversation::Conversation;
use super::table::{Change, Pair, Table};
use super::{LOOK, learn};
use crate::bus::{EventSource, Next};
use crate::import::Damage;
use crate::import::input::Input;

/// Connections that are followed at a time.
const MOST_CONVERSATIONS: usize = 1 << 16;
/// Bytes that wait behind gaps, in all connections.
const MOST_HELD: usize = 256 << 20;
/// How long a connection that is over is remembered, to know its last packets.
const LINGER: Duration = Duration::from_secs(60);
/// Packets after which those that are over are looked for.
const SWEEP: u64 = 8_192;
/// Places that are told one by one.
const MOST_DAMAGES: usize = 2_000;

/// Packets of a kind that cannot be used: how many, and where the first is.
#[derive(Debug, Default)]
struct Unused {
    count: u64,
    first: u64,
}

impl Unused {
    fn count(&mut self, offset: u64) {
        if self.count == 0 {
            self.first = offset;
        }
        self.count += 1;
    }

    fn damage(&self, what: impl FnOnce(u64) -> String) -> Option<Damage> {
        (self.count > 0).then(|| Damage::new(self.first, what(self.count)))
    }
}

/// What cannot be used, by kind.
#[derive(Debug, Default)]
struct Counts {
    quic: Unused,
    fragments: Unused,
    broken: Unused,
    links: HashMap<LinkType, Unused>,
    /// Not packets but connections: whose bytes came twice as others, and those that were given up.
    differing: Unused,
    evicted: Unused,
}

/// A capture as a source of events.
pub(super) struct Source<'i, 'r> {
    input: &'i mut Input<'r>,
    reader: Reader,
    want: usize,
    secrets: Secrets,
    conversations: HashMap<Pair, Box<Conversation>>,
    /// Connections of sidelight's own, by their numbers in the capture.
    own: HashMap<u64, ConnId>,
    /// Those of them whose client's leg is in the capture.
    legs: HashSet<u64>,
    /// Conversations that repeat the content of others.
    doubles: HashSet<Pair>,
    next: u64,
    queue: VecDeque<Event>,
    held: usize,
    packets: u64,
    now: Timestamp,
    ended: bool,
    damage: Vec<Damage>,
    unused: Counts,
}

impl<'i, 'r> Source<'i, 'r> {
    /// Reads `input`, whose first connection gets the number `first`.
    pub(super) fn new(input: &'i mut Input<'r>, secrets: Secrets, first: ConnId) -> Self {
        Self {
            input,
            reader: Reader::new(),
            want: LOOK,
            secrets,
            conversations: HashMap::new(),
            own: HashMap::new(),
            legs: HashSet::new(),
            doubles: HashSet::new(),
            next: first.0,
            queue: VecDeque::new(),
            held: 0,
            packets: 0,
            now: Timestamp::default(),
            ended: false,
            damage: Vec::new(),
            unused: Counts::default(),
        }
    }

    /// Where and why, when not one packet could be read.
    pub(super) fn unreadable(&self) -> Option<(u64, String)> {
        let first = self.damage.first().filter(|_| self.packets == 0)?;
        Some((first.offset, first.what.clone()))
    }

    /// What could not be read.
    pub(super) fn damage(mut self) -> Vec<Damage> {
        let told = [
            self.unused.quic.damage(|n| format!("{n} packets of QUIC cannot be read; only TLS over TCP is")),
            self.unused
                .fragments
                .damage(|n| format!("{n} fragments of TCP packets cannot be read; their bytes are missing")),
            self.unused.broken.damage(|n| format!("{n} packets are too short, or contradict themselves")),
            self.unused
                .differing
                .damage(|n| format!("in {n} connections bytes came twice and differed; the first were taken")),
            self.unused.evicted.damage(|n| {
                format!("{n} connections were given up: no more than {MOST_CONVERSATIONS} are followed at a time")
            }),
        ];
        self.damage.extend(told.into_iter().flatten());
        for (link, unused) in &self.unused.links {
            self.damage.extend(unused.damage(|n| format!("{n} packets of {link} cannot be read")));
        }
        self.damage
    }

    /// Reads what stands next in the file.
    fn step(&mut self) {
        let offset = self.input.offset();
        let Ok(bytes) = self.input.peek(self.want) else { return self.end() };
        let there = bytes.len();
        let mut found = None;
        let used = match self.reader.step(bytes) {
            Step::Need(more) if more > there && there == self.want => {
                self.want = more;
                return;
            }
            Step::Need(_) if there == 0 => return self.end(),
            Step::Need(more) => {
                let what = format!("the capture is cut here: {there} of at least {more} bytes are left");
                hurt(&mut self.damage, offset, what);
                return self.end();
            }
            Step::Lost(why) => {
                hurt(&mut self.damage, offset, format!("{why}; what follows cannot be read"));
                return self.end();
            }
            Step::Damage(used, why) => {
                hurt(&mut self.damage, offset, format!("{why}; it is passed over"));
                used
            }
            Step::Item(used, Item::Secrets(TLS_KEY_LOG, text)) => {
                learn(text, &mut self.secrets);
                used
            }
            Step::Item(used, Item::Packet(packet)) => {
                found = Some(packet);
                used
            }
            Step::Item(used, _) => used,
        };
        // The packet borrows the input's buffer, from which only whole items are taken, after they are read.
        if let Some(packet) = found {
            let at = packet.at.unwrap_or(self.now);
            self.now = self.now.max(at);
            self.packets += 1;
            let table = Table {
                secrets: &self.secrets,
                conversations: &mut self.conversations,
                own: &mut self.own,
                legs: &mut self.legs,
                doubles: &mut self.doubles,
                next: &mut self.next,
            };
            let change = read_packet(table, &packet, at, &mut self.unused, offset, &mut self.queue);
            self.held = self.held.saturating_add_signed(change.held);
            for why in change.stopped {
                hurt(&mut self.damage, offset, why);
            }
        }
        self.input.consume(used);
        self.want = LOOK;
        self.bound(offset);
    }

    /// Keeps memory within its bounds.
    fn bound(&mut self, offset: u64) {
        if self.packets.is_multiple_of(SWEEP) {
            let now = self.now;
            self.conversations.retain(|_, it| !it.is_closed() || now.since(it.last()) < LINGER);
        }
        if self.held > MOST_HELD {
            let mut out = Vec::new();
            self.conversations.values_mut().for_each(|it| it.flush(&self.secrets, &mut out));
            self.held = 0;
            self.queue.extend(out);
        }
        if self.conversations.len() > MOST_CONVERSATIONS {
            let mut lasts: Vec<Timestamp> = self.conversations.values().map(|it| it.last()).collect();
            let middle = lasts.len() / 4;
            let (_, limit, _) = lasts.select_nth_unstable(middle);
            let limit = *limit;
            let old: Vec<Pair> =
                self.conversations.iter().filter(|(_, it)| it.last() <= limit).map(|(pair, _)| *pair).collect();
            for pair in old {
                self.give_up(pair, offset);
            }
        }
    }

    fn give_up(&mut self, pair: Pair, offset: u64) {
        let Some(mut old) = self.conversations.remove(&pair) else { return };
        if !old.is_closed() {
            self.unused.evicted.count(offset);
        }
        self.held = self.held.saturating_sub(old.held());
        let mut out = Vec::new();
        old.end(old.last(), &self.secrets, &mut out);
        self.queue.extend(out);
    }

    /// The capture is over: so are its connections, in the order in which they began.
    fn end(&mut self) {
        self.ended = true;
        let mut left: Vec<Box<Conversation>> = std::mem::take(&mut self.conversations).into_values().collect();
        left.sort_by_key(|conversation| (conversation.last(), conversation.name()));
        let mut out = Vec::new();
        for mut conversation in left {
            conversation.end(self.now, &self.secrets, &mut out);
        }
        self.queue.extend(out);
    }
}

impl EventSource for Source<'_, '_> {
    fn next(&mut self, _wait: Duration) -> Next {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Next::Event(event);
            }
            if self.ended {
                return Next::End;
            }
            self.step();
        }
    }
}

/// Notes damage, as long as it is not too much of it.
fn hurt(damage: &mut Vec<Damage>, offset: u64, what: String) {
    if damage.len() < MOST_DAMAGES {
        damage.push(Damage::new(offset, what));
    }
}

/// Reads one packet.
fn read_packet(
    table: Table<'_>,
    packet: &Packet<'_>,
    at: Timestamp,
    unused: &mut Counts,
    offset: u64,
    queue: &mut VecDeque<Event>,
) -> Change {
    match parse(packet.link, packet.bytes, packet.original) {
        Content::Tcp(segment) => {
            let mut out = Vec::new();
            let change = table.segment(packet, at, &segment, &mut out);
            queue.extend(out);
            if change.differs {
                unused.differing.count(offset);
            }
            return change;
        }
        Content::Udp(datagram) if is_quic(&datagram) => unused.quic.count(offset),
        Content::Fragment(6) => unused.fragments.count(offset),
        Content::Damaged(_) => unused.broken.count(offset),
        Content::UnknownLink => unused.links.entry(packet.link).or_default().count(offset),
        Content::Udp(_) | Content::Fragment(_) | Content::Other => {}
    }
    Change::default()
}

/// Whether a datagram is QUIC: a long header of a known version (RFC 9000 §17.2), or anything on its usual port.
fn is_quic(datagram: &Datagram<'_>) -> bool {
    let version =
        datagram.payload.get(1..5).and_then(|bytes| bytes.first_chunk::<4>()).copied().map(u32::from_be_bytes);
    let is_long = datagram.payload.first().is_some_and(|first| first & 0xc0 == 0xc0)
        && matches!(version, Some(1 | 0x6b33_43cf | 0xff00_0000..=0xff00_00ff));
    is_long || datagram.from.port() == 443 || datagram.to.port() == 443
}
