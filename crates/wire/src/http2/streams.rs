//! The open streams of an HTTP/2 connection. In: heads, content, ends, resets. Out: exchanges. Bounded in number and size.
//! Spec: RFC 9113 §5 (streams), §8.1 (message framing), RFC 8441 (extended CONNECT).

use std::collections::{BTreeMap, VecDeque};

use sidelight_model::flow::{AnomalyKind, Body, Direction, Exchange, Header, HttpVersion, Outcome, Request, Response};

use super::fields::Block;
use super::frame::error_name;
use crate::flow_decoder::{Context, Draft};
use crate::websocket::{self, Deflate};

/// Streams that are followed at a time; the oldest is given up for another.
const MOST_STREAMS: usize = 1000;
/// Bytes of heads that all open streams keep.
const MOST_HEADS: usize = 8 << 20;
/// Closed streams that are remembered, so that frames that come late open no new ones.
const REMEMBERED: usize = 256;

/// A stream that is open.
#[derive(Debug)]
enum Stream {
    Exchange {
        draft: Box<Draft>,
        protocol: Option<String>,
        heads: usize,
    },
    /// Extended CONNECT to WebSocket; which directions have ended.
    WebSocket(Box<websocket::Conversation>, [bool; 2]),
    /// A tunnel that is not looked into.
    Tunnel([bool; 2]),
}

/// All open streams.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<u32, Stream>,
    heads: usize,
    closed: VecDeque<u32>,
    newest: [u32; 2],
    /// Streams may be open whose beginning was not seen.
    pub(super) midway: bool,
}

impl Streams {
    /// Stream 1 of a connection that came to be by `Upgrade: h2c`.
    pub(super) fn insert_upgraded(&mut self, cx: &mut Context<'_>, exchange: &Exchange) {
        self.insert(cx, 1, Draft::upgraded(cx, exchange), None, 0);
    }

    fn insert(&mut self, cx: &mut Context<'_>, id: u32, draft: Draft, protocol: Option<String>, heads: usize) {
        let parity = usize::from(id.is_multiple_of(2));
        self.newest[parity] = self.newest[parity].max(id);
        while self.open.len() >= MOST_STREAMS || (self.heads + heads > MOST_HEADS && !self.open.is_empty()) {
            let Some(oldest) = self.open.keys().next().copied() else { break };
            let why = format!("more than {MOST_STREAMS} streams, or {MOST_HEADS} bytes of heads, were open at a time");
            self.close(cx, oldest, Outcome::Undecodable(why));
        }
        self.heads += heads;
        self.open.insert(id, Stream::Exchange { draft: Box::new(draft), protocol, heads });
    }

    /// Whether frames of a stream that is not open can belong to one that began unseen.
    fn may_be_unseen(&self, id: u32) -> bool {
        self.midway && !self.closed.contains(&id)
    }

    fn is_new(&self, id: u32) -> bool {
        id > self.newest[usize::from(id.is_multiple_of(2))]
    }

    /// Ends a stream, in order or not, and hands out its exchange.
    fn close(&mut self, cx: &mut Context<'_>, id: u32, outcome: Outcome) {
        match self.open.remove(&id) {
            None => return,
            Some(Stream::Exchange { draft, heads, .. }) => {
                self.heads -= heads;
                draft.finish(cx, outcome);
            }
            Some(Stream::WebSocket(mut conversation, _)) => conversation.closed(cx),
            Some(Stream::Tunnel(_)) => {}
        }
        if self.closed.len() == REMEMBERED {
            self.closed.pop_front();
        }
        self.closed.push_back(id);
    }

    /// A field block of the client.
    pub(super) fn client_fields(&mut self, cx: &mut Context<'_>, id: u32, mut block: Block, at: u64) {
        if let Some(stream) = self.open.get_mut(&id) {
            if let Stream::Exchange { draft, .. } = stream {
                draft.anomalies.extend(block.odd.take(), at);
                if !draft.has_ended(Direction::ToServer) {
                    end_message(cx, draft, Direction::ToServer, block.headers);
                }
            }
            return;
        }
        if !block.is_request() && self.midway || !self.is_new(id) && !self.may_be_unseen(id) {
            return;
        }
        if id.is_multiple_of(2) {
            let detail = format!("a request on the stream {id}, which is the service's to open");
            block.odd.note(AnomalyKind::BadFrame, Some(at), detail);
        }
        self.begin(cx, id, block, false);
    }

    /// A request that the service promises to answer (PUSH_PROMISE).
    pub(super) fn promise(&mut self, cx: &mut Context<'_>, id: u32, block: Block) {
        if id == 0 || !id.is_multiple_of(2) || !self.is_new(id) {
            return;
        }
        self.begin(cx, id, block, true);
        if let Some(Stream::Exchange { draft, .. }) = self.open.get_mut(&id) {
            draft.end(cx, Direction::ToServer, Vec::new());
        }
    }

