//! Tests of redacted copies: every place that can hold a secret holds a marked one. In: exchanges and messages. Out: copies
//! without the marks, that are whole messages still.

use sidelight_model::finding::Cause;
use sidelight_model::flow::{Anomaly, AnomalyKind, ConnId, Direction, HttpVersion, Interim, Response, Timings};
use sidelight_model::time::Timestamp;
use sidelight_wire::content_coding;

use super::*;
use crate::content::Content;

const MARK: &str = "mArKeD0123456789";

fn body(bytes: &[u8]) -> Body {
    let length = bytes.len() as u64;
    Body { length, kept: Bytes::copy_from_slice(bytes), sha256: Some([7; 32]), wire_length: length + 5 }
}

fn request(headers: &[(&str, &str)], content: &[u8]) -> Request {
    let mut headers: Vec<Header> = headers.iter().map(|(name, value)| Header::new(name, value)).collect();
    headers.push(Header::new("Content-Length", content.len().to_string()));
    let raw = Bytes::from(format!("/x?a=1&access_token={MARK}"));
    let target = RequestTarget { raw, scheme: None, authority: Some(format!("kim:{MARK}@a.test")) };
    Request { method: Bytes::from("POST"), target, headers, trailers: Vec::new(), body: body(content) }
}

fn whole(request: Option<Request>) -> Exchange {
    let headers = vec![Header::new("Set-Cookie", format!("sid={MARK}; Path=/")), Header::new("X-Odd", b"\xff\xfe")];
    let response = Response {
        status: 200,
        reason: Bytes::from("OK"),
        headers: headers.clone(),
        trailers: vec![Header::new("X-Auth-Token", MARK)],
        body: body(format!(r#"{{"n":1.0,"token":"{MARK}"}}"#).as_bytes()),
    };
    Exchange {
        conn: ConnId(1),
        stream: 1,
        version: HttpVersion::Http11,
        request,
        interim: vec![Interim { status: 103, headers, at: Timestamp(2) }],
        response: Some(response),
        timings: Timings::default(),
        outcome: Outcome::Cut(format!("at Bearer {MARK}")),
        anomalies: vec![Anomaly::new(AnomalyKind::BadHead, format!("token={MARK}"), None)],
        grpc: Some(Grpc { message: Some(format!("password={MARK}")), ..Grpc::default() }),
        pushed: false,
    }
}

/// All bytes of a value as text: `Debug` of bytes escapes none of the mark's characters.
fn shows_mark(value: &impl std::fmt::Debug) -> bool {
    format!("{value:?}").contains(MARK)
}

#[test]
fn no_part_of_an_exchange_keeps_a_secret() {
    let json = format!(r#"{{"refresh_token":"{MARK}","n":[1,2.50]}}"#);
    let found = whole(Some(request(
        &[("Content-Type", "application/json"), ("Cookie", &format!("a={MARK}"))],
        json.as_bytes(),
    )));
    assert!(shows_mark(&found));
    let copy = exchange(Redactor::default(), &found);
    assert!(!shows_mark(&copy), "{copy:?}");
    let sent = copy.request.as_ref().unwrap();
    let length = sent.body.kept.len() as u64;
    assert_eq!((sent.body.length, sent.body.wire_length, sent.body.sha256), (length, length + 5, None));
    assert_eq!(Header::find(&sent.headers, "content-length"), Some(length.to_string().as_str()));
    let value: serde_json::Value = serde_json::from_slice(&sent.body.kept).unwrap();
    assert_eq!(value["refresh_token"], crate::redact::hidden(MARK));
    let target = std::str::from_utf8(&sent.target.raw).unwrap();
    assert!(target.starts_with("/x?a=1&access_token=%E2%80%B9redacted%20sha256:") && target.is_ascii(), "{target}");
    let answer = copy.response.as_ref().unwrap();
    assert_eq!(answer.headers[1].value, Bytes::from_static(b"\xff\xfe"));
    // What is redacted once stays so, and secrets are shown to those who ask for them.
    assert_eq!(exchange(Redactor::default(), &copy), copy);
    assert_eq!(exchange(Redactor::new(true), &found), found);
}

#[test]
fn a_coded_body_is_coded_again() {
    let form = format!("user=kim&password={MARK}&n=%20");
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let coded = content_coding::encode(coding, form.as_bytes()).unwrap();
        let sent =
            request(&[("Content-Type", "application/x-www-form-urlencoded"), ("Content-Encoding", coding)], &coded);
        let copy = exchange(Redactor::default(), &whole(Some(sent))).request.unwrap();
        let text = Content::read(&copy.headers, &copy.body, 1 << 20).text.unwrap();
        assert!(!text.contains(MARK) && text.is_ascii(), "{coding}: {text}");
        assert!(text.starts_with("user=kim&password=%E2%80%B9redacted%20") && text.ends_with("&n=%20"), "{text}");
        assert_eq!(copy.body.length, copy.body.kept.len() as u64);
    }
}

#[test]
fn what_holds_no_secret_stays_byte_for_byte() {
    let latin = b"caf\xe9 and \xff";
    for (media, content) in
        [("text/plain", &latin[..]), ("application/json", b"{\"a\" : 1}"), ("application/grpc", b"\0\0\0\0\x02\x0a\0")]
    {
        let mut found = whole(Some(request(&[("content-type", media)], content)));
        found.response = None;
        let copy = exchange(Redactor::default(), &found);
        let (before, after) = (found.request.unwrap(), copy.request.unwrap());
        assert_eq!((after.body, after.headers), (before.body, before.headers), "{media}");
    }
}

#[test]
fn text_that_is_no_utf8_keeps_its_other_bytes() {
    let content = [b"caf\xe9 token=", MARK.as_bytes(), b" \xff"].concat();
    let copy = exchange(Redactor::default(), &whole(Some(request(&[("content-type", "text/plain")], &content))));
    let kept = copy.request.unwrap().body.kept;
    assert!(kept.starts_with(b"caf\xe9 token=<redacted sha256:") && kept.ends_with(b"> \xff"), "{kept:?}");
}

#[test]
fn a_cut_body_stays_cut_by_as_much() {
    let content = format!(r#"{{"token":"{MARK}"#);
    let mut sent = request(&[("content-type", "application/json")], content.as_bytes());
    sent.body.length += 1000;
    let copy = exchange(Redactor::default(), &whole(Some(sent))).request.unwrap();
    assert_eq!(copy.body.length, copy.body.kept.len() as u64 + 1000);
    assert!(!shows_mark(&copy.body));
}

#[test]
fn messages_and_findings_lose_theirs() {
    let jwt = format!("eyJhbGciOiJFUzI1NiJ9.{MARK}.c2ln");
    let websocket = |kind, kept: &str| {
        Decoded::WebSocket(WebSocketMessage {
            stream: 1,
            direction: Direction::ToServer,
            at: Timestamp(1),
            kind,
            length: kept.len() as u64 + 3,
            kept: Bytes::copy_from_slice(kept.as_bytes()),
            frames: 1,
            compressed: false,
        })
    };
    let grpc = GrpcMessage {
        stream: 1,
        direction: Direction::ToServer,
        at: Timestamp(1),
        length: jwt.len() as u64,
        kept: Bytes::from(jwt.clone()),
        compressed: false,
    };
    let event = ServerSentEvent { stream: 1, at: Timestamp(1), event: "e".into(), id: "i".into(), data: jwt.clone() };
    let opaque = OpaqueData {
        looks_like: Some("redis".into()),
        first_to_server: Bytes::from(format!("AUTH {MARK}")),
        first_to_client: Bytes::from("+OK"),
        to_server: 9,
        to_client: 3,
        ended: true,
    };
    for found in [
        websocket(WebSocketKind::Text, &format!(r#"{{"token":"{MARK}"}}"#)),
        websocket(WebSocketKind::Binary, &jwt),
        websocket(WebSocketKind::Close(Some(1008), format!("password={MARK}")), ""),
        Decoded::Grpc(grpc),
        Decoded::ServerSent(event),
        Decoded::Opaque(opaque),
        Decoded::Stopped(Direction::ToClient, format!("token={MARK}")),
    ] {
        assert!(shows_mark(&found));
        let copy = decoded(Redactor::default(), &found);
        assert!(!shows_mark(&copy), "{copy:?}");
        match copy {
            Decoded::WebSocket(copy) => assert_eq!(copy.length, copy.kept.len() as u64 + 3),
            Decoded::Grpc(copy) => assert_eq!(copy.length, copy.kept.len() as u64),
            Decoded::Opaque(copy) => assert_eq!((copy.to_server, copy.to_client), (9, 3)),
            _ => {}
        }
    }
    let about = Finding::new(Cause::NotTls, format!("token={MARK}"), "bytes", format!("https://u:{MARK}@h/"), MARK)
        .with_evidence("header", "a", format!("Bearer {MARK}"))
        .with_warning(format!("secret={MARK}"));
    let copy = finding(Redactor::default(), &about);
    assert_eq!(format!("{copy:?}").matches(MARK).count(), 1, "only the bare value, which nothing marks: {copy:?}");
    assert_eq!((copy.evidence().len(), copy.cause), (2, Cause::NotTls));
}
