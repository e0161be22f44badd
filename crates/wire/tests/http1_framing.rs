//! Heads and body ends of HTTP/1: tables of messages, and the same result however the bytes are split.

use proptest::prelude::*;
use sidelight_model::flow::{AnomalyKind, Header};
use sidelight_wire::http1::{
    BodyFraming, BodyState, HeadLimits, Progress, RequestHead, ResponseHead, find_head_end, parse_request,
    parse_response,
};

fn request(text: &str) -> RequestHead {
    match parse_request(text.as_bytes(), &HeadLimits::default()) {
        Progress::Complete(head, consumed) => {
            assert_eq!(consumed, text.len());
            head
        }
        other => panic!("{text:?}: {other:?}"),
    }
}

fn response(text: &str) -> ResponseHead {
    match parse_response(text.as_bytes(), &HeadLimits::default()) {
        Progress::Complete(head, _) => head,
        other => panic!("{text:?}: {other:?}"),
    }
}

/// What a body gave.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    content: Vec<u8>,
    consumed: usize,
    state: BodyState,
    trailers: Vec<Header>,
    kinds: Vec<AnomalyKind>,
    ambiguous: bool,
}

fn read_body(mut framing: BodyFraming, pieces: &[&[u8]]) -> Read {
    let (mut content, mut consumed) = (Vec::new(), 0);
    for piece in pieces {
        let step = framing.advance(piece, &mut |bytes: &[u8]| content.extend_from_slice(bytes));
        consumed += step.consumed;
        if step.consumed < piece.len() {
            assert_ne!(step.state, BodyState::Going, "a body that goes on takes all bytes");
            break;
        }
    }
    let trailers = framing.take_trailers();
    let ambiguous = framing.is_ambiguous();
    let kinds = framing.take_anomalies().into_iter().map(|anomaly| anomaly.kind).collect();
    Read { content, consumed, state: framing.state(), trailers, kinds, ambiguous }
}

#[test]
fn a_head_keeps_every_byte() {
    let text = "POST http://a.test/x?y HTTP/1.1\r\nHost: a.test\r\nCookie: 1\r\nX-foo:bar\r\nCOOKIE: 2\r\nProxy-Connection: keep-alive\r\n\r\n";
    let head = request(text);
    assert_eq!(head.raw, text.as_bytes());
    let names: Vec<_> = head.headers.iter().map(|header| header.name.as_ref()).collect();
    assert_eq!(names, [&b"Host"[..], b"Cookie", b"X-foo", b"COOKIE", b"Proxy-Connection"]);
    assert_eq!(head.target.authority.as_deref(), Some("a.test"));
    assert!(head.anomalies.is_empty());
    let sent = head.rewritten(b"/x?y", |header| !header.is("proxy-connection"));
    assert_eq!(sent, b"POST /x?y HTTP/1.1\r\nHost: a.test\r\nCookie: 1\r\nX-foo:bar\r\nCOOKIE: 2\r\n\r\n");
}

#[test]
fn a_head_is_partial_until_its_last_byte() {
    let text = b"\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\nrest";
    let end = text.len() - 4;
    for length in 0..end {
        assert_eq!(parse_request(&text[..length], &HeadLimits::default()), Progress::Partial, "{length}");
        assert_eq!(find_head_end(&text[2..length.max(2)], 0), None, "{length}");
    }
    for from in 0..end - 2 {
        assert_eq!(find_head_end(&text[2..], from), Some(end - 2), "{from}");
    }
    let Progress::Complete(head, consumed) = parse_request(text, &HeadLimits::default()) else { panic!("whole") };
    assert_eq!(consumed, end);
    assert_eq!(head.anomalies[0].kind, AnomalyKind::TrailingBytes);
}

#[test]
fn what_is_not_http_is_said_early() {
    for bytes in [&b"\x16\x03\x01"[..], b"SSH-2.0-x\r\n", b"PRI * HTTP/2.0\r\n\r\n", b"EHLO a.test\r\n", b" GET"] {
        let got = parse_request(bytes, &HeadLimits::default());
        let whole = [bytes, b"\r\n\r\n"].concat();
        let later = parse_request(&whole, &HeadLimits::default());
        assert!(!matches!(got, Progress::Complete(..)) && matches!(later, Progress::NotHttp(_)), "{got:?} {later:?}");
    }
    assert!(matches!(parse_request(b"\x00", &HeadLimits::default()), Progress::NotHttp(_)));
    assert!(matches!(parse_response(b"220 a.test", &HeadLimits::default()), Progress::NotHttp(_)));
}

