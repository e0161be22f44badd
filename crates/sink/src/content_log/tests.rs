//! Tests of content logs: how they read, and that reading them gives what was logged. In: traffic. Out: text, and traffic again.

use sidelight_model::finding::Cause;
use sidelight_model::flow::{
    Anomaly, AnomalyKind, Body, Direction, Grpc, Header, HttpVersion, Interim, OpaqueData, Outcome, WebSocketKind,
    WebSocketMessage,
};
use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::capture::{Destination, Rotation};
use crate::har::tests::{Told, body, exchange, record};
use crate::import::{ImportOptions, ImportReport, import_bytes};

fn log(told: &[(ConnectionRecord, Decoded)]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.log");
    let to = Destination::File(path.clone());
    let file = CaptureFile::create("--log", to, Rotation::default(), Timestamp(0)).unwrap();
    let mut log = ContentLog::new(file, Notices::none());
    for (record, decoded) in told {
        match decoded {
            Decoded::Exchange(exchange) => log.exchange(record, exchange),
            decoded => log.decoded(record, decoded),
        }
    }
    log.end(&Ledger::default());
    std::fs::read(path).unwrap()
}

fn read(bytes: &[u8]) -> (ImportReport, Vec<(ConnectionRecord, Decoded)>) {
    let told = Told::default();
    let mut options = ImportOptions::default();
    options.limits.body_kept = 1 << 30;
    let report = import_bytes("x.log", bytes, &options, &mut [Box::new(told.clone())]).unwrap();
    (report, told.take())
}

fn there_and_back(told: &[(ConnectionRecord, Decoded)]) -> Vec<(ConnectionRecord, Decoded)> {
    let (report, back) = read(&log(told));
    assert_eq!(report.damage, []);
    back
}

#[test]
fn a_log_reads_like_this() {
    let mut found = exchange(1, 3, "/x?q=1");
    let response = found.response.as_mut().unwrap();
    response.headers = vec![Header::new("Content-Type", "image/png")];
    response.body = body(b"\x89PNG");
    let text = String::from_utf8(log(&[(record(1, true), Decoded::Exchange(Arc::new(found)))])).unwrap();
    let expected = "# sidelight content log, version 1\n\n\
        @ 2026-11-22T18:40:33.000001Z 1/- 127.0.0.1:50000 -- a.test:443 connection bytes=252\n\
        mode: explicit\nupstream: 192.0.2.7:443\nverdict: intercept\n\
        service-tls: TLS 1.3; TLS_AES_128_GCM_SHA256; group=X25519MLKEM768; alpn=h2; sni=a.test; verified\n\
        client-tls: TLS 1.3; TLS_AES_128_GCM_SHA256; group=X25519MLKEM768; alpn=h2; sni=a.test; verified\n\n\
        @ 2026-11-22T18:40:33.000001Z 1/3 127.0.0.1:50000 -> a.test:443 request url=https://a.test/x?q=1 method=POST \
        us=1500 size=10 content=text bytes=110\n\
        POST /x?q=1 HTTP/1.1\nHost: a.test\nContent-Type: application/x-www-form-urlencoded\ncookie: a=1; b=2\n\nx=1&y=%20z\n\n\
        @ 2026-11-22T18:40:33.020251Z 1/3 127.0.0.1:50000 <- a.test:443 response url=https://a.test/x?q=1 status=200 \
        us=1 size=4 content=digest bytes=143\n\
        HTTP/1.1 200 OK\nContent-Type: image/png\n\n\
        ‹binary 4 bytes image/png sha256:0f4636c78f65d3639ece5a064b5ae753e3408614a14fb18ab4d7540d2c248543›\n\n";
    assert_eq!(text, expected);
}

#[test]
fn what_is_logged_is_read_again() {
    let mut whole = exchange(1, 1, "/a b\u{7f}");
    whole.request.as_mut().unwrap().headers.push(Header::new("X-Odd", b"\xff\x1b[2J"));
    whole.request.as_mut().unwrap().trailers.push(Header::new("T", "1"));
    whole.response.as_mut().unwrap().body = body(b"{\"a\":\"\x1b[2J\n@ 2026\"}\n\n");
    whole.interim.push(Interim { status: 103, headers: vec![Header::new("Link", "x")], at: Timestamp(9) });
    whole.anomalies.push(Anomaly::new(AnomalyKind::BareLf, "odd", Some(7)));
    let mut cut = exchange(1, 2, "/");
    (cut.response, cut.timings.response_start) = (None, None);
    cut.outcome = Outcome::Cut("client went away".into());
    let mut call = exchange(1, 5, "/p.S/M");
    call.version = HttpVersion::Http2;
    call.response.as_mut().unwrap().reason = Bytes::new();
    call.request.as_mut().unwrap().target.scheme = Some("https".into());
    call.grpc = Some(Grpc { requests: 1, responses: 2, status: Some(0), message: Some("so so".into()) });
    let kept = sidelight_wire::content_coding::encode("gzip", b"{}").unwrap();
    let response = call.response.as_mut().unwrap();
    response.headers.push(Header::new("content-encoding", "gzip"));
    response.body = Body { wire_length: 90, ..body(&kept) };
    let close = Decoded::WebSocket(WebSocketMessage {
        stream: 5,
        direction: Direction::ToServer,
        at: Timestamp(12),
        kind: WebSocketKind::Close(Some(1001), "bye".into()),
        length: 5,
        kept: Bytes::from_static(b"\x03\xe9bye"),
        frames: 1,
        compressed: false,
    });
    let opaque = Decoded::Opaque(OpaqueData {
        looks_like: Some("redis".into()),
        first_to_server: Bytes::from_static(b"PING\r\n\xff"),
        first_to_client: Bytes::from_static(b"+PONG\r\n"),
        to_server: 7,
        to_client: 900,
        ended: true,
    });
    let stopped = Decoded::Stopped(Direction::ToClient, "no sense".into());
    let exchanges = [whole, cut, call].map(|it| Decoded::Exchange(Arc::new(it)));
    let told: Vec<_> =
        exchanges.into_iter().chain([close, opaque, stopped]).map(|decoded| (record(1, true), decoded)).collect();
    let back = there_and_back(&told);
    for ((_, back), (_, was)) in back.iter().zip(&told) {
        assert_eq!(back, was);
    }
    assert_eq!(back.len(), told.len());
    let (back, was) = (&back[0].0, record(1, true));
    assert_eq!(
        (&back.target, back.upstream, back.opened.as_ref().unwrap().client),
        (&was.target, was.upstream, was.opened.unwrap().client)
    );
    assert_eq!(back.server_tls.as_ref().unwrap().cipher, "TLS_AES_128_GCM_SHA256");
}

