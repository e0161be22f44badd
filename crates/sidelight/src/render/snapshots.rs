//! Snapshots of all that is printed, from hand-made records; and the proof that no secret and no control character gets through.

use bytes::Bytes;
use sidelight_model::finding::{Cause, Finding, Party};
use sidelight_model::flow::{
    Anomaly, AnomalyKind, Decoded, Exchange, Grpc, GrpcMessage, How, HttpVersion, Interim, OpaqueData, Outcome,
    ServerSentEvent, Verdict, WebSocketKind, WebSocketMessage,
};
use sidelight_sink::bus::Consumer as _;
use sidelight_sink::jsonl::JsonLines;
use sidelight_sink::ledger::Ledger;
use sidelight_sink::record::ConnectionRecord;
use sidelight_sink::redact::Redactor;
use sidelight_sink::schema::View;
use std::sync::Arc;

use super::fixtures::*;
use super::{Look, Paint, Text};

/// What a consumer of text prints in `tell`.
fn print(look: Look, tell: impl FnOnce(&mut Text<&mut Vec<u8>>)) -> String {
    let mut out = Vec::new();
    tell(&mut Text::new(&mut out, look));
    String::from_utf8(out).unwrap()
}

/// Exchanges of every kind, as at a pull that meets everything.
fn all_kinds() -> Vec<Exchange> {
    let mut challenge = exchange("GET", "/v2/", 401);
    challenge.version = HttpVersion::Http11;
    let pull = exchange(
        "GET",
        "/v2/library/alpine/manifests/sha256:4bcff63911fcb4448bd4fdacec207030997caf25e9bea4045fa6c8c44de311d1",
        200,
    );
    let mut upload = exchange("PATCH", "/v2/library/alpine/blobs/uploads/7c3a", 202);
    request(&mut upload).body = body(&vec![b'x'; 3_400_000]);
    upload.timings.response_start = Some(later(61_000));
    upload.timings.end = Some(later(61_000));
    let token = exchange("GET", "/token?service=registry.test&access_token=marked", 307);
    let mut upgraded = exchange("GET", "/chat", 101);
    upgraded.version = HttpVersion::Http11;
    upgraded.outcome = Outcome::Upgraded("websocket".into());
    let mut cut = exchange("GET", "/big", 200);
    cut.response = None;
    cut.timings.response_start = None;
    cut.outcome = Outcome::Cut("the client reset the stream (CANCEL)".into());
    let mut grpc = exchange("POST", "/greet.Greeter/Hello", 200);
    grpc.grpc = Some(Grpc { requests: 1, responses: 3, status: Some(5), message: Some("no such greeter".into()) });
    let mut odd = exchange("POST", "/smuggle", 500);
    odd.anomalies.push(Anomaly { kind: AnomalyKind::ConflictingLengths, detail: "5, 6".into(), offset: Some(31) });
    odd.outcome = Outcome::Undecodable("the length of the body is ambiguous".into());
    let mut unseen = exchange("GET", "/", 200);
    unseen.request = None;
    let mut pushed = exchange("GET", "/style.css", 200);
    pushed.pushed = true;
    vec![challenge, pull, upload, token, upgraded, cut, grpc, odd, unseen, pushed]
}

fn print_all(width: Option<usize>) -> String {
    print(look(width, 0), |text| {
        for exchange in &all_kinds() {
            text.exchange(&record(), &Arc::new(exchange.clone()));
        }
        text.exchange(&ended(Verdict::Plain, "", How::Clean), &Arc::new(exchange("GET", "/plain", 204)));
    })
}

#[test]
fn exchanges_at_120_columns() {
    insta::assert_snapshot!(print_all(Some(120)));
}

#[test]
fn exchanges_at_80_columns() {
    insta::assert_snapshot!(print_all(Some(80)));
}

#[test]
fn exchanges_in_a_pipe() {
    insta::assert_snapshot!(print_all(None));
}

#[test]
fn no_line_of_an_exchange_is_wider_than_the_terminal() {
    for width in [80, 100, 109, 110, 120, 200] {
        for line in print_all(Some(width)).lines() {
            assert!(super::escape::columns(line) < width, "{width}: {line}");
        }
    }
}

