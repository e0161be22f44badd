//! Messages as records of a content log. In: exchanges and what passes inside of them. Out: heads and bodies.
//! Spec: docs/content-log.md.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use sidelight_model::finding::Finding;
use sidelight_model::flow::{
    Anomaly, Body, Decoded, Direction, Exchange, Header, OpaqueData, Outcome, WebSocketKind, WebSocketMessage,
};
use sidelight_model::time::Timestamp;
use sidelight_wire::content_log::{Head, digest_line};

use super::about;
use crate::content::Content;
use crate::har;
use crate::record::ConnectionRecord;

/// Bytes of decoded content that are written at the most.
const MOST: usize = 32 << 20;

/// The records of an exchange, one after the other.
pub(super) fn exchange(record: &ConnectionRecord, exchange: &Exchange) -> Vec<u8> {
    let url = exchange.request.as_ref().map(|request| har::url(record, request)).unwrap_or_default();
    let head = |time, direction, kind: &str| {
        let head = Head { stream: Some(exchange.stream), direction, ..about::head(record, time, kind) };
        head.with("url", &url)
    };
    let (to_server, to_client) = (Some(Direction::ToServer), Some(Direction::ToClient));
    let timings = &exchange.timings;
    let mut out = request(exchange, head(timings.request_start, to_server, "request"));
    out.extend(trailers(
        exchange.request.as_ref().map(|it| &it.trailers[..]),
        head(timings.request_end.unwrap_or(timings.request_start), to_server, "request-trailers"),
    ));
    for interim in &exchange.interim {
        let start = format!("{} {}", exchange.version.name(), interim.status);
        let head = head(interim.at, to_client, "interim").with("status", interim.status);
        out.extend(head.record(&message(start.as_bytes(), &interim.headers, &[])));
    }
    let answered = timings.response_start.or(timings.end).unwrap_or(timings.request_start);
    out.extend(response(exchange, head(answered, to_client, "response")));
    out.extend(trailers(
        exchange.response.as_ref().map(|it| &it.trailers[..]),
        head(timings.end.unwrap_or(answered), to_client, "response-trailers"),
    ));
    for anomaly in &exchange.anomalies {
        out.extend(odd(head(timings.request_start, None, "anomaly"), anomaly));
    }
    out.extend(outcome(exchange, head(timings.end.unwrap_or(answered), None, "outcome")));
    out
}

fn request(exchange: &Exchange, head: Head) -> Vec<u8> {
    let Some(request) = &exchange.request else { return Vec::new() };
    let start = [&request.method[..], b" ", &request.target.raw[..], b" ", exchange.version.name().as_bytes()].concat();
    let head = head.with("method", String::from_utf8_lossy(&request.method));
    let timings = &exchange.timings;
    let head = took(head, timings.request_start, timings.request_end);
    let head = if exchange.pushed { head.with("pushed", 1) } else { head };
    whole(head, &start, &request.headers, &request.body)
}

fn response(exchange: &Exchange, head: Head) -> Vec<u8> {
    let Some(response) = &exchange.response else { return Vec::new() };
    let start =
        format!("{} {} {}", exchange.version.name(), response.status, String::from_utf8_lossy(&response.reason));
    let head = head.with("status", response.status);
    let head = match exchange.timings.response_start {
        Some(started) => took(head, started, exchange.timings.end),
        None => head,
    };
    let head = match &exchange.grpc {
        Some(grpc) => {
            let head = head.with("grpc-requests", grpc.requests).with("grpc-responses", grpc.responses);
            let head = head.with("grpc-status", grpc.status.map_or_else(String::new, |status| status.to_string()));
            head.with("grpc-message", grpc.message.as_deref().unwrap_or_default())
        }
        None => head,
    };
    whole(head, start.trim_end().as_bytes(), &response.headers, &response.body)
}

