//! What a TCP connection carries, layer by layer. In: its bytes in order, gaps. Out: [`Told`]: hellos, targets, agreements, data.
//!
//! TLS may begin at once, behind a proxy's preamble (CONNECT, SOCKS), or in a plain conversation (STARTTLS). Wherever a
//! client's turn begins with a sound ClientHello, TLS begins.

use std::sync::Arc;

use bytes::Bytes;
use sidelight_model::flow::{Authority, Decision, Direction, Hello, TlsSide, Verdict};
use sidelight_model::time::Timestamp;
use sidelight_wire::starttls::{Watch, Watcher};
use sidelight_wire::tls::alert::AlertDescription;
use sidelight_wire::tls::decrypt::{Secrets, Seen, Session};
use sidelight_wire::tls::{Scan, fingerprint, scan};

use super::preamble::{self, Preamble};

/// Layers inside layers that are looked into.
const MOST_LAYERS: u32 = 8;
/// Bytes that may pass before it is clear what a connection carries.
const MOST_UNDECIDED: usize = 256 * 1024;
/// Pieces that these bytes may come in.
const MOST_PIECES: usize = 1_024;
/// First bytes of the server that are remembered, to say what it speaks.
const MOST_FIRST: usize = 64;

/// What was found.
#[derive(Debug)]
pub(super) enum Told {
    Hello(Arc<Hello>),
    Target(Authority),
    Decided(Decision),
    Agreed(Arc<TlsSide>),
    Data(Direction, Bytes),
    Lost(Direction, u64),
    HalfClosed(Direction),
}

/// What findings are made of.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// When the ClientHello passed.
    pub(super) hello: Option<Timestamp>,
    /// Whom the handshake was for.
    pub(super) target: Option<Authority>,
    /// The server chose a version.
    pub(super) chosen: bool,
    pub(super) agreed: bool,
    /// Alerts but `close_notify`: who sent it, level.
    pub(super) alerts: Vec<(Direction, u8, AlertDescription)>,
    /// The first bytes of the server.
    pub(super) first: Vec<u8>,
    /// Why decryption stopped, and of which direction.
    pub(super) stopped: Vec<(Direction, String)>,
}

/// Bytes that wait, and when they came.
type Runs = Vec<(Direction, Timestamp, Bytes)>;

#[derive(Debug)]
enum State {
    Undecided(Runs),
    Plain(Plain),
    Tls(Box<Session>),
    /// TLS whose beginning is not in the capture.
    Unseen,
}

/// A plain conversation, watched for TLS to begin.
#[derive(Debug, Default)]
struct Plain {
    watcher: Option<Watcher>,
    turn: Option<Direction>,
    /// What may be the beginning of a ClientHello.
    held: Vec<(Timestamp, Bytes)>,
}

/// The layers of one connection.
#[derive(Debug)]
pub(super) struct Layers {
    state: State,
    depth: u32,
    /// Where the connection goes.
    server: Authority,
    /// Whom a preamble or a comment named.
    named: Option<Authority>,
    /// Preambles were for sidelight itself, and are no part of the conversation.
    drop_preamble: bool,
    from_start: bool,
    half_closed: [bool; 2],
    pub(super) facts: Facts,
}

impl Layers {
    /// A connection to `server`. `named`: whom it is for, where that is known; `own`: it was made to sidelight.
    pub(super) fn new(server: Authority, named: Option<Authority>, own: bool) -> Self {
        Self {
            state: State::Undecided(Vec::new()),
            depth: 0,
            server,
            named,
            drop_preamble: own,
            from_start: true,
            half_closed: [false; 2],
            facts: Facts::default(),
        }
    }

    /// The beginning of the connection is not in the capture.
    pub(super) const fn joined_under_way(&mut self) {
        self.from_start = false;
    }

    /// TLS, as far as it was read.
    pub(super) fn session(&self) -> Option<&Session> {
        if let State::Tls(session) = &self.state { Some(session) } else { None }
    }

