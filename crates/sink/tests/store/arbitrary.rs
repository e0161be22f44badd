//! Any connection, exchange, message and finding. In: nothing. Out: strategies.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use sidelight_model::finding::{Cause, Finding, Party};
use sidelight_model::flow::*;
use sidelight_model::time::Timestamp;

pub(crate) fn octets(most: usize) -> impl Strategy<Value = Bytes> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..most.min(200)).prop_map(Bytes::from),
        1 => (any::<u8>(), 0..most).prop_map(|(byte, length)| Bytes::from(vec![byte; length])),
    ]
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z ]{0,12}", any::<String>()]
}

fn moment() -> impl Strategy<Value = Timestamp> {
    prop_oneof![8 => 1_700_000_000_000_000i64..1_800_000_000_000_000, 1 => any::<i64>()].prop_map(Timestamp)
}

fn address() -> impl Strategy<Value = SocketAddr> {
    prop_oneof![
        (any::<u32>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::from((Ipv4Addr::from(ip), port))),
        (any::<u128>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::from((Ipv6Addr::from(ip), port))),
    ]
}

fn authority() -> impl Strategy<Value = Authority> {
    let host = prop_oneof![
        "[a-c]{1,3}\\.test".prop_map(Host::Name),
        any::<u32>().prop_map(|ip| Host::Ip(Ipv4Addr::from(ip).into())),
        any::<u128>().prop_map(|ip| Host::Ip(Ipv6Addr::from(ip).into())),
    ];
    (host, 1..=u16::MAX).prop_map(|(host, port)| Authority { host, port })
}

fn header() -> BoxedStrategy<Header> {
    let name = prop_oneof![
        3 => "[A-Za-z-]{1,10}".prop_map(Bytes::from),
        2 => Just(Bytes::from_static(b"Content-Type")),
        1 => octets(20),
    ];
    let value = prop_oneof![
        2 => Just(Bytes::from_static(b"application/json; charset=utf-8")),
        2 => Just(Bytes::from_static(b"Text/HTML")),
        3 => octets(40),
    ];
    (name, value).prop_map(|(name, value)| Header { name, value }).boxed()
}

fn headers() -> impl Strategy<Value = Vec<Header>> {
    vec(header(), 0..5)
}

fn body() -> BoxedStrategy<Body> {
    let kept = prop_oneof![3 => octets(2_000), 1 => octets(200_000)];
    (kept, 0..3u64, of(any::<[u8; 32]>()), any::<u32>(), prop::bool::weighted(0.1))
        .prop_map(|(kept, more, sha256, wire, huge)| {
            let length = if huge { u64::MAX } else { kept.len() as u64 + more * 1000 };
            Body { length, kept, sha256, wire_length: u64::from(wire) }
        })
        .boxed()
}

fn request() -> BoxedStrategy<Request> {
    let method = prop_oneof!["GET|POST|CONNECT".prop_map(Bytes::from), octets(12)];
    let raw = prop_oneof![
        4 => "/(v2|api)/[a-z]{0,8}".prop_map(Bytes::from),
        1 => Just(Bytes::from_static(b"*")),
        1 => Just(Bytes::from_static(b"http://abs.test/x")),
        1 => octets(40),
    ];
    let said = prop_oneof![
        3 => authority().prop_map(|it| it.to_string()),
        1 => "[a-c]{1,3}\\.test",
        1 => any::<String>(),
    ];
    let target = (raw, of(prop_oneof!["https?", "[a-zA-Z]{0,4}"]), of(said))
        .prop_map(|(raw, scheme, authority)| RequestTarget { raw, scheme, authority });
    (method, target, headers(), headers(), body())
        .prop_map(|(method, target, headers, trailers, body)| Request { method, target, headers, trailers, body })
        .boxed()
}

fn response() -> BoxedStrategy<Response> {
    (prop_oneof![100..600u16, any::<u16>()], octets(20), headers(), headers(), body())
        .prop_map(|(status, reason, headers, trailers, body)| Response { status, reason, headers, trailers, body })
        .boxed()
}

