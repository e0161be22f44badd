//! TLS opened from beside it. In: the bytes of both directions of one connection, from its ClientHello on, and the secrets of a
//! key log. Out: what was agreed, and the decrypted bytes; without secrets, all that stands in the clear.
//! Spec: RFC 8446 (TLS 1.3), RFC 5246 (TLS 1.2), RFC 5077 (tickets), RFC 7627 (extended master secret).
//!
//! Each side's keys follow from the secrets alone, so the directions need not be seen in step: what comes before the keys
//! that open it are known waits, within bounds.

mod handshake;
mod keys;
mod legacy;
pub(super) mod messages;
mod secrets;
mod side;

use bytes::Bytes;
use sidelight_model::flow::{Direction, TlsSide, TlsVersion};
use sidelight_model::time::Timestamp;

use self::messages as message;
pub use self::secrets::Secrets;
use self::side::{Epoch, Framed, Opened, Part, Record, Side};
use super::alert::AlertDescription;
use super::client_hello::ClientHello;
use super::{fingerprint, names};

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// Bytes of records that wait for the ServerHello.
const MOST_WAITING: usize = 1 << 20;
/// Longest handshake message that is put together.
const MOST_MESSAGE: usize = 1 << 20;
/// Sizes of sealed records that are remembered.
const MOST_SIZES: usize = 8;

/// What was seen in a connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// The first ClientHello.
    Hello(Box<ClientHello>),
    /// The server chose version and cipher suite. `Err`: why nothing after this can be decrypted, in words.
    Chosen(Result<(), String>),
    /// The handshake is over, or far enough for data: [`Session::agreed`] tells all about it. Comes before any data.
    Agreed,
    /// Decrypted bytes.
    Data(Direction, Bytes),
    /// About so many bytes of content passed that cannot be decrypted, because bytes of the connection are missing.
    Lost(Direction, u64),
    /// An alert, and its level. `close_notify` is one.
    Alert(Direction, u8, AlertDescription),
    /// Nothing more of this direction can be read; in words.
    Stopped(Direction, String),
}

/// One connection.
#[derive(Debug, Default)]
pub struct Session {
    sides: [Side; 2],
    /// Parts of handshake messages.
    messages: [Vec<u8>; 2],
    waiting: [Vec<Record>; 2],
    waiting_bytes: usize,
    hello: Option<Box<ClientHello>>,
    client_random: [u8; 32],
    /// A ClientHello came that is not answered yet.
    unanswered: bool,
    server: Option<message::ServerHello>,
    /// The server asked for another ClientHello, as only TLS 1.3 has it.
    asked_again: bool,
    /// TLS 1.2: keys for the next change of cipher.
    pending: [Option<Epoch>; 2],
    sealed: [bool; 2],
    early: Early,
    alpn: Option<Vec<u8>>,
    group: Option<u16>,
    chain: Vec<Vec<u8>>,
    client_chain: Vec<Vec<u8>>,
    wants_client_certificate: bool,
    finished: [bool; 2],
    told: Told,
    stopped: [bool; 2],
    sizes: [Vec<u16>; 2],
}

/// Whether data before the end of the handshake (0-RTT) is to be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Early {
    #[default]
    None,
    Offered,
    Accepted,
    Rejected,
}

#[derive(Debug, Default)]
struct Told {
    hello: bool,
    chosen: bool,
    agreed: bool,
    decrypts: bool,
}

impl Session {
    /// A connection before its first record.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is known of the agreement: all of it after [`Seen::Agreed`]; before, what stands in the clear. `None` before the
    /// ServerHello.
    pub fn agreed(&self) -> Option<TlsSide> {
        let server = self.server.as_ref()?;
        let tls13 = server.version >= 0x0304;
        let hello = self.hello.as_deref();
        let resumed = if tls13 { server.resumes_psk } else { self.chain.is_empty() && self.sealed[1] };
        Some(TlsSide {
            version: TlsVersion(server.version),
            cipher: names::cipher_suite(server.suite),
            group: self.group.map(names::group),
            alpn: self.alpn.clone(),
            sni: hello.and_then(|hello| hello.sni.clone()),
            hello: hello.map(|hello| std::sync::Arc::new(fingerprint::hello(hello))),
            resumed,
            chain: self.chain.clone(),
            verified: None,
        })
    }

