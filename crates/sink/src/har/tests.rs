//! Tests of archives: valid after every entry, and read back as they were written. In: exchanges. Out: files, and what comes of
//! reading them.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use proptest::prelude::*;
use sidelight_model::flow::{
    Anomaly, AnomalyKind, Authority, Body, ConnId, Decision, Direction, EventKind, Grpc, GrpcMessage, Header,
    HttpVersion, Interim, Opened, Outcome, Request, RequestTarget, Response, ServerSentEvent, Timings, TlsSide,
    TlsVersion, Verdict, WebSocketKind, WebSocketMessage,
};
use sidelight_wire::content_coding;

use super::*;
use crate::capture::{Destination, Rotation};
use crate::import::{ImportOptions, ImportReport, import_bytes};

/// Keeps what it is told.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<(ConnectionRecord, Decoded)>>>);

impl Told {
    pub(crate) fn take(&self) -> Vec<(ConnectionRecord, Decoded)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Consumer for Told {
    fn exchange(&mut self, conn: &ConnectionRecord, exchange: &Arc<Exchange>) {
        self.decoded(conn, &Decoded::Exchange(Arc::clone(exchange)));
    }
    fn decoded(&mut self, conn: &ConnectionRecord, decoded: &Decoded) {
        self.0.lock().unwrap().push((conn.clone(), decoded.clone()));
    }
    fn finding(&mut self, _: &ConnectionRecord, _: &Finding) {}
    fn end(&mut self, _: &Ledger) {}
}

fn read(bytes: &[u8]) -> (ImportReport, Vec<(ConnectionRecord, Decoded)>) {
    let told = Told::default();
    let mut options = ImportOptions::default();
    options.limits.body_kept = 1 << 30;
    let report = import_bytes("x.har", bytes, &options, &mut [Box::new(told.clone())]).unwrap();
    (report, told.take())
}

pub(crate) fn record(conn: u64, tls: bool) -> ConnectionRecord {
    let mut record = ConnectionRecord::new(ConnId(conn), Timestamp(1_795_372_833_000_001));
    let side = TlsSide {
        version: TlsVersion(0x0304),
        cipher: "TLS_AES_128_GCM_SHA256".into(),
        group: Some("X25519MLKEM768".into()),
        alpn: Some(b"h2".to_vec()),
        sni: Some("a.test".into()),
        hello: None,
        resumed: false,
        chain: Vec::new(),
        verified: Some(Ok(())),
    };
    let (client, local) = ("127.0.0.1:50000".parse().unwrap(), "127.0.0.1:8080".parse().unwrap());
    let target: Authority = if tls { "a.test:443" } else { "a.test:80" }.parse().unwrap();
    let verdict = if tls { Verdict::Intercept } else { Verdict::Plain };
    for kind in [
        EventKind::Opened(Opened { client, local, mode: "explicit".into() }),
        EventKind::Upstream((std::net::Ipv4Addr::new(192, 0, 2, 7), target.port).into()),
        EventKind::Target(target),
        EventKind::Decided(Decision { verdict, because: String::new() }),
    ] {
        record.learn(record.since, &kind);
    }
    if tls {
        record.server_tls = Some(Arc::new(side.clone()));
        record.client_tls = Some(Arc::new(side));
    }
    record
}

pub(crate) fn body(kept: &[u8]) -> Body {
    let length = kept.len() as u64;
    Body { length, kept: Bytes::copy_from_slice(kept), sha256: None, wire_length: length }
}

pub(crate) fn exchange(conn: u64, stream: u64, path: &str) -> Exchange {
    let at = |micros: i64| Timestamp(1_795_372_833_000_001 + micros);
    let target =
        RequestTarget { raw: Bytes::from(path.to_owned()), scheme: None, authority: Some("a.test".to_owned()) };
    let host = Header::new("Host", "a.test");
    let form = Header::new("Content-Type", "application/x-www-form-urlencoded");
    Exchange {
        conn: ConnId(conn),
        stream,
        version: HttpVersion::Http11,
        request: Some(Request {
            method: Bytes::from("POST"),
            target,
            headers: vec![host, form, Header::new("cookie", "a=1; b=2")],
            trailers: Vec::new(),
            body: body(b"x=1&y=%20z"),
        }),
        interim: Vec::new(),
        response: Some(Response {
            status: 200,
            reason: Bytes::from("OK"),
            headers: vec![Header::new("Content-Type", "application/json"), Header::new("SET-COOKIE", "c=3; Path=/")],
            trailers: Vec::new(),
            body: body(br#"{"a":1}"#),
        }),
        timings: Timings {
            request_start: at(0),
            request_end: Some(at(1_500)),
            response_start: Some(at(20_250)),
            end: Some(at(20_251)),
        },
        outcome: Outcome::Complete,
        anomalies: Vec::new(),
        grpc: None,
        pushed: false,
    }
}

fn create(path: std::path::PathBuf, rotation: Rotation) -> Har {
    let file = CaptureFile::create("--har", Destination::File(path), rotation, Timestamp(0)).unwrap();
    Har::new(file, Notices::none())
}

/// What an archive of `told` gives when it is read again.
fn round_trip(told: &[(ConnectionRecord, Decoded)]) -> Vec<(ConnectionRecord, Decoded)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.har");
    let mut har = create(path.clone(), Rotation::default());
    for (record, decoded) in told {
        har.decoded(record, decoded);
    }
    let records: std::collections::BTreeMap<_, _> = told.iter().map(|(record, _)| (record.id, record)).collect();
    records.values().for_each(|record| har.closed(record));
    har.end(&Ledger::default());
    let (report, told) = read(&std::fs::read(path).unwrap());
    assert_eq!(report.damage, []);
    told
}

#[test]
fn a_file_is_valid_after_every_entry() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.har");
    let mut har = create(path.clone(), Rotation::default());
    for n in 0..4 {
        let value: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(value["log"]["entries"].as_array().unwrap().len(), n);
        assert_eq!(value["log"]["creator"]["name"], "sidelight");
        har.exchange(&record(1, true), &Arc::new(exchange(1, n as u64 + 1, &format!("/{n}?q=a%20b&r"))));
    }
    let value: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let entry = &value["log"]["entries"][3];
    assert_eq!(entry["request"]["url"], "https://a.test/3?q=a%20b&r");
    assert_eq!(entry["request"]["queryString"][0]["value"], "a b");
    assert_eq!(entry["request"]["postData"]["params"][1], serde_json::json!({"name": "y", "value": " z"}));
    assert_eq!(entry["startedDateTime"], "2026-11-22T18:40:33.000001Z");
    let (timings, time) = (&entry["timings"], entry["time"].as_f64().unwrap());
    let parts = ["send", "wait", "receive"].map(|part| timings[part].as_f64().unwrap());
    assert_eq!((parts, time), ([1.5, 18.75, 0.001], 20.251));
    assert_eq!((&timings["ssl"], &entry["serverIPAddress"]), (&serde_json::json!(-1.0), &"192.0.2.7".into()));
    assert_eq!(entry["_securityDetails"]["protocol"], "TLS 1.3");
}