    fn begin(&mut self, cx: &mut Context<'_>, id: u32, mut block: Block, pushed: bool) {
        let mut draft = Draft::new(cx, u64::from(id), HttpVersion::Http2);
        let target = block.target();
        let protocol = block.protocol.as_ref().map(|name| String::from_utf8_lossy(name).to_ascii_lowercase());
        draft.anomalies.extend(block.odd.into_vec(), 0);
        let (method, headers) = (block.method.unwrap_or_default(), block.headers);
        let at = cx.at;
        draft.set_request(cx, at, Request { method, target, headers, trailers: Vec::new(), body: Body::default() });
        if pushed {
            draft.set_pushed();
        }
        self.insert(cx, id, draft, protocol, block.size);
    }

    /// A field block of the service.
    pub(super) fn server_fields(&mut self, cx: &mut Context<'_>, id: u32, mut block: Block, at: u64) {
        if !self.open.contains_key(&id) {
            if !block.is_response() || !self.may_be_unseen(id) {
                return;
            }
            let mut draft = Draft::new(cx, u64::from(id), HttpVersion::Http2);
            let detail = "the request of this stream was not seen";
            draft.anomalies.note(AnomalyKind::JoinedMidway, Some(at), detail);
            draft.end(cx, Direction::ToServer, Vec::new());
            self.insert(cx, id, draft, None, 0);
        }
        let Some(Stream::Exchange { draft, protocol, heads }) = self.open.get_mut(&id) else { return };
        *heads += block.size;
        self.heads += block.size;
        if draft.response().is_some() {
            draft.anomalies.extend(block.odd.take(), at);
            end_message(cx, draft, Direction::ToClient, block.headers);
            return;
        }
        let status = block.status();
        draft.anomalies.extend(block.odd.take(), at);
        if (100..200).contains(&status) {
            return draft.add_interim(cx, status, block.headers);
        }
        let (reason, trailers, body) = (Default::default(), Vec::new(), Body::default());
        let (moment, headers) = (cx.at, block.headers);
        draft.set_response(cx, moment, Response { status, reason, headers, trailers, body });
        if draft.method() == b"CONNECT" && (200..300).contains(&status) {
            let protocol = protocol.take();
            self.become_tunnel(cx, id, protocol);
        }
    }

    /// The service agreed to a CONNECT: the exchange is over, and the stream goes on as something else.
    fn become_tunnel(&mut self, cx: &mut Context<'_>, id: u32, protocol: Option<String>) {
        let Some(Stream::Exchange { mut draft, heads, .. }) = self.open.remove(&id) else { return };
        self.heads -= heads;
        let ended = [draft.has_ended(Direction::ToServer), false];
        let deflate = draft.response().and_then(|response| Deflate::agreed(&response.headers));
        draft.end(cx, Direction::ToClient, Vec::new());
        let name = protocol.unwrap_or_else(|| "connect".to_owned());
        let stream = if name == "websocket" {
            let conversation = websocket::Conversation::new(draft.stream(), deflate, [0; 2]);
            Stream::WebSocket(Box::new(conversation), ended)
        } else {
            Stream::Tunnel(ended)
        };
        draft.finish(cx, Outcome::Upgraded(name));
        self.open.insert(id, stream);
    }

    /// A frame of content passed, with this many bytes of framing around it.
    pub(super) fn framing(&mut self, id: u32, direction: Direction, bytes: u64) {
        if let Some(Stream::Exchange { draft, .. }) = self.open.get_mut(&id) {
            draft.add_wire(direction, bytes);
        }
    }

    /// Content.
    pub(super) fn content(&mut self, cx: &mut Context<'_>, id: u32, direction: Direction, content: &[u8]) {
        match self.open.get_mut(&id) {
            Some(Stream::Exchange { draft, .. }) if !draft.has_ended(direction) => {
                draft.content(cx, direction, content)
            }
            Some(Stream::WebSocket(conversation, _)) => conversation.data(cx, direction, content),
            Some(Stream::Exchange { .. } | Stream::Tunnel(_)) | None => {}
        }
    }

    /// Content passed unseen.
    pub(super) fn lost(&mut self, cx: &mut Context<'_>, id: u32, direction: Direction, bytes: u64) {
        match self.open.get_mut(&id) {
            Some(Stream::Exchange { draft, .. }) => draft.gap(cx, direction, bytes),
            Some(Stream::WebSocket(conversation, _)) => conversation.lost(cx, direction, bytes),
            Some(Stream::Tunnel(_)) | None => {}
        }
    }

