//! Flow files of mitmproxy. In: flows as tnetstrings, in the order in which they ended. Out: their connections, exchanges and
//! messages; TCP flows go through the decoders. Spec: see `wire::mitmproxy`.

use std::collections::HashMap;
use std::io::{BufRead as _, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use sidelight_model::flow::{
    Authority, Closed, Decision, Decoded, Direction, Event, EventKind, How, Opened, Outcome, Tally, Verdict,
};
use sidelight_model::time::Timestamp;
use sidelight_wire::flow_decoder::{FlowDecoder, Limits};
use sidelight_wire::mitmproxy::tnetstring::{self, Head};
use sidelight_wire::mitmproxy::{Content, Flow, Http, TcpMessage, looks_like, read};

use super::input::Input;
use super::intake::Intake;
use super::{Damage, Format, ImportError, ImportOptions};
use crate::record::ConnectionRecord;

/// The longest flow that is read: mitmproxy holds whole bodies in memory, and so must we while we look at one.
const LONGEST_FLOW: u64 = 1 << 30;

/// Connections that are kept open because a further flow of theirs may come; the one that was silent for longest is closed first.
const MOST_OPEN: usize = 4096;

/// The newest version of the format that was read in tests.
const NEWEST: i64 = 21;

/// Whether a file that begins with these bytes is in this format.
pub(super) fn recognises(head: &[u8]) -> bool {
    looks_like(head)
}

/// Reads the whole input.
pub(super) fn run(
    input: &mut Input<'_>,
    options: &ImportOptions,
    out: &mut Intake<'_>,
) -> Result<Vec<Damage>, ImportError> {
    let mut flows = Flows { limits: options.limits, open: HashMap::new(), turn: 0, out, skipped: HashMap::new() };
    let (mut damage, mut any) = (Vec::new(), false);
    let mut content = Vec::new();
    loop {
        let offset = input.offset();
        match next(input, &mut content) {
            Ok(false) => break,
            Ok(true) => {}
            Err(what) if any => {
                damage.push(Damage::new(offset, what));
                break;
            }
            Err(what) => {
                return Err(ImportError::Malformed {
                    file: input.file().to_owned(),
                    format: Format::Mitmproxy,
                    offset,
                    what,
                });
            }
        }
        any = true;
        match tnetstring::value(&content).and_then(|(value, _)| read(&value, options.limits)) {
            Ok(flow) => {
                if flow.version > NEWEST && damage.is_empty() {
                    let words =
                        format!("version {} of the format is newer than {NEWEST}: fields may be missing", flow.version);
                    damage.push(Damage::new(offset, words));
                }
                flows.flow(flow);
            }
            Err(what) => damage.push(Damage::new(offset, format!("a flow of {} bytes is lost: {what}", content.len()))),
        }
    }
    damage.extend(flows.finish().into_iter().map(|words| Damage::new(input.offset(), words)));
    Ok(damage)
}

/// Reads the next netstring whole into `content`; false at the end of the file.
fn next(input: &mut Input<'_>, content: &mut Vec<u8>) -> Result<bool, String> {
    let unreadable = |error: std::io::Error| format!("the file cannot be read on: {error}");
    let start = input.peek(16).map_err(unreadable)?;
    if start.iter().all(u8::is_ascii_whitespace) {
        return Ok(false);
    }
    let (head, length) = match tnetstring::head(start) {
        Head::Value { head, content } => (head, content),
        Head::Partial => return Err("the file ends within the length of a flow".to_owned()),
        Head::Bad => return Err("no flow begins here; what follows cannot be read".to_owned()),
    };
    if length > LONGEST_FLOW {
        return Err(format!("a flow says that it is {length} bytes long; {LONGEST_FLOW} are read at the most"));
    }
    let whole = head as u64 + length + 1;
    content.clear();
    let got = input.by_ref().take(whole).read_to_end(content).map_err(unreadable)? as u64;
    if got < whole {
        return Err(format!("the file ends {} bytes before the end of a flow of {whole} bytes", whole - got));
    }
    // Programs that append by hand leave a line end between flows.
    while input.peek(1).is_ok_and(|byte| byte.first().is_some_and(u8::is_ascii_whitespace)) {
        input.consume(1);
    }
    Ok(true)
}

/// A connection of which more may come.
struct Open {
    record: ConnectionRecord,
    /// Exchanges of it so far.
    streams: u64,
    bytes: [u64; 2],
    ended: Option<Timestamp>,
    cut: bool,
    /// When it was used last, in flows.
    turn: u64,
}

struct Flows<'f, 'c> {
    limits: Limits,
    /// By mitmproxy's names of both connections: one client's connection may lead to several services.
    open: HashMap<(String, String), Open>,
    turn: u64,
    out: &'f mut Intake<'c>,
    /// Flows of kinds that are not kept.
    skipped: HashMap<String, u64>,
}

impl Flows<'_, '_> {
    fn flow(&mut self, flow: Flow) {
        if let Content::Other(kind) = flow.content {
            *self.skipped.entry(kind).or_default() += 1;
            return;
        }
        self.turn += 1;
        let key = (flow.client.id.clone(), flow.server.id.clone());
        let mut open = match self.open.remove(&key) {
            Some(open) => open,
            None => self.begin(&flow),
        };
        open.turn = self.turn;
        open.ended = flow.client.closed.or(flow.server.closed).or(open.ended);
        match flow.content {
            Content::Http(http) => self.http(&mut open, *http),
            Content::Tcp(messages) => self.tcp(&mut open, &messages),
            Content::Other(_) => {}
        }
        open.cut |= flow.error.is_some();
        if self.open.len() == MOST_OPEN {
            let oldest = self.open.iter().min_by_key(|(_, open)| open.turn).map(|(key, _)| key.clone());
            if let Some(open) = oldest.and_then(|key| self.open.remove(&key)) {
                self.close(open);
            }
        }
        self.open.insert(key, open);
    }

    /// What is known of a connection before anything passed on it.
    fn begin(&mut self, flow: &Flow) -> Open {
        let since = flow.client.opened.unwrap_or(flow.created);
        let mut record = ConnectionRecord::new(self.out.connection(), since);
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let opened = Opened {
            client: flow.client.peer.unwrap_or(nowhere),
            local: flow.client.local.unwrap_or(nowhere),
            mode: Format::Mitmproxy.name().into(),
        };
        let is_tls = flow.client.tls.is_some() || flow.server.tls.is_some();
        let (verdict, because) = if is_tls { (Verdict::Intercept, "") } else { (Verdict::Plain, "not TLS") };
        let target = flow.server.asked.clone().or_else(|| flow.server.peer.map(Authority::from));
        let hello = flow.client.tls.as_ref().and_then(|side| side.hello.clone());
        let facts = [
            Some(EventKind::Opened(opened)),
            hello.map(EventKind::Hello),
            target.map(EventKind::Target),
            flow.server.peer.map(EventKind::Upstream),
            Some(EventKind::Decided(Decision { verdict, because: because.to_owned() })),
            flow.server.tls.clone().map(|side| EventKind::ServerTls(Arc::new(side))),
            flow.client.tls.clone().map(|side| EventKind::ClientTls(Arc::new(side))),
        ];
        for (n, kind) in facts.into_iter().flatten().enumerate() {
            let event = Event { conn: record.id, at: since, kind };
            record.learn(since, &event.kind);
            self.out.event(&record, &event);
            if n == 0 {
                self.out.opened(&record);
            }
        }
        Open { record, streams: 0, bytes: [0; 2], ended: None, cut: false, turn: 0 }
    }

    fn http(&mut self, open: &mut Open, http: Http) {
        let Http { mut exchange, messages } = http;
        open.streams += 1;
        exchange.conn = open.record.id;
        exchange.stream = open.streams;
        let last = exchange.timings.end.or(exchange.timings.request_end).unwrap_or(exchange.timings.request_start);
        open.record.latest = open.record.latest.max(last);
        open.bytes[0] += exchange.request.as_ref().map_or(0, |it| it.body.length);
        open.bytes[1] += exchange.response.as_ref().map_or(0, |it| it.body.length);
        open.cut |= matches!(exchange.outcome, Outcome::Cut(_));
        self.out.exchange(&mut open.record, &Arc::new(exchange));
        for mut message in messages {
            message.stream = open.streams;
            open.bytes[message.direction.index()] += message.length;
            open.record.latest = open.record.latest.max(message.at);
            self.out.decoded(&open.record, &Decoded::WebSocket(message));
        }
    }

    /// A conversation that mitmproxy did not understand may still be one that we do.
    fn tcp(&mut self, open: &mut Open, messages: &[TcpMessage]) {
        let mut decoder = FlowDecoder::new(open.record.id, self.limits);
        let tls = open.record.client_tls.as_ref().or(open.record.server_tls.as_ref());
        decoder.agreed(tls.and_then(|side| side.alpn.as_deref()));
        let mut found = Vec::new();
        for message in messages {
            open.bytes[message.direction.index()] += message.bytes.len() as u64;
            open.record.latest = open.record.latest.max(message.at);
            decoder.data(message.direction, message.at, &message.bytes, &mut found);
            self.tell(open, &mut found);
        }
        let at = open.record.latest;
        for direction in [Direction::ToServer, Direction::ToClient] {
            decoder.half_closed(direction, at, &mut found);
        }
        decoder.closed(at, &mut found);
        self.tell(open, &mut found);
    }

    fn tell(&mut self, open: &mut Open, found: &mut Vec<Decoded>) {
        for decoded in found.drain(..) {
            match decoded {
                Decoded::Exchange(exchange) => self.out.exchange(&mut open.record, &exchange),
                other => self.out.decoded(&open.record, &other),
            }
        }
    }

    fn close(&mut self, mut open: Open) {
        let at = open.ended.unwrap_or(open.record.latest).max(open.record.latest);
        let tally = |bytes| Tally { bytes, lost: 0 };
        let how = if open.cut { How::Ended("mitmproxy saw it end early".to_owned()) } else { How::Clean };
        let closed = Closed { to_server: tally(open.bytes[0]), to_client: tally(open.bytes[1]), how };
        let event = Event { conn: open.record.id, at, kind: EventKind::Closed(closed) };
        open.record.learn(at, &event.kind);
        self.out.event(&open.record, &event);
        self.out.closed(&open.record);
    }

    /// Closes what is open, oldest first, and says what was left out.
    fn finish(mut self) -> Vec<String> {
        let mut open: Vec<Open> = std::mem::take(&mut self.open).into_values().collect();
        open.sort_by_key(|open| open.record.id);
        for open in open {
            self.close(open);
        }
        let mut skipped: Vec<(String, u64)> = self.skipped.into_iter().collect();
        skipped.sort();
        skipped.into_iter().map(|(kind, count)| format!("{count} flows of the kind `{kind}` were left out")).collect()
    }
}
