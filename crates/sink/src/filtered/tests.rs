//! Traffic told to a filter in front of a log. In: exchanges, messages, findings. Out: which of them the log has, and in which order.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use sidelight_model::finding::Cause;
use sidelight_model::flow::{
    Body, Closed, Decision, Direction, EventKind, GrpcMessage, How, HttpVersion, OpaqueData, Opened, Request,
    RequestTarget, Response, Tally, Timings, Verdict, WebSocketKind, WebSocketMessage,
};
use sidelight_model::time::Timestamp;

use super::*;

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn say(&self, words: String) {
        self.0.lock().unwrap().push(words);
    }
}

impl Consumer for Log {
    fn opened(&mut self, conn: &ConnectionRecord) {
        self.say(format!("{} opened", conn.id.0));
    }
    fn exchange(&mut self, _conn: &ConnectionRecord, exchange: &Arc<Exchange>) {
        self.say(format!("exchange {}", exchange.stream));
    }
    fn decoded(&mut self, _conn: &ConnectionRecord, decoded: &Decoded) {
        self.say(match decoded {
            Decoded::WebSocket(it) => String::from_utf8_lossy(&it.kept).into_owned(),
            Decoded::Grpc(it) => format!("grpc {}", it.length),
            Decoded::Opaque(it) => format!("opaque {}", it.ended),
            other => format!("{other:?}"),
        });
    }
    fn finding(&mut self, _conn: &ConnectionRecord, finding: &Finding) {
        self.say(finding.cause.code().to_owned());
    }
    fn closed(&mut self, conn: &ConnectionRecord) {
        self.say(format!("{} closed", conn.id.0));
    }
    fn end(&mut self, _ledger: &Ledger) {
        self.say("end".to_owned());
    }
}

fn filtered(filter: &str) -> (Filtered, Log) {
    let log = Log::default();
    (Filtered::new(Filter::parse(filter).unwrap(), Box::new(log.clone())), log)
}

fn said(log: &Log) -> String {
    std::mem::take(&mut *log.0.lock().unwrap()).join("|")
}

fn connection(id: u64) -> ConnectionRecord {
    let mut record = ConnectionRecord::new(ConnId(id), Timestamp(1));
    let client = "10.0.0.1:4000".parse().unwrap();
    for kind in [
        EventKind::Opened(Opened { client, local: client, mode: "explicit".into() }),
        EventKind::Target("a.test:80".parse().unwrap()),
        EventKind::Decided(Decision { verdict: Verdict::Plain, because: String::new() }),
    ] {
        record.learn(Timestamp(2), &kind);
    }
    record
}

fn close(conn: &mut ConnectionRecord) {
    let tally = Tally::default();
    let closed = Closed { to_server: tally, to_client: tally, how: How::Clean };
    conn.learn(Timestamp(9), &EventKind::Closed(closed));
}

fn exchange(stream: u64, status: u16, outcome: Outcome) -> Exchange {
    let body = || Body { length: 5, kept: Bytes::from_static(b"hello"), sha256: None, wire_length: 5 };
    Exchange {
        conn: ConnId(1),
        stream,
        version: HttpVersion::Http11,
        request: Some(Request {
            method: Bytes::from_static(b"GET"),
            target: RequestTarget { raw: Bytes::from_static(b"/"), scheme: None, authority: Some("a.test".into()) },
            headers: Vec::new(),
            trailers: Vec::new(),
            body: body(),
        }),
        interim: Vec::new(),
        response: Some(Response {
            status,
            reason: Bytes::new(),
            headers: Vec::new(),
            trailers: Vec::new(),
            body: body(),
        }),
        timings: Timings::default(),
        outcome,
        anomalies: Vec::new(),
        grpc: None,
        pushed: false,
    }
}

fn text(stream: u64, words: &str) -> Decoded {
    Decoded::WebSocket(WebSocketMessage {
        stream,
        direction: Direction::ToServer,
        at: Timestamp(3),
        kind: WebSocketKind::Text,
        length: words.len() as u64,
        kept: Bytes::copy_from_slice(words.as_bytes()),
        frames: 1,
        compressed: false,
    })
}

fn grpc(stream: u64, length: u64) -> Decoded {
    let (direction, at, kept) = (Direction::ToServer, Timestamp(3), Bytes::from_static(b"x"));
    Decoded::Grpc(GrpcMessage { stream, direction, at, length, kept, compressed: false })
}

fn opaque(ended: bool) -> Decoded {
    let first_to_server = Bytes::from_static(b"PING");
    let first_to_client = Bytes::new();
    Decoded::Opaque(OpaqueData {
        looks_like: None,
        first_to_server,
        first_to_client,
        to_server: 4,
        to_client: 0,
        ended,
    })
}

