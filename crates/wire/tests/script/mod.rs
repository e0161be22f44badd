//! Conversations as scripts. In: what passes on a connection, step by step. Out: what the decoder found, as values or short lines.
//!
//! Every script is played as it stands and byte by byte; both must find the same.

#![allow(dead_code)] // each test program uses a part of it

pub(crate) mod h2;

use sidelight_model::flow::{ConnId, Decoded, Direction, Exchange, Outcome, WebSocketKind};
use sidelight_model::time::Timestamp;
use sidelight_wire::flow_decoder::{FlowDecoder, Limits};

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Client(Vec<u8>),
    Server(Vec<u8>),
    Lost(Direction, u64),
    Half(Direction),
    Agreed(Option<&'static [u8]>),
    Closed,
}

/// The client sends this.
pub(crate) fn client(bytes: impl AsRef<[u8]>) -> Step {
    Step::Client(bytes.as_ref().to_vec())
}

/// The service sends this.
pub(crate) fn server(bytes: impl AsRef<[u8]>) -> Step {
    Step::Server(bytes.as_ref().to_vec())
}

/// How the bytes of a step are cut.
pub(crate) type Cut<'c> = &'c dyn Fn(&[u8]) -> Vec<Vec<u8>>;

/// Plays a script with the bytes of its steps cut like this.
pub(crate) fn play_cut(steps: &[Step], limits: Limits, cut: Cut<'_>) -> Vec<Decoded> {
    let mut decoder = FlowDecoder::new(ConnId(7), limits);
    let mut out = Vec::new();
    let at = Timestamp(1_000_000);
    for step in steps {
        match step {
            Step::Client(bytes) | Step::Server(bytes) => {
                let direction = if matches!(step, Step::Client(_)) { Direction::ToServer } else { Direction::ToClient };
                for piece in cut(bytes) {
                    decoder.data(direction, at, &piece, &mut out);
                }
            }
            Step::Lost(direction, bytes) => decoder.lost(*direction, at, *bytes, &mut out),
            Step::Half(direction) => decoder.half_closed(*direction, at, &mut out),
            Step::Agreed(alpn) => decoder.agreed(*alpn),
            Step::Closed => decoder.closed(at, &mut out),
        }
    }
    out
}

/// Plays a script whole and byte by byte, and requires the same of both.
pub(crate) fn play_with(steps: &[Step], limits: Limits) -> Vec<Decoded> {
    let whole = play_cut(steps, limits, &|bytes| vec![bytes.to_vec()]);
    let single = play_cut(steps, limits, &|bytes| bytes.chunks(1).map(<[u8]>::to_vec).collect());
    assert_eq!(single, whole, "byte by byte against whole");
    whole
}

/// [`play_with`] the usual limits.
pub(crate) fn play(steps: &[Step]) -> Vec<Decoded> {
    play_with(steps, Limits { body_kept: 1000, head: 64 * 1024, hash_bodies: true })
}

/// The exchanges among what was found.
pub(crate) fn exchanges(found: &[Decoded]) -> Vec<&Exchange> {
    found
        .iter()
        .filter_map(|decoded| match decoded {
            Decoded::Exchange(exchange) => Some(&**exchange),
            _ => None,
        })
        .collect()
}

/// What was found, a short line each.
pub(crate) fn lines(found: &[Decoded]) -> Vec<String> {
    found.iter().map(line).collect()
}

fn line(decoded: &Decoded) -> String {
    match decoded {
        Decoded::Exchange(exchange) => exchange_line(exchange),
        Decoded::WebSocket(message) => {
            let kind = match &message.kind {
                WebSocketKind::Close(code, reason) => format!("close {} {reason}", code.unwrap_or(0)),
                kind => format!("{kind:?}").to_lowercase(),
            };
            let deflated = if message.compressed { " deflated" } else { "" };
            let text = message.kept.escape_ascii();
            let (way, frames) = (arrow(message.direction), message.frames);
            format!("ws #{} {way} {kind} {}/{frames}{deflated} `{text}`", message.stream, message.length)
        }
        Decoded::Grpc(message) => {
            let flag = if message.compressed { " compressed" } else { "" };
            let text = message.kept.escape_ascii();
            format!("grpc #{} {} {}{flag} `{text}`", message.stream, arrow(message.direction), message.length)
        }
        Decoded::ServerSent(event) => {
            format!("sse #{} {}|{}|{}", event.stream, event.event, event.id, event.data.escape_debug())
        }
        Decoded::Opaque(data) => {
            let end = if data.ended { " ended" } else { "" };
            let name = data.looks_like.as_deref().unwrap_or("?");
            format!("opaque {name} {}/{}{end}", data.to_server, data.to_client)
        }
        Decoded::Stopped(direction, why) => format!("stopped {} {why}", arrow(*direction)),
        Decoded::Anomaly(direction, anomaly) => {
            format!("anomaly {} {:?} {}", arrow(*direction), anomaly.kind, anomaly.detail)
        }
    }
}

fn arrow(direction: Direction) -> &'static str {
    if direction == Direction::ToServer { ">" } else { "<" }
}

fn exchange_line(exchange: &Exchange) -> String {
    let request = exchange.request.as_ref().map_or("-".to_owned(), |request| {
        let sent = request.body.length;
        let place = request.target.authority.as_deref().unwrap_or("");
        format!("{} {place}{} {sent}", request.method.escape_ascii(), request.target.raw.escape_ascii())
    });
    let response = exchange.response.as_ref().map_or("-".to_owned(), |response| {
        let text = response.body.kept.escape_ascii();
        format!("{} {} `{text}`", response.status, response.body.length)
    });
    let outcome = match &exchange.outcome {
        Outcome::Complete => String::new(),
        Outcome::Upgraded(to) => format!(" => {to}"),
        Outcome::Cut(why) => format!(" CUT {why}"),
        Outcome::Undecodable(why) => format!(" UNDECODABLE {why}"),
    };
    let kinds: Vec<_> = exchange.anomalies.iter().map(|anomaly| format!("{:?}", anomaly.kind)).collect();
    let odd = if kinds.is_empty() { String::new() } else { format!(" !{}", kinds.join(",")) };
    let interim: String = exchange.interim.iter().map(|interim| format!("{} ", interim.status)).collect();
    format!("#{} {request} -> {interim}{response}{outcome}{odd}", exchange.stream)
}
