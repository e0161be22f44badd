//! One flow whole, for `flows show`. In: a connection, its exchange, messages and findings. Out: what it was and how it ended in
//! the first line; why it failed, where it did; then who, TLS, times, request, response and messages. Nothing is judged here.

mod connection;
mod message;
mod sheet;
mod stream;
mod times;
mod tls;

#[cfg(test)]
mod tests;

use std::io::{self, Write};

use sidelight_model::finding::Finding;
use sidelight_model::flow::{ConnectionRecord, Decoded, Exchange};
use sidelight_model::time::Timestamp;
use sidelight_sink::ledger::Fate;
use sidelight_sink::store::StoredFlow;
use sidelight_sink::views::ViewOptions;

use self::sheet::Sheet;
use super::quantity::{bytes, fine_duration};
use super::style::{Meaning, of_status};
use super::{Look, escape, exchange, finding};

/// Everything that is known of one flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow<'f> {
    /// Its number in the recording.
    pub(crate) id: u64,
    /// The connection.
    pub(crate) conn: &'f ConnectionRecord,
    /// The exchange, if it is one.
    pub(crate) exchange: Option<&'f Exchange>,
    /// Messages and whatever else was found beside the exchange, in order.
    pub(crate) messages: &'f [Decoded],
    /// Findings about it.
    pub(crate) findings: &'f [Finding],
}

impl<'f> From<&'f StoredFlow> for Flow<'f> {
    fn from(stored: &'f StoredFlow) -> Self {
        Self {
            id: stored.id.0,
            conn: &stored.conn,
            exchange: stored.exchange.as_ref(),
            messages: &stored.messages,
            findings: &stored.findings,
        }
    }
}

/// How a flow is shown.
#[derive(Clone, Debug)]
pub(crate) struct FlowShow {
    /// Colours, width, zone, redaction; `verbose` and `body_limit` do not matter here.
    pub(crate) look: Look,
    /// How bodies and messages are laid out; `redactor` is taken from `look`.
    pub(crate) view: ViewOptions,
    /// Messages at most.
    pub(crate) limit_messages: usize,
    /// The present, from which days are counted.
    pub(crate) now: Timestamp,
}

/// Writes `flow`.
///
/// # Errors
/// Those of `out`.
pub(crate) fn show(flow: Flow<'_>, options: &FlowShow, out: &mut impl Write) -> io::Result<()> {
    let options =
        FlowShow { view: ViewOptions { redactor: options.look.redactor, ..options.view.clone() }, ..options.clone() };
    let mut sheet = Sheet::new(&options.look);
    title(flow, &mut sheet);
    for it in flow.findings {
        sheet.blank();
        sheet.raw(&finding::render(&options.look, it, !flow.conn.is_seen()));
    }
    sheet.blank();
    connection::show(flow.conn, flow.exchange, &mut sheet);
    tls::show(flow.conn, options.now, &mut sheet);
    times::show(flow, &mut sheet);
    if let Some(exchange) = flow.exchange {
        message::show(flow.conn, exchange, flow.messages, &options, &mut sheet);
    }
    stream::show(flow, &options, &mut sheet);
    out.write_all(sheet.finish().as_bytes())
}

/// What it was and how it ended, and what is odd about it.
fn title(flow: Flow<'_>, sheet: &mut Sheet<'_>) {
    let look = sheet.look();
    let id = look.paint.as_(Meaning::Faint, &format!("  (flow {})", flow.id));
    let Some(it) = flow.exchange else { return connection_title(flow, &id, sheet) };
    let method = it.request.as_ref().map_or_else(|| "?".into(), |request| String::from_utf8_lossy(&request.method));
    let url = exchange::url(look, flow.conn, it);
    let start = look.paint.as_(Meaning::Strong, &format!("{} {url}", escape::line(&method)));
    let status = match &it.response {
        Some(response) => {
            let reason = escape::line(&String::from_utf8_lossy(&response.reason));
            let words = format!("{:03} {reason}", response.status);
            look.paint.as_(of_status(response.status), words.trim_end())
        }
        None => look.paint.as_(Meaning::Bad, "no response"),
    };
    let sent = it.request.as_ref().map_or(0, |request| request.body.length);
    let received = it.response.as_ref().map_or(0, |response| response.body.length);
    let mut sizes = Vec::new();
    if sent > 0 {
        sizes.push(format!("{} sent", bytes(sent)));
    }
    if it.response.is_some() {
        sizes.push(format!("{} received", bytes(received)));
    }
    if let Some(end) = it.timings.end {
        sizes.push(format!("in {}", fine_duration(end.since(it.timings.request_start))));
    }
    sheet.raw(&format!("{start}\n{status}  {}{id}\n", sizes.join(", ")));
    for (meaning, words) in exchange::notes(look, it) {
        sheet.raw(&format!("{}\n", look.paint.as_(meaning, &words)));
    }
}

/// The first lines of a connection without exchange.
fn connection_title(flow: Flow<'_>, id: &str, sheet: &mut Sheet<'_>) {
    let look = sheet.look();
    let conn = flow.conn;
    let fate = Fate::of(conn);
    let meaning = match fate {
        Fate::Decrypted => Meaning::Good,
        Fate::Plain => Meaning::Onward,
        Fate::Relayed => Meaning::Faint,
        Fate::Refused => Meaning::Caution,
        Fate::Failed => Meaning::Bad,
    };
    let service = look.paint.as_(Meaning::Strong, &format!("connection to {}", look.peer(&conn.service())));
    let mut words = Vec::new();
    if let Some((at, closed)) = &conn.closed {
        words.push(format!("{} sent", bytes(closed.to_server.bytes)));
        words.push(format!("{} received", bytes(closed.to_client.bytes)));
        words.push(format!("in {}", fine_duration(at.since(conn.since))));
    } else {
        words.push("still open".to_owned());
    }
    sheet.raw(&format!("{service}\n{}  {}{id}\n", look.paint.as_(meaning, fate.name()), words.join(", ")));
}