/// An exchange that has everything that `-v` and `-vv` show.
fn full() -> Exchange {
    let mut full = exchange("POST", "/v2/auth?x=1", 200);
    full.version = HttpVersion::Http11;
    request(&mut full).headers = headers(&[
        ("Host", "registry.test"),
        ("authorization", "Bearer s3cret-marked"),
        ("Content-Type", "application/json"),
    ]);
    request(&mut full).body = body(br#"{"user":"kim","password":"s3cret-marked","n":[1,2.50]}"#);
    full.interim.push(Interim { status: 103, headers: headers(&[("Link", "</a.css>; rel=preload")]), at: later(5) });
    response(&mut full).reason = Bytes::from_static(b"OK");
    response(&mut full).headers = headers(&[
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Set-Cookie", "sid=s3cret-marked; Secure; Path=/"),
        ("X-Odd", "\u{1b}[31mred"),
    ]);
    response(&mut full).body = body(&"a line that goes on\n".repeat(30).into_bytes());
    response(&mut full).trailers = headers(&[("Digest", "sha-256=x")]);
    full
}

#[test]
fn headers_with_v() {
    insta::assert_snapshot!(print(look(Some(100), 1), |text| text.exchange(&record(), &Arc::new(full()))));
}

#[test]
fn bodies_with_vv() {
    let mut image = exchange("GET", "/logo.png", 200);
    response(&mut image).headers = headers(&[("content-type", "image/png")]);
    let png =
        [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &640_u32.to_be_bytes(), &480_u32.to_be_bytes(), &[8; 1_210]].concat();
    response(&mut image).body = body(&png);
    let mut blob = exchange("GET", "/v2/blobs/x", 200);
    response(&mut blob).headers = headers(&[("content-type", "application/octet-stream")]);
    response(&mut blob).body = body(&[0; 70_000]);
    insta::assert_snapshot!(print(look(Some(100), 2), |text| {
        text.exchange(&record(), &Arc::new(full()));
        text.exchange(&record(), &Arc::new(image.clone()));
        text.exchange(&record(), &Arc::new(blob.clone()));
    }));
}

fn websocket(kind: WebSocketKind, content: &'static str, direction: sidelight_model::flow::Direction) -> Decoded {
    Decoded::WebSocket(WebSocketMessage {
        stream: 1,
        direction,
        at: later(70),
        kind,
        length: content.len() as u64,
        kept: Bytes::from_static(content.as_bytes()),
        frames: 1,
        compressed: false,
    })
}

fn streams() -> Vec<Decoded> {
    let event = ServerSentEvent {
        stream: 1,
        at: later(90),
        event: "tick".into(),
        id: "4".into(),
        data: "{\"n\":4,\"token\":\"s3cret-marked\"}".into(),
    };
    vec![
        websocket(WebSocketKind::Text, "hello, password=s3cret-marked", UP),
        websocket(WebSocketKind::Binary, "\u{0}\u{1}", DOWN),
        websocket(WebSocketKind::Ping, "", DOWN),
        websocket(WebSocketKind::Close(Some(1000), "done".into()), "", UP),
        Decoded::ServerSent(event),
        Decoded::Grpc(GrpcMessage {
            stream: 3,
            direction: DOWN,
            at: later(95),
            length: 77,
            kept: Bytes::new(),
            compressed: true,
        }),
        Decoded::Opaque(OpaqueData {
            looks_like: Some("ssh".into()),
            first_to_server: Bytes::from_static(b"SSH-2.0-s3cret-marked"),
            first_to_client: Bytes::from_static(b"SSH-2.0-s3cret-marked"),
            to_server: 1_200,
            to_client: 45_000,
            ended: true,
        }),
        Decoded::Stopped(DOWN, "frame of 9 MB, more than the limit".into()),
        Decoded::Anomaly(
            UP,
            Anomaly { kind: AnomalyKind::BadFrame, detail: "SETTINGS on stream 3".into(), offset: None },
        ),
    ]
}

#[test]
fn what_passes_inside_of_exchanges() {
    for (name, verbose, width) in [("brief", 0, 120), ("with_v", 1, 120), ("with_v_narrow", 1, 80)] {
        let shown = print(look(Some(width), verbose), |text| {
            for decoded in streams() {
                text.decoded(&record(), &decoded);
            }
        });
        insta::assert_snapshot!(format!("what_passes_{name}"), shown);
    }
}

#[test]
fn connections_without_exchanges() {
    insta::assert_snapshot!(print(look(Some(120), 0), |text| {
        text.closed(&ended(Verdict::Relay, "matches --pass vault.example", How::Clean));
        text.closed(&ended(Verdict::Relay, "refused our certificate 12 s ago", How::ServerCut("reset".into())));
        text.closed(&ended(Verdict::Refuse, "from a public address, and --allow-public is not given", How::Failed));
        text.closed(&ended(Verdict::Intercept, "", How::Failed));
        // What exchanges and findings tell is not told again.
        text.closed(&ended(Verdict::Plain, "", How::Clean));
    }));
}

fn refusal() -> Finding {
    Finding::new(
        Cause::TlsIntercepted,
        "curl[18204] refused our certificate for vault.example:8200: it does not know our certificate authority",
        "alert",
        "client",
        "fatal unknown_ca (48)",
    )
    .with_evidence("certificate", "shown to the client", "CN=vault.example\nissued by CN=sidelight 5f1e")
    .with_fix("Let sidelight set the command's trust", "sidelight run -- curl https://vault.example:8200/")
    .with_fix("Or make this machine trust it", "sidelight ca install\n# and later: sidelight ca uninstall")
    .with_warning("the next connections of this client to vault.example are relayed untouched for 10 minutes")
}

#[test]
fn findings() {
    let expired = Finding::new(
        Cause::CertExpired,
        "the certificate of old.example:443 expired on 2026-11-01",
        "certificate",
        "old.example:443",
        "notAfter 2026-11-01T00:00:00Z",
    )
    .blaming(Party::Server);
    for (name, width) in [("findings_wide", 120), ("findings_narrow", 70)] {
        let shown = print(look(Some(width), 0), |text| {
            text.finding(&ended(Verdict::Intercept, "", How::Failed), &refusal());
            text.finding(&record(), &expired);
        });
        insta::assert_snapshot!(name, shown);
    }
}

/// A ledger of every fate.
fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    let mut seen = record();
    seen.exchanges = 14;
    ledger.count(&seen);
    ledger.count(&ended(Verdict::Plain, "", How::Clean));
    ledger.count(&ended(Verdict::Relay, "matches --pass vault.example", How::Clean));
    ledger.count(&ended(Verdict::Refuse, "from a public address", How::Failed));
    for mut refusing in [ended(Verdict::Intercept, "", How::Failed), record()] {
        refusing.client_tls = None;
        refusing.target = Some("pinned.example:443".parse().unwrap());
        refusing.learn(later(9), &sidelight_model::flow::EventKind::Finding(Box::new(refusal())));
        ledger.count(&refusing);
    }
    ledger
}

