//! Exchanges written as bytes and decoded again are the same exchanges, as far as they can be.

use proptest::prelude::*;
use sidelight_model::flow::{
    AnomalyKind, Body, ConnId, Decoded, Direction, Exchange, Header, HttpVersion, Interim, Outcome, Request,
    RequestTarget, Response, Timings, WebSocketKind, WebSocketMessage,
};
use sidelight_model::time::Timestamp;
use sidelight_wire::encode::{self, Encoder, Piece, Turn};
use sidelight_wire::flow_decoder::{FlowDecoder, Limits};

/// Bytes of a body that are kept.
const KEPT: usize = 300;

fn decode(turns: &[Turn], alpn: Option<&[u8]>) -> Vec<Decoded> {
    let mut decoder = FlowDecoder::new(ConnId(3), Limits { body_kept: KEPT, head: 256 * 1024, hash_bodies: false });
    let mut out = Vec::new();
    decoder.agreed(alpn);
    let mut last = Timestamp(0);
    for turn in turns {
        last = turn.at;
        for piece in &turn.pieces {
            match piece {
                Piece::Bytes(bytes) => decoder.data(turn.direction, turn.at, bytes, &mut out),
                Piece::Unseen(bytes) => decoder.lost(turn.direction, turn.at, *bytes, &mut out),
            }
        }
    }
    decoder.half_closed(Direction::ToServer, last, &mut out);
    decoder.half_closed(Direction::ToClient, last, &mut out);
    decoder.closed(last, &mut out);
    out
}

/// Writes all exchanges, with their turns in the order of their times.
fn encoded(exchanges: &[Exchange]) -> Vec<Turn> {
    let mut encoder = Encoder::new();
    let mut turns: Vec<Turn> = exchanges.iter().flat_map(|exchange| encoder.exchange(exchange)).collect();
    turns.sort_by_key(|turn| turn.at);
    turns
}

/// What bytes can hold of an exchange.
fn essence(exchange: &Exchange) -> Exchange {
    let mut exchange = exchange.clone();
    let bodies = [exchange.request.as_mut().map(|it| &mut it.body), exchange.response.as_mut().map(|it| &mut it.body)];
    for body in bodies.into_iter().flatten() {
        body.wire_length = 0;
        body.sha256 = None;
    }
    let Timings { request_start, response_start, .. } = exchange.timings;
    exchange.timings = Timings { request_start, response_start, ..Timings::default() };
    exchange.anomalies.retain(|anomaly| anomaly.kind != AnomalyKind::Gap);
    if let Outcome::Cut(_) = exchange.outcome {
        exchange.outcome = Outcome::Cut(String::new());
    }
    exchange
}

fn body(content: &[u8]) -> Body {
    let kept = content[..content.len().min(KEPT)].to_vec();
    Body { length: content.len() as u64, kept: kept.into(), sha256: None, wire_length: 0 }
}

/// How a body is framed in HTTP/1.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Length,
    Chunked,
}

fn framed(headers: &mut Vec<Header>, framing: Framing, content: &[u8], version: HttpVersion) {
    match (version, framing) {
        (HttpVersion::Http2, Framing::Chunked) => {}
        (_, Framing::Length) => headers.push(Header::new("content-length", content.len().to_string())),
        (_, Framing::Chunked) => headers.push(Header::new("Transfer-Encoding", "gzip, chunked")),
    }
}

fn header() -> impl Strategy<Value = Header> {
    ("x-[a-z0-9]{1,20}", "[!-~][ -~]{0,150}").prop_map(|(name, value)| Header::new(name, value.trim_end()))
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => Just(Vec::new()),
        5 => prop::collection::vec(any::<u8>(), 1..KEPT),
        2 => (KEPT..20_000).prop_map(|length| vec![b'x'; length]),
    ]
}

