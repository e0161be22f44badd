//! Tests of the bus with scripted events and decoders. In: events. Out: the calls that consumers got.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use sidelight_model::finding::Cause;
use sidelight_model::flow::{Closed, How, Opened, Process, Tally};

use super::*;

struct Script(VecDeque<Next>);

impl EventSource for Script {
    fn next(&mut self, wait: Duration) -> Next {
        if wait.is_zero() && !matches!(self.0.front(), Some(Next::Event(_))) {
            return Next::Idle;
        }
        self.0.pop_front().unwrap_or(Next::End)
    }
}

/// Says each of its inputs again, and panics on `panic`.
struct Echo;

impl Decoder for Echo {
    fn agreed(&mut self, _: Option<&[u8]>) {}

    fn data(&mut self, direction: Direction, _: Timestamp, bytes: &[u8], out: &mut Vec<Decoded>) {
        assert_ne!(bytes, b"panic", "told to");
        out.push(Decoded::Stopped(direction, String::from_utf8_lossy(bytes).into_owned()));
    }

    fn lost(&mut self, direction: Direction, _: Timestamp, bytes: u64, out: &mut Vec<Decoded>) {
        out.push(Decoded::Stopped(direction, format!("lost {bytes}")));
    }

    fn half_closed(&mut self, direction: Direction, _: Timestamp, out: &mut Vec<Decoded>) {
        out.push(Decoded::Stopped(direction, "half".into()));
    }

    fn closed(&mut self, _: Timestamp, out: &mut Vec<Decoded>) {
        out.push(Decoded::Stopped(Direction::ToServer, "closed".into()));
    }
}

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
    fn exchange(&mut self, conn: &ConnectionRecord, exchange: &Arc<Exchange>) {
        self.say(format!("{} exchange {}", conn.id.0, exchange.stream));
    }
    fn decoded(&mut self, conn: &ConnectionRecord, decoded: &Decoded) {
        if let Decoded::Stopped(direction, words) = decoded {
            let client = conn.process.as_ref().map_or_else(String::new, |process| format!("{} ", process.name));
            self.say(format!("{} {client}{direction:?} {words}", conn.id.0));
        }
    }
    fn finding(&mut self, conn: &ConnectionRecord, finding: &Finding) {
        self.say(format!("{} {}", conn.id.0, finding.cause.code()));
    }
    fn closed(&mut self, conn: &ConnectionRecord) {
        self.say(format!("{} end", conn.id.0));
    }
    fn idle(&mut self) {
        self.say("flush".into());
    }
    fn end(&mut self, ledger: &Ledger) {
        self.say(format!("ledger {} undecoded {}", ledger.seen, ledger.undecoded));
    }
}

fn event(conn: u64, kind: EventKind) -> Next {
    Next::Event(Event { conn: ConnId(conn), at: Timestamp(7), kind })
}

