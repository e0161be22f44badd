//! One line per exchange. In: an exchange and its connection. Out: time, client, method, status, URL, sizes, protocol and TLS,
//! time to the first byte and to the end; beneath it, what is odd.

use sidelight_model::flow::{Anomaly, AnomalyKind, Exchange, Grpc, HttpVersion, Outcome};
use sidelight_sink::record::ConnectionRecord;
use sidelight_sink::schema;

use super::escape::{columns, fit, pad, pad_left};
use super::quantity::{bytes, count, duration, time_of_day};
use super::style::{Meaning, of_status};
use super::{Look, client_column, escape};

/// Columns before which further lines of the same exchange begin: those of the time.
pub(super) const INDENT: &str = "         ";

/// From this width on, all columns are shown.
pub(super) const WIDE: usize = 110;

/// The line of an exchange, and lines for what is odd about it, each with its line end.
pub(super) fn render(look: &Look, record: &ConnectionRecord, exchange: &Exchange) -> String {
    let is_wide = look.width.is_none_or(|width| width >= WIDE);
    let left = left_columns(look, record, exchange, if is_wide { 16 } else { 11 });
    let right = right_columns(look, record, exchange, is_wide);
    let url = url(look, record, exchange);
    let url = match look.width {
        // One column stays free: terminals wrap a line that fills the last.
        Some(width) => fit_url(&url, width.saturating_sub(1 + columns(&left.plain) + columns(&right)).max(12)),
        None => url,
    };
    let mut text = format!("{}{url}{}\n", left.painted, look.paint.as_(Meaning::Faint, &right));
    push_notes(look, exchange, &mut text);
    text
}

struct Columns {
    plain: String,
    painted: String,
}

fn left_columns(look: &Look, record: &ConnectionRecord, exchange: &Exchange, client_width: usize) -> Columns {
    let time = time_of_day(exchange.timings.request_start, &look.zone);
    let client = client_column(record, client_width);
    let method = exchange.request.as_ref().map_or_else(|| "?".into(), |it| String::from_utf8_lossy(&it.method));
    let method = pad(&fit(&escape::line(&method), 8), 6);
    let (status, meaning) = match &exchange.response {
        Some(response) => (format!("{:03}", response.status), of_status(response.status)),
        None => ("---".to_owned(), Meaning::Bad),
    };
    let paint = look.paint;
    Columns {
        plain: format!("{time} {client} {method} {status} "),
        painted: format!(
            "{} {client} {} {} ",
            paint.as_(Meaning::Faint, &time),
            paint.as_(Meaning::Strong, &method),
            paint.as_(meaning, &status)
        ),
    }
}

fn right_columns(look: &Look, record: &ConnectionRecord, exchange: &Exchange, is_wide: bool) -> String {
    let sent = exchange.request.as_ref().map_or_else(|| "-".to_owned(), |it| bytes(it.body.length));
    let received = exchange.response.as_ref().map_or_else(|| "-".to_owned(), |it| bytes(it.body.length));
    let start = exchange.timings.request_start;
    let after = |moment: Option<sidelight_model::time::Timestamp>| {
        moment.map_or_else(|| "-".to_owned(), |moment| duration(moment.since(start)))
    };
    let (first, end) = (after(exchange.timings.response_start), after(exchange.timings.end));
    if look.width.is_none() {
        return format!("  {sent} → {received}  {}  {first} / {end}", protocol(record, exchange));
    }
    if !is_wide {
        return format!(" {} {}", pad_left(&received, 6), pad_left(&end, 6));
    }
    format!(
        "  {} {}  {} {} {}",
        pad_left(&sent, 6),
        pad_left(&received, 6),
        pad(&protocol(record, exchange), 10),
        pad_left(&first, 6),
        pad_left(&end, 6)
    )
}

/// `h2 TLS 1.3`, `h1 plain`.
fn protocol(record: &ConnectionRecord, exchange: &Exchange) -> String {
    let http = match exchange.version {
        HttpVersion::Http10 => "h1.0",
        HttpVersion::Http11 => "h1",
        HttpVersion::Http2 => "h2",
        HttpVersion::Http3 => "h3",
    };
    let side = record.server_tls.as_ref().or(record.client_tls.as_ref());
    format!("{http} {}", side.map_or_else(|| "plain".to_owned(), |side| side.version.name()))
}

/// The whole URL, else the service.
pub(super) fn url(look: &Look, record: &ConnectionRecord, exchange: &Exchange) -> String {
    exchange.request.as_ref().map_or_else(
        || escape::line(&record.service()),
        |request| escape::line(&look.redactor.url(&schema::url(record, request))),
    )
}