#[test]
fn every_rotated_file_is_whole_and_so_is_a_stream_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let rotation = Rotation { size: Some(4000), ..Rotation::default() };
    let mut har = create(folder.path().join("x.har"), rotation);
    for n in 0..9 {
        har.exchange(&record(1, true), &Arc::new(exchange(1, n + 1, &format!("/{n}"))));
    }
    har.end(&Ledger::default());
    let mut entries = 0;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(bytes.len() <= 4000);
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let here = value["log"]["entries"].as_array().unwrap().len();
        assert!(here > 0);
        entries += here;
    }
    assert_eq!(entries, 9);

    let path = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let reader = path.clone();
    let reader = std::thread::spawn(move || std::fs::read(reader).unwrap());
    let mut har = create(path, Rotation::default());
    har.exchange(&record(1, true), &Arc::new(exchange(1, 1, "/1")));
    har.exchange(&record(1, true), &Arc::new(exchange(1, 2, "/2")));
    har.end(&Ledger::default());
    drop(har);
    let (report, told) = read(&reader.join().unwrap());
    assert_eq!((report.damage.len(), told.len()), (0, 2));
}

#[test]
fn a_cut_archive_gives_every_whole_entry() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.har");
    let mut har = create(path.clone(), Rotation::default());
    for n in 0..3 {
        har.exchange(&record(1, false), &Arc::new(exchange(1, n + 1, "/")));
    }
    let bytes = std::fs::read(&path).unwrap();
    let (report, told) = read(&bytes[..bytes.len() - 10]);
    assert_eq!((told.len(), report.damage.len()), (2, 1));
    let begins = report.damage[0].offset as usize;
    assert!(bytes[begins..].starts_with(br#"{"startedDateTime""#), "{:?}", report.damage);
}

fn websocket(kind: WebSocketKind, kept: &[u8], length: u64, frames: u32) -> Decoded {
    Decoded::WebSocket(WebSocketMessage {
        stream: 2,
        direction: Direction::ToServer,
        at: Timestamp(1_795_372_833_123_457),
        kind,
        length,
        kept: Bytes::copy_from_slice(kept),
        frames,
        compressed: frames > 1,
    })
}

#[test]
fn messages_come_back_with_their_exchange() {
    let record = record(7, true);
    let mut upgraded = exchange(7, 2, "/chat");
    upgraded.outcome = Outcome::Upgraded("websocket".into());
    let mut call = exchange(7, 3, "/pkg.Service/Call");
    call.grpc = Some(Grpc { requests: 1, responses: 1, status: Some(0), message: Some("fine".into()) });
    let grpc = Decoded::Grpc(GrpcMessage {
        stream: 3,
        direction: Direction::ToClient,
        at: Timestamp(1_795_372_833_000_777),
        length: 300,
        kept: Bytes::from_static(b"\x0a\x01\xff"),
        compressed: true,
    });
    let event = Decoded::ServerSent(ServerSentEvent {
        stream: 3,
        at: Timestamp(1_795_372_833_000_778),
        event: "e".into(),
        id: "9".into(),
        data: "line\nline".into(),
    });
    let told = vec![
        (record.clone(), Decoded::Exchange(Arc::new(upgraded))),
        (record.clone(), grpc),
        (record.clone(), event),
        (record.clone(), Decoded::Exchange(Arc::new(call))),
        (record.clone(), websocket(WebSocketKind::Text, "häl".as_bytes(), 4, 1)),
        (record.clone(), websocket(WebSocketKind::Binary, b"\0\xff", 99, 3)),
        (record.clone(), websocket(WebSocketKind::Ping, b"", 0, 1)),
        (record.clone(), websocket(WebSocketKind::Close(Some(1000), "bye".into()), b"\x03\xe8bye", 5, 1)),
    ];
    let mut back: Vec<Decoded> = round_trip(&told).into_iter().map(|(_, decoded)| decoded).collect();
    let mut expected: Vec<Decoded> = told.into_iter().map(|(_, decoded)| decoded).collect();
    // The archive gives an exchange with all of its messages; the connection has another number.
    for decoded in &mut back {
        if let Decoded::Exchange(exchange) = decoded {
            Arc::make_mut(exchange).conn = ConnId(7);
        }
    }
    let order = |decoded: &Decoded| {
        messages::stream(decoded).unwrap_or(match decoded {
            Decoded::Exchange(exchange) => exchange.stream,
            _ => 0,
        })
    };
    expected.sort_by_key(order);
    back.sort_by_key(order);
    assert_eq!(back, expected);
}

#[test]
fn what_is_known_of_the_connection_comes_back() {
    let told = round_trip(&[(record(7, true), Decoded::Exchange(Arc::new(exchange(7, 1, "/"))))]);
    let (back, was) = (&told[0].0, record(7, true));
    assert_eq!((&back.target, back.upstream), (&was.target, was.upstream));
    assert_eq!(back.opened.as_ref().unwrap().client, was.opened.unwrap().client);
    let (side, before) = (back.server_tls.as_ref().unwrap(), was.server_tls.unwrap());
    assert_eq!(
        (side.version, &side.cipher, &side.sni, &side.verified),
        (before.version, &before.cipher, &before.sni, &before.verified)
    );
    assert_eq!(&*back.opened.as_ref().unwrap().mode, "har");
}

#[test]
fn archives_of_others_are_read_as_they_are() {
    let gzip_head = r#"{"name":"content-encoding","value":"gzip"}"#;
    let archive = format!(
        "\u{feff} {{\"log\":{{\"version\":\"1.2\",\"creator\":{{\"name\":\"WebInspector\",\"version\":\"537.36\"}},\"pages\":[{{}}],\"entries\":[
        {{\"startedDateTime\":\"2026-11-22T18:40:33.000Z\",\"time\":\"30\",\"connection\":\"77\",\"request\":{{\"method\":\"GET\",
          \"url\":\"https://a.test/x?y=1#frag\",\"httpVersion\":\"h2\",\"headers\":[{{\"name\":\":path\",\"value\":\"/x?y=1\"}},{{\"name\":\":authority\",\"value\":\"a.test\"}},{{\"name\":\"accept\",\"value\":\"*/*\"}}]}},
          \"response\":{{\"status\":200,\"httpVersion\":\"h2\",\"headers\":[{gzip_head}],\"content\":{{\"size\":5,\"mimeType\":\"text/plain\",\"text\":\"aGVsbG8=\",\"encoding\":\"base64\"}}}},
          \"timings\":{{\"blocked\":10,\"dns\":-1,\"send\":1,\"wait\":9,\"receive\":10}}}},
        {{\"startedDateTime\":\"2026-11-22T18:40:34Z\",\"connection\":\"77\",\"request\":{{\"method\":\"POST\",\"url\":\"https://a.test/y\",\"postData\":{{\"mimeType\":\"application/x-www-form-urlencoded\",\"params\":[{{\"name\":\"a b\",\"value\":\"c&\"}}]}}}},\"response\":{{\"status\":0,\"_error\":\"net::ERR_FAILED\"}}}},
        {{\"nothing\":\"of use\"}}]}}}}"
    );
    let (report, told) = read(archive.as_bytes());
    assert_eq!(report.damage.len(), 1, "{:?}", report.damage);
    let exchanges: Vec<Exchange> = told
        .into_iter()
        .filter_map(|(_, decoded)| match decoded {
            Decoded::Exchange(exchange) => Some(Exchange::clone(&exchange)),
            _ => None,
        })
        .collect();
    let [first, second] = &exchanges[..] else { panic!("{exchanges:?}") };
    let request = first.request.as_ref().unwrap();
    assert_eq!((first.version, request.target.raw.as_ref()), (HttpVersion::Http2, &b"/x?y=1"[..]));
    assert_eq!((request.headers.len(), request.target.authority.as_deref()), (1, Some("a.test")));
    assert_eq!(first.timings.end.unwrap().since(first.timings.request_start).as_millis(), 20);
    let response = first.response.as_ref().unwrap();
    let content = crate::content::Content::read(&response.headers, &response.body, 99);
    assert_eq!((content.text, content.bytes.as_slice()), (Some("hello".into()), &b""[..]));
    assert_eq!((first.conn, second.conn, second.stream), (ConnId(1), ConnId(1), 2));
    assert_eq!(second.request.as_ref().unwrap().body.kept, Bytes::from_static(b"a+b=c%26"));
    assert_eq!((&second.response, &second.outcome), (&None, &Outcome::Cut("net::ERR_FAILED".into())));
}

prop_compose! {
    fn any_headers()(fields in prop::collection::vec(("[a-zA-Z-]{1,9}", prop::collection::vec(any::<u8>(), 0..12)), 0..5)) -> Vec<Header> {
        fields.iter().map(|(name, value)| Header::new(name, value)).collect()
    }
}

fn any_body() -> impl Strategy<Value = (Option<&'static str>, Body)> {
    let codings = prop::sample::select(vec![None, Some("gzip"), Some("br"), Some("compress")]);
    (codings, prop::collection::vec(any::<u8>(), 0..40), "[a-zé]{0,20}", any::<bool>(), 0_u64..3).prop_map(
        |(coding, bytes, text, is_text, cut)| {
            let content = if is_text { text.into_bytes() } else { bytes };
            let kept = coding.and_then(|it| content_coding::encode(it, &content)).unwrap_or(content);
            let length = if kept.is_empty() { 0 } else { kept.len() as u64 + cut };
            let sha256 = (cut == 1).then_some([9; 32]);
            (coding, Body { length, kept: Bytes::from(kept), sha256, wire_length: length + cut })
        },
    )
}

prop_compose! {
    fn any_exchange()(
        version in prop::sample::select(vec![HttpVersion::Http10, HttpVersion::Http11, HttpVersion::Http2]),
        (request_headers, response_headers, trailers) in (any_headers(), any_headers(), any_headers()),
        (sent, answered) in (any_body(), any_body()),
        (raw, method) in (prop::collection::vec(any::<u8>(), 1..20), prop::sample::select(vec!["GET", "POST", "CONNECT", "OPTIONS"])),
        (scheme, authority) in (prop::option::of(prop::sample::select(vec!["http", "https"])), prop::option::of("[a-z.:0-9]{0,9}")),
        times in prop::array::uniform3(prop::option::of(-5_i64..50_000)),
        outcome in prop::sample::select(vec![
            Outcome::Complete, Outcome::Upgraded("connect".into()), Outcome::Cut("client: cut".into()), Outcome::Undecodable(String::new()),
        ]),
        (halves, pushed, status) in (0_u8..4, any::<bool>(), 100_u16..999),
    ) -> Exchange {
        let with_coding = |mut headers: Vec<Header>, coding: Option<&str>| {
            headers.extend(coding.map(|coding| Header::new("content-encoding", coding)));
            headers
        };
        let start = Timestamp(1_795_372_833_000_001);
        let [request_end, response_start, end] = times.map(|after| after.map(|after| Timestamp(start.0 + after)));
        let target = RequestTarget { raw: Bytes::from(raw), scheme: scheme.map(str::to_owned), authority };
        Exchange {
            conn: ConnId(1), stream: 5, version, pushed, outcome,
            request: (halves != 1).then(|| Request {
                method: Bytes::from(method), target, headers: with_coding(request_headers, sent.0), trailers: trailers.clone(),
                // An archive has no place for the digest or framing of a request's body that is empty.
                body: if sent.1.length == 0 { Body::default() } else { sent.1 },
            }),
            interim: vec![Interim { status: 103, headers: trailers.clone(), at: start }],
            response: (halves != 2).then(|| Response {
                status, reason: Bytes::from("Fine"), headers: with_coding(response_headers, answered.0), trailers, body: answered.1,
            }),
            timings: Timings { request_start: start, request_end, response_start, end },
            anomalies: vec![Anomaly::new(AnomalyKind::BareLf, "odd", Some(7))],
            grpc: None,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn an_exchange_comes_back_as_it_was(exchange in any_exchange(), tls: bool) {
        let told = round_trip(&[(record(1, tls), Decoded::Exchange(Arc::new(exchange.clone())))]);
        prop_assert_eq!(&told[0].1, &Decoded::Exchange(Arc::new(exchange)));
    }

    #[test]
    fn any_archive_is_read(text in "[\\[\\]{}\",:\\\\a-z0-9]{0,60}") {
        let told = Told::default();
        let archive = format!("{{\"log\":{{\"entries\":[{text}");
        import_bytes("x", archive.as_bytes(), &ImportOptions::default(), &mut [Box::new(told)]).ok();
    }
}