    /// The certificates that the client showed, leaf first.
    pub fn client_chain(&self) -> &[Vec<u8>] {
        &self.client_chain
    }

    /// Whether the server asked for a client certificate, as far as it could be seen.
    pub const fn wants_client_certificate(&self) -> bool {
        self.wants_client_certificate
    }

    /// Whether the end of the handshake was seen from this side.
    pub const fn is_finished(&self, direction: Direction) -> bool {
        self.finished[direction.index()]
    }

    /// Lengths of the first sealed records of a direction: they tell alerts from certificates where nothing can be opened.
    pub fn sealed_sizes(&self, direction: Direction) -> &[u16] {
        &self.sizes[direction.index()]
    }

    /// The next bytes of a direction.
    pub fn data(
        &mut self,
        direction: Direction,
        at: Timestamp,
        bytes: &[u8],
        secrets: &Secrets,
        out: &mut Vec<(Timestamp, Seen)>,
    ) {
        let index = direction.index();
        if self.stopped[index] {
            return;
        }
        self.sides[index].push(bytes);
        while !self.stopped[index]
            && let Some(framed) = self.sides[index].next(at)
        {
            match framed {
                Framed::Record(record) => self.record(direction, record, secrets, out),
                Framed::Broken(why) => self.stop(direction, at, why, out),
            }
        }
    }

    /// Bytes of a direction are missing.
    pub fn lost(&mut self, direction: Direction, bytes: u64) {
        if !self.stopped[direction.index()] {
            self.sides[direction.index()].lost(bytes);
            self.messages[direction.index()].clear();
        }
    }

    /// Nothing more comes: what waited is read as far as it can be.
    pub fn closed(&mut self, secrets: &Secrets, out: &mut Vec<(Timestamp, Seen)>) {
        self.unanswered = false;
        if self.early == Early::Offered {
            self.early = Early::Accepted;
        }
        self.release(secrets, out);
    }

    fn is_tls13(&self) -> bool {
        self.asked_again || self.server.as_ref().is_some_and(|server| server.version >= 0x0304)
    }

    fn stop(&mut self, direction: Direction, at: Timestamp, why: String, out: &mut Vec<(Timestamp, Seen)>) {
        if !std::mem::replace(&mut self.stopped[direction.index()], true) {
            self.sides[direction.index()] = Side::default();
            out.push((at, Seen::Stopped(direction, why)));
        }
    }

    /// Reads a record, or has it wait until the records of the other side that it depends on are read.
    fn record(&mut self, direction: Direction, record: Record, secrets: &Secrets, out: &mut Vec<(Timestamp, Seen)>) {
        let index = direction.index();
        if !self.waiting[index].is_empty() || self.must_wait(direction, &record) {
            self.waiting_bytes += record.body.len();
            if self.waiting_bytes > MOST_WAITING {
                let why = "the answer to the ClientHello is not in the capture".to_owned();
                self.waiting[index].clear();
                return self.stop(direction, record.at, why, out);
            }
            return self.waiting[index].push(record);
        }
        self.read(direction, record, secrets, out);
        self.release(secrets, out);
    }

    fn must_wait(&self, direction: Direction, record: &Record) -> bool {
        match direction {
            Direction::ToServer => {
                let begins = record.head[0] == HANDSHAKE && self.server.is_none() && !self.told.hello;
                let early = self.early == Early::Offered && record.head[0] == APPLICATION_DATA;
                self.unanswered && !begins || early && !self.stopped[1]
            }
            Direction::ToClient => !self.told.hello,
        }
    }

    fn release(&mut self, secrets: &Secrets, out: &mut Vec<(Timestamp, Seen)>) {
        for direction in [Direction::ToClient, Direction::ToServer, Direction::ToClient] {
            let index = direction.index();
            let mut waiting = std::mem::take(&mut self.waiting[index]).into_iter();
            for record in waiting.by_ref() {
                if self.must_wait(direction, &record) {
                    self.waiting[index].push(record);
                    break;
                }
                self.waiting_bytes = self.waiting_bytes.saturating_sub(record.body.len());
                self.read(direction, record, secrets, out);
            }
            self.waiting[index].extend(waiting);
        }
    }

