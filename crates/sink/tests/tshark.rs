//! Recordings written as pcapng, read by tshark: what it dissects, and that it finds nothing wrong.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use sidelight_model::flow::{
    Authority, Body, Closed, ConnId, Decoded, Direction, EventKind, Exchange, Header, How, HttpVersion, Opened,
    Outcome, Request, RequestTarget, Response, Tally, Timings, WebSocketKind, WebSocketMessage,
};
use sidelight_model::time::Timestamp;
use sidelight_sink::bus::Consumer;
use sidelight_sink::capture::{CaptureFile, Destination, Rotation};
use sidelight_sink::ledger::Ledger;
use sidelight_sink::notice::Notices;
use sidelight_sink::pcapng;
use sidelight_sink::record::ConnectionRecord;

/// What tshark says of a file.
fn tshark(file: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(arguments);
    let output = command.output().expect("tshark is installed (cargo xtask setup)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn fields(file: &Path, filter: &str, names: &[&str]) -> Vec<String> {
    let mut arguments = vec!["-Y", filter, "-T", "fields"];
    names.iter().for_each(|name| arguments.extend(["-e", name]));
    tshark(file, &arguments).lines().map(str::to_owned).collect()
}

struct Written {
    _folder: tempfile::TempDir,
    file: PathBuf,
}

fn written(conns: &[(ConnectionRecord, Vec<Decoded>)]) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.pcapng");
    let to = Destination::File(file.clone());
    let capture = CaptureFile::create("-o", to, Rotation::default(), Timestamp(0)).unwrap();
    let mut consumer = pcapng::from_messages(capture, Notices::none());
    for (conn, found) in conns {
        for decoded in found {
            match decoded {
                Decoded::Exchange(exchange) => consumer.exchange(conn, exchange),
                other => consumer.decoded(conn, other),
            }
        }
    }
    for (conn, _) in conns {
        let (to_server, to_client) = (Tally::default(), Tally::default());
        let mut conn = conn.clone();
        conn.learn(Timestamp(9_000_000), &EventKind::Closed(Closed { to_server, to_client, how: How::Clean }));
        consumer.closed(&conn);
    }
    consumer.end(&Ledger::default());
    Written { _folder: folder, file }
}

fn conn(id: u64) -> ConnectionRecord {
    let mut conn = ConnectionRecord::new(ConnId(id), Timestamp(1_000_000));
    let (client, local) = (format!("192.0.2.7:{}", 40_000 + id).parse().unwrap(), "192.0.2.8:8080".parse().unwrap());
    conn.learn(Timestamp(1_000_000), &EventKind::Opened(Opened { client, local, mode: "explicit".into() }));
    conn.learn(Timestamp(1_000_000), &EventKind::Target(Authority::parse("a.test:44818", None).unwrap()));
    conn.learn(Timestamp(1_000_000), &EventKind::Upstream("198.51.100.1:44818".parse().unwrap()));
    conn
}

fn exchange(version: HttpVersion, stream: u64, answer: Body) -> Exchange {
    let length = Header::new("content-length", answer.length.to_string());
    let at = |n: i64| Timestamp(1_000_000 + stream as i64 * 10_000 + n);
    let http2 = version == HttpVersion::Http2;
    Exchange {
        conn: ConnId(1),
        stream,
        version,
        request: Some(Request {
            method: "GET".into(),
            target: RequestTarget {
                raw: format!("/item/{stream}").into(),
                scheme: http2.then(|| "https".into()),
                authority: Some("a.test".into()),
            },
            headers: if http2 { Vec::new() } else { vec![Header::new("Host", "a.test")] },
            trailers: Vec::new(),
            body: Body::default(),
        }),
        interim: Vec::new(),
        response: Some(Response {
            status: 200,
            reason: if http2 { "" } else { "OK" }.into(),
            headers: vec![length, Header::new("content-type", "text/plain")],
            trailers: Vec::new(),
            body: answer,
        }),
        timings: Timings {
            request_start: at(0),
            request_end: Some(at(1)),
            response_start: Some(at(2)),
            end: Some(at(3)),
        },
        outcome: Outcome::Complete,
        anomalies: Vec::new(),
        grpc: None,
        pushed: false,
    }
}

fn body(kept: &str, length: u64) -> Body {
    Body { length, kept: kept.as_bytes().to_vec().into(), ..Body::default() }
}

fn found(exchanges: impl IntoIterator<Item = Exchange>) -> Vec<Decoded> {
    exchanges.into_iter().map(|exchange| Decoded::Exchange(Arc::new(exchange))).collect()
}

fn is_sound(file: &Path) {
    let wrong =
        fields(file, "_ws.malformed or tcp.analysis.flags or _ws.expert.severity >= 6291456", &["frame.number"]);
    assert_eq!(wrong, Vec::<String>::new(), "{}", tshark(file, &[]));
}