    /// One direction of a stream ended in order (END_STREAM).
    pub(super) fn end(&mut self, cx: &mut Context<'_>, id: u32, direction: Direction) {
        let over = match self.open.get_mut(&id) {
            None => return,
            Some(Stream::Exchange { draft, .. }) => {
                let headless = direction == Direction::ToClient && draft.response().is_none();
                if headless {
                    draft.fail(Outcome::Cut("the service ended the stream without an answer".to_owned()));
                }
                if !draft.has_ended(direction) {
                    end_message(cx, draft, direction, Vec::new());
                }
                draft.has_ended(direction.other())
            }
            Some(Stream::WebSocket(_, ended) | Stream::Tunnel(ended)) => {
                ended[direction.index()] = true;
                *ended == [true; 2]
            }
        };
        if over {
            self.close(cx, id, Outcome::Complete);
        }
    }

    /// A side reset a stream (RST_STREAM).
    pub(super) fn reset(&mut self, cx: &mut Context<'_>, id: u32, direction: Direction, code: u32) {
        let Some(stream) = self.open.get(&id) else { return };
        let answered = matches!(stream, Stream::Exchange { draft, .. } if draft.has_ended(Direction::ToClient));
        // RFC 9113 §8.1: a service that has answered may stop the rest of the request so.
        let outcome = if answered && direction == Direction::ToClient && code == 0 {
            Outcome::Complete
        } else {
            let who = if direction == Direction::ToServer { "client" } else { "service" };
            Outcome::Cut(format!("{who} reset the stream ({})", error_name(code)))
        };
        self.close(cx, id, outcome);
    }

    /// The service went away: it will not answer streams of the client after `last`.
    pub(super) fn goaway(&mut self, cx: &mut Context<'_>, last: u32, code: u32) {
        let refused: Vec<u32> = self.open.keys().copied().filter(|id| *id > last && !id.is_multiple_of(2)).collect();
        for id in refused {
            let why = format!("the service went away before it read the request (GOAWAY, {})", error_name(code));
            self.close(cx, id, Outcome::Cut(why));
        }
    }

    /// One direction is not decoded any more.
    pub(super) fn stop(&mut self, cx: &mut Context<'_>, direction: Direction, why: &str) {
        self.midway = true;
        let ids: Vec<u32> = self.open.keys().copied().collect();
        for id in ids {
            let outcome = Outcome::Undecodable(why.to_owned());
            match self.open.get_mut(&id) {
                // Its answer can still be read.
                Some(Stream::Exchange { draft, .. }) if direction == Direction::ToServer => {
                    if !draft.has_ended(direction) {
                        draft.cut(cx, direction, outcome.clone());
                    }
                    if draft.has_ended(direction.other()) {
                        self.close(cx, id, outcome);
                    }
                }
                _ => self.close(cx, id, outcome),
            }
        }
    }

    /// Nothing more comes: all open streams are cut.
    pub(super) fn cut(&mut self, cx: &mut Context<'_>, who: &str, after: &str) {
        while let Some(id) = self.open.keys().next().copied() {
            let why = match self.open.get(&id) {
                Some(Stream::Exchange { draft, .. }) => cut_words(draft, who, after),
                _ => String::new(),
            };
            self.close(cx, id, Outcome::Cut(why));
        }
    }
}

fn cut_words(draft: &Draft, who: &str, after: &str) -> String {
    match draft.response() {
        None => format!("no answer: {who}{after}"),
        Some(response) => {
            let length = draft.length(Direction::ToClient);
            let declared = Header::find(&response.headers, "content-length");
            let of = declared.map_or_else(String::new, |declared| format!(" of {declared}"));
            format!("{who} after {length}{of} bytes of the answer{after}")
        }
    }
}

/// Ends a message, and compares its length with the one that it declared.
fn end_message(cx: &mut Context<'_>, draft: &mut Draft, direction: Direction, trailers: Vec<Header>) {
    let headers = match direction {
        Direction::ToServer => draft.request().map(|request| &request.headers),
        Direction::ToClient => draft.response().map(|response| &response.headers),
    };
    let declared = headers.and_then(|headers| Header::find(headers, "content-length"));
    let status = draft.response().map_or(0, |response| response.status);
    let empty = direction == Direction::ToClient && (draft.method() == b"HEAD" || status == 304);
    let length = draft.length(direction);
    if let Some(declared) = declared.filter(|declared| !empty && declared.parse() != Ok(length)) {
        let detail = format!("content-length {declared}, but {length} bytes came");
        draft.anomalies.note(AnomalyKind::BadContentLength, None, detail);
    }
    draft.end(cx, direction, trailers);
}
