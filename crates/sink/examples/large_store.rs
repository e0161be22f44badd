//! Records many made-up flows and times lists of them. In: a file, a number of flows. Out: lines of what was asked, how many
//! flows it meant, and how long that took, by the clock and of the processor.
//!
//! `cargo run --release -p sidelight-sink --example large_store -- /tmp/large.sidelight 1000000`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use sidelight_model::filter::Filter;
use sidelight_model::flow::{
    Body, Closed, ConnId, ConnectionRecord, Decision, Exchange, Header, How, HttpVersion, Opened, Outcome, Request,
    RequestTarget, Response, Tally, Timings, TlsSide, TlsVersion, Verdict,
};
use sidelight_model::time::Timestamp;
use sidelight_sink::bus::Consumer;
use sidelight_sink::ledger::Ledger;
use sidelight_sink::notice::Notices;
use sidelight_sink::store::{FlowId, Query, Recorder, Recording, Rotation, StoreOptions};

const FILTERS: &[&str] = &[
    "~all",
    "~d host17.test",
    "~d '^host1[0-9]'",
    "~c 500",
    "~c 5xx",
    "~m POST & ~u /v2/",
    "~u /v2/",
    "~size > 1MB",
    "~t json",
    "~at 2026-11-22T12:00..2026-11-22T12:10",
    "~tls < 1.3",
    "~e",
    "~ttfb > 900ms",
    "~registry push",
    "~cause cert_expired",
    "~fate relayed",
    "~src 10.0.1.7",
];

const BEGAN: Timestamp = Timestamp::from_secs(1_795_348_800);

fn header(name: &str, value: &str) -> Header {
    Header::new(name, value)
}

fn connection(number: u64, host: u64) -> ConnectionRecord {
    let mut record = ConnectionRecord::new(ConnId(number), BEGAN.plus(std::time::Duration::from_millis(number * 40)));
    let client = format!("10.0.{}.{}:40000", number % 4, number % 250).parse().expect("an address");
    let local = "127.0.0.1:8080".parse().expect("an address");
    record.opened = Some(Opened { client, local, mode: "explicit".into() });
    record.target = format!("host{host}.test:443").parse().ok();
    record.decision = Some(Decision { verdict: Verdict::Intercept, because: "TLS".into() });
    let side = Arc::new(TlsSide {
        version: TlsVersion(if host.is_multiple_of(50) { 0x303 } else { 0x304 }),
        cipher: "TLS_AES_128_GCM_SHA256".into(),
        group: Some("X25519".into()),
        alpn: Some(b"h2".to_vec()),
        sni: Some(format!("host{host}.test")),
        hello: None,
        resumed: false,
        chain: vec![vec![0x30; 900]],
        verified: Some(Ok(())),
    });
    record.server_tls = Some(Arc::clone(&side));
    record.client_tls = Some(side);
    record
}

fn exchange(number: u64, conn: &ConnectionRecord, stream: u64) -> Exchange {
    let started = conn.since.plus(std::time::Duration::from_millis(stream));
    let after = |micros: u64| Some(started.plus(std::time::Duration::from_micros(micros)));
    let is_json = number.is_multiple_of(3);
    let size = if number.is_multiple_of(1000) { 5_000_000 } else { 300 + number % 700 };
    let text = format!("{{\"number\":{number},\"items\":[1,2,3],\"text\":\"made up\"}}");
    let kept = Bytes::from(text.into_bytes());
    let path = if number.is_multiple_of(10) {
        format!("/v2/library/image{}/blobs/uploads/{number}", number % 40)
    } else {
        format!("/api/v1/things/{number}?page={}", number % 7)
    };
    Exchange {
        conn: conn.id,
        stream,
        version: HttpVersion::Http2,
        request: Some(Request {
            method: Bytes::from_static(if number.is_multiple_of(5) { b"POST" } else { b"GET" }),
            target: RequestTarget {
                raw: path.into(),
                scheme: Some("https".into()),
                authority: conn.target.as_ref().map(|it| it.host.to_string()),
            },
            headers: vec![header("user-agent", "made-up/1.0"), header("accept", "*/*")],
            trailers: Vec::new(),
            body: Body::default(),
        }),
        interim: Vec::new(),
        response: Some(Response {
            status: match number % 200 {
                0 => 500,
                1..10 => 404,
                _ => 200,
            },
            reason: Bytes::new(),
            headers: vec![
                header("content-type", if is_json { "application/json" } else { "text/html; charset=utf-8" }),
                header("date", "Sun, 22 Nov 2026 12:00:00 GMT"),
                header("x-request-id", &format!("{number:032x}")),
            ],
            trailers: Vec::new(),
            body: Body { length: size, kept, sha256: None, wire_length: size + 9 },
        }),
        timings: Timings {
            request_start: started,
            request_end: after(50),
            response_start: after(1000 * (number % 1000)),
            end: after(1000 * (number % 1000) + 300),
        },
        outcome: Outcome::Complete,
        anomalies: Vec::new(),
        grpc: None,
        pushed: false,
    }
}

