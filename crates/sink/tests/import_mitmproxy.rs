//! Flow files of real releases of mitmproxy. In: fixtures/mitmproxy (one conversation, recorded by each release). Out: the same
//! exchanges, messages and TLS from every one, and as much as there is of a file that was cut.

mod keep;

use std::path::{Path, PathBuf};

use keep::keep;
use sha2::{Digest as _, Sha256};
use sidelight_model::flow::{Decoded, Direction, Exchange, Header, Outcome, Verdict, WebSocketKind};
use sidelight_sink::content::Content;
use sidelight_sink::import::{Format, ImportError, ImportOptions, import, import_bytes};
use sidelight_wire::flow_decoder::Limits;

fn fixture(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/mitmproxy/{version}.flows"))
}

fn options() -> ImportOptions {
    ImportOptions {
        limits: Limits { body_kept: 1 << 20, hash_bodies: true, ..Limits::default() },
        ..Default::default()
    }
}

const RELEASES: [&str; 5] = ["v8", "v9", "v10", "v11", "v12"];

#[test]
fn every_release_gives_what_the_origin_sent() {
    for release in RELEASES {
        let (seen, mut consumers) = keep();
        let report = import(&fixture(release), &options(), &mut consumers).unwrap();
        assert_eq!((report.format, report.damage.as_slice()), (Format::Mitmproxy, &[][..]), "{release}");
        let seen = seen.lock().unwrap();
        let said: Vec<_> = seen.exchanges.iter().map(|(_, it)| line(it)).collect();
        assert_eq!(
            said,
            [
                "HTTP/1.1 GET /hello.json?q=1 200",
                "HTTP/2 GET /hello.json 200",
                "HTTP/2 GET /binary 200",
                "HTTP/1.1 GET /long.txt 200",
                "HTTP/2 POST /posted 201",
                "HTTP/1.1 GET /cut -",
                "HTTP/1.1 GET /chat 101",
            ],
            "{release}"
        );
        let exchange = |n: usize| &seen.exchanges[n].1;
        assert_eq!(exchange(0).request.as_ref().unwrap().method, "GET");
        assert_eq!(Header::find(&exchange(0).request.as_ref().unwrap().headers, "authorization"), Some("Bearer abc"));
        let json = &exchange(0).response.as_ref().unwrap();
        assert_eq!(json.body.kept, &b"{\"hello\": \"world\", \"token\": \"not-a-secret\"}\n"[..]);
        let twice = json.headers.iter().filter(|field| field.is("x-twice")).map(|field| field.value.to_vec());
        assert_eq!(twice.collect::<Vec<_>>(), [b"one", b"two"], "repeated fields stay in order");
        let binary: Vec<u8> = (0..20_000u32).map(|n| (n * 7 % 251) as u8).collect();
        let body = &exchange(2).response.as_ref().unwrap().body;
        assert_eq!((body.length, body.sha256), (20_000, Some(Sha256::digest(&binary).into())));
        assert_eq!(body.kept, binary);
        let long = exchange(3).response.as_ref().unwrap();
        assert!(long.body.length < 500, "kept as it was coded");
        assert_eq!(
            Content::read(&long.headers, &long.body, 1 << 20).text.unwrap(),
            "all work and no play\n".repeat(100)
        );
        assert_eq!(exchange(4).request.as_ref().unwrap().body.kept, &b"{\"a\":1}"[..]);
        assert_eq!(exchange(5).outcome, Outcome::Cut("server closed connection".into()));
        assert_eq!(exchange(6).outcome, Outcome::Upgraded("websocket".into()));
        assert!(exchange(0).timings.end >= exchange(0).timings.response_start, "{release}: times in order");
        assert!(exchange(0).timings.request_start.0 > 1_700_000_000_000_000);
    }
}

fn line(exchange: &Exchange) -> String {
    let request = exchange.request.as_ref().unwrap();
    let status = exchange.response.as_ref().map_or("-".to_owned(), |it| it.status.to_string());
    let path = String::from_utf8_lossy(&request.target.raw);
    format!("{} {} {path} {status}", exchange.version.name(), String::from_utf8_lossy(&request.method))
}

