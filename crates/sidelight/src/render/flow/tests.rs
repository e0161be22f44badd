//! Snapshots of flows of every kind, and the proof that no secret and no control character gets through.

use std::sync::Arc;

use bytes::Bytes;
use sidelight_model::finding::{Cause, Finding};
use sidelight_model::flow::{
    Anomaly, AnomalyKind, Closed, ConnectionRecord, Decoded, EventKind, Exchange, Grpc, GrpcMessage, Hello, How,
    HttpVersion, Interim, OpaqueData, Outcome, Process, ServerSentEvent, Tally, TlsSide, Verdict, WebSocketKind,
    WebSocketMessage,
};
use sidelight_sink::redact::Redactor;
use sidelight_sink::views::{Force, ViewOptions};
use sidelight_wire::certificate::{ToBeSigned, name};
use sidelight_wire::der;

use super::super::fixtures::*;
use super::super::{Paint, escape};
use super::{Flow, FlowShow, show};

fn options(width: Option<usize>) -> FlowShow {
    FlowShow {
        look: look(width, 0),
        view: ViewOptions { limit_lines: 20, ..ViewOptions::default() },
        limit_messages: 100,
        now: START,
    }
}

fn print(flow: Flow<'_>, options: &FlowShow) -> String {
    let mut out = Vec::new();
    show(flow, options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn flow<'f>(conn: &'f ConnectionRecord, exchange: Option<&'f Exchange>, messages: &'f [Decoded]) -> Flow<'f> {
    Flow { id: 12, conn, exchange, messages, findings: &[] }
}

/// A certificate that is valid for so many days after the first second of the tests, and was for 90 days before it ended.
fn certificate(subject: &str, days: i64) -> Vec<u8> {
    let algorithm = der::sequence(&[&der::oid(&[1, 2, 840, 10045, 4, 3, 2])]);
    let key = der::sequence(&[&der::sequence(&[&der::oid(&[1, 3, 101, 112])]), &der::bit_string(&[7; 32])]);
    let not_after = sidelight_model::time::Timestamp::from_secs(START.as_secs() + days * 86_400);
    let not_before = sidelight_model::time::Timestamp::from_secs(not_after.as_secs() - 90 * 86_400);
    let (subject, issuer) = (name(&[(&[2, 5, 4, 3], subject)]), name(&[(&[2, 5, 4, 3], "Test CA")]));
    let (serial, extensions) = (&[1][..], Vec::new());
    let body =
        ToBeSigned { serial, issuer: &issuer, subject: &subject, not_before, not_after, public_key: &key, extensions };
    body.sign::<()>(&algorithm, |_| Ok(vec![0; 64])).unwrap()
}

/// A connection of a container's curl of which everything is known.
fn known() -> ConnectionRecord {
    let mut conn = record();
    conn.since = later(-31);
    let container = Some("3f2a9c0d1e5b".repeat(5) + "abcd");
    let process = Process { pid: 18_204, name: "curl".into(), exe: Some("/usr/bin/curl".into()), container };
    let hello = Hello {
        sni: Some("registry.test".into()),
        alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec(), vec![0x1a, 0x1a]],
        versions: vec![0x3a3a, 0x0304, 0x0303],
        ja3: "0149f47eabf9a20d0893e2a44e5a6323".into(),
        ja3_text: "771,4866".into(),
        ja4: "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6".into(),
    };
    let chain = vec![certificate("registry.test", 9), certificate("Test CA", 700), b"broken".to_vec()];
    let server = TlsSide { chain, ..TlsSide::clone(&tls()) };
    let client = TlsSide { chain: vec![certificate("registry.test", 9)], verified: None, ..TlsSide::clone(&tls()) };
    let tally = |bytes, lost| Tally { bytes, lost };
    let closed = Closed { to_server: tally(411, 0), to_client: tally(1_934, 120), how: How::ServerCut("reset".into()) };
    for kind in [
        EventKind::Process(process),
        EventKind::Hello(Arc::new(hello)),
        EventKind::ServerTls(Arc::new(server)),
        EventKind::ClientTls(Arc::new(client)),
        EventKind::Closed(closed),
    ] {
        conn.learn(later(40), &kind);
    }
    conn
}