/// Processor time of this process so far, in seconds. Linux counts it in hundredths.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |at: usize| after_name.split_whitespace().nth(at).and_then(|it| it.parse().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn record(path: &std::path::Path, flows: u64) {
    let (began, processor_before) = (Instant::now(), processor());
    let options = StoreOptions {
        path: path.to_owned(),
        rotation: Rotation::default(),
        ring: None,
        packets: false,
        notices: Notices::new(|words| eprintln!("{words}")),
    };
    let mut recorder = Recorder::create(options).expect("a recording");
    let mut number = 0;
    while number < flows {
        let host = (number / 8) % 300;
        let mut conn = connection(number / 8 + 1, host);
        recorder.opened(&conn);
        for stream in 0..8 {
            conn.exchanges += 1;
            recorder.exchange(&conn, &Arc::new(exchange(number, &conn, 2 * stream + 1)));
            number += 1;
        }
        let tally = Tally { bytes: 4000, lost: 0 };
        conn.closed = Some((conn.latest, Closed { to_server: tally, to_client: tally, how: How::Clean }));
        recorder.closed(&conn);
    }
    recorder.end(&Ledger::default());
    let size = std::fs::metadata(path).map_or(0, |meta| meta.len());
    let (taken, each) = (began.elapsed(), began.elapsed().as_secs_f64() * 1e6 / number as f64);
    let busy = processor() - processor_before;
    println!(
        "recorded {number} flows in {taken:.1?} ({busy:.1} s of processor): {each:.1} µs and {} bytes each",
        size / number.max(1)
    );
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(path) = arguments.next().filter(|it| !it.starts_with('-')).map(PathBuf::from) else {
        eprintln!("usage: large_store FILE [FLOWS]");
        std::process::exit(2);
    };
    let flows: u64 = arguments.next().map_or(1_000_000, |it| it.parse().expect("a number"));
    if !path.exists() {
        record(&path, flows);
    }
    let recording = Recording::open(&path).expect("a recording");
    for text in FILTERS {
        let filter = Some(Filter::parse(text).expect("a filter"));
        let query = Query { filter, ..Query::default() };
        let (began, processor_before) = (Instant::now(), processor());
        let (mut found, mut first) = (0_u64, None);
        let mut each = |_| {
            found += 1;
            first.get_or_insert_with(|| began.elapsed());
            true
        };
        recording.rows(&query, &mut each).expect("rows");
        let first = first.unwrap_or_default();
        let busy = processor() - processor_before;
        println!("{text:45} {found:>8} flows  {:>9.1?} ({busy:.2} s)  first after {first:.1?}", began.elapsed());
    }
    for id in [1, flows / 2, flows] {
        let began = Instant::now();
        let flow = recording.flow(FlowId(id)).expect("a flow");
        println!("show {id}: {} in {:.1?}", flow.is_some(), began.elapsed());
    }
}
