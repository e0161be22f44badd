//! An exchange while it goes on. In: heads, content, ends from HTTP/1 or HTTP/2. Out: [`Exchange`], and messages inside bodies.

use sidelight_model::flow::{
    AnomalyKind, Decoded, Direction, Exchange, Grpc, GrpcMessage, Header, HttpVersion, Interim, Outcome, Request,
    Response, ServerSentEvent, Timings,
};
use sidelight_model::time::Timestamp;
use std::sync::Arc;

use super::context::Context;
use crate::anomalies::Anomalies;
use crate::body::Recorder;
use crate::grpc::{self, MessageReader};
use crate::sse::EventReader;

/// What is read inside a body while it passes.
#[derive(Debug, Default)]
enum Watch {
    #[default]
    Nothing,
    Grpc(Box<MessageReader>),
    ServerSent(Box<EventReader>),
}

/// One direction of an exchange.
#[derive(Debug, Default)]
struct Half {
    recorder: Recorder,
    watch: Watch,
    wire: u64,
    gap: bool,
    ended: bool,
}

/// An exchange that has not ended.
#[derive(Debug)]
pub(crate) struct Draft {
    exchange: Exchange,
    pub(crate) anomalies: Anomalies,
    halves: [Half; 2],
    /// Why it cannot be complete any more, when that is known already.
    fault: Option<Outcome>,
}

impl Draft {
    /// An exchange of which nothing is known but its number.
    pub(crate) fn new(cx: &Context<'_>, stream: u64, version: HttpVersion) -> Self {
        Self {
            exchange: Exchange {
                conn: cx.conn,
                stream,
                version,
                request: None,
                interim: Vec::new(),
                response: None,
                timings: Timings { request_start: cx.at, ..Timings::default() },
                outcome: Outcome::Complete,
                anomalies: Vec::new(),
                grpc: None,
                pushed: false,
            },
            anomalies: Anomalies::default(),
            halves: Default::default(),
            fault: None,
        }
    }

    /// The exchange that an `Upgrade: h2c` began: its request is whole, its answer comes as HTTP/2.
    pub(crate) fn upgraded(cx: &Context<'_>, begun: &Exchange) -> Self {
        let mut draft = Self::new(cx, 1, HttpVersion::Http2);
        draft.exchange.request.clone_from(&begun.request);
        draft.exchange.timings = begun.timings;
        draft.exchange.timings.end = None;
        draft.exchange.timings.response_start = None;
        draft.halves[Direction::ToServer.index()].ended = true;
        draft
    }

    pub(crate) const fn stream(&self) -> u64 {
        self.exchange.stream
    }

    pub(crate) const fn request(&self) -> Option<&Request> {
        self.exchange.request.as_ref()
    }

    pub(crate) const fn response(&self) -> Option<&Response> {
        self.exchange.response.as_ref()
    }

    /// The method, or nothing when the request was not seen.
    pub(crate) fn method(&self) -> &[u8] {
        self.exchange.request.as_ref().map_or(b"", |request| &request.method)
    }

    /// Whether a direction has ended, in order or not.
    pub(crate) const fn has_ended(&self, direction: Direction) -> bool {
        self.halves[direction.index()].ended
    }

    /// Bytes of content that passed so far.
    pub(crate) const fn length(&self, direction: Direction) -> u64 {
        self.halves[direction.index()].recorder.length()
    }

    pub(crate) fn set_pushed(&mut self) {
        self.exchange.pushed = true;
    }

    /// The head of the request; `start` is when its first byte passed.
    pub(crate) fn set_request(&mut self, cx: &Context<'_>, start: Timestamp, request: Request) {
        self.exchange.timings.request_start = start;
        self.open(cx, Direction::ToServer, &request.headers);
        self.exchange.request = Some(request);
    }

    /// A response before the final one; `start` is not kept, the moment of its last byte is.
    pub(crate) fn add_interim(&mut self, cx: &Context<'_>, status: u16, headers: Vec<Header>) {
        // A service that sends 1xx without end is to cost no memory.
        if self.exchange.interim.len() < 32 {
            self.exchange.interim.push(Interim { status, headers, at: cx.at });
        }
    }

    /// The head of the final response; `start` is when its first byte passed.
    pub(crate) fn set_response(&mut self, cx: &Context<'_>, start: Timestamp, response: Response) {
        self.exchange.timings.response_start = Some(start);
        if self.exchange.request.is_none() {
            self.exchange.timings.request_start = start;
        }
        self.open(cx, Direction::ToClient, &response.headers);
        if let Some(call) = &mut self.exchange.grpc {
            grpc::read_status(&response.headers, call);
        }
        self.exchange.response = Some(response);
    }

    /// Prepares for content of the kind that the head names.
    fn open(&mut self, cx: &Context<'_>, direction: Direction, headers: &[Header]) {
        let limit = cx.limits.body_kept;
        let half = &mut self.halves[direction.index()];
        half.recorder = Recorder::new(limit, cx.limits.hash_bodies);
        let content_type = Header::find(headers, "content-type").unwrap_or_default();
        if let Some(kind) = grpc::kind_of(content_type) {
            let web = kind == grpc::Kind::Web && direction == Direction::ToClient;
            half.watch = Watch::Grpc(Box::new(MessageReader::new(limit, web)));
            self.exchange.grpc.get_or_insert_default();
        } else if direction == Direction::ToClient && is_event_stream(content_type) && !is_coded(headers) {
            half.watch = Watch::ServerSent(Box::new(EventReader::new(limit)));
        }
    }