fn anomaly() -> impl Strategy<Value = Anomaly> {
    (prop::sample::select(AnomalyKind::ALL), words(), of(any::<u64>())).prop_map(|(kind, detail, offset)| Anomaly {
        kind,
        detail,
        offset,
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Complete),
        1 => prop_oneof![Just("websocket".to_owned()), words()].prop_map(Outcome::Upgraded),
        1 => words().prop_map(Outcome::Cut),
        1 => words().prop_map(Outcome::Undecodable),
    ]
}

pub(crate) fn exchange() -> BoxedStrategy<Exchange> {
    let version = prop::sample::select(&[HttpVersion::Http10, HttpVersion::Http11, HttpVersion::Http2][..]);
    let timings = (moment(), of(moment()), of(moment()), of(moment())).prop_map(
        |(request_start, request_end, response_start, end)| Timings { request_start, request_end, response_start, end },
    );
    let interim = (100..200u16, headers(), moment()).prop_map(|(status, headers, at)| Interim { status, headers, at });
    let grpc = (any::<u64>(), any::<u64>(), of(any::<u32>()), of(words()))
        .prop_map(|(requests, responses, status, message)| Grpc { requests, responses, status, message });
    (
        (0..4u64, version, of(request()), vec(interim, 0..2), of(response())),
        (timings, outcome(), vec(anomaly(), 0..2), of(grpc), any::<bool>()),
    )
        .prop_map(|((stream, version, request, interim, response), (timings, outcome, anomalies, grpc, pushed))| {
            Exchange {
                conn: ConnId(0),
                stream,
                version,
                request,
                interim,
                response,
                timings,
                outcome,
                anomalies,
                grpc,
                pushed,
            }
        })
        .boxed()
}

pub(crate) fn message() -> BoxedStrategy<Decoded> {
    let direction = || prop_oneof![Just(Direction::ToServer), Just(Direction::ToClient)];
    let kind = prop_oneof![
        Just(WebSocketKind::Text),
        Just(WebSocketKind::Binary),
        Just(WebSocketKind::Ping),
        Just(WebSocketKind::Pong),
        (of(any::<u16>()), words()).prop_map(|(code, reason)| WebSocketKind::Close(code, reason)),
    ];
    prop_oneof![
        (0..4u64, direction(), moment(), kind, any::<u64>(), octets(1000), any::<u32>(), any::<bool>()).prop_map(
            |(stream, direction, at, kind, length, kept, frames, compressed)| {
                Decoded::WebSocket(WebSocketMessage { stream, direction, at, kind, length, kept, frames, compressed })
            }
        ),
        (0..4u64, direction(), moment(), any::<u64>(), octets(1000), any::<bool>()).prop_map(
            |(stream, direction, at, length, kept, compressed)| {
                Decoded::Grpc(GrpcMessage { stream, direction, at, length, kept, compressed })
            }
        ),
        (0..4u64, moment(), words(), words(), words()).prop_map(|(stream, at, event, id, data)| {
            Decoded::ServerSent(ServerSentEvent { stream, at, event, id, data })
        }),
        (of(words()), octets(300), octets(300), any::<u64>(), any::<u64>(), any::<bool>()).prop_map(
            |(looks_like, first_to_server, first_to_client, to_server, to_client, ended)| {
                Decoded::Opaque(OpaqueData {
                    looks_like,
                    first_to_server,
                    first_to_client,
                    to_server,
                    to_client,
                    ended,
                })
            }
        ),
        (direction(), words()).prop_map(|(direction, words)| Decoded::Stopped(direction, words)),
        (direction(), anomaly()).prop_map(|(direction, anomaly)| Decoded::Anomaly(direction, anomaly)),
    ]
    .boxed()
}

pub(crate) fn finding() -> BoxedStrategy<Finding> {
    (
        prop::sample::select(Cause::ALL),
        prop::sample::select(Party::ALL),
        words(),
        vec((words(), words(), words()), 1..3),
        vec((words(), words()), 0..2),
        vec(words(), 0..2),
    )
        .prop_map(|(cause, party, summary, evidence, fixes, warnings)| {
            let mut evidence = evidence.into_iter();
            let (what, place, value) = evidence.next().unwrap();
            let mut finding = Finding::new(cause, summary, what, place, value).blaming(party);
            for (what, place, value) in evidence {
                finding = finding.with_evidence(what, place, value);
            }
            for (action, how) in fixes {
                finding = finding.with_fix(action, how);
            }
            warnings.into_iter().fold(finding, Finding::with_warning)
        })
        .boxed()
}

