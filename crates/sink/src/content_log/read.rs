//! Records of a content log as what they were made of. In: heads and bodies. Out: parts of exchanges, messages. What the log has
//! only the digest of has its length and digest, and no content. Spec: docs/content-log.md.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use sidelight_model::flow::{
    Anomaly, AnomalyKind, Body, ConnId, Decoded, Direction, Exchange, Grpc, GrpcMessage, Header, HttpVersion, Interim,
    Outcome, Request, Response, ServerSentEvent, Timings, WebSocketKind, WebSocketMessage,
};
use sidelight_model::time::Timestamp;
use sidelight_wire::content_coding;
use sidelight_wire::content_log::Head;

use crate::content::{self, Media};
use crate::har::target;

/// Whether records of this kind are parts of an exchange.
pub(crate) fn is_part(kind: &str) -> bool {
    matches!(kind, "request" | "request-trailers" | "interim" | "response" | "response-trailers" | "outcome")
}

/// An exchange before its first part.
pub(crate) fn draft(stream: u64, head: &Head) -> Exchange {
    Exchange {
        conn: ConnId(0),
        stream,
        version: HttpVersion::Http11,
        request: None,
        interim: Vec::new(),
        response: None,
        timings: Timings { request_start: head.time, ..Timings::default() },
        outcome: Outcome::Complete,
        anomalies: Vec::new(),
        grpc: None,
        pushed: false,
    }
}

/// Adds a part to an exchange. `tls_known`: the connection says that it is https.
pub(crate) fn add(exchange: &mut Exchange, head: &Head, body: &[u8], tls_known: bool) {
    let after = |from: Timestamp| head.number("us").map(|us| Timestamp(from.0.saturating_add(us)));
    match head.kind.as_str() {
        "request" => {
            let (start, headers, content) = message(head, body);
            let (method, rest) = split_at(&start, start.iter().position(|byte| *byte == b' '));
            let (raw, version) = split_at(rest, rest.iter().rposition(|byte| *byte == b' '));
            exchange.version = version_of(version);
            let url = head.fact("url").unwrap_or_default();
            let mut target = target::likely(method, &url, exchange.version, &headers, tls_known);
            target.raw = Bytes::copy_from_slice(raw);
            let method = Bytes::copy_from_slice(method);
            exchange.request = Some(Request { method, target, headers, trailers: Vec::new(), body: content });
            exchange.timings.request_start = head.time;
            exchange.timings.request_end = after(head.time);
            exchange.pushed = head.number("pushed") == Some(1);
        }
        "response" => {
            let (start, headers, content) = message(head, body);
            let (version, rest) = split_at(&start, start.iter().position(|byte| *byte == b' '));
            exchange.version = version_of(version);
            let (status, reason) = split_at(rest, rest.iter().position(|byte| *byte == b' '));
            let status = std::str::from_utf8(status).ok().and_then(|status| status.parse().ok()).unwrap_or_default();
            let reason = Bytes::copy_from_slice(reason);
            exchange.response = Some(Response { status, reason, headers, trailers: Vec::new(), body: content });
            exchange.timings.response_start = Some(head.time);
            exchange.timings.end = after(head.time);
            exchange.grpc = grpc(head);
        }
        "interim" => {
            let (_, headers, _) = message(head, body);
            let status = head.number("status").and_then(|status| u16::try_from(status).ok()).unwrap_or(100);
            exchange.interim.push(Interim { status, headers, at: head.time });
        }
        "request-trailers" => {
            let trailers = fields(body);
            exchange.request.iter_mut().for_each(|request| request.trailers.clone_from(&trailers));
        }
        "response-trailers" => {
            let trailers = fields(body);
            exchange.response.iter_mut().for_each(|response| response.trailers.clone_from(&trailers));
        }
        "anomaly" => exchange.anomalies.extend(anomaly(head, body)),
        "outcome" => {
            let words = String::from_utf8_lossy(body).into_owned();
            exchange.outcome = match head.fact("outcome").as_deref() {
                Some("upgraded") => Outcome::Upgraded(words),
                Some("undecodable") => Outcome::Undecodable(words),
                _ => Outcome::Cut(words),
            };
            exchange.timings.end.get_or_insert(head.time);
        }
        _ => {}
    }
}

