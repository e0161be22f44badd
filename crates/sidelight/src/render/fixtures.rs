//! Hand-made connections and exchanges for the tests of rendering. In: the few things that a test varies. Out: records.

use std::sync::Arc;

use bytes::Bytes;
use jiff::tz::TimeZone;
use sidelight_model::flow::{
    Body, Closed, ConnId, Decision, Direction, EventKind, Exchange, Header, How, HttpVersion, Opened, Outcome, Process,
    Request, RequestTarget, Response, Tally, Timings, TlsSide, TlsVersion, Verdict,
};
use sidelight_model::time::Timestamp;
use sidelight_sink::record::ConnectionRecord;
use sidelight_sink::redact::Redactor;

use super::{Look, Paint};

/// 2026-11-22 18:40:33 UTC.
pub(super) const START: Timestamp = Timestamp(1_795_372_833_000_000);

pub(super) fn later(millis: i64) -> Timestamp {
    Timestamp(START.0 + millis * 1000)
}

/// As on a terminal of `width` columns, without colours; `None`: as in a pipe.
pub(super) fn look(width: Option<usize>, verbose: u8) -> Look {
    Look {
        paint: Paint::new(false),
        width,
        zone: TimeZone::UTC,
        redactor: Redactor::default(),
        verbose,
        quiet: false,
        body_limit: 400,
    }
}

pub(super) fn tls() -> Arc<TlsSide> {
    Arc::new(TlsSide {
        version: TlsVersion(0x0304),
        cipher: "TLS_AES_128_GCM_SHA256".into(),
        group: Some("X25519MLKEM768".into()),
        alpn: Some(b"h2".to_vec()),
        sni: Some("registry.test".into()),
        hello: None,
        resumed: false,
        chain: vec![b"leaf".to_vec(), b"root".to_vec()],
        verified: Some(Ok(())),
    })
}

/// A connection of curl to registry.test over TLS.
pub(super) fn record() -> ConnectionRecord {
    let mut record = ConnectionRecord::new(ConnId(7), START);
    let opened = Opened {
        client: "127.0.0.1:40112".parse().unwrap(),
        local: "127.0.0.1:8080".parse().unwrap(),
        mode: "explicit".into(),
    };
    let process = Process { pid: 18_204, name: "curl".into(), exe: Some("/usr/bin/curl".into()), container: None };
    for kind in [
        EventKind::Opened(opened),
        EventKind::Process(process),
        EventKind::Target("registry.test:443".parse().unwrap()),
        EventKind::Decided(Decision { verdict: Verdict::Intercept, because: String::new() }),
        EventKind::Upstream("192.0.2.7:443".parse().unwrap()),
        EventKind::ServerTls(tls()),
        EventKind::ClientTls(tls()),
    ] {
        record.learn(START, &kind);
    }
    record
}

/// A connection from elsewhere with this verdict that ended after 1.5 s.
pub(super) fn ended(verdict: Verdict, because: &str, how: How) -> ConnectionRecord {
    let mut record = ConnectionRecord::new(ConnId(8), START);
    let opened = Opened {
        client: "[2001:db8::17]:40112".parse().unwrap(),
        local: "[2001:db8::1]:8080".parse().unwrap(),
        mode: "transparent".into(),
    };
    let tally = |bytes| Tally { bytes, lost: 0 };
    for kind in [
        EventKind::Opened(opened),
        EventKind::Target("vault.example:8200".parse().unwrap()),
        EventKind::Decided(Decision { verdict, because: because.into() }),
        EventKind::Closed(Closed { to_server: tally(1_337), to_client: tally(44_100), how }),
    ] {
        record.learn(later(1_500), &kind);
    }
    record
}

pub(super) fn body(content: &[u8]) -> Body {
    let length = content.len() as u64;
    Body { length, kept: Bytes::copy_from_slice(content), sha256: None, wire_length: length }
}

pub(super) fn headers(fields: &[(&str, &str)]) -> Vec<Header> {
    fields.iter().map(|(name, value)| Header::new(name, value)).collect()
}

/// A complete exchange over HTTP/2 that took 12 ms to the first byte and 34 ms in all.
pub(super) fn exchange(method: &str, target: &str, status: u16) -> Exchange {
    Exchange {
        conn: ConnId(7),
        stream: 1,
        version: HttpVersion::Http2,
        request: Some(Request {
            method: Bytes::copy_from_slice(method.as_bytes()),
            target: RequestTarget {
                raw: Bytes::copy_from_slice(target.as_bytes()),
                scheme: Some("https".into()),
                authority: Some("registry.test".into()),
            },
            headers: Vec::new(),
            trailers: Vec::new(),
            body: Body::default(),
        }),
        interim: Vec::new(),
        response: Some(Response {
            status,
            reason: Bytes::new(),
            headers: Vec::new(),
            trailers: Vec::new(),
            body: body(&[b'x'; 1_234]),
        }),
        timings: Timings {
            request_start: later(0),
            request_end: Some(later(1)),
            response_start: Some(later(12)),
            end: Some(later(34)),
        },
        outcome: Outcome::Complete,
        anomalies: Vec::new(),
        grpc: None,
        pushed: false,
    }
}

pub(super) fn request(exchange: &mut Exchange) -> &mut Request {
    exchange.request.as_mut().unwrap()
}

pub(super) fn response(exchange: &mut Exchange) -> &mut Response {
    exchange.response.as_mut().unwrap()
}

pub(super) const UP: Direction = Direction::ToServer;
pub(super) const DOWN: Direction = Direction::ToClient;