/// Microseconds from the first byte to the last.
fn took(head: Head, from: Timestamp, to: Option<Timestamp>) -> Head {
    match to {
        Some(to) => head.with("us", to.0.saturating_sub(from.0)),
        None => head,
    }
}

/// A message with its head and content.
fn whole(head: Head, start: &[u8], headers: &[Header], body: &Body) -> Vec<u8> {
    let read = Content::read(headers, body, MOST);
    let mut head = head.with("size", body.length);
    if body.wire_length != body.length {
        head = head.with("wire-size", body.wire_length);
    }
    let missing = body.length.saturating_sub(body.kept.len() as u64);
    if missing > 0 {
        head = head.with("cut", missing);
    }
    let digest = || {
        let whole = || (missing == 0).then(|| Sha256::digest(&body.kept).into());
        body.sha256.or_else(whole).map(|digest: [u8; 32]| HEXLOWER.encode(&digest))
    };
    let content = match read.text {
        _ if body.length == 0 => Vec::new(),
        Some(text) => {
            head = head.with("content", "text").with("decoded", read.codings.join(","));
            // What is called text but is none cannot be had back from the characters here.
            if text.contains(char::REPLACEMENT_CHARACTER) {
                head = head.with("sha256", digest().unwrap_or_default());
            }
            text.into_bytes()
        }
        None => {
            head = head.with("content", "digest");
            let digest = digest();
            digest_line(body.length, &read.media_type, digest.as_deref()).into_bytes()
        }
    };
    head.record(&message(start, headers, &content))
}

/// Start line and fields, an empty line, content.
fn message(start: &[u8], headers: &[Header], content: &[u8]) -> Vec<u8> {
    let mut out = start.to_vec();
    out.push(b'\n');
    push_fields(headers, &mut out);
    if !content.is_empty() {
        out.push(b'\n');
        out.extend_from_slice(content);
    }
    out
}

/// A field a line. A line end, which some peers get into a field, would make another field of it.
fn push_fields(headers: &[Header], out: &mut Vec<u8>) {
    let one_line =
        |bytes: &[u8]| bytes.iter().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b }).collect::<Vec<_>>();
    for header in headers {
        out.extend(one_line(&header.name));
        out.extend_from_slice(b": ");
        out.extend(one_line(&header.value));
        out.push(b'\n');
    }
}

fn trailers(fields: Option<&[Header]>, head: Head) -> Vec<u8> {
    let mut body = Vec::new();
    push_fields(fields.unwrap_or_default(), &mut body);
    if body.is_empty() { body } else { head.record(&body) }
}

fn odd(head: Head, anomaly: &Anomaly) -> Vec<u8> {
    let offset = anomaly.offset.map_or_else(String::new, |offset| offset.to_string());
    head.with("anomaly", anomaly.kind.name()).with("offset", offset).record(anomaly.detail.as_bytes())
}

fn outcome(exchange: &Exchange, head: Head) -> Vec<u8> {
    let (outcome, words) = match &exchange.outcome {
        Outcome::Complete => return Vec::new(),
        Outcome::Upgraded(to) => ("upgraded", to),
        Outcome::Cut(words) => ("cut", words),
        Outcome::Undecodable(words) => ("undecodable", words),
    };
    head.with("outcome", outcome).record(words.as_bytes())
}

/// The records of anything else that was found; none for what is told again later.
pub(super) fn decoded(record: &ConnectionRecord, decoded: &Decoded) -> Vec<u8> {
    match decoded {
        Decoded::Exchange(found) => exchange(record, found),
        Decoded::WebSocket(message) => websocket(record, message),
        Decoded::Grpc(message) => {
            let head = in_stream(record, message.stream, message.at, message.direction, "grpc");
            let head = if message.compressed { head.with("compressed", 1) } else { head };
            binary(head, message.length, &message.kept)
        }
        Decoded::ServerSent(event) => {
            let head = in_stream(record, event.stream, event.at, Direction::ToClient, "event");
            head.with("event", &event.event).with("id", &event.id).record(event.data.as_bytes())
        }
        Decoded::Opaque(data) if data.ended => opaque(record, data),
        Decoded::Opaque(_) => Vec::new(),
        Decoded::Stopped(direction, because) => {
            let head = Head { direction: Some(*direction), ..about::head(record, record.latest, "stopped") };
            head.record(because.as_bytes())
        }
        Decoded::Anomaly(direction, anomaly) => {
            let head = Head { direction: Some(*direction), ..about::head(record, record.latest, "anomaly") };
            odd(head, anomaly)
        }
    }
}