#[test]
fn digests_keep_length_and_sum() {
    let mut found = exchange(1, 1, "/");
    let response = found.response.as_mut().unwrap();
    response.headers = vec![Header::new("Content-Type", "image/png")];
    response.body = Body { length: 4000, sha256: Some([0xab; 32]), ..body(b"\x89PNG") };
    let back = there_and_back(&[(record(1, false), Decoded::Exchange(Arc::new(found)))]);
    let Decoded::Exchange(back) = &back[0].1 else { panic!("{back:?}") };
    let body = &back.response.as_ref().unwrap().body;
    assert_eq!((body.length, body.kept.len(), body.sha256), (4000, 0, Some([0xab; 32])));
}

#[test]
fn what_is_called_text_but_is_none_keeps_length_and_sum() {
    let mut found = exchange(1, 1, "/");
    let response = found.response.as_mut().unwrap();
    response.headers = vec![Header::new("Content-Type", "text/plain")];
    response.body = body(b"\x1f\x8b\xff\xfe");
    let back = there_and_back(&[(record(1, false), Decoded::Exchange(Arc::new(found)))]);
    let Decoded::Exchange(back) = &back[0].1 else { panic!("{back:?}") };
    let body = &back.response.as_ref().unwrap().body;
    let digest: [u8; 32] =
        sha2::Digest::finalize(sha2::Digest::chain_update(sha2::Sha256::default(), b"\x1f\x8b\xff\xfe")).into();
    assert_eq!((body.length, body.kept.len(), body.sha256), (4, 0, Some(digest)));
}

#[test]
fn a_damaged_log_is_read_as_far_as_it_goes() {
    let told: Vec<_> = (1..4).map(|n| (record(1, false), Decoded::Exchange(Arc::new(exchange(1, n, "/"))))).collect();
    let bytes = log(&told);
    let (report, back) = read(&bytes[..bytes.len() - 9]);
    assert_eq!((report.damage.len(), back.len()), (1, 3));
    assert!(report.damage[0].what.contains("`response` is lost"), "{:?}", report.damage);
    assert!(bytes[report.damage[0].offset as usize..].starts_with(b"@ "));
    // A record whose length is wrong costs what is up to the next head.
    let at = bytes.windows(7).position(|it| it == b"bytes=1").unwrap();
    let broken = [&bytes[..at], b"bytes=", &bytes[at + 7..]].concat();
    let (report, back) = read(&broken);
    assert!(!report.damage.is_empty() && back.len() == 3, "{:?}", report.damage);
}

#[test]
fn findings_and_ends_are_logged_and_every_file_introduces_its_connections() {
    let folder = tempfile::tempdir().unwrap();
    let to = Destination::File(folder.path().join("x.log"));
    let rotation = Rotation { size: Some(1000), ..Rotation::default() };
    let file = CaptureFile::create("--log", to, rotation, Timestamp(0)).unwrap();
    let mut log = ContentLog::new(file, Notices::none());
    let about = record(1, false);
    log.exchange(&about, &Arc::new(exchange(1, 1, "/1")));
    log.exchange(&about, &Arc::new(exchange(1, 2, "/2")));
    log.finding(&about, &Finding::new(Cause::CertExpired, "a.test is too old", "certificate", "a.test", "2020"));
    log.closed(&about);
    log.end(&Ledger::default());
    let (first, second) = ("x.log", "x-0002.log");
    let mut found = 0;
    for name in [first, second] {
        let bytes = std::fs::read(folder.path().join(name)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with(SIGNATURE) && text.matches(" connection bytes=").count() == 1, "{text}");
        let (report, back) = read(&bytes);
        assert_eq!(report.damage, []);
        found += back.len();
    }
    assert_eq!(found, 2);
    let text = std::fs::read_to_string(folder.path().join(second)).unwrap();
    assert!(
        text.contains(" finding cause=cert_expired fault=server ") && text.contains(" end fate=plain how=open "),
        "{text}"
    );
}