prop_compose! {
    fn exchange(version: HttpVersion)(
        method in prop_oneof![Just("GET"), Just("POST"), Just("HEAD"), Just("PURGE")],
        path in "/[a-z/]{0,300}",
        fields in prop::collection::vec(header(), 0..6),
        sent in content(),
        sent_framing in prop_oneof![Just(Framing::Length), Just(Framing::Chunked)],
        interim in prop::collection::vec((prop_oneof![Just(100_u16), Just(103)], prop::collection::vec(header(), 0..2)), 0..3),
        status in prop_oneof![Just(200_u16), Just(404), Just(204), Just(304)],
        reason in "[A-Za-z ]{0,10}",
        answer_fields in prop_oneof![
            9 => prop::collection::vec(header(), 0..6),
            1 => header().prop_map(|header| vec![header; 400]),
        ],
        answer in content(),
        answer_framing in prop_oneof![Just(Framing::Length), Just(Framing::Chunked)],
        trailers in prop::collection::vec(header(), 0..3),
        steps in prop::array::uniform4(1_i64..1000),
    ) -> Exchange {
        let http2 = version == HttpVersion::Http2;
        let empty = method == "HEAD" || status == 204 || status == 304;
        let answer = if empty { Vec::new() } else { answer };
        let mut headers = fields;
        if !http2 {
            headers.insert(0, Header::new("Host", "a.test"));
        }
        if !sent.is_empty() {
            framed(&mut headers, sent_framing, &sent, version);
        }
        let mut answer_headers = answer_fields;
        if !empty {
            framed(&mut answer_headers, answer_framing, &answer, version);
        }
        let with_trailers = !empty && (http2 || matches!(answer_framing, Framing::Chunked));
        let at = |n: usize| Timestamp(steps[..=n].iter().sum());
        let interim: Vec<_> = interim.into_iter().map(|(status, headers)| Interim { status, headers, at: at(1) }).collect();
        Exchange {
            conn: ConnId(3),
            stream: 1,
            version,
            request: Some(Request {
                method: method.as_bytes().into(),
                target: RequestTarget {
                    raw: path.into_bytes().into(),
                    scheme: http2.then(|| "https".to_owned()),
                    authority: Some("a.test".to_owned()),
                },
                headers,
                trailers: Vec::new(),
                body: body(&sent),
            }),
            interim,
            response: Some(Response {
                status,
                reason: if http2 { Vec::new().into() } else { reason.trim().as_bytes().to_vec().into() },
                headers: answer_headers,
                trailers: if with_trailers { trailers } else { Vec::new() },
                body: body(&answer),
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
}

fn found(decoded: Vec<Decoded>) -> (Vec<Exchange>, Vec<Decoded>) {
    let mut exchanges = Vec::new();
    let mut others = Vec::new();
    for decoded in decoded {
        match decoded {
            Decoded::Exchange(exchange) => exchanges.push(essence(&exchange)),
            other => others.push(other),
        }
    }
    exchanges.sort_by_key(|exchange| exchange.stream);
    (exchanges, others)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn http1_comes_back(mut exchanges in prop::collection::vec(exchange(HttpVersion::Http11), 1..4)) {
        for (n, exchange) in exchanges.iter_mut().enumerate() {
            shift(exchange, n as u64 + 1, n as i64 * 10_000);
        }
        let (again, others) = found(decode(&encoded(&exchanges), None));
        prop_assert_eq!(again, exchanges.iter().map(essence).collect::<Vec<_>>());
        prop_assert_eq!(others, vec![]);
    }

    #[test]
    fn http2_comes_back_however_streams_overlap(mut exchanges in prop::collection::vec(exchange(HttpVersion::Http2), 1..5)) {
        for (n, exchange) in exchanges.iter_mut().enumerate() {
            shift(exchange, n as u64 * 2 + 1, n as i64 * 300);
        }
        exchanges.sort_by_key(|exchange| exchange.timings.request_start);
        for (n, exchange) in exchanges.iter_mut().enumerate() {
            exchange.stream = n as u64 * 2 + 1;
        }
        let (again, others) = found(decode(&encoded(&exchanges), Some(b"h2")));
        prop_assert_eq!(again, exchanges.iter().map(essence).collect::<Vec<_>>());
        prop_assert_eq!(others, vec![]);
    }

    #[test]
    fn websocket_comes_back(
        messages in prop::collection::vec((any::<bool>(), 0_u8..4, prop::collection::vec(any::<u8>(), 0..KEPT), 1_u32..4), 0..8),
        http2 in any::<bool>(),
    ) {
        let upgrade = upgrade(http2);
        let messages: Vec<_> = messages.into_iter().enumerate().map(|(n, (client, kind, content, frames))| {
            let (kind, content, frames) = match kind {
                0 => (WebSocketKind::Text, content.iter().map(|byte| byte & 0x7f).collect(), frames),
                1 => (WebSocketKind::Binary, content, frames),
                2 => (WebSocketKind::Ping, content[..content.len().min(125)].to_vec(), 1),
                _ => (WebSocketKind::Pong, content[..content.len().min(125)].to_vec(), 1),
            };
            WebSocketMessage {
                stream: 1,
                direction: if client { Direction::ToServer } else { Direction::ToClient },
                at: Timestamp(100 + n as i64),
                kind,
                length: content.len() as u64,
                kept: content.into(),
                frames,
                compressed: false,
            }
        }).collect();
        let mut encoder = Encoder::new();
        let mut turns = encoder.exchange(&upgrade);
        for message in &messages {
            turns.extend(encoder.message(&Decoded::WebSocket(message.clone()), Timestamp(0)));
        }
        let (again, others) = found(decode(&turns, http2.then_some(b"h2")));
        prop_assert_eq!(again, vec![essence(&upgrade)]);
        prop_assert_eq!(others, messages.into_iter().map(Decoded::WebSocket).collect::<Vec<_>>());
    }
}

/// Gives an exchange its number, and moves it in time.
fn shift(exchange: &mut Exchange, stream: u64, by: i64) {
    exchange.stream = stream;
    let times = &mut exchange.timings;
    times.request_start.0 += by;
    for time in [&mut times.request_end, &mut times.response_start, &mut times.end].into_iter().flatten() {
        time.0 += by;
    }
    exchange.interim.iter_mut().for_each(|interim| interim.at.0 += by);
}

fn upgrade(http2: bool) -> Exchange {
    let headers = if http2 {
        vec![Header::new("sec-websocket-version", "13")]
    } else {
        vec![Header::new("Host", "a.test"), Header::new("Upgrade", "websocket"), Header::new("Connection", "Upgrade")]
    };
    let answer = if http2 { Vec::new() } else { vec![Header::new("Upgrade", "websocket")] };
    Exchange {
        conn: ConnId(3),
        stream: 1,
        version: if http2 { HttpVersion::Http2 } else { HttpVersion::Http11 },
        request: Some(Request {
            method: if http2 { "CONNECT" } else { "GET" }.into(),
            target: RequestTarget {
                raw: "/ws".into(),
                scheme: http2.then(|| "https".to_owned()),
                authority: Some("a.test".to_owned()),
            },
            headers,
            trailers: Vec::new(),
            body: Body::default(),
        }),
        interim: Vec::new(),
        response: Some(Response {
            status: if http2 { 200 } else { 101 },
            reason: if http2 { "" } else { "Switching Protocols" }.into(),
            headers: answer,
            trailers: Vec::new(),
            body: Body::default(),
        }),
        timings: Timings {
            request_start: Timestamp(1),
            request_end: None,
            response_start: Some(Timestamp(2)),
            end: Some(Timestamp(2)),
        },
        outcome: Outcome::Upgraded("websocket".into()),
        anomalies: Vec::new(),
        grpc: None,
        pushed: false,
    }
}

#[test]
fn pushed_cut_and_late_streams() {
    let base = |stream: u64, at: i64| {
        let mut exchange = upgrade(true);
        exchange.outcome = Outcome::Complete;
        exchange.request.as_mut().unwrap().method = "GET".into();
        exchange.timings.request_end = Some(Timestamp(1));
        shift(&mut exchange, stream, at);
        exchange
    };
    let mut pushed = base(2, 10);
    pushed.pushed = true;
    let mut reset = base(5, 20);
    reset.outcome = Outcome::Cut("client reset the stream (CANCEL)".into());
    reset.response = None;
    reset.timings.response_start = None;
    let mut half = base(7, 30);
    half.outcome = Outcome::Cut("the connection closed after 2 of 9 bytes".into());
    half.response.as_mut().unwrap().body = body(b"ab");
    let late = base(3, 40);
    let exchanges = [base(1, 0), pushed, reset, half, late];
    let (again, others) = found(decode(&encoded(&exchanges), Some(b"h2")));
    let mut wanted: Vec<_> = exchanges.iter().map(essence).collect();
    wanted[4].stream = 9;
    wanted.sort_by_key(|exchange| exchange.stream);
    assert_eq!(again, wanted);
    assert_eq!(others, []);
}

#[test]
fn an_upgrade_to_http2_asks_once() {
    let mut asked = upgrade(false);
    asked.outcome = Outcome::Upgraded("h2c".into());
    asked.request.as_mut().unwrap().headers[1] = Header::new("Upgrade", "h2c");
    asked.response.as_mut().unwrap().headers = vec![Header::new("Upgrade", "h2c")];
    let mut answered = asked.clone();
    (answered.version, answered.outcome) = (HttpVersion::Http2, Outcome::Complete);
    answered.timings.request_end = Some(Timestamp(1));
    let response = answered.response.as_mut().unwrap();
    (response.status, response.reason, response.headers) = (200, "".into(), Vec::new());
    response.body = body(b"hello");
    let exchanges = [asked, answered];
    let mut encoder = Encoder::new();
    let turns: Vec<_> = exchanges.iter().flat_map(|exchange| encoder.exchange(exchange)).collect();
    let (again, others) = found(decode(&turns, None));
    let requests: Vec<_> = again.iter().map(|exchange| exchange.request.clone()).collect();
    assert_eq!(requests, exchanges.iter().map(|exchange| exchange.request.clone()).collect::<Vec<_>>());
    assert_eq!(again[1].response, exchanges[1].response);
    assert_eq!(others, []);
}

#[test]
fn a_message_alone_is_text_and_its_lines_stay_lines() {
    let mut exchange = upgrade(true);
    exchange.request.as_mut().unwrap().headers.push(Header::new("x-odd", "a\r\nInjected: 1"));
    let text = |pieces: Vec<Piece>| {
        let bytes = pieces.into_iter().flat_map(|piece| match piece {
            Piece::Bytes(bytes) => bytes.to_vec(),
            Piece::Unseen(bytes) => format!("[{bytes}]").into_bytes(),
        });
        String::from_utf8(bytes.collect()).unwrap()
    };
    let wanted = "CONNECT /ws HTTP/2\r\nhost: a.test\r\nsec-websocket-version: 13\r\nx-odd: a  Injected: 1\r\n\r\n";
    assert_eq!(text(encode::request(&exchange)), wanted);
    exchange.request.as_mut().unwrap().method = "GET".into();
    exchange.response.as_mut().unwrap().body = Body { length: 9, kept: "ab".into(), ..Body::default() };
    assert_eq!(text(encode::response(&exchange)), "HTTP/2 200 \r\n\r\nab[7]");
}
