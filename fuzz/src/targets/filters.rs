//! Filters, as a person may write them. In: text. Out: broken promises.

use bytes::Bytes;
use sidelight_model::filter::{AsSent, Filter, FlowView, Options};
use sidelight_model::flow::{
    Body, ConnId, ConnectionRecord, Exchange, Header, HttpVersion, Outcome, Request, RequestTarget, Timings,
};
use sidelight_model::time::Timestamp;

/// Reads a filter, prints it, reads that, and asks both about a flow made of the same text.
pub fn filter(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let options = Options { case_sensitive: data.len().is_multiple_of(2), utc_offset: 3_600 };
    let filter = match Filter::parse_with(&text, options) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(error.column() >= 1 && error.column() <= text.chars().count() + 1);
            assert!(error.excerpt().lines().count() == 2 && !error.what().is_empty());
            return;
        }
    };
    let printed = filter.to_string();
    let again = Filter::parse_with(&printed, options).unwrap_or_else(|error| panic!("{printed}: {error}"));
    assert_eq!(filter, again, "{printed}");
    let (conn, exchange) = (ConnectionRecord::new(ConnId(1), Timestamp(0)), exchange(data));
    for exchange in [None, Some(&exchange)] {
        let view = FlowView {
            id: Some(1),
            conn: &conn,
            exchange,
            messages: &[],
            findings: &[],
            bodies: &AsSent(exchange),
            now: Timestamp(0),
        };
        let opposite = Filter::new(!filter.expr().clone());
        assert_eq!(filter.matches(&view), again.matches(&view));
        assert_ne!(filter.matches(&view), opposite.matches(&view));
    }
}

fn exchange(data: &[u8]) -> Exchange {
    let text = Bytes::copy_from_slice(data);
    let request = Request {
        method: Bytes::from_static(b"GET"),
        target: RequestTarget { raw: text.clone(), scheme: None, authority: Some("a.test".to_owned()) },
        headers: vec![Header { name: Bytes::from_static(b"content-type"), value: text.clone() }],
        trailers: Vec::new(),
        body: Body { length: text.len() as u64, kept: text, sha256: None, wire_length: 0 },
    };
    Exchange {
        conn: ConnId(1),
        stream: 1,
        version: HttpVersion::Http11,
        request: Some(request),
        interim: Vec::new(),
        response: None,
        timings: Timings::default(),
        outcome: Outcome::Complete,
        anomalies: Vec::new(),
        grpc: None,
        pushed: false,
    }
}
