//! A conversation in HTTP/1, and its requests. In: bytes of both directions as they pass. Out: exchanges, in order.
//! Spec: RFC 9112 §9 (connections, pipelining), RFC 9110 §7.8 (Upgrade), §9.3.6 (CONNECT).
//!
//! Requests wait in a queue for their answers (`answers`). After a request that asks for another protocol the client's bytes are
//! held until the answer says which protocol they are in. What happens when bytes were not seen stands in `resume`.

use std::collections::VecDeque;

use sidelight_model::flow::{AnomalyKind, Body, Direction, Outcome, Request};
use sidelight_model::time::Timestamp;

use super::framing::{BodyFraming, BodyState};
use super::head::{RequestHead, parse_request};
use super::head_buffer::{Fed, Head, HeadBuffer, Parser};
use super::resume::{Resume, is_plausible};
use super::start_line::cannot_be_request;
use crate::anomalies::quote;
use crate::flow_decoder::{Context, Draft, Switch};

/// Requests that may wait for their answers at a time.
const MOST_WAITING: usize = 128;
/// Bytes of the client that are held while it is open which protocol they are in.
const MOST_HELD: usize = 64 * 1024;

/// What the next byte of a direction belongs to.
#[derive(Debug)]
pub(super) enum State {
    Head,
    Body(Box<BodyFraming>),
    /// Client only: the next byte may belong to another protocol.
    Held(Vec<u8>, Timestamp),
    /// After a loss: bytes pass over until it is known again where a message begins.
    Seeking,
    /// Nothing more is decoded; why.
    Stopped(String),
}

/// One direction.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) state: State,
    pub(super) buffer: HeadBuffer,
    /// Bytes taken so far, held ones not counted.
    pub(super) offset: u64,
    /// Where the present body began; between messages, where the last one ended.
    pub(super) body_at: u64,
    /// It has ended in order.
    pub(super) ended: bool,
}

impl Side {
    fn new(offset: u64) -> Self {
        Self { state: State::Head, buffer: HeadBuffer::default(), offset, body_at: offset, ended: false }
    }
}

/// An HTTP/1 connection.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(super) client: Side,
    pub(super) server: Side,
    /// Requests that wait for (the end of) their answer, and the one that is still being sent, in order.
    pub(super) queue: VecDeque<Draft>,
    /// An answer to no request that was seen.
    pub(super) orphan: Option<Draft>,
    pub(super) count: u64,
    pub(super) resume: Resume,
}

impl Conversation {
    /// A conversation that begins at these places of the two directions, after `count` exchanges on the same connection.
    pub(crate) fn new(offsets: [u64; 2], count: u64) -> Self {
        let [client, server] = offsets.map(Side::new);
        Self { client, server, queue: VecDeque::new(), orphan: None, count, resume: Resume::default() }
    }

    /// How many exchanges began on the connection.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// The next bytes of one direction.
    pub(crate) fn data(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Option<Switch> {
        match direction {
            _ if bytes.is_empty() => None,
            Direction::ToServer => {
                self.client_speaks(cx);
                self.requests(cx, bytes);
                None
            }
            Direction::ToClient => {
                self.service_speaks();
                self.answers(cx, bytes)
            }
        }
    }

    /// Bytes of the client.
    pub(super) fn requests(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let used = match &mut self.client.state {
                State::Stopped(_) => return,
                State::Held(..) => return self.hold(cx, rest),
                State::Seeking => {
                    self.client.offset += rest.len() as u64;
                    return;
                }
                State::Head => self.request_head(cx, rest),
                State::Body(_) => self.request_body(cx, rest),
            };
            rest = &rest[used..];
        }
    }

    fn hold(&mut self, cx: &mut Context<'_>, bytes: &[u8]) {
        let State::Held(held, since) = &mut self.client.state else { return };
        if held.is_empty() {
            *since = cx.at;
        }
        if held.len() + bytes.len() > MOST_HELD {
            let why = format!("more than {MOST_HELD} bytes after a request to change the protocol, before its answer");
            return self.stop(cx, Direction::ToServer, why);
        }
        held.extend_from_slice(bytes);
    }

