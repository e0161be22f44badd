//! The one entry for whoever watches connections. In: bytes of both directions, in any pieces and order; gaps; ends.
//! Out: exchanges, messages, events, anomalies as [`Decoded`], as soon as they are whole.
//!
//! It stands beside the traffic and cannot touch it. Whatever it meets, it goes on with what can still be read, says what it had to
//! give up, and keeps a bounded amount of memory: see [`Limits`].

mod context;
mod detect;
mod draft;
mod undecoded;

pub use context::Limits;
pub(crate) use context::{Context, Next, Run, Switch};
pub(crate) use draft::Draft;
use sidelight_model::flow::{ConnId, Decoded, Direction};
use sidelight_model::time::Timestamp;

use self::detect::Detect;
use self::undecoded::Undecoded;
use crate::body::Budget;
use crate::{http1, http2, websocket};

/// Tunnels inside tunnels that are looked into.
const MOST_TUNNELS: u32 = 8;

/// Who reads the bytes at present.
#[derive(Debug)]
enum Protocol {
    Detect(Detect),
    Http1(Box<http1::Conversation>),
    Http2(Box<http2::Conversation>),
    WebSocket(Box<websocket::Conversation>),
    Undecoded(Box<Undecoded>),
}

/// Decodes one connection.
///
/// Call [`agreed`](Self::agreed) after each TLS handshake, then [`data`](Self::data), [`lost`](Self::lost) and
/// [`half_closed`](Self::half_closed) as things happen, and [`closed`](Self::closed) at the end.
#[derive(Debug)]
pub struct FlowDecoder {
    conn: ConnId,
    limits: Limits,
    protocol: Protocol,
    budget: Budget,
    /// What ended when there was nowhere to put it.
    deferred: Vec<Decoded>,
    /// Bytes that passed in each direction.
    seen: [u64; 2],
    /// Exchanges in HTTP/1 that began so far.
    exchanges: u64,
    tunnels: u32,
    /// TLS agreed on HTTP/1, and nothing of it was seen yet.
    http1: bool,
    now: Timestamp,
}

impl FlowDecoder {
    /// A decoder for the connection `conn`, before its first byte.
    pub fn new(conn: ConnId, limits: Limits) -> Self {
        Self {
            conn,
            limits,
            protocol: Protocol::Detect(Detect::new([0; 2])),
            budget: limits.budget(),
            deferred: Vec::new(),
            seen: [0; 2],
            exchanges: 0,
            tunnels: 0,
            http1: false,
            now: Timestamp::default(),
        }
    }

    /// TLS was set up, with this protocol by ALPN: whatever passed before is over, and decoding starts afresh.
    pub fn agreed(&mut self, alpn: Option<&[u8]>) {
        let mut ended = std::mem::take(&mut self.deferred);
        let at = self.now;
        self.close_protocol(at, &mut ended);
        self.deferred = ended;
        self.http1 = matches!(alpn, Some(b"http/1.1" | b"http/1.0"));
        self.protocol = if alpn == Some(b"h2") {
            Protocol::Http2(Box::new(http2::Conversation::new(self.seen)))
        } else {
            Protocol::Detect(Detect::new(self.seen))
        };
    }

    /// The next bytes of one direction.
    pub fn data(&mut self, direction: Direction, at: Timestamp, bytes: &[u8], out: &mut Vec<Decoded>) {
        self.start(at, out);
        let seen = &mut self.seen[direction.index()];
        *seen = seen.saturating_add(bytes.len() as u64);
        self.feed(direction, at, bytes, out);
    }

    /// This many bytes of one direction passed unseen.
    pub fn lost(&mut self, direction: Direction, at: Timestamp, bytes: u64, out: &mut Vec<Decoded>) {
        self.start(at, out);
        let seen = &mut self.seen[direction.index()];
        *seen = seen.saturating_add(bytes);
        if bytes == 0 {
            return;
        }
        match &mut self.protocol {
            Protocol::Detect(detect) if self.http1 => {
                let switch = detect.is_http1();
                self.follow(switch, at, out);
            }
            _ => self.give_up_detecting(out),
        }
        let (mut cx, protocol) = self.parts(at, out);
        match protocol {
            Protocol::Http1(conversation) => conversation.lost(&mut cx, direction, bytes),
            Protocol::Http2(conversation) => conversation.lost(&mut cx, direction, bytes),
            Protocol::WebSocket(conversation) => conversation.lost(&mut cx, direction, bytes),
            Protocol::Undecoded(conversation) => conversation.lost(&mut cx, direction, bytes),
            // Nothing passed before: the beginning is missing.
            Protocol::Detect(_) => {
                let mut conversation = Undecoded::default();
                conversation.lost(&mut cx, direction, bytes);
                *protocol = Protocol::Undecoded(Box::new(conversation));
            }
        }
    }

