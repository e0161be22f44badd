//! Filters select what mitmproxy's own `flowfilter` selects. In: `filter_mitmproxy/answers.json`, which `make.py` beside it made by
//! asking mitmproxy. Out: a difference that docs/filters.md does not name.

use std::borrow::Cow;
use std::net::SocketAddr;

use bytes::Bytes;
use serde_json::Value;
use sidelight_model::filter::{Bodies, Filter, FlowView};
use sidelight_model::flow::{
    Authority, Body, Closed, ConnId, ConnectionRecord, Decision, Decoded, Direction, EventKind, Exchange, Header, Host,
    How, HttpVersion, OpaqueData, Opened, Outcome, Request, RequestTarget, Response, Tally, Timings, Verdict,
    WebSocketKind, WebSocketMessage,
};
use sidelight_model::time::Timestamp;

const ANSWERS: &str = include_str!("filter_mitmproxy/answers.json");

/// One of the flows that mitmproxy was asked about, as sidelight would record it.
struct Flow {
    name: String,
    conn: ConnectionRecord,
    exchange: Option<Exchange>,
    messages: Vec<Decoded>,
    bodies: Contents,
}

struct Contents(Vec<u8>, Vec<u8>);

impl Bodies for Contents {
    fn request(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }

    fn response(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.1)
    }
}

impl Flow {
    fn is_selected(&self, filter: &Filter) -> bool {
        filter.matches(&FlowView {
            id: None,
            conn: &self.conn,
            exchange: self.exchange.as_ref(),
            messages: &self.messages,
            findings: &[],
            bodies: &self.bodies,
            now: Timestamp(9),
        })
    }
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_default().to_owned()
}

fn headers(value: &Value) -> Vec<Header> {
    let pairs = value.as_array().unwrap().iter();
    pairs.map(|pair| Header::new(pair[0].as_str().unwrap(), pair[1].as_str().unwrap())).collect()
}

fn connection(flow: &Value) -> ConnectionRecord {
    let mut record = ConnectionRecord::new(ConnId(1), Timestamp(1));
    let port = |end: &Value| u16::try_from(end[1].as_u64().unwrap()).unwrap();
    let client = SocketAddr::new(flow["src"][0].as_str().unwrap().parse().unwrap(), port(&flow["src"]));
    let opened = Opened { client, local: "127.0.0.1:8080".parse().unwrap(), mode: "explicit".into() };
    let host = Host::parse(flow["dst"][0].as_str().unwrap()).unwrap();
    let tally = Tally { bytes: 6, lost: 0 };
    for kind in [
        EventKind::Opened(opened),
        EventKind::Target(Authority { host, port: port(&flow["dst"]) }),
        EventKind::Decided(Decision { verdict: Verdict::Plain, because: String::new() }),
        EventKind::Closed(Closed { to_server: tally, to_client: tally, how: How::Clean }),
    ] {
        record.learn(Timestamp(2), &kind);
    }
    record
}

fn body(content: &[u8]) -> Body {
    let length = content.len() as u64;
    Body { length, kept: Bytes::copy_from_slice(content), sha256: None, wire_length: length }
}

fn exchange(flow: &Value, contents: &Contents) -> Exchange {
    let request = Request {
        method: Bytes::from(text(flow, "method")),
        target: RequestTarget {
            raw: Bytes::from(text(flow, "path")),
            scheme: Some(text(flow, "scheme")),
            authority: Some(text(flow, "authority")),
        },
        headers: headers(&flow["request_headers"]),
        trailers: Vec::new(),
        body: body(&contents.0),
    };
    let response = flow["status"].as_u64().map(|status| Response {
        status: u16::try_from(status).unwrap(),
        reason: Bytes::new(),
        headers: headers(&flow["response_headers"]),
        trailers: Vec::new(),
        body: body(&contents.1),
    });
    let outcome = match flow["error"].as_str() {
        Some(words) => Outcome::Cut(words.to_owned()),
        None if flow["messages"].is_array() => Outcome::Upgraded("websocket".into()),
        None => Outcome::Complete,
    };
    Exchange {
        conn: ConnId(1),
        stream: 1,
        version: HttpVersion::Http11,
        request: Some(request),
        interim: Vec::new(),
        response,
        timings: Timings::default(),
        outcome,
        anomalies: Vec::new(),
        grpc: None,
        pushed: false,
    }
}