/// Exactly `width` columns. A scheme that the TLS column tells anyway goes first, then something from the middle.
pub(super) fn fit_url(url: &str, width: usize) -> String {
    let url = match url.strip_prefix("https://") {
        Some(bare) if columns(url) > width => bare,
        _ => url,
    };
    pad(&fit(url, width), width)
}

/// What is not as usual, a line each.
fn push_notes(look: &Look, exchange: &Exchange, text: &mut String) {
    for (meaning, words) in notes(look, exchange) {
        text.push_str(INDENT);
        text.push_str(&look.paint.as_(meaning, &words));
        text.push('\n');
    }
}

/// What is not as usual.
pub(super) fn notes(look: &Look, exchange: &Exchange) -> Vec<(Meaning, String)> {
    let mut notes = Vec::new();
    match &exchange.outcome {
        Outcome::Complete => {}
        Outcome::Upgraded(to) => notes.push((Meaning::Onward, format!("→ goes on as {}", look.peer(to)))),
        Outcome::Cut(words) => notes.push((Meaning::Bad, format!("✗ cut: {}", look.peer(words)))),
        Outcome::Undecodable(words) => {
            notes.push((Meaning::Caution, format!("! not decoded, but passed on: {}", look.peer(words))));
        }
    }
    if exchange.request.is_none() {
        notes.push((Meaning::Caution, "! the request was not seen".to_owned()));
    }
    if exchange.pushed {
        notes.push((Meaning::Onward, "← pushed by the server".to_owned()));
    }
    notes.extend(exchange.grpc.as_ref().map(|grpc| grpc_words(look, grpc)));
    notes.extend(exchange.anomalies.iter().map(|anomaly| (Meaning::Caution, anomaly_words(look, anomaly))));
    notes
}

fn grpc_words(look: &Look, grpc: &Grpc) -> (Meaning, String) {
    let name = grpc.status.map_or_else(|| "without status".to_owned(), grpc_status);
    let counts = format!("{} →  ← {}", count(grpc.requests, "message"), count(grpc.responses, "message"));
    let message = grpc.message.as_deref().filter(|message| !message.is_empty());
    let message = message.map_or_else(String::new, |message| format!(": {}", look.peer(message)));
    let meaning = if grpc.status == Some(0) { Meaning::Good } else { Meaning::Caution };
    (meaning, format!("gRPC {name}{message}  ({counts})"))
}

/// The name of a status code of gRPC.
fn grpc_status(code: u32) -> String {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    let known = usize::try_from(code).ok().and_then(|index| NAMES.get(index));
    known.map_or_else(|| format!("status {code}"), |name| (*name).to_owned())
}

/// `! two lengths that differ: 5, 6 (at byte 12)`.
pub(super) fn anomaly_words(look: &Look, anomaly: &Anomaly) -> String {
    let place = anomaly.offset.map_or_else(String::new, |offset| format!(" (at byte {offset})"));
    let detail = look.peer(&anomaly.detail);
    let colon = if detail.is_empty() { "" } else { ": " };
    format!("! {}{colon}{detail}{place}", anomaly_name(anomaly.kind))
}

const fn anomaly_name(kind: AnomalyKind) -> &'static str {
    match kind {
        AnomalyKind::ConflictingLengths => "lengths that differ",
        AnomalyKind::LengthAndChunked => "a length and chunks in one message",
        AnomalyKind::OddTransferEncoding => "odd Transfer-Encoding",
        AnomalyKind::BadContentLength => "Content-Length is no number",
        AnomalyKind::BareLf => "line ends with LF alone",
        AnomalyKind::BareCr => "CR inside of a line",
        AnomalyKind::Folding => "folded header line",
        AnomalyKind::SpaceBeforeColon => "space before a header's colon",
        AnomalyKind::BadHead => "malformed head",
        AnomalyKind::HeadTooLarge => "head too large to show",
        AnomalyKind::Host => "not exactly one Host",
        AnomalyKind::BadChunk => "malformed chunk",
        AnomalyKind::UnexpectedResponse => "unexpected response",
        AnomalyKind::TrailingBytes => "bytes after the message",
        AnomalyKind::BadFrame => "malformed HTTP/2 frame",
        AnomalyKind::BadHpack => "undecodable HPACK",
        AnomalyKind::BadWebSocket => "malformed WebSocket frame",
        AnomalyKind::BadGrpc => "malformed gRPC message",
        AnomalyKind::BadContentCoding => "undecodable content coding",
        AnomalyKind::JoinedMidway => "joined midway",
        AnomalyKind::Gap => "a gap in what was seen",
        _ => "oddity",
    }
}