    /// One direction ended in order.
    pub fn half_closed(&mut self, direction: Direction, at: Timestamp, out: &mut Vec<Decoded>) {
        self.start(at, out);
        let (mut cx, protocol) = self.parts(at, out);
        match protocol {
            Protocol::Http1(conversation) => conversation.half_closed(&mut cx, direction),
            Protocol::Http2(conversation) => conversation.half_closed(&mut cx, direction),
            Protocol::Detect(_) | Protocol::WebSocket(_) | Protocol::Undecoded(_) => {}
        }
    }

    /// The connection is over: whatever is unfinished is handed out as cut.
    pub fn closed(&mut self, at: Timestamp, out: &mut Vec<Decoded>) {
        self.start(at, out);
        self.close_protocol(at, out);
        self.protocol = Protocol::Detect(Detect::new(self.seen));
    }

    fn start(&mut self, at: Timestamp, out: &mut Vec<Decoded>) {
        self.now = at;
        out.append(&mut self.deferred);
    }

    /// The world for the decoder in charge, and that decoder.
    const fn parts<'d>(&'d mut self, at: Timestamp, out: &'d mut Vec<Decoded>) -> (Context<'d>, &'d mut Protocol) {
        let cx = Context { conn: self.conn, limits: &self.limits, at, budget: &mut self.budget, out };
        (cx, &mut self.protocol)
    }

    /// Hands bytes to the decoder in charge, and those it leaves to the next one.
    fn feed(&mut self, direction: Direction, at: Timestamp, bytes: &[u8], out: &mut Vec<Decoded>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (mut cx, protocol) = self.parts(at, out);
            let switch = match protocol {
                Protocol::Detect(detect) => detect.data(&cx, direction, rest),
                Protocol::Http1(conversation) => conversation.data(&mut cx, direction, rest),
                Protocol::Http2(conversation) => {
                    conversation.data(&mut cx, direction, rest);
                    None
                }
                Protocol::WebSocket(conversation) => {
                    conversation.data(&mut cx, direction, rest);
                    None
                }
                Protocol::Undecoded(conversation) => {
                    conversation.data(&mut cx, direction, rest);
                    None
                }
            };
            let Some(switch) = switch else { return };
            rest = &rest[switch.used..];
            self.follow(switch, at, out);
        }
    }

    /// Puts the next decoder in charge, and gives it what it must see first.
    fn follow(&mut self, switch: Switch, at: Timestamp, out: &mut Vec<Decoded>) {
        let Switch { next, replay, offsets, .. } = switch;
        if let Protocol::Http1(conversation) = &self.protocol {
            self.exchanges = conversation.count();
        }
        self.http1 = false;
        self.tunnels += u32::from(matches!(next, Next::Tunnel));
        let (exchanges, deep) = (self.exchanges, self.tunnels > MOST_TUNNELS);
        let (mut cx, protocol) = self.parts(at, out);
        *protocol = match next {
            Next::Http1 => Protocol::Http1(Box::new(http1::Conversation::new(offsets, exchanges))),
            Next::Http2 { upgraded } => {
                let mut conversation = http2::Conversation::new(offsets);
                if let Some(exchange) = upgraded {
                    conversation.begin_upgraded(&mut cx, &exchange);
                }
                Protocol::Http2(Box::new(conversation))
            }
            Next::WebSocket { stream, deflate } => {
                Protocol::WebSocket(Box::new(websocket::Conversation::new(stream, deflate, offsets)))
            }
            Next::Tunnel if !deep => Protocol::Detect(Detect::new(offsets)),
            Next::Tunnel | Next::Opaque => Protocol::Undecoded(Box::default()),
        };
        for run in replay {
            self.feed(run.direction(), run.at, &run.bytes, out);
        }
    }

    fn give_up_detecting(&mut self, out: &mut Vec<Decoded>) {
        let at = self.now;
        if let Protocol::Detect(detect) = &mut self.protocol
            && let Some(switch) = detect.give_up()
        {
            self.follow(switch, at, out);
        }
    }

    /// Hands out whatever is unfinished.
    fn close_protocol(&mut self, at: Timestamp, out: &mut Vec<Decoded>) {
        self.give_up_detecting(out);
        let (mut cx, protocol) = self.parts(at, out);
        match protocol {
            Protocol::Detect(_) => {}
            Protocol::Http1(conversation) => {
                conversation.closed(&mut cx);
                self.exchanges = conversation.count();
            }
            Protocol::Http2(conversation) => conversation.closed(&mut cx),
            Protocol::WebSocket(conversation) => conversation.closed(&mut cx),
            Protocol::Undecoded(conversation) => conversation.closed(&mut cx),
        }
    }
}

#[cfg(test)]
mod tests;