    /// Content of the request or the final response.
    pub(crate) fn content(&mut self, cx: &mut Context<'_>, direction: Direction, content: &[u8]) {
        let half = &mut self.halves[direction.index()];
        half.recorder.push(content, cx.budget);
        let (stream, at) = (self.exchange.stream, cx.at);
        match &mut half.watch {
            Watch::Nothing => {}
            Watch::ServerSent(events) => events.push(content, &mut |event| {
                let (event, id, data) = (event.event, event.id, event.data);
                cx.out.push(Decoded::ServerSent(ServerSentEvent { stream, at, event, id, data }));
            }),
            Watch::Grpc(reader) => {
                let (call, out) = (self.exchange.grpc.get_or_insert_default(), &mut *cx.out);
                let read = reader.push(content, cx.budget, &mut |message| {
                    if let Some(found) = take_message(call, stream, direction, at, message) {
                        out.push(Decoded::Grpc(found));
                    }
                });
                if let Err(why) = read {
                    self.anomalies.note(AnomalyKind::BadGrpc, None, why);
                }
            }
        }
    }

    /// Content that passed unseen.
    pub(crate) fn gap(&mut self, cx: &mut Context<'_>, direction: Direction, bytes: u64) {
        let half = &mut self.halves[direction.index()];
        half.recorder.gap(bytes);
        half.gap = true;
        if let Watch::Grpc(mut reader) = std::mem::take(&mut half.watch) {
            reader.end(cx.budget);
        }
        let detail = format!("{bytes} bytes of the body were not seen");
        self.anomalies.note(AnomalyKind::Gap, None, detail);
    }

    /// Bytes on the wire that carried content (chunk framing, frame heads and padding included).
    pub(crate) const fn add_wire(&mut self, direction: Direction, bytes: u64) {
        let wire = &mut self.halves[direction.index()].wire;
        *wire = wire.saturating_add(bytes);
    }

    /// The request or the final response is whole.
    pub(crate) fn end(&mut self, cx: &mut Context<'_>, direction: Direction, trailers: Vec<Header>) {
        self.close_half(cx, direction, true);
        match direction {
            Direction::ToServer => {
                self.exchange.timings.request_end = Some(cx.at);
                if let Some(request) = &mut self.exchange.request {
                    request.trailers = trailers;
                }
            }
            Direction::ToClient => {
                self.exchange.timings.end = Some(cx.at);
                if let Some(call) = &mut self.exchange.grpc {
                    grpc::read_status(&trailers, call);
                }
                if let Some(response) = &mut self.exchange.response {
                    response.trailers = trailers;
                }
            }
        }
    }

    /// The exchange will not be complete, for this reason. The first reason is kept.
    pub(crate) fn fail(&mut self, outcome: Outcome) {
        self.fault.get_or_insert(outcome);
    }

    /// Whether it is known already that it will not be complete.
    pub(crate) const fn has_failed(&self) -> bool {
        self.fault.is_some()
    }

    /// One direction ends before its end.
    pub(crate) fn cut(&mut self, cx: &mut Context<'_>, direction: Direction, outcome: Outcome) {
        self.fail(outcome);
        self.close_half(cx, direction, false);
    }

    /// Moves the body into the message. Does nothing when it is done already.
    fn close_half(&mut self, cx: &mut Context<'_>, direction: Direction, whole: bool) {
        let half = &mut self.halves[direction.index()];
        if std::mem::replace(&mut half.ended, true) {
            return;
        }
        if let Watch::Grpc(reader) = &mut half.watch {
            let missing = reader.end(cx.budget);
            if missing > 0 && whole {
                let detail = format!("the body ends {missing} bytes before the end of a gRPC message");
                self.anomalies.note(AnomalyKind::BadGrpc, None, detail);
            }
        }
        let body = half.recorder.finish(half.wire, whole && !half.gap, cx.budget);
        match direction {
            Direction::ToServer => self.exchange.request.as_mut().map(|request| request.body = body),
            Direction::ToClient => self.exchange.response.as_mut().map(|response| response.body = body),
        };
    }

    /// Hands the exchange out as ended this way, unless it failed before.
    pub(crate) fn finish(mut self, cx: &mut Context<'_>, outcome: Outcome) {
        self.close_half(cx, Direction::ToServer, false);
        self.close_half(cx, Direction::ToClient, false);
        let mut exchange = self.exchange;
        exchange.timings.end.get_or_insert(cx.at);
        exchange.outcome = self.fault.unwrap_or(outcome);
        exchange.anomalies = self.anomalies.into_vec();
        cx.out.push(Decoded::Exchange(Arc::new(exchange)));
    }

    /// A copy of the exchange as it stands.
    pub(crate) fn snapshot(&self) -> Exchange {
        self.exchange.clone()
    }
}

/// Counts a gRPC message, and reads gRPC-Web's trailers, which are no message.
fn take_message(
    call: &mut Grpc,
    stream: u64,
    direction: Direction,
    at: Timestamp,
    message: grpc::Message,
) -> Option<GrpcMessage> {
    if message.trailers {
        grpc::read_status(&grpc::web_trailers(&message.kept), call);
        return None;
    }
    let count = if direction == Direction::ToServer { &mut call.requests } else { &mut call.responses };
    *count += 1;
    let grpc::Message { compressed, length, kept, .. } = message;
    Some(GrpcMessage { stream, direction, at, length, kept, compressed })
}

fn is_event_stream(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("text/event-stream")
}

fn is_coded(headers: &[Header]) -> bool {
    Header::find(headers, "content-encoding").is_some_and(|coding| !coding.trim().eq_ignore_ascii_case("identity"))
}
