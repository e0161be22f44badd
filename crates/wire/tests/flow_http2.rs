//! Conversations in HTTP/2, as scripts.

mod script;

use script::h2::{
    END_HEADERS, END_STREAM, PADDED, PREFACE, PRIORITY, answer, block, data, frame, get, headers, post, reset, settings,
};
use script::{Step, client, exchanges, lines, play, play_cut, server};
use sidelight_model::flow::{AnomalyKind, Decoded, Direction, HttpVersion};
use sidelight_wire::flow_decoder::Limits;

/// The client's preface with its first frames.
fn hello(frames: &[Vec<u8>]) -> Step {
    client([PREFACE.to_vec(), settings(), frames.concat()].concat())
}

/// The service's SETTINGS with its first frames.
fn welcome(frames: &[Vec<u8>]) -> Step {
    server([settings(), frames.concat()].concat())
}

#[test]
fn streams_run_side_by_side() {
    let found = play(&[
        hello(&[get(1, "/a"), post(3, "/b", &[]), data(3, 0, "he")]),
        welcome(&[answer(1, "200", "one"), headers(3, 0, &[(":status", "100")])]),
        client(data(3, END_STREAM, "llo")),
        server([headers(3, 0, &[(":status", "201")]), data(3, 0, "tw"), data(3, END_STREAM, "o")].concat()),
    ]);
    assert_eq!(lines(&found), ["#1 GET h/a 0 -> 200 3 `one`", "#3 POST h/b 5 -> 100 201 3 `two`"]);
    let second = exchanges(&found)[1];
    assert_eq!(second.version, HttpVersion::Http2);
    assert_eq!(second.request.as_ref().unwrap().body.wire_length, 5 + 2 * 9);
    assert_eq!(second.request.as_ref().unwrap().target.scheme.as_deref(), Some("https"));
}

#[test]
fn padding_priority_continuation_and_trailers() {
    let fields = block(&[(":method", "POST"), (":scheme", "https"), (":authority", "h"), (":path", "/p"), ("x", "y")]);
    let (first, rest) = fields.split_at(11);
    let start = [&[3, 0, 0, 0, 0, 9][..], first, &[0, 0, 0]].concat();
    let padded = [&[4][..], b"body", &[0; 4]].concat();
    let found = play(&[
        hello(&[
            frame(1, PADDED | PRIORITY, 1, start),
            frame(9, 0, 1, &rest[..5]),
            frame(9, END_HEADERS, 1, &rest[5..]),
            frame(0, PADDED, 1, padded),
            frame(0, PADDED, 1, [2, 0, 0]),
            headers(1, END_STREAM, &[("checksum", "1")]),
        ]),
        welcome(&[frame(1, END_HEADERS | END_STREAM, 1, [0x89])]),
    ]);
    assert_eq!(lines(&found), ["#1 POST h/p 4 -> 204 0 ``"]);
    let request = exchanges(&found)[0].request.clone().unwrap();
    assert_eq!((&request.headers[0].name[..], &request.trailers[0].name[..]), (&b"x"[..], &b"checksum"[..]));
    assert_eq!(request.body.wire_length, 9 + 9 + 9 + 3);
}