    fn request_head(&mut self, cx: &mut Context<'_>, rest: &[u8]) -> usize {
        const PARSER: Parser<RequestHead> = Parser { parse: parse_request, impossible: cannot_be_request };
        let (used, fed) = self.client.buffer.feed(rest, cx.at, &cx.limits.head_limits(), &PARSER);
        self.client.offset += used as u64;
        let trying = self.resume.trying && !matches!(fed, Fed::More);
        self.resume.trying &= !trying;
        match fed {
            Fed::More => {}
            Fed::Failed(_) if trying => self.client.seek(),
            Fed::Head(head) if trying && !is_plausible(&head) => self.client.seek(),
            Fed::Failed(why) => self.stop(cx, Direction::ToServer, why),
            Fed::Head(_) if self.queue.len() >= MOST_WAITING => {
                self.stop(cx, Direction::ToServer, format!("more than {MOST_WAITING} requests wait for their answers"));
            }
            Fed::Head(head) => self.begin_request(cx, head),
        }
        used
    }

    fn begin_request(&mut self, cx: &mut Context<'_>, head: Head<RequestHead>) {
        let Head { value: head, since, length, blank } = head;
        let waiting = !self.queue.is_empty();
        self.count += 1;
        self.client.body_at = self.client.offset;
        let mut draft = Draft::new(cx, self.count, head.version);
        self.take_up(&mut draft);
        let start = self.client.offset - length as u64;
        if blank > 0 {
            let detail = format!("{blank} bytes of empty lines before the request");
            draft.anomalies.note(AnomalyKind::TrailingBytes, Some(start), detail);
        }
        let mut framing = BodyFraming::for_request(&head);
        draft.anomalies.extend(head.anomalies, start);
        draft.anomalies.extend(framing.take_anomalies(), start);
        let (method, target, headers) = (head.method, head.target, head.headers);
        draft.set_request(cx, since, Request { method, target, headers, trailers: Vec::new(), body: Body::default() });
        self.queue.push_back(draft);
        let done = framing.state() == BodyState::Done;
        self.client.state = State::Body(Box::new(framing));
        if waiting && self.overtakes(cx) {
            return;
        }
        if done {
            self.end_request(cx);
        }
    }

    fn request_body(&mut self, cx: &mut Context<'_>, rest: &[u8]) -> usize {
        let (State::Body(framing), Some(draft)) = (&mut self.client.state, self.queue.back_mut()) else {
            return rest.len();
        };
        let step = framing.advance(rest, &mut |content: &[u8]| draft.content(cx, Direction::ToServer, content));
        draft.add_wire(Direction::ToServer, step.consumed as u64);
        self.client.offset += step.consumed as u64;
        match step.state {
            BodyState::Going => {}
            BodyState::Done => self.end_request(cx),
            BodyState::Broken => {
                draft.anomalies.extend(framing.take_anomalies(), self.client.body_at);
                self.stop(cx, Direction::ToServer, "the chunks of a request body cannot be read".to_owned());
            }
        }
        step.consumed
    }

    /// The request at the end of the queue is whole.
    pub(super) fn end_request(&mut self, cx: &mut Context<'_>) {
        let state = std::mem::replace(&mut self.client.state, State::Head);
        let (State::Body(mut framing), Some(draft)) = (state, self.queue.back_mut()) else { return };
        let trailers = framing.take_trailers();
        draft.anomalies.extend(framing.take_anomalies(), self.client.body_at);
        draft.end(cx, Direction::ToServer, trailers);
        let answered = draft.has_ended(Direction::ToClient);
        let outcome = match &self.server.state {
            _ if answered => Some(Outcome::Complete),
            State::Stopped(why) => Some(Outcome::Undecodable(why.clone())),
            _ if self.server.ended => Some(Outcome::Cut("no answer: the service had ended the connection".to_owned())),
            _ => None,
        };
        if let Some(outcome) = outcome {
            self.finish_last(cx, outcome);
        } else if draft.request().is_some_and(asks_for_another_protocol) {
            self.client.state = State::Held(Vec::new(), cx.at);
        }
    }

    fn finish_last(&mut self, cx: &mut Context<'_>, outcome: Outcome) {
        if let Some(draft) = self.queue.pop_back() {
            self.finish(cx, draft, outcome);
        }
    }

