//! A conversation in HTTP/1 of which bytes were not seen. In: how many, in which direction. Out: where decoding goes on.
//!
//! A gap that lies within content of known length (Content-Length, one chunk, a body until the end of the connection) is stepped
//! over exactly. After any other gap the place in that direction is lost: the exchanges under way are handed out as cut, and decoding
//! takes up at a later request. It rests on one thing about the client: **it sends a request when the answer to the one before has
//! ended** (it does not pipeline, as hardly a client does). Then the order of the two directions in time says where messages begin:
//!
//! - *Client.* After a gap of its own, it is followed again where it speaks after the service has spoken (seen or not), and what it says
//!   begins with a sound request head. A gap of the service's bytes alone does not touch its framing.
//! - *Service.* After any gap its bytes pass over until a request has begun that was seen whole: the next byte is the first of the
//!   answer to that request, whatever its bytes look like. Answers before it, whose requests are lost, are never guessed to belong to one.
//! - *Doubt.* The first exchange after a gap says so (an anomaly), and is kept back until the client speaks again or the connection ends.
//!   If instead another answer comes, or another request before the answer, the client does pipeline: neither direction is decoded
//!   any more, and what was kept back is told as undecodable.
//! - A client that was seen to pipeline before the gap, or that had asked for another protocol, is not followed after it: that
//!   direction stops, and the other goes on as far as it is certain.
//!
//! What remains: a client that never pipelined before, begins to within the gap, and from then on always has exactly one request more
//! under way than was seen, cannot be told from one that waits; and a body that follows `100 Continue`, whose head was not seen,
//! and that begins with a sound request head itself is taken for a request.

use sidelight_model::flow::{AnomalyKind, Direction, Outcome};

use super::conversation::{Conversation, Side, State, asks_for_another_protocol};
use super::framing::BodyState;
use super::head::RequestHead;
use super::head_buffer::{Head, HeadBuffer};
use crate::flow_decoder::{Context, Draft};

/// Longest method that is believed after a gap.
const LONGEST_METHOD: usize = 20;

/// What is known of the client, and of where decoding stands after a gap.
#[derive(Debug, Default)]
pub(super) struct Resume {
    /// The client has sent a request before the answer to the one before had ended.
    pub(super) pipelines: bool,
    /// Bytes were lost, and no exchange after them is certain yet.
    doubt: bool,
    /// The client may begin a request with its next byte: the service has spoken since.
    turned: bool,
    /// What the client says is tried as the head of a request.
    pub(super) trying: bool,
    /// The first exchange after a gap, whole, until it is certain.
    kept: Option<Box<Draft>>,
}

impl Resume {
    /// Whether an exchange is kept back.
    pub(super) const fn keeps(&self) -> bool {
        self.kept.is_some()
    }
}

/// Whether a head is one without any doubt: what is only near enough for one may be something else.
pub(super) fn is_plausible(head: &Head<RequestHead>) -> bool {
    let method = &head.value.method;
    let known = method.len() <= LONGEST_METHOD && method.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'-');
    known && head.blank == 0 && head.value.anomalies.is_empty()
}

impl Side {
    /// Where a message begins is not known any more.
    pub(super) fn seek(&mut self) {
        self.state = State::Seeking;
        self.buffer = HeadBuffer::default();
    }
}

impl Conversation {
    /// Bytes of the client come. Whatever the service said before was no more than it should.
    pub(super) fn client_speaks(&mut self, cx: &mut Context<'_>) {
        self.release_kept(cx);
        if std::mem::take(&mut self.resume.turned) && matches!(self.client.state, State::Seeking) {
            self.client.state = State::Head;
            self.resume.trying = true;
        }
    }

    /// Bytes of the service come, seen or not.
    pub(super) fn service_speaks(&mut self) {
        // A service does not answer half a head.
        if std::mem::take(&mut self.resume.trying) {
            self.client.seek();
        }
        self.resume.turned = true;
    }

    /// A request begins: after a gap it is known from here on what the service says.
    pub(super) fn take_up(&mut self, draft: &mut Draft) {
        if !matches!(self.server.state, State::Seeking) {
            return;
        }
        self.server.state = State::Head;
        self.server.body_at = self.server.offset;
        let detail = "bytes before it were not seen; its answer is the first that came after it";
        draft.anomalies.note(AnomalyKind::Gap, None, detail);
    }

    /// A request has begun before the answer to the one before ended. Whether nothing can be said any more about which belong together.
    pub(super) fn overtakes(&mut self, cx: &mut Context<'_>) -> bool {
        self.resume.pipelines = true;
        if self.resume.doubt {
            self.give_up(cx);
        }
        self.resume.doubt
    }