#[test]
fn grpc_calls_have_messages_and_a_status() {
    let grpc = [("content-type", "application/grpc+proto"), ("te", "trailers")];
    let found = play(&[
        hello(&[post(1, "/p.S/M", &grpc), data(1, 0, b"\0\0\0\0\x03o"), data(1, 0, b"ne\x01\0\0\0\x01z")]),
        welcome(&[headers(1, 0, &[(":status", "200"), grpc[0]]), data(1, 0, b"\0\0\0\0\x02hi\0\0\0\0\0")]),
        client(data(1, END_STREAM, "")),
        server(headers(1, END_STREAM, &[("grpc-status", "5"), ("grpc-message", "no%20such")])),
    ]);
    let expected = [
        "grpc #1 > 3 `one`",
        "grpc #1 > 1 compressed `z`",
        "grpc #1 < 2 `hi`",
        "grpc #1 < 0 ``",
        "#1 POST h/p.S/M 14 -> 200 12 `\\x00\\x00\\x00\\x00\\x02hi\\x00\\x00\\x00\\x00\\x00`",
    ];
    assert_eq!(lines(&found), expected);
    let call = exchanges(&found)[0].grpc.clone().unwrap();
    assert_eq!((call.requests, call.responses, call.status, call.message.as_deref()), (2, 2, Some(5), Some("no such")));

    let refused = headers(3, END_STREAM, &[(":status", "200"), grpc[0], ("grpc-status", "12")]);
    let found =
        play(&[hello(&[post(3, "/p.S/N", &grpc), data(3, END_STREAM, "\0\0\0\0\x09cut")]), welcome(&[refused])]);
    let exchange = exchanges(&found)[0];
    assert_eq!(exchange.grpc.as_ref().unwrap().status, Some(12));
    assert_eq!(exchange.anomalies[0].kind, AnomalyKind::BadGrpc);
}

#[test]
fn resets_and_goaway_end_streams() {
    let mut goaway = vec![0, 0, 0, 5, 0, 0, 0, 11];
    goaway.extend_from_slice(b"too_many_pings");
    let found = play(&[
        hello(&[get(1, "/a"), get(3, "/b"), post(5, "/c", &[]), get(7, "/d"), reset(1, 8)]),
        welcome(&[reset(3, 7), answer(5, "400", "no"), reset(5, 0), frame(7, 0, 0, goaway)]),
        client(get(9, "/e")),
        Step::Closed,
    ]);
    let expected = [
        "#1 GET h/a 0 -> - CUT client reset the stream (CANCEL)",
        "#3 GET h/b 0 -> - CUT service reset the stream (REFUSED_STREAM)",
        "#5 POST h/c 0 -> 400 2 `no`",
        "anomaly < ConnectionError GOAWAY after stream 5: ENHANCE_YOUR_CALM, `too_many_pings`",
        "#7 GET h/d 0 -> - CUT the service went away before it read the request (GOAWAY, ENHANCE_YOUR_CALM)",
        "#9 GET h/e 0 -> - CUT no answer: the connection closed; the service had said GOAWAY (ENHANCE_YOUR_CALM)",
    ];
    assert_eq!(lines(&found), expected);
}

#[test]
fn pushed_answers_are_marked() {
    let promise = [
        &2_u32.to_be_bytes()[..],
        &block(&[(":method", "GET"), (":scheme", "https"), (":authority", "h"), (":path", "/s.css")]),
    ]
    .concat();
    let found = play(&[
        hello(&[get(1, "/a")]),
        welcome(&[frame(5, END_HEADERS, 1, promise), answer(1, "200", "a"), answer(2, "200", "b")]),
    ]);
    assert_eq!(lines(&found), ["#1 GET h/a 0 -> 200 1 `a`", "#2 GET h/s.css 0 -> 200 1 `b`"]);
    assert!(exchanges(&found)[1].pushed && !exchanges(&found)[0].pushed);
}

#[test]
fn websockets_over_http2() {
    let ask = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":authority", "h"),
        (":path", "/ws"),
    ];
    let found = play(&[
        hello(&[headers(1, 0, &ask)]),
        welcome(&[headers(1, 0, &[(":status", "200")]), data(1, 0, b"\x81\x02h"), data(1, 0, b"i")]),
        client([data(1, 0, [0x82, 0x81, 9, 9, 9, 9, b'x' ^ 9]), data(1, END_STREAM, "")].concat()),
        server(data(1, END_STREAM, "")),
        client(get(3, "/a")),
        server(answer(3, "200", "ok")),
    ]);
    let expected = [
        "#1 CONNECT h/ws 0 -> 200 0 `` => websocket",
        "ws #1 < text 2/1 `hi`",
        "ws #1 > binary 1/1 `x`",
        "#3 GET h/a 0 -> 200 2 `ok`",
    ];
    assert_eq!(lines(&found), expected);
}