#[test]
fn the_ledger() {
    let mut full = ledger();
    full.lost = 12_345_678;
    full.undecoded = 1;
    insta::assert_snapshot!(print(look(Some(120), 0), |text| {
        text.end(&full);
        text.end(&Ledger::default());
    }));
}

#[test]
fn quiet_shows_findings_alone() {
    let shown = print(Look { quiet: true, ..look(None, 0) }, |text| {
        text.exchange(&record(), &Arc::new(full()));
        streams().iter().for_each(|decoded| text.decoded(&record(), decoded));
        text.closed(&ended(Verdict::Relay, "x", How::Clean));
        text.end(&ledger());
        text.finding(&record(), &refusal());
    });
    assert!(shown.starts_with("! curl[18204] refused"), "{shown}");
}

#[test]
fn colours_are_an_addition() {
    let tell = |text: &mut Text<&mut Vec<u8>>| {
        text.exchange(&record(), &Arc::new(full()));
        text.finding(&record(), &refusal());
        text.end(&ledger());
    };
    let painted = print(Look { paint: Paint::new(true), ..look(Some(120), 2) }, tell);
    let plain = print(look(Some(120), 2), tell);
    let mut stripped = String::new();
    let mut rest = painted.as_str();
    while let Some(at) = rest.find('\u{1b}') {
        stripped.push_str(&rest[..at]);
        rest = &rest[at + rest[at..].find('m').unwrap() + 1..];
    }
    stripped.push_str(rest);
    assert_ne!(painted, plain);
    assert_eq!(stripped, plain);
}

fn as_json(view: View, tell: impl FnOnce(&mut JsonLines<&mut Vec<u8>>)) -> String {
    let mut out = Vec::new();
    tell(&mut JsonLines::new(&mut out, view));
    String::from_utf8(out).unwrap()
}

#[test]
fn json_lines() {
    let pretty = |text: String| {
        let values = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        values.map(|value| format!("{value:#}\n")).collect::<String>()
    };
    let view = View { bodies: Some(64), ..View::default() };
    insta::assert_snapshot!("json_exchange", pretty(as_json(view, |json| json.exchange(&record(), &Arc::new(full())))));
    insta::assert_snapshot!(
        "json_streams",
        as_json(view, |json| streams().iter().for_each(|decoded| json.decoded(&record(), decoded)))
    );
    insta::assert_snapshot!(
        "json_rest",
        pretty(as_json(View::default(), |json| {
            let relayed = ended(Verdict::Relay, "matches --pass vault.example", How::ServerCut("reset".into()));
            json.finding(&relayed, &refusal());
            json.closed(&relayed);
            json.end(&ledger());
        }))
    );
}

const MARK: &str = "s3cret-marked";

