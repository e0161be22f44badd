//! Messages inside of exchanges. In: what decoders found. Out: members of an entry, in Chromium's shapes where it has them, and back.

use bytes::Bytes;
use data_encoding::BASE64;
use sidelight_model::flow::{Decoded, Direction, GrpcMessage, ServerSentEvent, WebSocketKind, WebSocketMessage};
use sidelight_model::time::Timestamp;
use sidelight_wire::har::{self, Entry};

use super::waiting::Pending;

/// The exchange that a message belongs to; `None` for what is no message.
pub(super) const fn stream(decoded: &Decoded) -> Option<u64> {
    match decoded {
        Decoded::WebSocket(message) => Some(message.stream),
        Decoded::Grpc(message) => Some(message.stream),
        Decoded::ServerSent(event) => Some(event.stream),
        _ => None,
    }
}

/// Roughly the bytes that a message holds.
pub(super) fn weight(decoded: &Decoded) -> usize {
    64 + match decoded {
        Decoded::WebSocket(message) => message.kept.len(),
        Decoded::Grpc(message) => message.kept.len(),
        Decoded::ServerSent(event) => event.data.len() + event.id.len() + event.event.len(),
        _ => 0,
    }
}

/// Adds messages to an entry.
pub(super) fn add(entry: &mut Entry, pending: Pending) {
    for message in &pending.messages {
        match message {
            Decoded::WebSocket(message) => entry.web_socket_messages.push(websocket(message)),
            Decoded::Grpc(message) => entry.grpc_messages.push(grpc(message)),
            Decoded::ServerSent(event) => entry.event_source_messages.push(event_source(event)),
            _ => {}
        }
    }
    entry.messages_left_out = entry.messages_left_out.saturating_add_unsigned(pending.left_out);
}

/// The messages of an entry, as decoders would have told them.
pub(super) fn of(entry: &Entry, stream: u64) -> Vec<Decoded> {
    let grpc = entry.grpc_messages.iter().map(|message| read_grpc(message, stream));
    let events = entry.event_source_messages.iter().map(|event| read_event(event, stream));
    let websocket = entry.web_socket_messages.iter().map(|message| read_websocket(message, stream));
    grpc.chain(events).chain(websocket).collect()
}

fn websocket(message: &WebSocketMessage) -> har::WebSocketMessage {
    let (opcode, code, reason) = match &message.kind {
        WebSocketKind::Text => (1, None, None),
        WebSocketKind::Binary => (2, None, None),
        WebSocketKind::Close(code, reason) => (8, *code, Some(reason.clone()).filter(|it| !it.is_empty())),
        WebSocketKind::Ping => (9, None, None),
        WebSocketKind::Pong => (10, None, None),
    };
    har::WebSocketMessage {
        kind: kind(message.direction).to_owned(),
        time: seconds(message.at),
        opcode,
        data: match opcode {
            1 => String::from_utf8_lossy(&message.kept).into_owned(),
            _ => BASE64.encode(&message.kept),
        },
        cut: missing(message.length, message.kept.len()),
        frames: if message.frames == 1 { 0 } else { i64::from(message.frames) },
        compressed: message.compressed,
        code,
        reason,
    }
}

fn read_websocket(message: &har::WebSocketMessage, stream: u64) -> Decoded {
    let kind = match message.opcode {
        2 => WebSocketKind::Binary,
        8 => WebSocketKind::Close(message.code, message.reason.clone().unwrap_or_default()),
        9 => WebSocketKind::Ping,
        10 => WebSocketKind::Pong,
        _ => WebSocketKind::Text,
    };
    let kept = match (&kind, BASE64.decode(message.data.as_bytes())) {
        (WebSocketKind::Text, _) | (_, Err(_)) => Bytes::from(message.data.clone()),
        (_, Ok(bytes)) => Bytes::from(bytes),
    };
    Decoded::WebSocket(WebSocketMessage {
        stream,
        direction: direction(&message.kind),
        at: moment(message.time),
        kind,
        length: kept.len() as u64 + message.cut.max(0).unsigned_abs(),
        kept,
        frames: u32::try_from(message.frames.max(1)).unwrap_or(u32::MAX),
        compressed: message.compressed,
    })
}

fn grpc(message: &GrpcMessage) -> har::GrpcMessage {
    har::GrpcMessage {
        kind: kind(message.direction).to_owned(),
        time: seconds(message.at),
        data: BASE64.encode(&message.kept),
        cut: missing(message.length, message.kept.len()),
        compressed: message.compressed,
    }
}

fn read_grpc(message: &har::GrpcMessage, stream: u64) -> Decoded {
    let kept = Bytes::from(BASE64.decode(message.data.as_bytes()).unwrap_or_default());
    Decoded::Grpc(GrpcMessage {
        stream,
        direction: direction(&message.kind),
        at: moment(message.time),
        length: kept.len() as u64 + message.cut.max(0).unsigned_abs(),
        kept,
        compressed: message.compressed,
    })
}

fn event_source(event: &ServerSentEvent) -> har::EventSourceMessage {
    har::EventSourceMessage {
        time: seconds(event.at),
        event_name: event.event.clone(),
        event_id: event.id.clone(),
        data: event.data.clone(),
    }
}

fn read_event(event: &har::EventSourceMessage, stream: u64) -> Decoded {
    Decoded::ServerSent(ServerSentEvent {
        stream,
        at: moment(event.time),
        event: event.event_name.clone(),
        id: event.event_id.clone(),
        data: event.data.clone(),
    })
}

const fn kind(direction: Direction) -> &'static str {
    match direction {
        Direction::ToServer => "send",
        Direction::ToClient => "receive",
    }
}

fn direction(kind: &str) -> Direction {
    if kind == "send" { Direction::ToServer } else { Direction::ToClient }
}

/// Bytes that were not kept.
pub(super) fn missing(length: u64, kept: usize) -> i64 {
    i64::try_from(length.saturating_sub(kept as u64)).unwrap_or(i64::MAX)
}

/// Microseconds since the epoch fit into the 53 bits of a number's fraction until the year 2255.
fn seconds(at: Timestamp) -> f64 {
    at.0 as f64 / 1e6
}

fn moment(seconds: f64) -> Timestamp {
    Timestamp((seconds * 1e6).round() as i64)
}