fn messages(flow: &Value, is_http: bool) -> Vec<Decoded> {
    let Some(messages) = flow["messages"].as_array() else { return Vec::new() };
    let parts = messages.iter().map(|message| {
        let direction = if message[0].as_bool().unwrap() { Direction::ToServer } else { Direction::ToClient };
        (direction, Bytes::from(message[1].as_str().unwrap().to_owned()))
    });
    if is_http {
        let made = parts.map(|(direction, kept)| WebSocketMessage {
            stream: 1,
            direction,
            at: Timestamp(2),
            kind: WebSocketKind::Text,
            length: kept.len() as u64,
            kept,
            frames: 1,
            compressed: false,
        });
        return made.map(Decoded::WebSocket).collect();
    }
    let parts: Vec<_> = parts.collect();
    let first = |wanted| parts.iter().find(|(direction, _)| *direction == wanted).unwrap().1.clone();
    vec![Decoded::Opaque(OpaqueData {
        looks_like: None,
        first_to_server: first(Direction::ToServer),
        first_to_client: first(Direction::ToClient),
        to_server: 6,
        to_client: 7,
        ended: true,
    })]
}

fn flows(answers: &Value) -> Vec<Flow> {
    let flows = answers["flows"].as_array().unwrap().iter();
    flows
        .map(|flow| {
            let is_http = flow["kind"] == "http";
            let response = text(flow, "response_body");
            let response = if flow["latin1"] == true {
                response.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
            } else {
                response.into_bytes()
            };
            let bodies = Contents(text(flow, "request_body").into_bytes(), response);
            Flow {
                name: text(flow, "name"),
                conn: connection(flow),
                exchange: is_http.then(|| exchange(flow, &bodies)),
                messages: messages(flow, is_http),
                bodies,
            }
        })
        .collect()
}

fn selected(filter: &str, flows: &[Flow]) -> Option<Vec<String>> {
    let filter = Filter::parse(filter).ok()?;
    Some(flows.iter().filter(|flow| flow.is_selected(&filter)).map(|flow| flow.name.clone()).collect())
}

/// A filter and the names of the flows that it selects.
fn pairs<'a>(answers: &'a Value, of: &str) -> Vec<(&'a str, Option<Vec<String>>)> {
    let names = |value: &Value| {
        let names = value.as_array()?.iter();
        Some(names.map(|name| name.as_str().unwrap().to_owned()).collect())
    };
    answers[of].as_array().unwrap().iter().map(|pair| (pair[0].as_str().unwrap(), names(&pair[1]))).collect()
}

#[test]
fn filters_select_what_mitmproxy_selects() {
    let answers: Value = serde_json::from_str(ANSWERS).unwrap();
    let flows = flows(&answers);
    let same = pairs(&answers, "same");
    assert!(same.len() >= 100, "only {} filters are compared", same.len());
    for (filter, theirs) in same {
        assert_eq!(selected(filter, &flows), theirs, "{filter}");
    }
    for (filter, _) in pairs(&answers, "refused") {
        assert_eq!(selected(filter, &flows), None, "{filter}");
    }
}

#[test]
fn differences_are_those_of_the_document() {
    let answers: Value = serde_json::from_str(ANSWERS).unwrap();
    let flows = flows(&answers);
    let ours: [(&str, Option<&[&str]>); 14] = [
        ("(~q)", Some(&["waiting", "broken"])),
        ("~q|~tcp", Some(&["waiting", "broken", "redis"])),
        ("~m GET& ~c 200", Some(&["manifest", "page", "style", "image"])),
        ("~m GET| ~m PUT", Some(&["manifest", "challenge", "page", "style", "image", "broken", "chat"])),
        ("a &", None),
        ("& a", None),
        ("!", None),
        ("(~d registry ~c 401)", Some(&["challenge"])),
        (r#"~u "\d\.\d""#, Some(&["manifest"])),
        (r#"~u "a\(b\)""#, Some(&["style"])),
        ("~c 4xx", Some(&["challenge"])),
        ("~c >= 400", Some(&["challenge"])),
        ("~d cache", Some(&["redis"])),
        ("v2(401)", None),
    ];
    let mut differ = pairs(&answers, "different");
    let (last, _) = differ.pop().unwrap();
    assert_eq!(selected(last, &flows).unwrap(), ["manifest"], "{last}");
    assert_eq!(differ.len(), ours.len());
    for ((filter, theirs), (asked, expected)) in differ.into_iter().zip(ours) {
        let expected = expected.map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(filter, asked);
        assert_eq!(selected(filter, &flows), expected, "{filter}");
        assert_ne!(expected, theirs, "{filter} is no difference");
    }
}