    /// Ends the decoding of one direction. What waits for it is handed out; the other direction goes on.
    pub(super) fn stop(&mut self, cx: &mut Context<'_>, direction: Direction, why: String) {
        let outcome = Outcome::Undecodable(why.clone());
        match direction {
            Direction::ToServer => {
                let before = std::mem::replace(&mut self.client.state, State::Stopped(why.clone()));
                if matches!(before, State::Body(_)) {
                    self.cut_request(cx, outcome);
                }
            }
            Direction::ToClient => {
                self.server.state = State::Stopped(why.clone());
                self.flush_answered(cx, &outcome);
            }
        }
        cx.stopped(direction, why);
    }

    /// The request that is being sent ends here.
    pub(super) fn cut_request(&mut self, cx: &mut Context<'_>, outcome: Outcome) {
        let Some(draft) = self.queue.back_mut() else { return };
        draft.cut(cx, Direction::ToServer, outcome.clone());
        if draft.has_ended(Direction::ToClient) {
            self.finish_last(cx, outcome);
        }
    }

    /// No more answers: hands out all whose request is over.
    pub(super) fn flush_answered(&mut self, cx: &mut Context<'_>, outcome: &Outcome) {
        if let Some(draft) = self.orphan.take() {
            draft.finish(cx, outcome.clone());
        }
        while self.queue.front().is_some_and(|draft| draft.has_ended(Direction::ToServer)) {
            if let Some(draft) = self.queue.pop_front() {
                draft.finish(cx, outcome.clone());
            }
        }
        if let Some(draft) = self.queue.front_mut() {
            draft.cut(cx, Direction::ToClient, outcome.clone());
        }
    }

    /// One direction ended in order.
    pub(crate) fn half_closed(&mut self, cx: &mut Context<'_>, direction: Direction) {
        match direction {
            Direction::ToServer if !self.client.ended => {
                self.client.ended = true;
                self.end_of_requests(cx);
            }
            Direction::ToClient if !self.server.ended => {
                self.server.ended = true;
                self.end_of_answers(cx, "the service ended the connection");
            }
            Direction::ToServer | Direction::ToClient => {}
        }
    }

    fn end_of_requests(&mut self, cx: &mut Context<'_>) {
        if !self.client.buffer.is_empty() && matches!(self.client.state, State::Head) && !self.resume.trying {
            let detail = format!("the connection ended inside a request head: {}", quote(self.client.buffer.bytes()));
            cx.anomaly(Direction::ToServer, AnomalyKind::BadHead, detail, Some(self.client.offset));
        }
        if let State::Body(framing) = &self.client.state {
            let length = self.queue.back().map_or(0, |draft| draft.length(Direction::ToServer));
            let why = cut_in_body("the client ended the connection", "request", framing, length);
            self.client.state = State::Head;
            self.cut_request(cx, Outcome::Cut(why));
        }
    }

    /// The connection is over; whatever has not ended is cut.
    pub(crate) fn closed(&mut self, cx: &mut Context<'_>) {
        self.release_kept(cx);
        if !self.client.ended {
            self.end_of_requests(cx);
        }
        if !self.server.ended {
            self.end_of_answers(cx, "the connection closed");
        }
        while let Some(draft) = self.queue.pop_front() {
            draft.finish(cx, Outcome::Cut("no answer before the connection closed".to_owned()));
        }
    }
}

/// Words for a body that was cut.
pub(super) fn cut_in_body(who: &str, what: &str, framing: &BodyFraming, length: u64) -> String {
    match framing.remaining() {
        Some(left) => format!("{who} after {length} of {} bytes of the {what}", length.saturating_add(left)),
        None if framing.is_until_close() => format!("{who} out of order after {length} bytes of the {what}"),
        None => format!("{who} after {length} bytes of the {what}, before its last chunk"),
    }
}

/// Whether the bytes after this request may be in another protocol.
pub(super) fn asks_for_another_protocol(request: &Request) -> bool {
    request.method.as_ref() == b"CONNECT" || request.headers.iter().any(|header| header.is("upgrade"))
}