fn hello() -> BoxedStrategy<Arc<Hello>> {
    (of("[a-c]\\.test"), vec(vec(any::<u8>(), 0..5), 0..3), vec(any::<u16>(), 0..3), words(), words(), words())
        .prop_map(|(sni, alpn, versions, ja3, ja3_text, ja4)| {
            Arc::new(Hello { sni, alpn, versions, ja3, ja3_text, ja4 })
        })
        .boxed()
}

/// A certificate in DER, or something else.
fn certificate() -> BoxedStrategy<Vec<u8>> {
    const FILE: &[u8] = include_bytes!("../../../../fuzz/corpus/certificate/sound");
    let length = 2 + usize::from(u16::from_be_bytes([FILE[0], FILE[1]]));
    prop_oneof![Just(FILE[2..length].to_vec()), vec(any::<u8>(), 0..30)].boxed()
}

fn side() -> BoxedStrategy<Arc<TlsSide>> {
    let verified = of(prop_oneof![Just(Ok(())), words().prop_map(Err)]);
    let alpn = of(prop_oneof![Just(b"h2".to_vec()), vec(any::<u8>(), 0..5)]);
    (
        (prop_oneof![0x301..0x305u16, any::<u16>()], words(), of(words()), alpn),
        (of("[a-c]\\.test"), of(hello()), any::<bool>(), vec(certificate(), 0..3), verified),
    )
        .prop_map(|((version, cipher, group, alpn), (sni, hello, resumed, chain, verified))| {
            Arc::new(TlsSide {
                version: TlsVersion(version),
                cipher,
                group,
                alpn,
                sni,
                hello,
                resumed,
                chain,
                verified,
            })
        })
        .boxed()
}

fn closed() -> BoxedStrategy<(Timestamp, Closed)> {
    let how = prop_oneof![
        Just(How::Clean),
        Just(How::Failed),
        words().prop_map(How::ClientCut),
        words().prop_map(How::ServerCut),
        words().prop_map(How::Ended),
    ];
    let tally = || (any::<u64>(), any::<u64>()).prop_map(|(bytes, lost)| Tally { bytes, lost });
    (moment(), tally(), tally(), how)
        .prop_map(|(at, to_server, to_client, how)| (at, Closed { to_server, to_client, how }))
        .boxed()
}

/// Anything that may be known of a connection, but its number.
pub(crate) fn record() -> BoxedStrategy<ConnectionRecord> {
    let opened = (address(), address(), prop_oneof!["explicit|socks5", words()])
        .prop_map(|(client, local, mode)| Opened { client, local, mode: mode.into() });
    let process = (any::<u32>(), words(), of(words()), of("[0-9a-f]{64}"))
        .prop_map(|(pid, name, exe, container)| Process { pid, name, exe, container });
    let verdict =
        prop_oneof![Just(Verdict::Intercept), Just(Verdict::Plain), Just(Verdict::Relay), Just(Verdict::Refuse)];
    let decision = (verdict, words()).prop_map(|(verdict, because)| Decision { verdict, because });
    (
        (moment(), moment(), of(opened), of(process), of(authority()), vec(authority(), 0..3), of(address())),
        (of(decision), of(hello()), of(side()), of(side()), of(finding()), any::<u32>(), any::<u64>(), of(closed())),
    )
        .prop_map(
            |(
                (since, latest, opened, process, target, former_targets, upstream),
                (decision, hello, server_tls, client_tls, finding, findings, exchanges, closed),
            )| ConnectionRecord {
                id: ConnId(0),
                since,
                latest,
                opened,
                process,
                target,
                former_targets,
                upstream,
                decision,
                hello,
                server_tls,
                client_tls,
                finding: finding.map(Box::new),
                findings,
                exchanges,
                closed,
            },
        )
        .boxed()
}