    /// Whether what passes is not handed out, only counted.
    pub(super) fn is_unseen(&self) -> bool {
        match &self.state {
            State::Unseen => true,
            State::Tls(_) => !self.facts.agreed,
            State::Undecided(_) | State::Plain(_) => false,
        }
    }

    /// The next bytes of a direction.
    pub(super) fn data(
        &mut self,
        direction: Direction,
        at: Timestamp,
        bytes: Bytes,
        secrets: &Secrets,
        out: &mut Vec<(Timestamp, Told)>,
    ) {
        if direction == Direction::ToClient && self.facts.first.len() < MOST_FIRST {
            let room = MOST_FIRST - self.facts.first.len();
            self.facts.first.extend(bytes.iter().take(room));
        }
        match &mut self.state {
            State::Undecided(runs) => {
                runs.push((direction, at, bytes));
                self.decide(false, secrets, out);
            }
            State::Plain(_) => self.plain(direction, at, bytes, secrets, out),
            State::Tls(session) => {
                if self.facts.agreed && self.facts.stopped.iter().any(|(stopped, _)| *stopped == direction) {
                    return out.push((at, Told::Lost(direction, bytes.len() as u64)));
                }
                let mut seen = Vec::new();
                session.data(direction, at, &bytes, secrets, &mut seen);
                self.seen(seen, out);
            }
            State::Unseen => {}
        }
    }

    /// Bytes are missing.
    pub(super) fn lost(
        &mut self,
        direction: Direction,
        at: Timestamp,
        bytes: u64,
        secrets: &Secrets,
        out: &mut Vec<(Timestamp, Told)>,
    ) {
        if matches!(self.state, State::Undecided(_)) {
            self.from_start = false;
            self.decide(true, secrets, out);
        }
        match &mut self.state {
            State::Tls(session) => session.lost(direction, bytes),
            State::Plain(_) => {
                self.release(out);
                out.push((at, Told::Lost(direction, bytes)));
            }
            State::Undecided(_) | State::Unseen => {}
        }
    }

    /// A direction ended in order.
    pub(super) fn ended(&mut self, direction: Direction, at: Timestamp, out: &mut Vec<(Timestamp, Told)>) {
        self.release(out);
        if !std::mem::replace(&mut self.half_closed[direction.index()], true) {
            out.push((at, Told::HalfClosed(direction)));
        }
    }

    /// The connection is over: whatever waits is handed out.
    pub(super) fn closed(&mut self, secrets: &Secrets, out: &mut Vec<(Timestamp, Told)>) {
        if matches!(&self.state, State::Undecided(runs) if !runs.is_empty()) {
            self.decide(true, secrets, out);
        }
        self.release(out);
        if let State::Tls(session) = &mut self.state {
            let mut seen = Vec::new();
            session.closed(secrets, &mut seen);
            self.seen(seen, out);
        }
    }