#[test]
fn exchanges_are_selected_one_by_one_and_a_connection_by_its_first() {
    let (mut filtered, log) = filtered("~c 404");
    let mut conn = connection(1);
    filtered.opened(&conn);
    filtered.finding(&conn, &Finding::new(Cause::PlainHttp, "s", "bytes", "a.test", "x"));
    for (stream, status) in [(1, 200), (2, 404), (3, 200), (4, 404)] {
        filtered.exchange(&conn, &Arc::new(exchange(stream, status, Outcome::Complete)));
    }
    filtered.finding(&conn, &Finding::new(Cause::NotTls, "s", "bytes", "a.test", "x"));
    conn.exchanges = 4;
    close(&mut conn);
    filtered.closed(&conn);
    assert_eq!(said(&log), "1 opened|plain_http|exchange 2|exchange 4|not_tls|1 closed");
    let mut conn = connection(2);
    filtered.exchange(&conn, &Arc::new(exchange(1, 200, Outcome::Complete)));
    close(&mut conn);
    filtered.closed(&conn);
    filtered.end(&Ledger::default());
    assert_eq!(said(&log), "end");
}

#[test]
fn messages_wait_for_their_exchange_unless_the_filter_can_say_before() {
    let conn = connection(1);
    let (mut waits, log) = filtered("~c 200");
    waits.decoded(&conn, &grpc(1, 10));
    waits.decoded(&conn, &grpc(3, 30));
    waits.decoded(&conn, &grpc(1, 11));
    assert_eq!(said(&log), "");
    waits.exchange(&conn, &Arc::new(exchange(1, 200, Outcome::Complete)));
    waits.exchange(&conn, &Arc::new(exchange(3, 500, Outcome::Complete)));
    assert_eq!(said(&log), "1 opened|grpc 10|grpc 11|exchange 1");
    let (mut knows, log) = filtered("~d a.test | ~c 500");
    knows.decoded(&conn, &grpc(1, 10));
    assert_eq!(said(&log), "1 opened|grpc 10");
    knows.exchange(&conn, &Arc::new(exchange(1, 200, Outcome::Complete)));
    assert_eq!(said(&log), "exchange 1");
    let (mut never, log) = filtered("~src ^192 & ~c 200");
    never.decoded(&conn, &grpc(1, 10));
    never.exchange(&conn, &Arc::new(exchange(1, 200, Outcome::Complete)));
    assert_eq!(said(&log), "");
}

#[test]
fn what_waits_is_bounded_and_its_newest_is_kept() {
    let (mut filtered, log) = filtered("~c 200");
    let conn = connection(1);
    for length in 0..1_000 {
        filtered.decoded(&conn, &grpc(1, length));
    }
    filtered.exchange(&conn, &Arc::new(exchange(1, 200, Outcome::Complete)));
    let words = said(&log);
    assert!(words.starts_with("1 opened|grpc 744|") && words.ends_with("grpc 999|exchange 1"), "{words}");
    for stream in 0..5_000 {
        filtered.decoded(&conn, &grpc(stream, 1));
    }
    assert!(filtered.connections[&ConnId(1)].streams.len() <= MOST_STREAMS);
}

#[test]
fn a_message_after_the_upgrade_may_select_the_exchange() {
    let (mut filtered, log) = filtered("~b subscribe");
    let conn = connection(1);
    filtered.exchange(&conn, &Arc::new(exchange(1, 101, Outcome::Upgraded("websocket".into()))));
    filtered.decoded(&conn, &text(1, "hi"));
    assert_eq!(said(&log), "");
    filtered.decoded(&conn, &text(1, "subscribe"));
    filtered.decoded(&conn, &text(1, "bye"));
    assert_eq!(said(&log), "1 opened|exchange 1|subscribe|bye");
}

#[test]
fn connections_without_exchanges_are_judged_as_they_end() {
    for (filter, expected) in [
        ("~tcp", "1 opened|plain_http|opaque true|1 closed"),
        ("~b ping", "1 opened|plain_http|opaque false|opaque true|1 closed"),
        ("~cause plain_http", "1 opened|plain_http|opaque false|opaque true|1 closed"),
        ("~all", "1 opened|plain_http|opaque false|opaque true|1 closed"),
        ("~http", ""),
        ("!~d a.test", ""),
    ] {
        let (mut filtered, log) = filtered(filter);
        let mut conn = connection(1);
        filtered.opened(&conn);
        filtered.decoded(&conn, &opaque(false));
        filtered.finding(&conn, &Finding::new(Cause::PlainHttp, "s", "bytes", "a.test", "x"));
        filtered.decoded(&conn, &opaque(true));
        close(&mut conn);
        filtered.closed(&conn);
        let mut words: Vec<_> = expected.split('|').collect();
        if filter == "~b ping" || filter == "~all" {
            words.swap(1, 2); // the raw data selects it before anything is found
        }
        assert_eq!(said(&log), words.join("|"), "{filter}");
    }
}

#[test]
fn content_codings_are_undone_for_filters() {
    let gzip = sidelight_wire::content_coding::encode("gzip", b"hello, hello").unwrap();
    let mut exchange = exchange(1, 200, Outcome::Complete);
    let response = exchange.response.as_mut().unwrap();
    response.headers.push(sidelight_model::flow::Header::new("Content-Encoding", "gzip"));
    response.body.kept = Bytes::from(gzip);
    for (filter, expected) in [("~bs ^hello,.hello$", "1 opened|exchange 1"), ("~bs \\x1f\\x8b", "")] {
        let (mut filtered, log) = filtered(filter);
        filtered.exchange(&connection(1), &Arc::new(exchange.clone()));
        assert_eq!(said(&log), expected, "{filter}");
    }
}