#[test]
fn limits_hold() {
    let limits = HeadLimits { bytes: 100, fields: 3 };
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n", "x".repeat(100));
    assert!(matches!(parse_request(long.as_bytes(), &limits), Progress::TooLarge(_)));
    let many = "GET / HTTP/1.1\r\na: b\r\na: b\r\na: b\r\na: b\r\n\r\n";
    assert!(matches!(parse_request(many.as_bytes(), &limits), Progress::TooLarge(_)));
}

#[test]
fn bodies_of_requests() {
    use AnomalyKind as K;
    type Case = (&'static str, &'static str, &'static str, usize, &'static [AnomalyKind], bool);
    let cases: &[Case] = &[
        ("", "GET / HTTP/1.1", "", 0, &[], false),
        ("Content-Length: 5\r\n", "hello!", "hello", 5, &[], false),
        ("Content-Length: 5, 5\r\n", "hello!", "hello", 5, &[K::BadContentLength], false),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!", "hello", 5, &[K::ConflictingLengths], true),
        ("Content-Length: +5\r\n", "hello!", "", 0, &[K::BadContentLength], true),
        (
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "1\r\na\r\n0\r\n\r\nx",
            "a",
            11,
            &[K::LengthAndChunked],
            true,
        ),
        ("Transfer-Encoding: gzip, Chunked\r\n", "1\r\na\r\n0\r\n\r\nx", "a", 11, &[], false),
        ("Transfer-Encoding: xchunked\r\n", "1\r\na\r\n0\r\n\r\n", "", 0, &[K::OddTransferEncoding], true),
        ("Transfer-Encoding: chunked, identity\r\n", "x", "", 0, &[K::OddTransferEncoding], true),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "0\r\n\r\n",
            "",
            5,
            &[K::OddTransferEncoding],
            true,
        ),
        ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n", "", 5, &[], true),
        ("X: y\n", "", "", 0, &[], true),
    ];
    for (fields, body, content, consumed, kinds, ambiguous) in cases {
        let head = request(&format!("POST / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"));
        let read = read_body(BodyFraming::for_request(&head), &[body.as_bytes()]);
        assert_eq!(read.content, content.as_bytes(), "{fields}");
        assert_eq!((read.consumed, &read.kinds[..], read.ambiguous), (*consumed, *kinds, *ambiguous), "{fields}");
        assert_eq!(read.state, BodyState::Done, "{fields}");
    }
}

#[test]
fn bodies_of_responses() {
    for (status, method, fields, state) in [
        ("200 OK", "GET", "Content-Length: 3\r\n", BodyState::Going),
        ("200 OK", "HEAD", "Content-Length: 3\r\n", BodyState::Done),
        ("200 OK", "GET", "", BodyState::Going),
        ("200 OK", "GET", "Transfer-Encoding: gzip\r\n", BodyState::Going),
        ("304 Not Modified", "GET", "Content-Length: 3\r\n", BodyState::Done),
        ("204 No Content", "GET", "", BodyState::Done),
        ("100 Continue", "GET", "", BodyState::Done),
        ("200 OK", "CONNECT", "", BodyState::Done),
        ("407 Proxy Authentication Required", "CONNECT", "Content-Length: 3\r\n", BodyState::Going),
    ] {
        let head = response(&format!("HTTP/1.1 {status}\r\n{fields}\r\n"));
        let framing = BodyFraming::for_response(&head, method.as_bytes());
        assert_eq!(framing.state(), state, "{status} {method} {fields}");
    }
    let until_close = BodyFraming::for_response(&response("HTTP/1.0 200 OK\r\n\r\n"), b"GET");
    assert!(until_close.is_until_close());
    assert_eq!(read_body(until_close, &[b"abc", b"def"]).content, b"abcdef");
}