    /// Decides what the connection carries, once its first bytes tell; `now`: with what there is.
    fn decide(&mut self, now: bool, secrets: &Secrets, out: &mut Vec<(Timestamp, Told)>) {
        let State::Undecided(runs) = &mut self.state else { return };
        let total: usize = runs.iter().map(|(_, _, bytes)| bytes.len()).sum();
        let sides = [Direction::ToServer, Direction::ToClient].map(|side| joined(runs, side));
        let now = now || total > MOST_UNDECIDED || runs.len() > MOST_PIECES || self.depth > MOST_LAYERS;
        let first = runs.first().map_or_else(Timestamp::default, |(_, at, _)| *at);
        let runs = std::mem::take(runs);
        let [client, server] = &sides;
        if !now && let Some(preamble) = preamble::read(client, server, self.drop_preamble) {
            return match preamble {
                Preamble::Partial => self.state = State::Undecided(runs),
                Preamble::Tunnel { used, target } => {
                    self.depth += 1;
                    self.named = self.named.take().or(target);
                    self.begin(State::Undecided(Vec::new()), without(runs, used), secrets, out);
                }
            };
        }
        let under_way = !self.from_start && sides.iter().any(|side| is_record(side));
        let next = match scan(client) {
            Scan::Hello(_) | Scan::TooLong | Scan::Malformed(_) if client.first() == Some(&22) => {
                State::Tls(Box::default())
            }
            Scan::Partial if !now && server.is_empty() => return self.state = State::Undecided(runs),
            Scan::Partial if !now && !client.is_empty() && client.first() == Some(&22) => {
                return self.state = State::Undecided(runs);
            }
            _ if under_way => {
                let because = "its beginning is not in the capture".to_owned();
                out.push((first, Told::Target(self.target(None))));
                out.push((first, Told::Decided(Decision { verdict: Verdict::Relay, because })));
                State::Unseen
            }
            _ => {
                let because = "no TLS in it".to_owned();
                out.push((first, Told::Target(self.target(None))));
                out.push((first, Told::Decided(Decision { verdict: Verdict::Plain, because })));
                State::Plain(Plain { watcher: Some(Watcher::new()), ..Plain::default() })
            }
        };
        self.begin(next, runs, secrets, out);
    }

    /// Goes over to another state, which sees these bytes first.
    fn begin(&mut self, state: State, runs: Runs, secrets: &Secrets, out: &mut Vec<(Timestamp, Told)>) {
        self.state = state;
        for (direction, at, bytes) in runs.into_iter().filter(|(_, _, bytes)| !bytes.is_empty()) {
            self.data(direction, at, bytes, secrets, out);
        }
    }

    fn plain(
        &mut self,
        direction: Direction,
        at: Timestamp,
        bytes: Bytes,
        secrets: &Secrets,
        out: &mut Vec<(Timestamp, Told)>,
    ) {
        let State::Plain(plain) = &mut self.state else { return };
        let turns = plain.turn.replace(direction) != Some(direction);
        let from_client = direction == Direction::ToServer;
        if from_client && turns && bytes.starts_with(b"CONNECT ") {
            self.named = preamble::connect_target(&bytes).or(self.named.take());
        }
        let State::Plain(plain) = &mut self.state else { return };
        let watch = plain
            .watcher
            .as_mut()
            .map(|watcher| if from_client { watcher.from_client(&bytes) } else { watcher.from_server(&bytes) });
        if from_client && (turns && bytes.first() == Some(&22) || !plain.held.is_empty()) {
            return self.hold(at, bytes, secrets, out);
        }
        match watch {
            Some(Watch::Upgrade { plain: count, .. }) => {
                let mut before = bytes;
                let after = before.split_off(count.min(before.len()));
                out.push((at, Told::Data(direction, before)));
                self.depth += 1;
                self.begin(State::Undecided(Vec::new()), vec![(direction, at, after)], secrets, out);
            }
            Some(Watch::Early { plain: count }) => {
                let mut before = bytes;
                let after = before.split_off(count.min(before.len()));
                out.push((at, Told::Data(direction, before)));
                self.hold(at, after, secrets, out);
            }
            Some(Watch::Never) => {
                plain.watcher = None;
                out.push((at, Told::Data(direction, bytes)));
            }
            Some(Watch::Going) | None => out.push((at, Told::Data(direction, bytes))),
        }
    }

    /// Keeps back what may be a ClientHello until it is whole, or none.
    fn hold(&mut self, at: Timestamp, bytes: Bytes, secrets: &Secrets, out: &mut Vec<(Timestamp, Told)>) {
        let State::Plain(plain) = &mut self.state else { return };
        plain.held.push((at, bytes));
        let held: Vec<u8> = plain.held.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
        match scan(&held) {
            Scan::Partial if plain.held.len() <= MOST_PIECES => {}
            Scan::Hello(_) if self.depth < MOST_LAYERS => {
                let runs = std::mem::take(&mut plain.held);
                let runs = runs.into_iter().map(|(at, bytes)| (Direction::ToServer, at, bytes)).collect();
                self.depth += 1;
                self.begin(State::Tls(Box::default()), runs, secrets, out);
            }
            _ => self.release(out),
        }
    }