#[test]
fn http_of_both_versions_is_read_without_settings() {
    let texts = ["one", "two", "three"];
    let list = |version, streams: [u64; 3]| {
        let all = streams.into_iter().zip(texts);
        // They end in another order than they begin.
        found(all.map(|(stream, text)| exchange(version, stream, body(text, text.len() as u64))).rev())
    };
    let written =
        written(&[(conn(1), list(HttpVersion::Http11, [1, 2, 3])), (conn(2), list(HttpVersion::Http2, [1, 3, 5]))]);
    is_sound(&written.file);
    let requests = fields(&written.file, "http.request", &["http.request.uri", "frame.time_epoch"]);
    assert_eq!(requests, ["/item/1\t1.010000000", "/item/2\t1.020000000", "/item/3\t1.030000000"]);
    let answers = fields(&written.file, "http.response", &["http.file_data"]);
    assert_eq!(answers, texts);
    let streams = fields(&written.file, "http2.headers.path", &["http2.streamid", "http2.headers.path"]);
    assert_eq!(streams, ["1\t/item/1", "3\t/item/3", "5\t/item/5"]);
    let data = fields(&written.file, "http2.data.data", &["http2.data.data"]);
    let hex: Vec<_> = texts.map(|text| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>()).to_vec();
    assert_eq!(
        {
            let mut once: Vec<_> = data.iter().map(|data| data.split(',').next().unwrap()).collect();
            once.dedup();
            once
        },
        hex
    );
    let comments = fields(&written.file, "frame.comment", &["frame.comment"]);
    let end = "port 44818 is written as 80, so that it is read as HTTP";
    assert_eq!(comments[0], format!("sidelight: connection 1, decrypted; to a.test:44818; {end}"));
    let names = tshark(&written.file, &["-q", "-z", "hosts"]);
    assert!(names.contains("198.51.100.1\ta.test"), "{names}");
}

#[test]
fn what_a_limit_cut_off_is_a_gap_and_what_follows_is_read() {
    let (http1, http2) = ((HttpVersion::Http11, [1, 2]), (HttpVersion::Http2, [1, 3]));
    for ((version, streams), length) in [(http1, 3_000_000), (http2, 3_000_000), (http1, 3_000_000_000)] {
        let cut = exchange(version, streams[0], body(&"x".repeat(5000), length));
        let after = exchange(version, streams[1], body("after", 5));
        let written = written(&[(conn(1), found([cut, after]))]);
        let field = if version == HttpVersion::Http2 { "http2.headers.status" } else { "http.response.code" };
        // Wireshark shows an HTTP/1 message without its end only when it is told not to wait for it.
        let answers =
            tshark(&written.file, &["-o", "http.desegment_body:FALSE", "-Y", field, "-T", "fields", "-e", field]);
        assert_eq!(answers.lines().collect::<Vec<_>>(), ["200", "200"], "{}", tshark(&written.file, &[]));
        let last = fields(&written.file, field, &[field]);
        assert_eq!(last.last().map(String::as_str), Some("200"));
        // At the end of a connection, Wireshark cannot put together more than 2 GiB that it still waits for.
        let bad = fields(&written.file, "_ws.malformed && !tcp.flags.fin", &["frame.number"]);
        assert_eq!(bad, Vec::<String>::new(), "{version:?} {length} {}", tshark(&written.file, &[]));
        let gap = fields(&written.file, "frame.comment contains \"missing\"", &["frame.comment"]);
        assert_eq!(gap.len(), 1, "{gap:?}");
    }
}

#[test]
fn websocket_messages_are_read() {
    let mut upgrade = exchange(HttpVersion::Http11, 1, Body::default());
    upgrade.request.as_mut().unwrap().headers.extend([
        Header::new("Upgrade", "websocket"),
        Header::new("Connection", "Upgrade"),
        Header::new("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        Header::new("Sec-WebSocket-Version", "13"),
    ]);
    let response = upgrade.response.as_mut().unwrap();
    (response.status, response.headers) = (
        101,
        vec![
            Header::new("Upgrade", "websocket"),
            Header::new("Connection", "Upgrade"),
            Header::new("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ],
    );
    upgrade.outcome = Outcome::Upgraded("websocket".into());
    let mut all = found([upgrade]);
    for (n, (direction, text)) in
        [(Direction::ToServer, "question"), (Direction::ToClient, "answer")].into_iter().enumerate()
    {
        all.push(Decoded::WebSocket(WebSocketMessage {
            stream: 1,
            direction,
            at: Timestamp(2_000_000 + n as i64),
            kind: WebSocketKind::Text,
            length: text.len() as u64,
            kept: text.into(),
            frames: 1,
            compressed: false,
        }));
    }
    let written = written(&[(conn(1), all)]);
    is_sound(&written.file);
    assert_eq!(fields(&written.file, "websocket", &["websocket.payload.text"]), ["question", "answer"]);
}