/// What is no part of an exchange; `None` for kinds that are not known.
pub(crate) fn other(head: &Head, body: &[u8]) -> Option<Decoded> {
    let stream = head.stream.unwrap_or_default();
    let direction = head.direction.unwrap_or(Direction::ToClient);
    let text = || String::from_utf8_lossy(body).into_owned();
    let size = || head.number("size").and_then(|size| u64::try_from(size).ok());
    let compressed = head.number("compressed") == Some(1);
    Some(match head.kind.as_str() {
        "websocket-text" | "websocket-binary" | "websocket-ping" | "websocket-pong" | "websocket-close" => {
            let code = head.number("code").and_then(|code| u16::try_from(code).ok());
            let (kind, kept) = match head.kind.as_str() {
                "websocket-text" => (WebSocketKind::Text, Bytes::copy_from_slice(body)),
                "websocket-ping" => (WebSocketKind::Ping, Bytes::new()),
                "websocket-pong" => (WebSocketKind::Pong, Bytes::new()),
                "websocket-close" => (WebSocketKind::Close(code, text()), close(code, body)),
                _ => (WebSocketKind::Binary, Bytes::new()),
            };
            let cut = head.number("cut").unwrap_or_default().max(0).unsigned_abs();
            let length = size().unwrap_or(kept.len() as u64 + cut);
            let frames = head.number("frames").and_then(|frames| u32::try_from(frames).ok()).unwrap_or(1);
            Decoded::WebSocket(WebSocketMessage {
                stream,
                direction,
                at: head.time,
                kind,
                length,
                kept,
                frames,
                compressed,
            })
        }
        "grpc" => {
            let length = size().unwrap_or_default();
            Decoded::Grpc(GrpcMessage { stream, direction, at: head.time, length, kept: Bytes::new(), compressed })
        }
        "event" => Decoded::ServerSent(ServerSentEvent {
            stream,
            at: head.time,
            event: head.fact("event").unwrap_or_default(),
            id: head.fact("id").unwrap_or_default(),
            data: text(),
        }),
        "stopped" => Decoded::Stopped(direction, text()),
        "anomaly" => Decoded::Anomaly(direction, anomaly(head, body)?),
        _ => return None,
    })
}

/// The payload of a close frame (RFC 6455 §5.5.1).
fn close(code: Option<u16>, reason: &[u8]) -> Bytes {
    code.map_or_else(Bytes::new, |code| Bytes::from([&code.to_be_bytes()[..], reason].concat()))
}

fn anomaly(head: &Head, body: &[u8]) -> Option<Anomaly> {
    let kind = AnomalyKind::from_name(&head.fact("anomaly")?)?;
    let offset = head.number("offset").and_then(|offset| u64::try_from(offset).ok());
    Some(Anomaly::new(kind, String::from_utf8_lossy(body), offset))
}

fn grpc(head: &Head) -> Option<Grpc> {
    let count = |name: &str| head.number(name).and_then(|count| u64::try_from(count).ok());
    Some(Grpc {
        requests: count("grpc-requests")?,
        responses: count("grpc-responses").unwrap_or_default(),
        status: count("grpc-status").and_then(|status| u32::try_from(status).ok()),
        message: head.fact("grpc-message"),
    })
}

fn version_of(text: &[u8]) -> HttpVersion {
    let known = [HttpVersion::Http10, HttpVersion::Http11, HttpVersion::Http2, HttpVersion::Http3];
    known.into_iter().find(|version| version.name().as_bytes() == text).unwrap_or(HttpVersion::Http11)
}

/// What is before a separator of one byte, and what is after it.
fn split_at(text: &[u8], at: Option<usize>) -> (&[u8], &[u8]) {
    match at.and_then(|at| text.split_at_checked(at)) {
        Some((before, after)) => (before, after.get(1..).unwrap_or_default()),
        None => (text, &[]),
    }
}

/// Start line, fields and content of a message.
fn message(head: &Head, body: &[u8]) -> (Vec<u8>, Vec<Header>, Body) {
    let end = body.windows(2).position(|two| two == b"\n\n");
    let (top, content) = match end {
        Some(end) => (body.get(..end).unwrap_or_default(), body.get(end + 2..).unwrap_or_default()),
        None => (body, &[][..]),
    };
    let (start, lines) = split_at(top, top.iter().position(|byte| *byte == b'\n'));
    let headers = fields(lines);
    let content = self::content(head, &headers, content);
    (start.to_vec(), headers, content)
}

fn fields(lines: &[u8]) -> Vec<Header> {
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let colon = line.windows(2).position(|two| two == b": ");
            let (name, value) = split_at(line, colon);
            Header::new(name, value.get(1..).unwrap_or_default())
        })
        .collect()
}

fn content(head: &Head, headers: &[Header], content: &[u8]) -> Body {
    let count = |name: &str| head.number(name).and_then(|count| u64::try_from(count).ok());
    let size = count("size").unwrap_or_default();
    let exact = head.fact("sha256");
    let is_text = head.fact("content").as_deref() == Some("text") && exact.is_none();
    let kept = if is_text { coded(headers, content, head.fact("decoded").is_some()) } else { Vec::new() };
    let length = if is_text { kept.len() as u64 + count("cut").unwrap_or_default() } else { size };
    let digest = || {
        let text = match &exact {
            Some(exact) => exact.as_str(),
            None => std::str::from_utf8(content).ok()?.split_once("sha256:")?.1,
        };
        HEXLOWER.decode(text.get(..64)?.as_bytes()).ok()?.try_into().ok()
    };
    let sha256 = if is_text { None } else { digest() };
    Body { length, kept: Bytes::from(kept), sha256, wire_length: count("wire-size").unwrap_or(length) }
}

/// Text as it was on the wire: in its character set and content coding.
fn coded(headers: &[Header], content: &[u8], was_coded: bool) -> Vec<u8> {
    let latin = || {
        let text = std::str::from_utf8(content).ok().filter(|_| Media::of(headers).is_latin1())?;
        text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<Vec<u8>>>()
    };
    let content = latin().unwrap_or_else(|| content.to_vec());
    if !was_coded {
        return content;
    }
    content_coding::encode(&content::joined(headers, "content-encoding"), &content).unwrap_or(content)
}
