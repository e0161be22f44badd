//! The answers of a conversation in HTTP/1. In: bytes of the service. Out: exchanges as they end, and changes of protocol.
//! Spec: RFC 9110 §15.2 (1xx), RFC 9112 §6.3 (length of answers).

use sidelight_model::flow::{AnomalyKind, Body, Direction, Header, Outcome, Response};

use super::conversation::{Conversation, State, asks_for_another_protocol, cut_in_body};
use super::framing::{BodyFraming, BodyState};
use super::head::{ResponseHead, list_members, parse_response};
use super::head_buffer::{Fed, Head, Parser};
use super::start_line::cannot_be_response;
use crate::anomalies::quote;
use crate::flow_decoder::{Context, Draft, Next, Run, Switch};
use crate::websocket::Deflate;

/// Longest name of a protocol that is kept.
const LONGEST_TOKEN: usize = 64;

impl Conversation {
    /// Bytes of the service.
    pub(super) fn answers(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Option<Switch> {
        let mut used = 0;
        while used < bytes.len() {
            let rest = &bytes[used..];
            match &self.server.state {
                State::Stopped(_) | State::Held(..) => return None,
                State::Seeking => {
                    self.server.offset += rest.len() as u64;
                    return None;
                }
                State::Head if self.resume.keeps() => self.refute_kept(cx),
                State::Body(_) => used += self.answer_body(cx, rest),
                State::Head => {
                    let (taken, switch) = self.answer_head(cx, rest);
                    used += taken;
                    if let Some((next, replay)) = switch {
                        let held: usize = replay.iter().map(|run| run.bytes.len()).sum();
                        let client = self.client.offset.saturating_sub(held as u64);
                        return Some(Switch { next, used, replay, offsets: [client, self.server.offset] });
                    }
                }
            }
        }
        None
    }

    fn answer_head(&mut self, cx: &mut Context<'_>, rest: &[u8]) -> (usize, Option<(Next, Vec<Run>)>) {
        const PARSER: Parser<ResponseHead> = Parser { parse: parse_response, impossible: cannot_be_response };
        let (used, fed) = self.server.buffer.feed(rest, cx.at, &cx.limits.head_limits(), &PARSER);
        self.server.offset += used as u64;
        let switch = match fed {
            Fed::More => None,
            Fed::Failed(why) => {
                self.not_an_answer(cx, why);
                None
            }
            Fed::Head(head) => self.begin_answer(cx, head),
        };
        (used, switch)
    }

    /// Bytes where an answer belongs, which are none. With no request waiting, they belong to the body before.
    fn not_an_answer(&mut self, cx: &mut Context<'_>, why: String) {
        if !self.awaits_answer() && self.count > 0 {
            let detail = format!("bytes after the end of an answer: {why}");
            cx.anomaly(Direction::ToClient, AnomalyKind::TrailingBytes, detail, Some(self.server.body_at));
        }
        self.stop(cx, Direction::ToClient, why);
    }

    fn awaits_answer(&self) -> bool {
        self.orphan.is_some() || self.queue.front().is_some_and(|draft| !draft.has_ended(Direction::ToClient))
    }

    /// The exchange that the service is answering.
    fn answered(&mut self) -> Option<&mut Draft> {
        self.orphan.as_mut().or_else(|| self.queue.front_mut())
    }

    fn begin_answer(&mut self, cx: &mut Context<'_>, head: Head<ResponseHead>) -> Option<(Next, Vec<Run>)> {
        let Head { value: mut head, since, length, blank } = head;
        let start = self.server.offset - length as u64;
        self.server.body_at = self.server.offset;
        if !self.awaits_answer() {
            self.count += 1;
            let mut draft = Draft::new(cx, self.count, head.version);
            let (kind, detail) = match &self.client.state {
                State::Stopped(why) => (AnomalyKind::JoinedMidway, format!("its request was not decoded: {why}")),
                _ => (AnomalyKind::UnexpectedResponse, "an answer to no request that was seen".to_owned()),
            };
            draft.anomalies.note(kind, Some(start), detail);
            self.orphan = Some(draft);
        }
        let draft = self.answered()?;
        draft.anomalies.extend(std::mem::take(&mut head.anomalies), start);
        if blank > 0 {
            let detail = format!("{blank} bytes of empty lines before the answer");
            draft.anomalies.note(AnomalyKind::TrailingBytes, Some(start), detail);
        }
        let mut framing = BodyFraming::for_response(&head, draft.method());
        draft.anomalies.extend(framing.take_anomalies(), start);
        let asked = draft.request().is_none_or(asks_for_another_protocol);
        let tunnel = draft.method() == b"CONNECT" && (200..300).contains(&head.status);
        if head.status == 101 && !asked {
            let detail = "status 101 for a request that did not ask for another protocol";
            draft.anomalies.note(AnomalyKind::UnexpectedResponse, Some(start), detail);
        }
        if (100..200).contains(&head.status) && !(head.status == 101 && asked) {
            draft.add_interim(cx, head.status, head.headers);
            return None;
        }
        let (switches, status) = (tunnel || head.status == 101, head.status);
        let (reason, headers, trailers) = (head.reason, head.headers, Vec::new());
        draft.set_response(cx, since, Response { status, reason, headers, trailers, body: Body::default() });
        if switches {
            return self.change_protocol(cx);
        }
        let done = framing.state() == BodyState::Done;
        self.server.state = State::Body(Box::new(framing));
        if done {
            self.end_answer(cx);
        }
        None
    }

    fn answer_body(&mut self, cx: &mut Context<'_>, rest: &[u8]) -> usize {
        let State::Body(framing) = &mut self.server.state else { return rest.len() };
        let Some(draft) = self.orphan.as_mut().or_else(|| self.queue.front_mut()) else { return rest.len() };
        let step = framing.advance(rest, &mut |content: &[u8]| draft.content(cx, Direction::ToClient, content));
        draft.add_wire(Direction::ToClient, step.consumed as u64);
        self.server.offset += step.consumed as u64;
        match step.state {
            BodyState::Going => {}
            BodyState::Done => self.end_answer(cx),
            BodyState::Broken => {
                draft.anomalies.extend(framing.take_anomalies(), self.server.body_at);
                self.stop(cx, Direction::ToClient, "the chunks of a response body cannot be read".to_owned());
            }
        }
        step.consumed
    }

    /// The answer in hand is whole.
    pub(super) fn end_answer(&mut self, cx: &mut Context<'_>) {
        let State::Body(mut framing) = std::mem::replace(&mut self.server.state, State::Head) else { return };
        let trailers = framing.take_trailers();
        let place = std::mem::replace(&mut self.server.body_at, self.server.offset);
        let Some(draft) = self.answered() else { return };
        draft.anomalies.extend(framing.take_anomalies(), place);
        draft.end(cx, Direction::ToClient, trailers);
        if let Some(orphan) = self.orphan.take() {
            orphan.finish(cx, Outcome::Complete);
        } else if self.queue.front().is_some_and(|draft| draft.has_ended(Direction::ToServer)) {
            if let Some(draft) = self.queue.pop_front() {
                self.finish(cx, draft, Outcome::Complete);
            }
            self.release_held(cx);
        }
    }

    /// The protocol stays: what the client sent meanwhile are requests.
    fn release_held(&mut self, cx: &mut Context<'_>) {
        if !self.queue.is_empty() || !matches!(self.client.state, State::Held(..)) {
            return;
        }
        if let State::Held(held, since) = std::mem::replace(&mut self.client.state, State::Head) {
            self.resume.pipelines |= !held.is_empty();
            let now = std::mem::replace(&mut cx.at, since);
            self.requests(cx, &held);
            cx.at = now;
        }
    }

    /// The service agreed to another protocol (101, or 2xx to CONNECT).
    fn change_protocol(&mut self, cx: &mut Context<'_>) -> Option<(Next, Vec<Run>)> {
        let orphan = self.orphan.take();
        let waiting = usize::from(orphan.is_none());
        let held = orphan.is_some() || matches!(self.client.state, State::Held(..));
        let ready = held && self.queue.len() == waiting;
        let draft = orphan.or_else(|| self.queue.pop_front())?;
        if !ready {
            let why = "the service changed the protocol while requests were under way".to_owned();
            draft.finish(cx, Outcome::Undecodable(why.clone()));
            self.stop(cx, Direction::ToClient, why.clone());
            self.stop(cx, Direction::ToServer, why);
            return None;
        }
        Some(self.enter(cx, draft))
    }

    fn enter(&mut self, cx: &mut Context<'_>, mut draft: Draft) -> (Next, Vec<Run>) {
        draft.end(cx, Direction::ToClient, Vec::new());
        let stream = draft.stream();
        let (token, next) = if draft.method() == b"CONNECT" {
            ("connect".to_owned(), Next::Tunnel)
        } else {
            let headers = draft.response().map_or(&[][..], |response| &response.headers);
            let token = upgrade_token(headers);
            let next = match token.as_str() {
                "websocket" => Next::WebSocket { stream, deflate: Deflate::agreed(headers) },
                "h2c" => Next::Http2 { upgraded: Some(Box::new(draft.snapshot())) },
                _ => Next::Opaque,
            };
            (token, next)
        };
        draft.finish(cx, Outcome::Upgraded(token));
        let replay = match std::mem::replace(&mut self.client.state, State::Head) {
            State::Held(bytes, at) if !bytes.is_empty() => vec![Run { to_client: false, at, bytes }],
            _ => Vec::new(),
        };
        (next, replay)
    }

    /// The service's direction is over.
    pub(super) fn end_of_answers(&mut self, cx: &mut Context<'_>, who: &str) {
        if !self.server.buffer.is_empty() && matches!(self.server.state, State::Head) {
            let detail = format!("{who} inside the head of an answer: {}", quote(self.server.buffer.bytes()));
            cx.anomaly(Direction::ToClient, AnomalyKind::BadHead, detail, Some(self.server.offset));
        }
        match &self.server.state {
            State::Body(framing) if framing.is_until_close() && self.server.ended => self.end_answer(cx),
            State::Body(framing) => {
                let why = cut_in_body(who, "answer", framing, self.answered_length());
                if let Some(draft) = self.answered() {
                    draft.cut(cx, Direction::ToClient, Outcome::Cut(why));
                }
                self.server.state = State::Head;
            }
            State::Head | State::Held(..) | State::Seeking | State::Stopped(_) => {}
        }
        self.flush_answered(cx, &Outcome::Cut(format!("no answer: {who}")));
    }

    fn answered_length(&self) -> u64 {
        let draft = self.orphan.as_ref().or_else(|| self.queue.front());
        draft.map_or(0, |draft| draft.length(Direction::ToClient))
    }
}

/// The protocol that the service names, in lower case.
fn upgrade_token(headers: &[Header]) -> String {
    let token = list_members(headers, "upgrade").next().unwrap_or(b"unknown");
    String::from_utf8_lossy(&token[..token.len().min(LONGEST_TOKEN)]).to_ascii_lowercase()
}