#[test]
fn tls_addresses_and_messages_are_those_of_the_conversation() {
    for release in RELEASES {
        let (seen, mut consumers) = keep();
        let report = import(&fixture(release), &options(), &mut consumers).unwrap();
        let seen = seen.lock().unwrap();
        assert!(seen.ended);
        assert_eq!(seen.opened, seen.closed.len());
        assert_eq!((report.ledger.seen, report.ledger.exchanges), (seen.closed.len() as u64, 7), "{release}");
        let (conn, first) = &seen.exchanges[1];
        let (server, client) = (conn.server_tls.as_ref().unwrap(), conn.client_tls.as_ref().unwrap());
        assert_eq!((server.version.0, server.alpn.as_deref()), (0x0303, Some(&b"h2"[..])), "{release}");
        assert!(server.cipher.starts_with("TLS_ECDHE_ECDSA_WITH_"), "{}", server.cipher);
        assert_eq!(server.chain.len(), 1, "the certificate that nginx showed");
        assert_eq!(client.alpn.as_deref(), Some(&b"h2"[..]));
        assert!(client.hello.as_ref().unwrap().alpn.contains(&b"h2".to_vec()));
        assert_eq!(conn.upstream.unwrap().ip().to_string(), "127.0.0.1");
        assert_eq!(conn.opened.as_ref().unwrap().mode.as_ref(), "mitmproxy");
        let same = &seen.exchanges[2];
        assert_eq!((same.0.id, same.1.stream), (conn.id, first.stream + 1), "both came over one connection");
        let messages: Vec<_> = seen
            .decoded
            .iter()
            .filter_map(|it| if let Decoded::WebSocket(message) = it { Some(message) } else { None })
            .map(|it| (it.direction, it.kind.clone(), it.kept.to_vec()))
            .collect();
        let (to, from) = (Direction::ToServer, Direction::ToClient);
        assert_eq!(messages[0], (to, WebSocketKind::Text, b"hello".to_vec()), "{release}");
        assert_eq!(messages[1], (from, WebSocketKind::Text, b"hello".to_vec()));
        assert_eq!(messages[2], (to, WebSocketKind::Binary, vec![0, 1, 2]));
        assert_eq!(messages[4].1, WebSocketKind::Close(Some(1000), String::new()));
        let ssh = seen.decoded.iter().filter_map(|it| if let Decoded::Opaque(data) = it { Some(data) } else { None });
        let ssh = ssh.last().expect("the TCP flow");
        assert_eq!((ssh.looks_like.as_deref(), ssh.to_server, ssh.to_client, ssh.ended), (Some("ssh"), 16, 19, true));
        let plain = seen.closed.iter().filter(|it| it.decision.as_ref().unwrap().verdict == Verdict::Plain).count();
        assert_eq!(plain, 1, "the TCP conversation alone was no TLS");
    }
}

#[test]
fn a_cut_file_is_read_as_far_as_it_goes() {
    let whole = std::fs::read(fixture("v12")).unwrap();
    let mut counts = Vec::new();
    for end in (1..whole.len()).step_by(whole.len() / 40) {
        let (seen, mut consumers) = keep();
        match import_bytes("cut.flows", &whole[..end], &options(), &mut consumers) {
            Ok(report) => {
                let seen = seen.lock().unwrap();
                assert_eq!(seen.opened, seen.closed.len(), "cut at {end}: what was opened is closed");
                let damage = &report.damage[0];
                assert!(damage.offset < end as u64 && damage.what.contains("the file ends"), "{damage:?}");
                counts.push(seen.exchanges.len());
            }
            Err(ImportError::Malformed { offset: 0, what, .. }) => assert!(what.contains("the file ends"), "{what}"),
            Err(ImportError::Unknown { .. }) => assert!(end < 20),
            Err(other) => panic!("cut at {end}: {other}"),
        }
    }
    assert!(counts.is_sorted() && counts.last() == Some(&7), "{counts:?}");
}

#[test]
fn a_damaged_flow_does_not_hide_the_next_one() {
    let mut bytes = std::fs::read(fixture("v12")).unwrap();
    // Within the first flow: the length of a member becomes too large.
    let at = bytes.windows(10).position(|window| window == b"7:version;").unwrap();
    bytes[at] = b'9';
    let (seen, mut consumers) = keep();
    let report = import_bytes("hurt.flows", &bytes, &options(), &mut consumers).unwrap();
    assert_eq!(seen.lock().unwrap().exchanges.len(), 6);
    assert_eq!(report.damage.len(), 1);
    assert!(report.damage[0].what.contains("is lost"), "{:?}", report.damage);
}

#[test]
fn kinds_that_are_not_kept_and_newer_versions_are_told() {
    let net = |content: &str, kind: char| format!("{}:{content}{kind}", content.len());
    let udp = net(&[net("version", ';'), net("99", '#'), net("type", ';'), net("udp", ';')].concat(), '}');
    let (_, mut consumers) = keep();
    let bytes = udp.repeat(3);
    let report = import_bytes("udp.flows", bytes.as_bytes(), &options(), &mut consumers).unwrap();
    let said: Vec<_> = report.damage.iter().map(|it| it.what.as_str()).collect();
    assert!(said[0].contains("version 99"), "{said:?}");
    assert_eq!(said[1], "3 flows of the kind `udp` were left out");
}