fn in_stream(record: &ConnectionRecord, stream: u64, at: Timestamp, direction: Direction, kind: &str) -> Head {
    Head { stream: Some(stream), direction: Some(direction), ..about::head(record, at, kind) }
}

fn websocket(record: &ConnectionRecord, message: &WebSocketMessage) -> Vec<u8> {
    let kind = match &message.kind {
        WebSocketKind::Text => "websocket-text",
        WebSocketKind::Binary => "websocket-binary",
        WebSocketKind::Ping => "websocket-ping",
        WebSocketKind::Pong => "websocket-pong",
        WebSocketKind::Close(..) => "websocket-close",
    };
    let mut head = in_stream(record, message.stream, message.at, message.direction, kind);
    if message.frames != 1 {
        head = head.with("frames", message.frames);
    }
    if message.compressed {
        head = head.with("compressed", 1);
    }
    match &message.kind {
        WebSocketKind::Text => {
            let missing = message.length.saturating_sub(message.kept.len() as u64);
            let head = if missing > 0 { head.with("cut", missing) } else { head };
            head.record(&message.kept)
        }
        WebSocketKind::Close(code, reason) => {
            let head = head.with("size", message.length);
            let head = head.with("code", code.map_or_else(String::new, |code| code.to_string()));
            head.record(reason.as_bytes())
        }
        WebSocketKind::Binary | WebSocketKind::Ping | WebSocketKind::Pong => {
            binary(head, message.length, &message.kept)
        }
    }
}

fn binary(head: Head, length: u64, kept: &[u8]) -> Vec<u8> {
    let digest = (length == kept.len() as u64).then(|| HEXLOWER.encode(&Sha256::digest(kept)));
    head.with("size", length).with("content", "digest").record(digest_line(length, "", digest.as_deref()).as_bytes())
}

fn opaque(record: &ConnectionRecord, data: &OpaqueData) -> Vec<u8> {
    let mut out = Vec::new();
    let first = [(Direction::ToServer, &data.first_to_server), (Direction::ToClient, &data.first_to_client)];
    for (direction, bytes) in first.into_iter().filter(|(_, bytes)| !bytes.is_empty()) {
        let head = Head { direction: Some(direction), ..about::head(record, record.since, "data") };
        out.extend(head.record(bytes));
    }
    let head = about::head(record, record.latest, "opaque")
        .with("looks-like", data.looks_like.as_deref().unwrap_or_default())
        .with("to-service", data.to_server)
        .with("to-client", data.to_client);
    out.extend(head.record(b""));
    out
}

/// A finding: its sentence, what supports it, what to do.
pub(super) fn finding(record: &ConnectionRecord, finding: &Finding) -> Vec<u8> {
    let mut lines = vec![finding.summary.clone()];
    lines.extend(finding.evidence().iter().map(|it| format!("{} at {}: {}", it.what, it.place, it.value)));
    lines.extend(finding.fixes.iter().map(|fix| format!("to do: {}: {}", fix.action, fix.how)));
    lines.extend(finding.warnings.iter().map(|warning| format!("besides: {warning}")));
    let head = about::head(record, record.latest, "finding");
    head.with("cause", finding.cause.code()).with("fault", finding.fault.name()).record(lines.join("\n").as_bytes())
}