/// An exchange with everything in it.
fn full() -> Exchange {
    let mut full = exchange("POST", "/v2/auth?access_token=s3cret-marked", 200);
    full.version = HttpVersion::Http11;
    request(&mut full).headers = headers(&[
        ("Host", "registry.test"),
        ("authorization", "Bearer s3cret-marked"),
        (
            "X-Forwarded-Authorization",
            "Bearer eyJhbGciOiJFUzI1NiIsImtpZCI6ImsxIn0.eyJpc3MiOiJhdXRoLnRlc3QiLCJzdWIiOiJraW0iLCJleHAiOjE3OTUzNzI4MzN9.c2ln",
        ),
        ("Content-Type", "application/json"),
    ]);
    request(&mut full).body = body(br#"{"user":"kim","password":"s3cret-marked","n":[1,2.50]}"#);
    full.interim.push(Interim { status: 103, headers: headers(&[("Link", "</a.css>; rel=preload")]), at: later(5) });
    response(&mut full).reason = Bytes::from_static(b"OK");
    response(&mut full).headers = headers(&[
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Set-Cookie", "sid=s3cret-marked; Secure; Path=/"),
        ("X-Odd", "\u{1b}[31mred"),
    ]);
    let lines = "a line that goes on\n".repeat(30);
    response(&mut full).body = sidelight_model::flow::Body { length: 4_000_000, ..body(lines.as_bytes()) };
    response(&mut full).trailers = headers(&[("Digest", "sha-256=x")]);
    full.anomalies.push(Anomaly::new(AnomalyKind::ConflictingLengths, "5, 6", Some(31)));
    full
}

#[test]
fn an_exchange_with_everything() {
    let conn = known();
    insta::assert_snapshot!(print(flow(&conn, Some(&full()), &[]), &options(Some(100))));
}

#[test]
fn an_exchange_that_was_cut_with_its_finding() {
    let mut conn = record();
    let side = TlsSide {
        verified: Some(Err("it expired on 2026-11-01".into())),
        chain: vec![certificate("registry.test", -21)],
        ..TlsSide::clone(&tls())
    };
    conn.learn(START, &EventKind::ServerTls(Arc::new(side)));
    let mut cut = exchange("GET", "/big", 200);
    cut.response = None;
    cut.timings.response_start = None;
    cut.outcome = Outcome::Cut("the client reset the stream (CANCEL)".into());
    let mut finding = Finding::new(
        Cause::CertExpired,
        "registry.test's certificate expired 21 days ago",
        "not_after",
        "registry.test",
        "2026-11-01T00:00:00Z",
    );
    finding.fixes.push(sidelight_model::finding::Fix {
        action: "renew it".into(),
        how: "certbot renew --cert-name registry.test".into(),
    });
    let findings = [finding];
    let flow = Flow { findings: &findings, ..flow(&conn, Some(&cut), &[]) };
    insta::assert_snapshot!(print(flow, &options(Some(100))));
}

#[test]
fn web_socket_messages() {
    let mut upgraded = exchange("GET", "/chat", 101);
    upgraded.version = HttpVersion::Http11;
    upgraded.outcome = Outcome::Upgraded("websocket".into());
    response(&mut upgraded).body = body(b"");
    let message = |at, direction, kind, kept: &[u8], length| {
        let kept = Bytes::copy_from_slice(kept);
        Decoded::WebSocket(WebSocketMessage {
            stream: 1,
            direction,
            at: later(at),
            kind,
            length,
            kept,
            frames: 2,
            compressed: true,
        })
    };
    let messages = [
        message(50, UP, WebSocketKind::Text, b"hello \x1b[31m", 10),
        message(51, DOWN, WebSocketKind::Text, br#"{"type":"greeting","token":"s3cret-marked","to":["kim"]}"#, 56),
        message(52, DOWN, WebSocketKind::Binary, &[0; 40], 9_000),
        message(53, UP, WebSocketKind::Ping, b"", 0),
        message(54, UP, WebSocketKind::Close(Some(1000), "bye".into()), b"", 5),
    ];
    let conn = record();
    insta::assert_snapshot!(print(flow(&conn, Some(&upgraded), &messages), &options(Some(100))));
}

#[test]
fn grpc_messages_and_server_sent_events() {
    let conn = record();
    let mut call = exchange("POST", "/greet.Greeter/Hello", 200);
    call.grpc = Some(Grpc { requests: 1, responses: 1, status: Some(5), message: Some("no such greeter".into()) });
    request(&mut call).headers = headers(&[("content-type", "application/grpc")]);
    response(&mut call).headers = headers(&[("content-type", "application/grpc")]);
    response(&mut call).trailers = headers(&[("grpc-status", "5")]);
    let message = |at, direction, kept: &'static [u8], length| {
        let kept = Bytes::from_static(kept);
        Decoded::Grpc(GrpcMessage { stream: 1, direction, at: later(at), length, kept, compressed: false })
    };
    let messages = [message(2, UP, b"\x0a\x05world\x10\x03", 9), message(14, DOWN, b"\x0a\x03a", 2_000)];
    let grpc = print(flow(&conn, Some(&call), &messages), &options(Some(100)));
    let mut events = exchange("GET", "/events", 200);
    response(&mut events).headers = headers(&[("content-type", "text/event-stream")]);
    let event = |event: &str, data: &str| {
        Decoded::ServerSent(ServerSentEvent {
            stream: 1,
            at: later(20),
            event: event.into(),
            id: "7".into(),
            data: data.into(),
        })
    };
    let messages = [event("", "short"), event("update", r#"{"a":{"b":[1,2]}}"#)];
    insta::assert_snapshot!(format!(
        "{grpc}\n=====\n{}",
        print(flow(&conn, Some(&events), &messages), &options(Some(100)))
    ));
}

#[test]
fn conversations_that_no_decoder_knows() {
    let conn = ended(Verdict::Plain, "the first bytes are no TLS", How::Clean);
    let opaque = OpaqueData {
        looks_like: Some("redis".into()),
        first_to_server: Bytes::from_static(b"*1\r\n$4\r\nPING\r\n"),
        first_to_client: Bytes::from_static(b"+PONG\r\n\0\x01\x02"),
        to_server: 14,
        to_client: 44_100,
        ended: true,
    };
    let messages = [Decoded::Opaque(opaque), Decoded::Stopped(DOWN, "a gap of 12 bytes".into())];
    insta::assert_snapshot!(print(flow(&conn, None, &messages), &options(Some(100))));
}

#[test]
fn relayed_refused_and_failed() {
    let all = [
        ended(Verdict::Relay, "matches --pass *.example", How::ClientCut("reset".into())),
        ended(Verdict::Refuse, "10.0.0.0/8 may not be reached", How::Failed),
        ended(Verdict::Intercept, "", How::Failed),
    ];
    let shown: Vec<String> = all.iter().map(|conn| print(flow(conn, None, &[]), &options(None))).collect();
    insta::assert_snapshot!(shown.join("\n=====\n"));
}

#[test]
fn binary_bodies_and_bodies_of_which_nothing_was_kept() {
    let conn = record();
    let mut binary = exchange("PUT", "/v2/blobs/x", 201);
    request(&mut binary).headers = headers(&[("content-type", "application/octet-stream")]);
    request(&mut binary).body = sidelight_model::flow::Body { sha256: Some([0xab; 32]), ..body(&[0; 500]) };
    response(&mut binary).body =
        sidelight_model::flow::Body { length: 5_000, wire_length: 5_009, ..Default::default() };
    insta::assert_snapshot!(print(flow(&conn, Some(&binary), &[]), &options(Some(100))));
}

#[test]
fn what_is_not_known_of_tls_leaves_no_gap() {
    let mut conn = record();
    let side =
        TlsSide { group: Some(String::new()), alpn: Some(Vec::new()), chain: Vec::new(), ..TlsSide::clone(&tls()) };
    conn.learn(START, &EventKind::ServerTls(Arc::new(side)));
    conn.learn(START, &EventKind::Hello(Arc::new(Hello { sni: Some("registry.test".into()), ..Hello::default() })));
    let shown = print(flow(&conn, None, &[]), &options(None));
    assert!(shown.contains("with the service: TLS 1.3, TLS_AES_128_GCM_SHA256, SNI registry.test\n"), "{shown}");
    assert!(shown.contains("hello     no ALPN; SNI registry.test\n"), "{shown}");
}

#[test]
fn bodies_as_hexadecimal_and_raw() {
    let conn = record();
    let mut json = exchange("GET", "/x", 200);
    response(&mut json).headers = headers(&[("content-type", "application/json")]);
    response(&mut json).body = body(br#"{"a":1}"#);
    for (force, words) in [(Force::Hex, "  00000000  7b 22 61 22 3a 31 7d "), (Force::Raw, "\n  {\"a\":1}\n")] {
        let view = ViewOptions { force: Some(force), ..ViewOptions::default() };
        let shown = print(flow(&conn, Some(&json), &[]), &FlowShow { view, ..options(None) });
        assert!(shown.contains(words), "{shown}");
    }
}

#[test]
fn the_number_of_messages_is_bounded() {
    let conn = record();
    let stopped = vec![Decoded::Stopped(UP, "why".into()); 9];
    let shown = print(flow(&conn, None, &stopped), &FlowShow { limit_messages: 2, ..options(None) });
    assert_eq!((shown.matches("is not decoded further").count(), shown.contains("… and 7 more")), (2, true), "{shown}");
}

#[test]
fn no_secret_and_no_control_character_gets_through() {
    let (conn, full) = (known(), full());
    let message = WebSocketMessage {
        stream: 1,
        direction: UP,
        at: later(1),
        kind: WebSocketKind::Text,
        length: 40,
        kept: Bytes::from_static(b"\x1b]0;title\x07 access_token=s3cret-marked"),
        frames: 1,
        compressed: false,
    };
    let messages = [Decoded::WebSocket(message)];
    for width in [None, Some(60), Some(100)] {
        let shown = print(flow(&conn, Some(&full), &messages), &options(width));
        assert!(!shown.contains("s3cret-marked"), "{shown}");
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
        let mut revealing = options(width);
        revealing.look.redactor = Redactor::new(true);
        revealing.look.paint = Paint::new(true);
        let shown = print(flow(&conn, Some(&full), &messages), &revealing);
        assert!(shown.matches("s3cret-marked").count() >= 5 && shown.contains("\x1b["), "{shown}");
    }
}

#[test]
fn what_is_in_columns_fits_the_terminal() {
    let conn = known();
    let shown = print(flow(&conn, Some(&full()), &[]), &options(Some(80)));
    let columns = shown.split("\n→ ").next().unwrap().lines().skip(2);
    for line in columns {
        assert!(escape::columns(line) < 80, "{line}");
    }
}