fn opened(conn: u64) -> Next {
    let (client, local) = ("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
    event(conn, EventKind::Opened(Opened { client, local, mode: "explicit".into() }))
}

fn data(conn: u64, bytes: &'static str) -> Next {
    event(conn, EventKind::Data(Direction::ToServer, Bytes::from_static(bytes.as_bytes())))
}

fn closed(conn: u64) -> Next {
    event(conn, EventKind::Closed(Closed { to_server: Tally::default(), to_client: Tally::default(), how: How::Clean }))
}

fn no_process(conn: u64) -> Next {
    event(conn, EventKind::NoProcess)
}

fn run(script: Vec<Next>) -> Vec<String> {
    let log = Log::default();
    let mut consumers: Vec<Box<dyn Consumer>> = vec![Box::new(log.clone())];
    drain_with(&mut Script(script.into()), &mut consumers, |_| Echo);
    log.0.lock().unwrap().clone()
}

#[test]
fn connections_are_decoded_apart_and_flushed_when_nothing_waits() {
    let finding = Finding::new(Cause::NotTls, "s", "bytes", "server", "x");
    let words = run(vec![
        opened(1),
        opened(2),
        no_process(1),
        no_process(2),
        data(1, "a"),
        Next::Idle,
        data(2, "b"),
        event(1, EventKind::Lost(Direction::ToClient, 9)),
        event(2, EventKind::Finding(Box::new(finding))),
        event(1, EventKind::HalfClosed(Direction::ToServer)),
        closed(1),
        closed(2),
    ]);
    let expected = "1 opened|2 opened|1 ToServer a|flush|2 ToServer b|1 ToClient lost 9|2 not_tls|1 ToServer half|\
        1 ToServer closed|1 end|2 ToServer closed|2 end|flush|ledger 2 undecoded 6";
    assert_eq!(words.join("|"), expected);
}

#[test]
fn a_panic_ends_the_decoding_of_one_connection_only() {
    let words = run(vec![opened(1), opened(2), data(1, "panic"), data(1, "more"), data(2, "b"), closed(1), closed(2)]);
    assert_eq!(
        words.iter().filter(|line| line.starts_with("1 To") && line.contains("told to")).count(),
        2,
        "{words:?}"
    );
    assert!(!words.iter().any(|line| line.contains("more")), "{words:?}");
    assert!(words.contains(&"2 ToServer b".to_owned()) && words.contains(&"1 end".to_owned()), "{words:?}");
}

#[test]
fn what_is_open_at_the_end_is_counted_and_ended() {
    let words = run(vec![opened(2), no_process(2), data(2, "b"), opened(1)]);
    let tail: Vec<_> = words.iter().rev().take(4).rev().cloned().collect();
    assert_eq!(tail, ["1 end", "2 ToServer closed", "2 end", "ledger 2 undecoded 2"]);
}

#[test]
fn what_comes_after_the_end_opens_nothing() {
    let words = run(vec![opened(1), closed(1), no_process(1), data(1, "late"), closed(1)]);
    assert_eq!(words, ["1 opened", "1 end", "flush", "ledger 1 undecoded 0"]);
}

#[test]
fn what_is_found_waits_for_the_client() {
    let process = Process { pid: 9, name: "curl".into(), exe: None, container: None };
    let words = run(vec![
        opened(1),
        data(1, "a"),
        opened(2),
        no_process(2),
        data(2, "b"),
        event(1, EventKind::Process(process)),
        data(1, "c"),
    ]);
    let found: Vec<_> = words.iter().filter(|line| line.contains("ToServer")).take(3).cloned().collect();
    assert_eq!(found, ["2 ToServer b", "1 curl ToServer a", "1 curl ToServer c"]);
}

#[test]
fn nothing_waits_for_long_nor_in_great_number() {
    let words = run(vec![opened(1), data(1, "a"), Next::Idle, data(1, "b")]);
    let place = |what: &str| words.iter().position(|line| line == what).unwrap();
    assert!(place("1 ToServer a") < place("1 ToServer b"), "{words:?}");
    assert!(words[place("1 ToServer a")..place("1 ToServer b")].contains(&"flush".to_owned()), "{words:?}");

    let many = (0..70).map(|_| data(1, "x"));
    let words = run(std::iter::once(opened(1)).chain(many).chain([opened(2)]).collect());
    let told_before = words.iter().take_while(|line| *line != "2 opened").filter(|line| line.ends_with('x')).count();
    assert_eq!(told_before, 70);
}

#[test]
fn the_decoders_of_wire_find_exchanges() {
    let log = Log::default();
    let mut consumers: Vec<Box<dyn Consumer>> = vec![Box::new(log.clone())];
    let answer = Bytes::from_static(b"HTTP/1.1 204 No Content\r\n\r\n");
    let script = vec![
        opened(1),
        data(1, "GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        event(1, EventKind::Data(Direction::ToClient, answer)),
        closed(1),
    ];
    let limits = Limits { body_kept: 10, head: 4096, hash_bodies: false };
    let ledger = drain(&mut Script(script.into()), &mut consumers, limits);
    assert_eq!(ledger.exchanges, 1);
    assert!(log.0.lock().unwrap().contains(&"1 exchange 1".to_owned()));
}