    /// Hands out what was kept back in a plain conversation.
    fn release(&mut self, out: &mut Vec<(Timestamp, Told)>) {
        if let State::Plain(plain) = &mut self.state {
            let held = std::mem::take(&mut plain.held);
            out.extend(held.into_iter().map(|(at, bytes)| (at, Told::Data(Direction::ToServer, bytes))));
        }
    }

    /// Whom the connection is for: by comment or preamble, by the server name, or by its address.
    fn target(&self, sni: Option<&str>) -> Authority {
        let known = self.named.as_ref().unwrap_or(&self.server);
        match sni.and_then(|sni| sidelight_model::flow::Host::parse(sni).ok()) {
            Some(host) => Authority { host, port: known.port },
            None => known.clone(),
        }
    }

    fn seen(&mut self, seen: Vec<(Timestamp, Seen)>, out: &mut Vec<(Timestamp, Told)>) {
        for (at, seen) in seen {
            match seen {
                Seen::Hello(hello) => {
                    self.facts.hello = Some(at);
                    let target = self.target(hello.sni.as_deref());
                    self.facts.target = Some(target.clone());
                    out.push((at, Told::Hello(Arc::new(fingerprint::hello(&hello)))));
                    out.push((at, Told::Target(target)));
                }
                Seen::Chosen(can) => {
                    self.facts.chosen = true;
                    if let Err(why) = can {
                        let because = format!("{why}; a key log of the client (SSLKEYLOGFILE) opens it");
                        out.push((at, Told::Decided(Decision { verdict: Verdict::Relay, because })));
                        self.tell_side(at, out);
                    }
                }
                Seen::Agreed => {
                    self.facts.agreed = true;
                    let because = "decrypted with its secrets".to_owned();
                    out.push((at, Told::Decided(Decision { verdict: Verdict::Intercept, because })));
                    self.tell_side(at, out);
                }
                Seen::Data(direction, bytes) => out.push((at, Told::Data(direction, bytes))),
                Seen::Lost(direction, bytes) => out.push((at, Told::Lost(direction, bytes))),
                Seen::Alert(direction, _, AlertDescription(0)) => {
                    if self.facts.agreed && !std::mem::replace(&mut self.half_closed[direction.index()], true) {
                        out.push((at, Told::HalfClosed(direction)));
                    }
                }
                Seen::Alert(direction, level, alert) => self.facts.alerts.push((direction, level, alert)),
                Seen::Stopped(direction, why) => self.facts.stopped.push((direction, why)),
            }
        }
    }

    fn tell_side(&self, at: Timestamp, out: &mut Vec<(Timestamp, Told)>) {
        if let Some(side) = self.session().and_then(Session::agreed) {
            out.push((at, Told::Agreed(Arc::new(side))));
        }
    }
}

/// The bytes of one direction.
fn joined(runs: &Runs, side: Direction) -> Vec<u8> {
    runs.iter().filter(|(direction, ..)| *direction == side).flat_map(|(_, _, bytes)| bytes.iter().copied()).collect()
}

/// The runs without the first bytes of each direction.
fn without(runs: Runs, used: [usize; 2]) -> Runs {
    let mut left = used;
    let cut = |(direction, at, mut bytes): (Direction, Timestamp, Bytes)| {
        let left = &mut left[direction.index()];
        let rest = bytes.split_off((*left).min(bytes.len()));
        *left -= bytes.len();
        (direction, at, rest)
    };
    runs.into_iter().map(cut).collect()
}

/// Whether these bytes begin with a TLS record.
fn is_record(bytes: &[u8]) -> bool {
    match bytes {
        [20..=23, 3, 0..=4, high, low, ..] => u16::from_be_bytes([*high, *low]) <= (1 << 14) + 2048,
        _ => false,
    }
}
