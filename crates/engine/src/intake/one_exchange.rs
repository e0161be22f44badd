//! Where one forwarded exchange ends. In: its bytes as they pass. Out: the word to stop the relay where both messages are whole.

use std::task::{Context, Poll};

use sidelight_model::flow::Direction;
use sidelight_wire::http1::{BodyFraming, BodyState, HeadLimits, Progress, RequestHead, parse_response};

use crate::relay::{Flow, Observer};
use crate::tap::ConnTap;

/// Watches one request and its response pass, and stops the relay where both are whole.
pub(super) struct OneExchange<'t> {
    tap: &'t mut ConnTap,
    method: Vec<u8>,
    request: BodyFraming,
    upgrade_asked: bool,
    response: Response,
    /// The response says that its connection stays.
    keeps: bool,
    /// It cannot be told where the request ends: everything passes until the response is whole (RFC 9112 §6.3).
    lost_request: bool,
    /// It cannot be told where the response ends: it passes until the connection closes, and no other request follows.
    lost_response: bool,
    /// The service has no more to say.
    service_ended: bool,
}

enum Response {
    /// The bytes of its head so far.
    Head(Vec<u8>),
    Body(BodyFraming),
    Over,
    /// 101: no HTTP/1 any more.
    Upgraded,
}

impl<'t> OneExchange<'t> {
    pub(super) fn new(head: &RequestHead, tap: &'t mut ConnTap) -> Self {
        let request = BodyFraming::for_request(head);
        let lost_request = request.is_ambiguous();
        let upgrade_asked = head.headers.iter().any(|header| header.is("upgrade"));
        Self {
            tap,
            method: head.method.to_vec(),
            request,
            upgrade_asked,
            response: Response::Head(Vec::new()),
            keeps: true,
            lost_request,
            lost_response: false,
            service_ended: false,
        }
    }

    pub(super) fn response_is_over(&self) -> bool {
        matches!(self.response, Response::Over)
    }

    fn request_is_over(&self) -> bool {
        self.request.state() == BodyState::Done && !self.upgrade_asked && !self.lost_request
    }

    /// Whether another request may follow on either connection.
    pub(super) fn stays_open(&self, head: &RequestHead) -> bool {
        self.response_is_over()
            && self.request.state() == BodyState::Done
            && self.keeps
            && !self.lost_request
            && head.keeps_alive()
    }

    /// Follows the response; gives the number of bytes after its end, once it has one.
    fn follow(&mut self, bytes: &[u8]) -> Option<usize> {
        if let Response::Body(framing) = &mut self.response {
            let advance = framing.advance(bytes, &mut |_| {});
            return self.ended(advance.state, bytes.len() - advance.consumed);
        }
        let Response::Head(heard) = &mut self.response else { return None };
        heard.extend_from_slice(bytes);
        loop {
            match parse_response(heard, &HeadLimits::default()) {
                Progress::Complete(head, _) if head.status == 101 => {
                    self.response = Response::Upgraded;
                    return None;
                }
                Progress::Complete(head, consumed) if head.status < 200 => {
                    heard.drain(..consumed);
                }
                Progress::Complete(head, consumed) => {
                    let mut framing = BodyFraming::for_response(&head, &self.method);
                    self.keeps = head.keeps_alive() && !framing.is_until_close();
                    self.lost_response |= framing.is_ambiguous();
                    let rest = heard.split_off(consumed);
                    let advance = framing.advance(&rest, &mut |_| {});
                    self.response = Response::Body(framing);
                    return self.ended(advance.state, rest.len() - advance.consumed);
                }
                Progress::Partial => return None,
                Progress::NotHttp(_) | Progress::TooLarge(_) => {
                    self.lost_response = true;
                    self.response = Response::Upgraded;
                    return None;
                }
            }
        }
    }

    fn ended(&mut self, state: BodyState, beyond: usize) -> Option<usize> {
        match state {
            BodyState::Going => None,
            BodyState::Broken => {
                self.lost_response = true;
                None
            }
            BodyState::Done if self.lost_response => None,
            BodyState::Done => {
                self.response = Response::Over;
                Some(beyond)
            }
        }
    }

    fn request_bytes(&mut self, bytes: &[u8]) -> Flow {
        if self.request_is_over() {
            // The next request came before the response to this one: it waits. Until then the client is listened to, so that
            // its leaving is noticed, and passed on to a service that may have nothing to say.
            return Flow::RestAfter(0);
        }
        let advance = self.request.advance(bytes, &mut |_| {});
        self.lost_request |= advance.state == BodyState::Broken;
        if self.lost_request || self.upgrade_asked {
            self.tap.data(Direction::ToServer, bytes);
            return Flow::On;
        }
        self.tap.data(Direction::ToServer, &bytes[..advance.consumed]);
        match advance.state {
            BodyState::Done if self.response_is_over() => Flow::StopAfter(advance.consumed),
            BodyState::Done if advance.consumed < bytes.len() => Flow::RestAfter(advance.consumed),
            _ => Flow::On,
        }
    }

    fn response_bytes(&mut self, bytes: &[u8]) -> Flow {
        match self.follow(bytes) {
            None => {
                self.tap.data(Direction::ToClient, bytes);
                Flow::On
            }
            Some(beyond) => {
                let whole = bytes.len() - beyond.min(bytes.len());
                self.tap.data(Direction::ToClient, &bytes[..whole]);
                // A request that asked for an upgrade and did not get it, or that can be read in two ways, has no end that
                // could be waited for.
                let over = self.upgrade_asked || self.lost_request || self.request_is_over();
                if over { Flow::StopAfter(whole) } else { Flow::RestAfter(whole) }
            }
        }
    }
}

impl Observer for OneExchange<'_> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.tap.poll_ready(cx)
    }

    fn seen(&mut self, direction: Direction, bytes: &[u8]) -> Flow {
        match direction {
            Direction::ToServer => self.request_bytes(bytes),
            Direction::ToClient => self.response_bytes(bytes),
        }
    }

    fn half_closed(&mut self, direction: Direction) {
        self.tap.half_closed(direction);
    }

    fn ended(&mut self, direction: Direction) {
        if direction == Direction::ToClient {
            self.service_ended = true;
            if matches!(&self.response, Response::Body(framing) if framing.is_until_close()) {
                self.response = Response::Over;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.service_ended && self.request_is_over()
    }
}
