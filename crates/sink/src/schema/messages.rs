//! Shapes of what passes inside of exchanges and connections: `"type"` is `websocket`, `grpc`, `event`, `opaque`, `stopped` or
//! `anomaly`. In: what decoders found. Out: values.

use serde::Serialize;
use sidelight_model::flow::{self, Direction, WebSocketKind};

use super::{View, direction_name};
use crate::record::ConnectionRecord;

/// Something that is not as the specification has it.
#[derive(Debug, Serialize)]
pub struct Anomaly {
    #[serde(skip_serializing_if = "Option::is_none")]
    conn: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    kind: &'static str,
    detail: String,
    offset: Option<u64>,
}

impl Anomaly {
    /// One that belongs to an exchange.
    pub fn new(anomaly: &flow::Anomaly, view: View) -> Self {
        let kind = anomaly.kind.name();
        Self { conn: None, direction: None, kind, detail: view.redactor.text(&anomaly.detail), offset: anomaly.offset }
    }

    /// One that belongs to a connection: `"type":"anomaly"`.
    pub fn of(record: &ConnectionRecord, direction: Direction, anomaly: &flow::Anomaly, view: View) -> Self {
        Self { conn: Some(record.id.0), direction: Some(direction_name(direction)), ..Self::new(anomaly, view) }
    }
}

/// A WebSocket message or control frame.
#[derive(Debug, Serialize)]
pub struct WebSocket {
    conn: u64,
    stream: u64,
    time: String,
    direction: &'static str,
    /// `text`, `binary`, `ping`, `pong` or `close`.
    kind: &'static str,
    size: u64,
    frames: u32,
    compressed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl WebSocket {
    /// The shape of `message`.
    pub fn new(record: &ConnectionRecord, message: &flow::WebSocketMessage, view: View) -> Self {
        let limit = view.bodies.unwrap_or(0).min(message.kept.len());
        let shown = (limit > 0).then(|| &message.kept[..limit]);
        let (kind, code, reason) = match &message.kind {
            WebSocketKind::Text => ("text", None, None),
            WebSocketKind::Binary => ("binary", None, None),
            WebSocketKind::Ping => ("ping", None, None),
            WebSocketKind::Pong => ("pong", None, None),
            WebSocketKind::Close(code, reason) => ("close", *code, Some(view.redactor.text(reason))),
        };
        let is_text = message.kind == WebSocketKind::Text;
        Self {
            conn: record.id.0,
            stream: message.stream,
            time: message.at.rfc3339(),
            direction: direction_name(message.direction),
            kind,
            size: message.length,
            frames: message.frames,
            compressed: message.compressed,
            code,
            reason,
            text: shown.filter(|_| is_text).map(|bytes| view.redactor.text(&String::from_utf8_lossy(bytes))),
            base64: shown.filter(|_| !is_text).map(|bytes| data_encoding::BASE64.encode(bytes)),
        }
    }
}

/// A gRPC message of a call that goes on: `"type":"grpc"`.
#[derive(Debug, Serialize)]
pub struct Grpc {
    conn: u64,
    stream: u64,
    time: String,
    direction: &'static str,
    size: u64,
    compressed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl Grpc {
    /// The shape of `message`.
    pub fn new(record: &ConnectionRecord, message: &flow::GrpcMessage, view: View) -> Self {
        let shown = view.bodies.map(|limit| &message.kept[..limit.min(message.kept.len())]);
        Self {
            conn: record.id.0,
            stream: message.stream,
            time: message.at.rfc3339(),
            direction: direction_name(message.direction),
            size: message.length,
            compressed: message.compressed,
            base64: shown.map(|bytes| data_encoding::BASE64.encode(bytes)),
        }
    }
}

/// How a gRPC call ended; the member `grpc` of an exchange.
#[derive(Debug, Serialize)]
pub(super) struct GrpcResult {
    requests: u64,
    responses: u64,
    status: Option<u32>,
    message: Option<String>,
}

impl GrpcResult {
    pub(super) fn new(grpc: &flow::Grpc, view: View) -> Self {
        Self {
            requests: grpc.requests,
            responses: grpc.responses,
            status: grpc.status,
            message: grpc.message.as_ref().map(|message| view.redactor.text(message)),
        }
    }
}

/// A server-sent event: `"type":"event"`.
#[derive(Debug, Serialize)]
pub struct ServerSent {
    conn: u64,
    stream: u64,
    time: String,
    event: String,
    id: String,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
}

impl ServerSent {
    /// The shape of `event`.
    pub fn new(record: &ConnectionRecord, event: &flow::ServerSentEvent, view: View) -> Self {
        let cut = |limit: usize| {
            event.data.char_indices().take_while(|(at, _)| *at < limit).map(|(_, c)| c).collect::<String>()
        };
        Self {
            conn: record.id.0,
            stream: event.stream,
            time: event.at.rfc3339(),
            event: event.event.clone(),
            id: event.id.clone(),
            size: event.data.len(),
            data: view.bodies.map(|limit| view.redactor.text(&cut(limit))),
        }
    }
}

/// A conversation that no decoder knows: `"type":"opaque"`.
#[derive(Debug, Serialize)]
pub struct Opaque {
    conn: u64,
    target: Option<String>,
    looks_like: Option<String>,
    bytes_to_server: u64,
    bytes_to_client: u64,
    ended: bool,
}

impl Opaque {
    /// The shape of `data`. Its bytes may be secrets of any protocol and are left out.
    pub fn new(record: &ConnectionRecord, data: &flow::OpaqueData) -> Self {
        Self {
            conn: record.id.0,
            target: record.target.as_ref().map(ToString::to_string),
            looks_like: data.looks_like.clone(),
            bytes_to_server: data.to_server,
            bytes_to_client: data.to_client,
            ended: data.ended,
        }
    }
}

/// Decoding of a direction ended early; the traffic went on: `"type":"stopped"`.
#[derive(Debug, Serialize)]
pub struct Stopped {
    conn: u64,
    direction: &'static str,
    because: String,
}

impl Stopped {
    /// The shape of the end of decoding.
    pub fn new(record: &ConnectionRecord, direction: Direction, because: &str, view: View) -> Self {
        Self { conn: record.id.0, direction: direction_name(direction), because: view.redactor.text(because) }
    }
}