/// An exchange with a secret in every place where one can be.
fn secrets_everywhere() -> Exchange {
    let mut it = full();
    let login = format!("http://kim:{MARK}@registry.test/x?sig={MARK}&token={MARK}#access_token={MARK}");
    request(&mut it).target.raw = Bytes::from(login.clone().into_bytes());
    let basic = data_encoding::BASE64.encode(format!("kim:{MARK}").as_bytes());
    request(&mut it).headers = headers(&[
        ("Authorization", MARK),
        ("proxy-authorization", &format!("Basic {MARK}")),
        ("COOKIE", &format!("a={MARK}; b={MARK}")),
        ("X-Vault-Token", MARK),
        ("Referer", &login),
        ("X-Note", &format!("Bearer {MARK}")),
        ("X-Basic", &format!("Basic {basic}")),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ]);
    request(&mut it).body = body(format!("a=b&client_secret={MARK}&password={MARK}").as_bytes());
    request(&mut it).trailers = headers(&[("X-Api-Key", MARK)]);
    response(&mut it).headers =
        headers(&[("Set-Cookie", &format!("s={MARK}")), ("Location", &login), ("Content-Type", "application/json")]);
    response(&mut it).body = body(
        format!(r#"{{"token":"{MARK}","a":[{{"refreshToken":"{MARK}"}}],"u":"{login}","secret":"{MARK}"#).as_bytes(),
    );
    it.interim.push(Interim { status: 103, headers: headers(&[("Set-Cookie", &format!("s={MARK}"))]), at: later(5) });
    it.anomalies.push(Anomaly { kind: AnomalyKind::BadHead, detail: format!("token={MARK}"), offset: None });
    it.outcome = Outcome::Cut(format!("at {login}"));
    it.grpc = Some(Grpc { message: Some(format!("Bearer {MARK}")), ..Grpc::default() });
    it
}

fn tell_secrets(consumer: &mut dyn sidelight_sink::bus::Consumer) {
    let seen: ConnectionRecord = record();
    consumer.exchange(&seen, &Arc::new(secrets_everywhere()));
    for decoded in streams() {
        consumer.decoded(&seen, &decoded);
    }
    let finding =
        Finding::new(Cause::ProxyDenied, format!("https://kim:{MARK}@p/"), "a", "b", format!("Bearer {MARK}"))
            .with_warning(format!("token={MARK}"));
    consumer.finding(&seen, &finding);
    let mut relayed = ended(Verdict::Relay, &format!("said token={MARK}"), How::ClientCut(format!("token={MARK}")));
    relayed.finding = Some(Box::new(finding));
    consumer.closed(&relayed);
    let mut ledger = Ledger::default();
    ledger.count(&relayed);
    consumer.end(&ledger);
}

#[test]
fn no_secrets() {
    let revealing = |reveal| {
        let redactor = Redactor::new(reveal);
        let text = print(Look { redactor, body_limit: 4096, ..look(None, 2) }, |text| tell_secrets(text));
        let json = as_json(View { redactor, bodies: Some(4096) }, |json| tell_secrets(json));
        [text, json]
    };
    for shown in revealing(false) {
        let basic = data_encoding::BASE64.encode(format!("kim:{MARK}").as_bytes());
        assert!(!shown.contains(MARK) && !shown.contains(&basic), "{shown}");
        assert!(shown.contains(&sidelight_model::redact::fingerprint(MARK.as_bytes())), "{shown}");
    }
    for shown in revealing(true) {
        assert!(shown.matches(MARK).count() > 20, "{shown}");
    }
}

#[test]
fn no_control_characters() {
    let hostile = "\u{1b}[2J\u{7}\u{9b}1m\r\u{202e}";
    let mut it = full();
    request(&mut it).method = Bytes::from_static(b"G\x1bET");
    request(&mut it).target.raw = Bytes::from(format!("/{hostile}"));
    response(&mut it).reason = Bytes::from(hostile.to_owned());
    response(&mut it).headers = headers(&[(hostile, hostile), ("content-type", "text/plain")]);
    response(&mut it).body = body(hostile.as_bytes());
    it.outcome = Outcome::Cut(hostile.to_owned());
    let mut from = record();
    if let Some(process) = &mut from.process {
        process.name = hostile.to_owned();
    }
    let finding = Finding::new(Cause::NotTls, hostile, hostile, hostile, hostile).with_warning(hostile);
    let shown = print(look(Some(100), 2), |text| {
        text.exchange(&from, &Arc::new(it.clone()));
        text.decoded(&from, &Decoded::Stopped(UP, hostile.into()));
        text.decoded(&from, &websocket(WebSocketKind::Close(None, hostile.into()), "", UP));
        text.finding(&from, &finding);
    });
    let bad: Vec<char> = shown.chars().filter(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}').collect();
    assert!(bad.is_empty(), "{bad:?}\n{shown}");
}