#[test]
fn chunks_in_every_spelling() {
    use AnomalyKind::BadChunk;
    type Case = (&'static str, &'static str, BodyState, usize, &'static [AnomalyKind]);
    let cases: &[Case] = &[
        ("3\r\nabc\r\n0\r\n\r\n", "abc", BodyState::Done, 0, &[]),
        ("3;ext=\"x\";y\r\nabc\r\n0;z\r\n\r\n", "abc", BodyState::Done, 0, &[]),
        ("A\r\n0123456789\r\n000\r\nX: 1\r\nx: 2\r\n\r\n", "0123456789", BodyState::Done, 2, &[]),
        ("3 \r\nabc\r\n0\r\n\r\n", "abc", BodyState::Done, 0, &[BadChunk]),
        ("3\nabc\n0\n\n", "abc", BodyState::Done, 0, &[BadChunk, BadChunk, BadChunk, AnomalyKind::BareLf]),
        ("3\r\nabcd\r\n", "abc", BodyState::Broken, 0, &[BadChunk]),
        ("0x3\r\nabc\r\n", "", BodyState::Broken, 0, &[BadChunk]),
        ("-1\r\n", "", BodyState::Broken, 0, &[BadChunk]),
        ("\r\n", "", BodyState::Broken, 0, &[BadChunk]),
        ("fffffffffffffffff\r\n", "", BodyState::Broken, 0, &[BadChunk]),
        ("3\r\nab", "ab", BodyState::Going, 0, &[]),
    ];
    for (text, content, state, trailers, kinds) in cases {
        let whole = read_body(chunked(), &[text.as_bytes()]);
        assert_eq!(whole.content, content.as_bytes(), "{text:?}");
        assert_eq!((whole.state, whole.trailers.len(), &whole.kinds[..]), (*state, *trailers, *kinds), "{text:?}");
        assert_eq!(whole.ambiguous, !kinds.is_empty(), "{text:?}");
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(read_body(chunked(), &bytes), whole, "{text:?} byte by byte");
    }
}

fn chunked() -> BodyFraming {
    BodyFraming::for_request(&request("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"))
}

#[test]
fn trailers_have_a_limit() {
    let long = format!("0\r\nA: {}\r\n\r\n", "x".repeat(70_000));
    let read = read_body(chunked(), &[long.as_bytes()]);
    assert_eq!((read.state, &read.kinds[..]), (BodyState::Broken, &[AnomalyKind::HeadTooLarge][..]));
}

#[test]
fn gaps_are_stepped_over_where_that_is_safe() {
    let mut framing = chunked();
    framing.advance(b"10\r\nabcd", &mut |_: &[u8]| {});
    assert!(!framing.clone().skip(13));
    assert!(framing.skip(12));
    let mut content = Vec::new();
    let step = framing.advance(b"\r\n1\r\nz\r\n0\r\n\r\nnext", &mut |bytes: &[u8]| content.extend_from_slice(bytes));
    assert_eq!((step.consumed, step.state, &content[..]), (13, BodyState::Done, &b"z"[..]));
}

proptest! {
    #[test]
    fn any_split_of_chunks_gives_the_same(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
        odd in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            wire.extend_from_slice(format!("{:x};e=1\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b"0\r\nT: v\r\n\r\nGET");
        let sound = odd.is_none();
        if let Some((at, byte)) = odd {
            let at = at.index(wire.len());
            wire[at] = byte;
        }
        let whole = read_body(chunked(), &[&wire]);
        if sound {
            prop_assert_eq!(&whole.content, &chunks.concat());
            prop_assert_eq!((whole.consumed, whole.state), (wire.len() - 3, BodyState::Done));
        }
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len())).collect();
        places.extend([0, wire.len()]);
        places.sort_unstable();
        let pieces: Vec<&[u8]> = places.windows(2).map(|ends| &wire[ends[0]..ends[1]]).collect();
        prop_assert_eq!(read_body(chunked(), &pieces), whole);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "[A-Z]{1,4}[ -~\r\n\t]{0,80}") {
        for input in [&bytes[..], text.as_bytes(), &[b"GET / HTTP/1.1\r\n", &bytes[..], b"\r\n\r\n"].concat()] {
            if let Progress::Complete(head, consumed) = parse_request(input, &HeadLimits::default()) {
                prop_assert!(consumed <= input.len());
                prop_assert_eq!(&head.raw[..], &input[consumed - head.raw.len()..consumed]);
                let mut framing = BodyFraming::for_request(&head);
                framing.advance(&input[consumed..], &mut |_: &[u8]| {});
            }
            if let Progress::Complete(_, consumed) = parse_response(input, &HeadLimits::default()) {
                prop_assert!(consumed <= input.len());
            }
        }
    }
}
