//! Which protocol a conversation is in. In: the first bytes of either side. Out: a decision, and the bytes for whoever decodes it.
//! Spec: RFC 9113 §3.4 (HTTP/2 preface), RFC 9112 §3 (request line).

use sidelight_model::flow::Direction;
use sidelight_model::time::Timestamp;

use super::context::{Context, Next, Run, Switch};
use crate::http1::{
    LINE_BEGINNING, cannot_be_request, cannot_be_response, is_request_line, leading_empty_lines, line_at,
};
use crate::http2::{PREFACE, may_begin_midway};

/// What the bytes of one side tell.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// More are needed.
    Open,
    Http1,
    Http2,
    /// It is neither.
    Other,
}

/// A conversation whose protocol is not known yet.
#[derive(Debug)]
pub(super) struct Detect {
    /// What passed so far, in order.
    runs: Vec<Run>,
    sides: [Vec<u8>; 2],
    /// Where the client's first line that is not empty begins.
    line: usize,
    offsets: [u64; 2],
}

impl Detect {
    /// A conversation that begins at these places of the two directions.
    pub(super) const fn new(offsets: [u64; 2]) -> Self {
        Self { runs: Vec::new(), sides: [Vec::new(), Vec::new()], line: 0, offsets }
    }

    /// The next bytes of one direction; they are all taken.
    pub(super) fn data(&mut self, cx: &Context<'_>, direction: Direction, bytes: &[u8]) -> Option<Switch> {
        self.sides[direction.index()].extend_from_slice(bytes);
        self.remember(direction, cx.at, bytes);
        let [client, server] = &self.sides;
        let known = client.len().saturating_sub(bytes.len() + self.line);
        let mut verdict = Verdict::Open;
        // A long line stays open until it ends; looking at all of it for each of its bytes would take the square of its length.
        if direction == Direction::ToClient || known < LINE_BEGINNING || bytes.contains(&b'\n') {
            self.line = leading_empty_lines(client);
            verdict = client_verdict(client, self.line);
        }
        if verdict == Verdict::Open {
            verdict = server_verdict(server);
        }
        if verdict == Verdict::Open && client.len() + server.len() > cx.limits.head {
            verdict = Verdict::Other;
        }
        let next = match verdict {
            Verdict::Open => return None,
            Verdict::Http1 => Next::Http1,
            Verdict::Http2 => Next::Http2 { upgraded: None },
            Verdict::Other => Next::Opaque,
        };
        Some(self.switch(next, bytes.len()))
    }

    /// Nothing more comes that could decide it; `None` when nothing came at all.
    pub(super) fn give_up(&mut self) -> Option<Switch> {
        (!self.runs.is_empty()).then(|| self.switch(Next::Opaque, 0))
    }

    /// It is known from elsewhere that it is HTTP/1.
    pub(super) fn is_http1(&mut self) -> Switch {
        self.switch(Next::Http1, 0)
    }

    fn switch(&mut self, next: Next, used: usize) -> Switch {
        Switch { next, used, replay: std::mem::take(&mut self.runs), offsets: self.offsets }
    }

    fn remember(&mut self, direction: Direction, at: Timestamp, bytes: &[u8]) {
        match self.runs.last_mut().filter(|run| run.direction() == direction) {
            Some(run) => run.bytes.extend_from_slice(bytes),
            None => {
                let to_client = direction == Direction::ToClient;
                self.runs.push(Run { to_client, at, bytes: bytes.to_vec() });
            }
        }
    }
}

fn client_verdict(bytes: &[u8], line: usize) -> Verdict {
    if bytes.len() >= PREFACE.len() && bytes.starts_with(PREFACE) {
        return Verdict::Http2;
    }
    let rest = &bytes[line..];
    if PREFACE.starts_with(bytes) || rest == b"\r" {
        return Verdict::Open;
    }
    let (line, after) = line_at(rest, 0);
    let ended = rest[..after].ends_with(b"\n");
    let line = &rest[line];
    match (cannot_be_request(line), ended) {
        (Some(_), _) => frames_verdict(bytes, Direction::ToServer),
        (None, true) if is_request_line(line) => Verdict::Http1,
        (None, true) => Verdict::Other,
        (None, false) => Verdict::Open,
    }
}

fn server_verdict(bytes: &[u8]) -> Verdict {
    match cannot_be_response(bytes) {
        None if bytes.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"HTTP/")) => Verdict::Http1,
        None => Verdict::Open,
        Some(_) => frames_verdict(bytes, Direction::ToClient),
    }
}

/// Bytes that are not HTTP/1: perhaps frames of an HTTP/2 connection that is under way.
fn frames_verdict(bytes: &[u8], direction: Direction) -> Verdict {
    match may_begin_midway(bytes, direction) {
        None => Verdict::Open,
        Some(true) => Verdict::Http2,
        Some(false) => Verdict::Other,
    }
}