    fn give_up(&mut self, cx: &mut Context<'_>) {
        let why = "the client does not wait for answers: after bytes that were not seen nobody can tell which is whose";
        self.resume.pipelines = true;
        self.stop(cx, Direction::ToServer, why.to_owned());
        self.stop(cx, Direction::ToClient, why.to_owned());
    }

    /// Hands an exchange out, or keeps it back as the first one after a gap.
    pub(super) fn finish(&mut self, cx: &mut Context<'_>, draft: Draft, outcome: Outcome) {
        if self.resume.doubt && outcome == Outcome::Complete && !draft.has_failed() {
            self.resume.kept = Some(Box::new(draft));
        } else {
            draft.finish(cx, outcome);
        }
    }

    /// Nothing speaks against what was kept back.
    pub(super) fn release_kept(&mut self, cx: &mut Context<'_>) {
        if let Some(draft) = self.resume.kept.take() {
            self.resume.doubt = false;
            draft.finish(cx, Outcome::Complete);
        }
    }

    /// The service says more than the answer to the one request that was seen.
    pub(super) fn refute_kept(&mut self, cx: &mut Context<'_>) {
        if let Some(draft) = self.resume.kept.take() {
            let why = "bytes were not seen, and more than one answer came after the request: nobody can tell which is its own";
            draft.finish(cx, Outcome::Undecodable(why.to_owned()));
            self.give_up(cx);
        }
    }

    /// Bytes of one direction passed unseen.
    pub(crate) fn lost(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: u64) {
        match direction {
            Direction::ToServer => {
                self.release_kept(cx);
                self.resume.turned = false;
                if std::mem::take(&mut self.resume.trying) {
                    self.client.seek();
                }
            }
            Direction::ToClient => {
                self.refute_kept(cx);
                self.service_speaks();
            }
        }
        match (self.step_over(cx, direction, bytes), direction) {
            (BodyState::Going, _) => {}
            (BodyState::Done, Direction::ToServer) => self.end_request(cx),
            (BodyState::Done, Direction::ToClient) => self.end_answer(cx),
            (BodyState::Broken, _) => self.lose_place(cx, direction, bytes),
        }
    }

    /// Steps over bytes that were not seen, and says where that leads; nowhere when a message may have ended among them.
    fn step_over(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: u64) -> BodyState {
        let answering = self.orphan.is_some();
        let (side, draft) = match direction {
            Direction::ToServer => (&mut self.client, self.queue.back_mut()),
            Direction::ToClient if answering => (&mut self.server, self.orphan.as_mut()),
            Direction::ToClient => (&mut self.server, self.queue.front_mut()),
        };
        side.offset = side.offset.saturating_add(bytes);
        match (&mut side.state, draft) {
            (State::Stopped(_) | State::Seeking, _) => BodyState::Going,
            (State::Body(framing), Some(draft)) => {
                if !framing.skip(bytes) {
                    return BodyState::Broken;
                }
                draft.gap(cx, direction, bytes);
                draft.add_wire(direction, bytes);
                framing.state()
            }
            _ => BodyState::Broken,
        }
    }

    /// Where the messages of a direction begin is not known any more.
    fn lose_place(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: u64) {
        let why = format!("{bytes} bytes were not seen, and a message ended among them");
        let between = matches!(self.client.state, State::Head);
        // What it sent is the next request, while the one before waits.
        self.resume.pipelines |= direction == Direction::ToServer && between && !self.queue.is_empty();
        if !self.can_resume() {
            return self.stop(cx, direction, why);
        }
        self.resume.doubt = true;
        let outcome = Outcome::Cut(why.clone());
        let offset = match direction {
            Direction::ToServer => {
                if matches!(self.client.state, State::Body(_)) {
                    self.cut_request(cx, outcome.clone());
                }
                self.client.seek();
                self.client.offset
            }
            Direction::ToClient => self.server.offset,
        };
        self.server.seek();
        self.flush_answered(cx, &outcome);
        let detail = format!("{why}; decoding goes on with the next request that is seen whole");
        cx.anomaly(direction, AnomalyKind::Gap, detail, Some(offset));
    }

    /// Whether the client can be followed after a gap.
    fn can_resume(&self) -> bool {
        let stopped = |side: &Side| matches!(side.state, State::Stopped(_) | State::Held(..));
        let changes = |draft: &Draft| draft.request().is_some_and(asks_for_another_protocol);
        !self.resume.pipelines && !stopped(&self.client) && !stopped(&self.server) && !self.queue.iter().any(changes)
    }
}