    fn read(&mut self, direction: Direction, record: Record, secrets: &Secrets, out: &mut Vec<(Timestamp, Seen)>) {
        let index = direction.index();
        let kind = record.head[0];
        let tls13 = self.is_tls13();
        if tls13 && kind == CHANGE_CIPHER_SPEC {
            return;
        }
        let is_sealed = if tls13 { kind == APPLICATION_DATA } else { self.sealed[index] || kind == APPLICATION_DATA };
        if !is_sealed {
            return self.content(direction, record.at, kind, &record.body, secrets, out);
        }
        if self.sizes[index].len() < MOST_SIZES {
            self.sizes[index].push(u16::try_from(record.body.len()).unwrap_or(u16::MAX));
        }
        if self.sides[index].after_gap()
            && let Some(epoch) = self.pending[index].take()
        {
            // The change of cipher may lie in the gap.
            self.sides[index].epochs.push_back(epoch);
        }
        if !self.told.decrypts {
            return;
        }
        if self.sides[index].epochs.is_empty() {
            return self.stop(direction, record.at, "the secrets of its data are missing".into(), out);
        }
        match self.sides[index].open(&record) {
            Some(opened) => {
                if opened.lost > 0 {
                    self.messages[index].clear();
                }
                if opened.lost > 0 && opened.part == Part::Application {
                    self.agree(record.at, out);
                    out.push((record.at, Seen::Lost(direction, opened.lost)));
                }
                self.opened(direction, record.at, opened, secrets, out);
            }
            None if self.sides[index].is_hopeless() => {
                let opened = self.sides[index].has_opened();
                let why = if opened { "records that its secrets do not open" } else { "its secrets do not fit" };
                self.stop(direction, record.at, why.into(), out);
            }
            None => {}
        }
    }

    /// Reads the content of a record that was sealed.
    fn opened(
        &mut self,
        direction: Direction,
        at: Timestamp,
        opened: Opened,
        secrets: &Secrets,
        out: &mut Vec<(Timestamp, Seen)>,
    ) {
        if opened.kind != APPLICATION_DATA {
            return self.content(direction, at, opened.kind, &opened.content, secrets, out);
        }
        if !opened.content.is_empty() {
            self.agree(at, out);
            out.push((at, Seen::Data(direction, Bytes::from(opened.content))));
        }
    }

    /// Reads handshake messages, alerts and changes of cipher, sealed or not.
    fn content(
        &mut self,
        direction: Direction,
        at: Timestamp,
        kind: u8,
        content: &[u8],
        secrets: &Secrets,
        out: &mut Vec<(Timestamp, Seen)>,
    ) {
        let index = direction.index();
        match (kind, content) {
            (CHANGE_CIPHER_SPEC, _) => {
                self.sealed[index] = true;
                if let Some(epoch) = self.pending[index].take() {
                    self.sides[index].epochs.clear();
                    self.sides[index].epochs.push_back(epoch);
                }
            }
            (ALERT, [level, description]) => {
                out.push((at, Seen::Alert(direction, *level, AlertDescription(*description))));
            }
            (HANDSHAKE, _) => {
                self.messages[index].extend_from_slice(content);
                if self.messages[index].len() > MOST_MESSAGE {
                    return self.stop(
                        direction,
                        at,
                        format!("a handshake message of more than {MOST_MESSAGE} bytes"),
                        out,
                    );
                }
                while let Some((kind, body)) = next_message(&mut self.messages[index]) {
                    self.message(direction, at, kind, &body, secrets, out);
                }
            }
            _ => {}
        }
    }

    fn agree(&mut self, at: Timestamp, out: &mut Vec<(Timestamp, Seen)>) {
        if !std::mem::replace(&mut self.told.agreed, true) && self.server.is_some() {
            out.push((at, Seen::Agreed));
        }
    }
}

/// Takes the first whole message.
fn next_message(bytes: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let [kind, high, middle, low] = *bytes.first_chunk::<4>()?;
    let length = 4 + (usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low));
    let body = bytes.get(4..length)?.to_vec();
    bytes.drain(..length);
    Some((kind, body))
}

#[cfg(test)]
mod tests;
