//! Plain traffic for tests of files and disks. In: numbers. Out: connections, exchanges, flows in a recorder.

use std::path::Path;
use std::sync::Arc;

use sidelight_model::flow::{
    Body, Closed, ConnId, ConnectionRecord, Exchange, Header, How, HttpVersion, Outcome, Request, RequestTarget,
    Response, Tally, Timings, TlsSide, TlsVersion,
};
use sidelight_model::time::Timestamp;
use sidelight_sink::bus::Consumer;
use sidelight_sink::store::{Query, Recording};

pub(crate) fn connection(number: u64, target: &str) -> ConnectionRecord {
    let mut record = ConnectionRecord::new(ConnId(number), Timestamp(1_795_348_800_000_000));
    record.target = target.parse().ok();
    record.client_tls = Some(Arc::new(TlsSide {
        version: TlsVersion(0x304),
        cipher: "TLS_AES_128_GCM_SHA256".into(),
        group: None,
        alpn: None,
        sni: None,
        hello: None,
        resumed: false,
        chain: Vec::new(),
        verified: None,
    }));
    record
}

pub(crate) fn exchange(conn: u64, stream: u64, path: &str, body: &[u8]) -> Exchange {
    Exchange {
        conn: ConnId(conn),
        stream,
        version: HttpVersion::Http11,
        request: Some(Request {
            method: "GET".into(),
            target: RequestTarget { raw: path.to_owned().into(), scheme: None, authority: None },
            headers: vec![Header::new("Accept", "*/*")],
            trailers: Vec::new(),
            body: Body::default(),
        }),
        interim: Vec::new(),
        response: Some(Response {
            status: 200,
            reason: "OK".into(),
            headers: vec![Header::new("Content-Type", "text/plain")],
            trailers: Vec::new(),
            body: Body {
                length: body.len() as u64,
                kept: body.to_vec().into(),
                sha256: None,
                wire_length: body.len() as u64,
            },
        }),
        timings: Timings { request_start: Timestamp(1_795_348_800_000_000), ..Timings::default() },
        outcome: Outcome::Complete,
        anomalies: Vec::new(),
        grpc: None,
        pushed: false,
    }
}

/// So many connections with one exchange each, the first of this number.
pub(crate) fn flows(to: &mut dyn Consumer, first: u64, count: u64) {
    for number in first..first + count {
        let mut record = connection(number, "a.test:443");
        to.opened(&record);
        record.exchanges = 1;
        to.exchange(&record, &Arc::new(exchange(number, 1, "/x", b"some text")));
        let tally = Tally { bytes: 10, lost: 0 };
        record.closed = Some((record.latest, Closed { to_server: tally, to_client: tally, how: How::Clean }));
        to.closed(&record);
    }
}

/// The numbers of all flows, in order.
pub(crate) fn ids(recording: &Recording) -> Vec<u64> {
    let mut ids = Vec::new();
    recording
        .rows(&Query::default(), &mut |row| {
            ids.push(row.id.0);
            true
        })
        .unwrap();
    ids
}

/// Bytes of a file.
pub(crate) fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.len())
}

/// An end in order.
pub(crate) fn closed() -> Closed {
    let tally = Tally { bytes: 10, lost: 0 };
    Closed { to_server: tally, to_client: tally, how: How::Clean }
}