#[test]
fn prior_knowledge_and_upgrade() {
    let ask = "GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
    let found = play(&[
        client(ask),
        server(
            [
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
                &settings()[..],
                &answer(1, "200", "ok"),
            ]
            .concat(),
        ),
        hello(&[get(3, "/b")]),
        server(answer(3, "200", "b")),
    ]);
    assert_eq!(
        lines(&found),
        ["#1 GET h/a 0 -> 101 0 `` => h2c", "#1 GET h/a 0 -> 200 2 `ok`", "#3 GET h/b 0 -> 200 1 `b`"]
    );
    assert_eq!(exchanges(&found)[1].version, HttpVersion::Http2);
}

/// Blocks that use the dynamic table: `x-one: 1` is added, then referred to.
#[test]
fn joining_midway_gives_placeholders_until_entries_are_known() {
    let indexed = |stream: u32, more: &[u8]| {
        frame(1, END_HEADERS | END_STREAM, stream, [&[0x82, 0x87, 0x84, 0xc6][..], more].concat())
    };
    for agreed in [true, false] {
        let mut steps = vec![];
        steps.extend(agreed.then_some(Step::Agreed(Some(b"h2"))));
        steps.extend([
            client(indexed(7, b"\x40\x05x-one\x011")),
            server(
                [headers(5, END_STREAM, &[(":status", "200")]), frame(1, END_HEADERS | END_STREAM, 7, [0x88])].concat(),
            ),
            client(indexed(9, &[0xbe])),
            server(frame(1, END_HEADERS | END_STREAM, 9, [0xc0])),
        ]);
        let found = play(&steps);
        let expected = [
            "anomaly > JoinedMidway no HTTP/2 preface was seen",
            "#5 - -> 200 0 `` !JoinedMidway",
            "#7 GET / 0 -> 200 0 `` !BadHpack",
            "#9 GET / 0 -> 0 0 `` !BadHpack,BadHead",
        ];
        assert_eq!(lines(&found)[..3], expected[..3], "{agreed}");
        let names: Vec<_> =
            exchanges(&found)[1].request.as_ref().unwrap().headers.iter().map(|h| h.name.clone()).collect();
        assert_eq!(names, ["?70", "x-one"]);
    }
}

#[test]
fn hpack_that_cannot_be_decoded_stops_its_direction() {
    let found = play(&[
        hello(&[get(1, "/a"), frame(1, END_HEADERS | END_STREAM, 3, [0xff, 0xff, 0x03])]),
        welcome(&[answer(1, "200", "ok"), answer(3, "200", "x")]),
    ]);
    let expected = [
        "anomaly > BadHpack HPACK refers to entry 638, which does not exist",
        "stopped > HPACK refers to entry 638, which does not exist",
        "#1 GET h/a 0 -> 200 2 `ok`",
        "#3 - -> 200 1 `x` !JoinedMidway",
    ];
    assert_eq!(lines(&found), expected);
}

#[test]
fn faulty_frames_are_named() {
    for (bytes, line) in [
        (data(0, 0, "x"), "anomaly > BadFrame DATA on stream 0"),
        (frame(8, 0, 0, [0; 3]), "anomaly > BadFrame WINDOW_UPDATE not of 4 bytes"),
        (frame(0, PADDED, 1, [9, 0]), "anomaly > BadFrame DATA with more padding than payload"),
        (frame(6, 0, 0, vec![0; 16_385]), "anomaly > BadFrame PING not on stream 0 or not of 8 bytes"),
        (frame(9, 0, 1, []), "stopped > CONTINUATION of no fields"),
        ([frame(1, 0, 1, []), data(1, 0, "")].concat(), "stopped > DATA in the middle of the fields of stream 1"),
        (frame(1, PRIORITY | END_HEADERS, 1, [0; 3]), "stopped > HEADERS that is too short"),
    ] {
        let found = play(&[hello(&[bytes])]);
        assert_eq!(lines(&found).first().map(String::as_str), Some(line));
    }
    let large = frame(4, 0, 0, [0, 5, 0, 0, 0x80, 0]);
    let allowed = play(&[hello(&[large]), welcome(&[data(1, 0, vec![0; 20_000])])]);
    assert!(allowed.is_empty(), "{allowed:?}");
    let noise: Vec<u8> = (0..100).flat_map(|_| data(0, 0, "x")).collect();
    assert_eq!(
        lines(&play(&[hello(&[noise])])).last().unwrap(),
        "stopped > too many faults for an HTTP/2 conversation"
    );
}

