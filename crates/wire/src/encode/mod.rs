//! Exchanges as bytes again. In: exchanges and messages. Out: what a wire could have carried: HTTP/1, HTTP/2 frames, WebSocket
//! frames. Spec: RFC 9112, RFC 9113, RFC 7541, RFC 6455.
//!
//! Decoding the bytes gives the same exchanges, up to what an exchange does not keep: how a body was cut into chunks or frames, how
//! fields were compressed, and what a limit cut off, which is a gap of the same length.

mod http1;
mod http2;
mod websocket;

use std::collections::HashMap;

use bytes::Bytes;
use sidelight_model::flow::{Body, Decoded, Direction, Exchange, HttpVersion, OpaqueData, Outcome, WebSocketMessage};
use sidelight_model::time::Timestamp;

pub use self::http1::{request, response};

/// WebSocket connections within one HTTP/2 connection that are known at a time.
const MOST_TUNNELS: usize = 1000;

/// A part of what passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Bytes(Bytes),
    /// So many bytes that were not kept.
    Unseen(u64),
}

/// What one side sent at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// When its last byte passed.
    pub at: Timestamp,
    /// Which way.
    pub direction: Direction,
    /// What.
    pub pieces: Vec<Piece>,
}

/// Pieces in the making.
#[derive(Debug, Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn push(&mut self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        if !bytes.is_empty() {
            self.0.push(Piece::Bytes(bytes));
        }
    }

    fn skip(&mut self, bytes: u64) {
        if bytes > 0 {
            self.0.push(Piece::Unseen(bytes));
        }
    }

    /// What was kept of a body, and a gap for the rest.
    fn body(&mut self, body: &Body) {
        self.push(body.kept.clone());
        self.skip(missing(body));
    }
}

/// Bytes of a body that were not kept.
fn missing(body: &Body) -> u64 {
    body.length.saturating_sub(body.kept.len() as u64)
}

/// Writes the conversation of one connection.
///
/// Hand it exchanges in the order in which they began, and messages after the exchange that they belong to. Turns of several
/// exchanges may be put in the order of their times: within each direction of HTTP/1, and each stream of HTTP/2, they are in order.
#[derive(Debug, Default)]
pub struct Encoder {
    /// The preface of HTTP/2 was written.
    http2: bool,
    /// The newest streams that client and service have opened.
    newest: [u32; 2],
    /// HTTP/2 streams that became WebSocket, by the numbers that exchanges have.
    tunnels: HashMap<u64, u32>,
    /// The request of stream 1 was made in HTTP/1 (`Upgrade: h2c`).
    upgraded: bool,
    /// The time of the last turn of each direction, in HTTP/1.
    latest: [Timestamp; 2],
}

impl Encoder {
    /// Of a connection on which nothing has passed.
    pub fn new() -> Self {
        Self::default()
    }

    /// What client and service sent for an exchange. HTTP/3 is written as HTTP/2, of which it keeps everything but the transport.
    pub fn exchange(&mut self, exchange: &Exchange) -> Vec<Turn> {
        match exchange.version {
            HttpVersion::Http2 | HttpVersion::Http3 => self.http2(exchange),
            HttpVersion::Http10 | HttpVersion::Http11 => {
                let mut turns = http1::turns(exchange);
                self.put_in_order(&mut turns);
                self.upgraded = exchange.outcome == Outcome::Upgraded("h2c".to_owned());
                turns
            }
        }
    }

    /// In HTTP/1 nothing overtakes anything; times of others' captures may say otherwise.
    fn put_in_order(&mut self, turns: &mut [Turn]) {
        let mut asked = Timestamp(i64::MIN);
        for turn in turns {
            let latest = &mut self.latest[turn.direction.index()];
            turn.at = turn.at.max(*latest);
            if turn.direction == Direction::ToServer {
                asked = if asked == Timestamp(i64::MIN) { turn.at } else { asked };
            } else {
                turn.at = turn.at.max(asked);
            }
            *latest = turn.at;
        }
    }

    fn http2(&mut self, exchange: &Exchange) -> Vec<Turn> {
        let mut turns = Vec::new();
        if !std::mem::replace(&mut self.http2, true) {
            turns.extend(http2::beginning(exchange.timings.request_start));
        }
        let answered_only = std::mem::take(&mut self.upgraded) && exchange.stream == 1;
        let id = self.stream(exchange);
        let parent = self.newest[0].max(1);
        turns.extend(http2::turns(exchange, id, parent, answered_only));
        if matches!(exchange.outcome, Outcome::Upgraded(_)) && self.tunnels.len() < MOST_TUNNELS {
            self.tunnels.insert(exchange.stream, id);
        }
        turns
    }

    /// The number of the exchange's stream: its own, if that one can still be opened.
    fn stream(&mut self, exchange: &Exchange) -> u32 {
        let (parity, first) = if exchange.pushed { (1, 2) } else { (0, 1) };
        let newest = &mut self.newest[parity];
        let own = u32::try_from(exchange.stream).ok();
        let own = own.filter(|id| *id > *newest && *id < 1 << 31 && id % 2 == first % 2);
        *newest = own.unwrap_or(if *newest == 0 { first } else { newest.wrapping_add(2) & 0x7fff_ffff });
        *newest
    }

    /// What a message was on the wire. gRPC messages and events are part of their exchange, and are nothing here.
    pub fn message(&mut self, decoded: &Decoded, at: Timestamp) -> Vec<Turn> {
        match decoded {
            Decoded::WebSocket(message) => vec![self.websocket(message)],
            Decoded::Opaque(data) if data.ended => opaque(data, at),
            _ => Vec::new(),
        }
    }

    fn websocket(&mut self, message: &WebSocketMessage) -> Turn {
        let pieces = websocket::frames(message);
        if let Some(id) = self.tunnels.get(&message.stream).filter(|_| self.http2) {
            let pieces = http2::wrapped(*id, pieces);
            return Turn { at: message.at, direction: message.direction, pieces };
        }
        let latest = &mut self.latest[message.direction.index()];
        *latest = message.at.max(*latest);
        Turn { at: *latest, direction: message.direction, pieces }
    }
}

/// The beginning of each direction of a conversation that no decoder knows, and a gap for the rest.
fn opaque(data: &OpaqueData, at: Timestamp) -> Vec<Turn> {
    let sides = [
        (Direction::ToServer, &data.first_to_server, data.to_server),
        (Direction::ToClient, &data.first_to_client, data.to_client),
    ];
    sides
        .into_iter()
        .filter(|(_, _, length)| *length > 0)
        .map(|(direction, first, length)| {
            let mut pieces = Pieces::default();
            pieces.push(first.clone());
            pieces.skip(length.saturating_sub(first.len() as u64));
            Turn { at, direction, pieces: pieces.0 }
        })
        .collect()
}
