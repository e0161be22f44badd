//! What decoders hand out while a conversation goes on. In: nothing. Out: the vocabulary of `wire::flow_decoder`.
//! Spec: RFC 6455 (WebSocket), gRPC over HTTP/2, WHATWG HTML §9.2 (server-sent events).

use bytes::Bytes;
use std::sync::Arc;

use super::{Anomaly, Direction, Exchange};
use crate::time::Timestamp;

/// One thing that a decoder found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// An exchange ended (or was cut, or became another protocol).
    Exchange(Arc<Exchange>),
    /// A WebSocket message or control frame.
    WebSocket(WebSocketMessage),
    /// A gRPC message of a call that is still going on.
    Grpc(GrpcMessage),
    /// An event of a `text/event-stream` response that is still going on.
    ServerSent(ServerSentEvent),
    /// The conversation is no protocol we decode: its first bytes, and again counts as it ends.
    Opaque(OpaqueData),
    /// Decoding of this direction ended; the traffic went on. The words say why.
    Stopped(Direction, String),
    /// An oddity that belongs to the connection, not to one exchange.
    Anomaly(Direction, Anomaly),
}

/// A WebSocket message, put together from its fragments and inflated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketMessage {
    /// The exchange (its `stream`) that was upgraded.
    pub stream: u64,
    /// Which way it went.
    pub direction: Direction,
    /// When its last byte passed.
    pub at: Timestamp,
    /// What it is.
    pub kind: WebSocketKind,
    /// Bytes of payload after inflating.
    pub length: u64,
    /// The first of them, up to the limit.
    pub kept: Bytes,
    /// Number of frames that carried it.
    pub frames: u32,
    /// Whether it was deflated (RFC 7692).
    pub compressed: bool,
}

/// The kind of a WebSocket message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebSocketKind {
    /// UTF-8 text.
    Text,
    /// Bytes.
    Binary,
    /// Ping.
    Ping,
    /// Pong.
    Pong,
    /// Close, with code and reason where given.
    Close(Option<u16>, String),
}

/// A gRPC message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcMessage {
    /// The HTTP/2 stream.
    pub stream: u64,
    /// Which way it went.
    pub direction: Direction,
    /// When its last byte passed.
    pub at: Timestamp,
    /// Bytes of the message, as sent.
    pub length: u64,
    /// The first of them, up to the limit, as sent.
    pub kept: Bytes,
    /// Whether the compressed flag is set.
    pub compressed: bool,
}

/// The result of a gRPC call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grpc {
    /// Messages from the client.
    pub requests: u64,
    /// Messages from the service.
    pub responses: u64,
    /// `grpc-status`, from the trailers or the head.
    pub status: Option<u32>,
    /// `grpc-message`, percent-decoded.
    pub message: Option<String>,
}

/// A server-sent event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSentEvent {
    /// The exchange (its `stream`).
    pub stream: u64,
    /// When its blank line passed.
    pub at: Timestamp,
    /// `event:`, or empty.
    pub event: String,
    /// `id:`, or empty.
    pub id: String,
    /// `data:` lines joined with LF, up to the limit.
    pub data: String,
}

/// A conversation that no decoder knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpaqueData {
    /// What it looks like, when its first bytes tell: `ssh`, `postgres`, `redis`, `smtp` …
    pub looks_like: Option<String>,
    /// The first bytes from the client, up to the limit.
    pub first_to_server: Bytes,
    /// The first bytes from the service, up to the limit.
    pub first_to_client: Bytes,
    /// Bytes so far, from the client.
    pub to_server: u64,
    /// Bytes so far, from the service.
    pub to_client: u64,
    /// The connection is over.
    pub ended: bool,
}