#[test]
fn memory_is_bounded() {
    let whole = |steps: &[Step]| play_cut(steps, Limits::default(), &|bytes| vec![bytes.to_vec()]);
    let many: Vec<Vec<u8>> = (0..1500).map(|n| get(2 * n + 1, "/a")).collect();
    let found = whole(&[hello(&many)]);
    assert_eq!(exchanges(&found).len(), 500, "the oldest are given up");
    assert!(lines(&found)[0].starts_with("#1 GET h/a 0 -> - UNDECODABLE more than 1000 streams"));
    let flood: Vec<Vec<u8>> = (0..30).map(|_| frame(9, 0, 1, vec![0; 16_000])).collect();
    let found = whole(&[hello(&[frame(1, 0, 1, []), flood.concat()])]);
    assert_eq!(lines(&found), ["stopped > fields of more than 262144 bytes"]);
    // One entry of 4,000 bytes, then referred to 10,000 times.
    let mut bomb = vec![0x40, 1, b'a', 0x7f, 0xa1, 0x1e];
    bomb.extend_from_slice(&[b'x'; 4000]);
    bomb.extend_from_slice(&[0xbe; 10_000]);
    let mut request = block(&[(":method", "GET"), (":scheme", "https"), (":authority", "h"), (":path", "/")]);
    request.extend_from_slice(&bomb);
    let found = whole(&[hello(&[frame(1, END_HEADERS | END_STREAM, 1, request), get(3, "/a")]), Step::Closed]);
    let Decoded::Exchange(first) = &found[0] else { panic!("{found:?}") };
    assert!(first.request.as_ref().unwrap().headers.len() < 70);
    assert_eq!(first.anomalies[0].kind, AnomalyKind::HeadTooLarge);
    assert_eq!(exchanges(&found).len(), 2, "the table stays in step");
}

#[test]
fn gaps() {
    let start =
        [hello(&[get(1, "/a"), get(3, "/b")]), server([settings(), headers(1, 0, &[(":status", "200")])].concat())];
    let steps = [
        &start[..],
        &[
            server(&data(1, END_STREAM, "abcdef")[..11]),
            Step::Lost(Direction::ToClient, 4),
            server(answer(3, "200", "ok")),
        ],
    ]
    .concat();
    assert_eq!(lines(&play(&steps)), ["#1 GET h/a 0 -> 200 6 `ab` !Gap", "#3 GET h/b 0 -> 200 2 `ok`"]);
    let steps = [&start[..], &[Step::Lost(Direction::ToClient, 4), server(answer(3, "200", "ok"))]].concat();
    let why = "4 bytes of the HTTP/2 conversation were not seen";
    let expected = [
        format!("#1 GET h/a 0 -> 200 0 `` UNDECODABLE {why}"),
        format!("#3 GET h/b 0 -> - UNDECODABLE {why}"),
        format!("stopped < {why}"),
    ];
    assert_eq!(lines(&play(&steps)), expected);
}

#[test]
fn lengths_are_compared() {
    let found = play(&[
        hello(&[get(1, "/a"), headers(3, END_STREAM, &[(":method", "HEAD"), (":scheme", "https"), (":path", "/b")])]),
        welcome(&[
            headers(1, 0, &[(":status", "200"), ("content-length", "9")]),
            data(1, END_STREAM, "four"),
            headers(3, END_STREAM, &[(":status", "200"), ("content-length", "9")]),
        ]),
    ]);
    assert_eq!(lines(&found), ["#1 GET h/a 0 -> 200 4 `four` !BadContentLength", "#3 HEAD /b 0 -> 200 0 ``"]);
}
