//! One line for each thing that passes inside of long exchanges, and for connections without exchanges. In: messages of
//! WebSocket, gRPC and event streams, undecoded data, ends of connections. Out: a line each.

use sidelight_model::flow::{Closed, Decoded, Direction, How, WebSocketKind};
use sidelight_model::time::Timestamp;
use sidelight_sink::ledger::Fate;
use sidelight_sink::record::ConnectionRecord;

use super::exchange::{INDENT, anomaly_words};
use super::quantity::{bytes, duration, time_of_day};
use super::style::Meaning;
use super::{Look, client_column, escape};

/// The line of what a decoder found beside exchanges; empty for what is shown elsewhere or not at this verbosity.
pub(super) fn render(look: &Look, record: &ConnectionRecord, decoded: &Decoded) -> String {
    match decoded {
        Decoded::Exchange(_) => String::new(),
        Decoded::WebSocket(message) => {
            let words = match &message.kind {
                WebSocketKind::Text => format!("text {}", bytes(message.length)),
                WebSocketKind::Binary => format!("binary {}", bytes(message.length)),
                WebSocketKind::Ping => "ping".to_owned(),
                WebSocketKind::Pong => "pong".to_owned(),
                WebSocketKind::Close(code, reason) => {
                    let code = code.map_or_else(String::new, |code| format!(" {code}"));
                    format!("close{code} {}", look.peer(reason)).trim_end().to_owned()
                }
            };
            let preview = (message.kind == WebSocketKind::Text).then(|| String::from_utf8_lossy(&message.kept));
            passing(look, record, message.at, "WS", message.direction, &words, preview.as_deref())
        }
        Decoded::ServerSent(event) => {
            let name = if event.event.is_empty() { "message" } else { &event.event };
            let words = format!("{} {}", look.peer(name), bytes(event.data.len() as u64));
            passing(look, record, event.at, "SSE", Direction::ToClient, &words, Some(&event.data))
        }
        Decoded::Grpc(message) if look.verbose > 0 => {
            let coded = if message.compressed { ", compressed" } else { "" };
            let words = format!("stream {}: message {}{coded}", message.stream, bytes(message.length));
            passing(look, record, message.at, "gRPC", message.direction, &words, None)
        }
        Decoded::Opaque(data) if data.ended => {
            let what = data.looks_like.as_deref().map_or_else(|| "unknown protocol".to_owned(), escape::line);
            ended(look, record, record.latest, "opaque", &what, Meaning::Faint, [data.to_server, data.to_client])
        }
        Decoded::Grpc(_) | Decoded::Opaque(_) => String::new(),
        Decoded::Stopped(direction, because) => {
            let side = match direction {
                Direction::ToServer => "client",
                Direction::ToClient => "service",
            };
            let service = escape::line(&record.service());
            let words = format!("! {service}: what the {side} says is not decoded further: {}", look.peer(because));
            format!("{INDENT}{}\n", look.paint.as_(Meaning::Caution, &words))
        }
        Decoded::Anomaly(_, anomaly) => {
            let words = format!("{} on the connection to {}", anomaly_words(look, anomaly), record.service());
            format!("{INDENT}{}\n", look.paint.as_(Meaning::Caution, &escape::line(&words)))
        }
    }
}

fn passing(
    look: &Look,
    record: &ConnectionRecord,
    at: Timestamp,
    kind: &str,
    direction: Direction,
    words: &str,
    preview: Option<&str>,
) -> String {
    let arrow = match direction {
        Direction::ToServer => "→",
        Direction::ToClient => "←",
    };
    let start = start(look, record, at, &format!("{} {arrow}", escape::pad(kind, 6)));
    let line = format!("{}  {words}", escape::line(&record.service()));
    let preview =
        preview.filter(|_| look.verbose > 0).map_or_else(String::new, |text| format!("  {}", look.peer(text)));
    let line = match look.width {
        Some(width) => {
            let taken = escape::columns(&start.0) + escape::columns(&line) + 1;
            line + &escape::clip(&preview, width.saturating_sub(taken))
        }
        None => line + &preview,
    };
    format!("{}{line}\n", start.1)
}

/// Time, client and kind: plain, and painted.
fn start(look: &Look, record: &ConnectionRecord, at: Timestamp, kind: &str) -> (String, String) {
    let time = time_of_day(at, &look.zone);
    let is_wide = look.width.is_none_or(|width| width >= 110);
    let client = client_column(record, if is_wide { 16 } else { 11 });
    // As wide as method and status, so that what follows stands where URLs begin.
    let kind = escape::pad(kind, 10);
    let painted =
        format!("{} {client} {} ", look.paint.as_(Meaning::Faint, &time), look.paint.as_(Meaning::Strong, &kind));
    (format!("{time} {client} {kind} "), painted)
}

/// The line of a connection that ended and of which nothing was decoded: relayed, refused, or cut before its first exchange.
/// What was seen is told by exchanges, what failed by findings.
pub(super) fn closed(look: &Look, record: &ConnectionRecord) -> String {
    let Some((at, Closed { to_server, to_client, how })) = &record.closed else { return String::new() };
    let fate = Fate::of(record);
    let meaning = match fate {
        Fate::Relayed => Meaning::Faint,
        Fate::Refused => Meaning::Caution,
        Fate::Failed if record.findings == 0 => Meaning::Bad,
        Fate::Decrypted | Fate::Plain | Fate::Failed => return String::new(),
    };
    let because = record.decision.as_ref().map_or("", |decision| decision.because.as_str());
    let how = match how {
        How::Clean | How::Failed => String::new(),
        How::ClientCut(words) => format!("; the client cut it: {words}"),
        How::ServerCut(words) => format!("; the service cut it: {words}"),
        How::Ended(words) => format!("; ended: {words}"),
    };
    let because = look.peer(&format!("{because}{how}"));
    ended(look, record, *at, fate.name(), because.trim_start_matches("; "), meaning, [to_server.bytes, to_client.bytes])
}

fn ended(
    look: &Look,
    record: &ConnectionRecord,
    at: Timestamp,
    kind: &str,
    words: &str,
    meaning: Meaning,
    passed: [u64; 2],
) -> String {
    let (_, start) = start(look, record, record.since, kind);
    let sizes = format!("{} sent, {} received", bytes(passed[0]), bytes(passed[1]));
    let service = escape::line(&record.service());
    let colon = if words.is_empty() { "" } else { ": " };
    let line = format!("{service}{colon}{words}  ({sizes}, {})", duration(at.since(record.since)));
    format!("{start}{}\n", look.paint.as_(meaning, &line))
}
