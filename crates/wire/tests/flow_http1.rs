//! Conversations in HTTP/1, as scripts.

mod script;

use script::{Step, client, exchanges, lines, play, play_cut, play_with, server};
use sha2::{Digest, Sha256};
use sidelight_model::flow::{AnomalyKind, Direction, HttpVersion};
use sidelight_wire::flow_decoder::Limits;

const GET: &str = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn requests_and_answers_in_order() {
    let found = play(&[
        client(GET),
        server(OK),
        client("POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"),
        server(OK),
    ]);
    assert_eq!(lines(&found), ["#1 GET h/a 0 -> 200 2 `ok`", "#2 POST h/b 3 -> 200 2 `ok`"]);
    let second = exchanges(&found)[1];
    let request = second.request.as_ref().unwrap();
    assert_eq!(request.body.sha256, Some(Sha256::digest(b"abc").into()));
    assert_eq!((second.version, request.body.wire_length), (HttpVersion::Http11, 3));
    assert!(second.timings.request_end.is_some() && second.timings.response_start.is_some());
}

#[test]
fn pipelined_requests_wait_for_their_answers() {
    let three =
        "GET /a HTTP/1.1\r\nHost: h\r\n\r\nHEAD /b HTTP/1.1\r\nHost: h\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n";
    let answers = format!("{OK}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{OK}");
    let expected = ["#1 GET h/a 0 -> 200 2 `ok`", "#2 HEAD h/b 0 -> 200 0 ``", "#3 GET h/c 0 -> 200 2 `ok`"];
    assert_eq!(lines(&play(&[client(three), server(answers)])), expected);
}

#[test]
fn chunks_trailers_and_interim_responses() {
    let request = "PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n";
    let found = play(&[
        client(request),
        server("HTTP/1.1 100 Continue\r\n\r\n"),
        client("3;x=y\r\nabc\r\n0\r\nChecksum: 1\r\n\r\n"),
        server("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
    ]);
    assert_eq!(lines(&found), ["#1 PUT h/a 3 -> 100 103 204 0 ``"]);
    let exchange = exchanges(&found)[0];
    let request = exchange.request.as_ref().unwrap();
    assert_eq!((&request.trailers[0].value[..], request.body.wire_length), (&b"1"[..], 30));
    assert!(exchange.interim[1].headers[0].is("link"));
}

#[test]
fn an_answer_may_come_before_the_request_has_ended() {
    let head = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n";
    let found = play(&[
        client(head),
        client("ab"),
        server("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"),
        client("cd"),
        client(GET),
        server(OK),
    ]);
    assert_eq!(lines(&found), ["#1 POST h/a 4 -> 413 0 ``", "#2 GET h/a 0 -> 200 2 `ok`"]);
}

#[test]
fn bodies_until_the_end_of_the_connection() {
    let steps = |half: bool| {
        let mut steps = vec![client("GET /a HTTP/1.0\r\n\r\n"), server("HTTP/1.0 200 OK\r\n\r\nab"), server("cd")];
        steps.extend(half.then_some(Step::Half(Direction::ToClient)));
        steps.push(Step::Closed);
        steps
    };
    assert_eq!(lines(&play(&steps(true))), ["#1 GET /a 0 -> 200 4 `abcd`"]);
    let cut = "#1 GET /a 0 -> 200 4 `abcd` CUT the connection closed out of order after 4 bytes of the answer";
    assert_eq!(lines(&play(&steps(false))), [cut]);
}

#[test]
fn what_is_cut_says_where() {
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok";
    for (steps, line) in [
        (vec![client(GET), Step::Closed], "#1 GET h/a 0 -> - CUT no answer: the connection closed"),
        (
            vec![client(GET), Step::Half(Direction::ToClient)],
            "#1 GET h/a 0 -> - CUT no answer: the service ended the connection",
        ),
        (
            vec![client(GET), server(long), Step::Closed],
            "#1 GET h/a 0 -> 200 2 `ok` CUT the connection closed after 2 of 9 bytes of the answer",
        ),
        (
            vec![
                client(GET),
                server("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
                Step::Half(Direction::ToClient),
            ],
            "#1 GET h/a 0 -> 200 2 `ab` CUT the service ended the connection after 2 bytes of the answer, before its last chunk",
        ),
        (
            vec![
                client("PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc"),
                Step::Half(Direction::ToServer),
                server(OK),
            ],
            "#1 PUT h/a 3 -> 200 2 `ok` CUT the client ended the connection after 3 of 9 bytes of the request",
        ),
    ] {
        assert_eq!(lines(&play(&steps)), [line], "{steps:?}");
    }
}

#[test]
fn a_websocket_begins_after_status_101() {
    let ask = "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    let agree = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n";
    let hello = [0x81, 0x85, 1, 2, 3, 4, b'h' ^ 1, b'e' ^ 2, b'l' ^ 3, b'l' ^ 4, b'o' ^ 1];
    let eager = [ask.as_bytes(), &hello].concat();
    let found = play(&[
        client(eager),
        server([agree.as_bytes(), b"\x82\x01x"].concat()),
        client([0x88, 0x82, 0, 0, 0, 0, 3, 0xe8]),
    ]);
    let expected = [
        "#1 GET h/ws 0 -> 101 0 `` => websocket",
        "ws #1 > text 5/1 `hello`",
        "ws #1 < binary 1/1 `x`",
        "ws #1 > close 1000  2/1 `\\x03\\xe8`",
    ];
    assert_eq!(lines(&found), expected);
}

#[test]
fn a_refused_upgrade_leaves_http() {
    let ask = "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n";
    let found = play(&[client([ask, GET].concat()), server(OK), server(OK)]);
    assert_eq!(lines(&found), ["#1 GET h/ws 0 -> 200 2 `ok`", "#2 GET h/a 0 -> 200 2 `ok`"]);
}

#[test]
fn tunnels_are_looked_into() {
    let ask = "CONNECT b.test:80 HTTP/1.1\r\nHost: b.test:80\r\n\r\n";
    let found = play(&[
        client(ask),
        server("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"),
        client(ask),
        server("HTTP/1.1 200 Connection established\r\n\r\n"),
        client(GET),
        server(OK),
    ]);
    let expected = [
        "#1 CONNECT b.test:80b.test:80 0 -> 407 0 ``",
        "#2 CONNECT b.test:80b.test:80 0 -> 200 0 `` => connect",
        "#3 GET h/a 0 -> 200 2 `ok`",
    ];
    assert_eq!(lines(&found), expected);
}

#[test]
fn ambiguities_are_kept() {
    let request = "POST /a HTTP/1.1\nHost: h\r\nHost: i\r\nContent-Length : 4\r\nTransfer-Encoding: chunked\r\n X: y\r\n\r\n0\r\n\r\n";
    let found = play(&[
        client(request),
        server("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
        Step::Closed,
    ]);
    let mut kinds: Vec<_> = exchanges(&found)[0].anomalies.iter().map(|anomaly| anomaly.kind).collect();
    kinds.sort_unstable();
    use AnomalyKind::{
        BareLf, ConflictingLengths, Folding, Host, LengthAndChunked, OddTransferEncoding, SpaceBeforeColon,
    };
    assert_eq!(
        kinds,
        [ConflictingLengths, LengthAndChunked, OddTransferEncoding, BareLf, Folding, SpaceBeforeColon, Host],
        "{found:?}"
    );
    let place = exchanges(&found)[0].anomalies.iter().find(|anomaly| anomaly.kind == SpaceBeforeColon).unwrap().offset;
    assert_eq!(place, Some(35));
}

#[test]
fn places_count_from_the_first_byte_of_the_direction() {
    let odd = "GET /a HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n";
    let found = play(&[client(GET), server(OK), client(odd), server(OK)]);
    assert_eq!(exchanges(&found)[1].anomalies[0].offset, Some(GET.len() as u64 + 26));
    let chunked = "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n";
    let found = play(&[client(chunked), server(OK)]);
    assert_eq!(exchanges(&found)[0].anomalies[0].offset, Some(58));
}

#[test]
fn answers_without_a_request_stand_alone() {
    let found = play(&[server("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"), Step::Closed]);
    assert_eq!(lines(&found), ["#1 - -> 408 0 `` !UnexpectedResponse"]);
    let found = play(&[client(GET), server(OK), server(OK), client(GET), server(OK)]);
    let expected =
        ["#1 GET h/a 0 -> 200 2 `ok`", "#2 - -> 200 2 `ok` !UnexpectedResponse", "#3 GET h/a 0 -> 200 2 `ok`"];
    assert_eq!(lines(&found), expected);
}

#[test]
fn what_cannot_be_read_stops_one_direction() {
    let found = play(&[client(GET), server(OK), server("garbage"), client(GET), Step::Closed]);
    let expected = [
        "#1 GET h/a 0 -> 200 2 `ok`",
        "anomaly < TrailingBytes bytes after the end of an answer: no status line: `g`",
        "stopped < no status line: `g`",
        "#2 GET h/a 0 -> - UNDECODABLE no status line: `g`",
    ];
    assert_eq!(lines(&found), expected);
    let found =
        play(&[client("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz"), server(OK), server(OK)]);
    let expected = [
        "stopped > the chunks of a request body cannot be read",
        "#1 POST h/a 0 -> 200 2 `ok` UNDECODABLE the chunks of a request body cannot be read !BadChunk",
        "#2 - -> 200 2 `ok` !JoinedMidway",
    ];
    assert_eq!(lines(&found), expected);
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000));
    let found = lines(&play(&[client(GET), server(OK), client(long)]));
    assert_eq!(found[1], "stopped > a head of more than 65536 bytes");
}

#[test]
fn a_change_of_protocol_out_of_turn_loses_no_exchange() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    let post = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab";
    let why = "the service changed the protocol while requests were under way";
    let found = play(&[client(post), server([OK, switch].concat()), client("cdefghi"), Step::Closed]);
    let expected = [
        format!("#2 - -> 101 0 `` UNDECODABLE {why} !UnexpectedResponse"),
        format!("stopped < {why}"),
        format!("#1 POST h/a 2 -> 200 2 `ok` UNDECODABLE {why}"),
        format!("stopped > {why}"),
    ];
    assert_eq!(lines(&found), expected);
    let found = play(&[client(GET), server(switch), server(OK)]);
    assert_eq!(lines(&found), ["#1 GET h/a 0 -> 101 200 2 `ok` !UnexpectedResponse"]);
}

#[test]
fn gaps_in_bodies_are_stepped_over() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab";
    let found =
        play(&[client(GET), server(head), Step::Lost(Direction::ToClient, 6), server("yz"), client(GET), server(OK)]);
    assert_eq!(lines(&found), ["#1 GET h/a 0 -> 200 10 `ab` !Gap", "#2 GET h/a 0 -> 200 2 `ok`"]);
    assert_eq!(exchanges(&found)[0].response.as_ref().unwrap().body.sha256, None);
    let found = play(&[client(GET), server(head), Step::Lost(Direction::ToClient, 9), server("zz"), Step::Closed]);
    let why = "9 bytes were not seen, and a message ended among them";
    let goes_on = format!("anomaly < Gap {why}; decoding goes on with the next request that is seen whole");
    assert_eq!(lines(&found), [format!("#1 GET h/a 0 -> 200 2 `ab` CUT {why}"), goes_on]);
}

#[test]
fn bodies_are_kept_up_to_the_limit_and_counted_whole() {
    let limits = Limits { body_kept: 3, head: 1000, hash_bodies: false };
    let found = play_with(&[client(GET), server("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef")], limits);
    assert_eq!(lines(&found), ["#1 GET h/a 0 -> 200 6 `abc`"]);
}

#[test]
fn server_sent_events_come_at_once() {
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";
    let found =
        play(&[client(GET), server(head), server("a\r\ndata: one\n\r\n1\r\n\n\r\n"), server("8\r\nid:9\ndat\r\n")]);
    assert_eq!(lines(&found), ["sse #1 ||one"]);
}

#[test]
fn grpc_web_has_its_trailers_in_the_body() {
    let request = b"POST /p.S/M HTTP/1.1\r\nHost: h\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: 7\r\n\r\n\0\0\0\0\x02hi";
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/grpc-web+proto\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = b"1b\r\n\0\0\0\0\x01x\x80\0\0\0\x10grpc-status: 5\r\n\r\n0\r\n\r\n";
    let found = play(&[client(request), server(head), server(body)]);
    assert_eq!(lines(&found)[..2], ["grpc #1 > 2 `hi`", "grpc #1 < 1 `x`"]);
    let call = exchanges(&found)[0].grpc.clone().unwrap();
    assert_eq!((call.requests, call.responses, call.status), (1, 1, Some(5)));
}

#[test]
fn other_protocols_are_opaque() {
    let found = play(&[
        server("220 mail.test ESMTP\r\n"),
        client("EHLO a.test\r\n"),
        server("250 OK\r\n"),
        client("STARTTLS\r\n"),
        server("220 go\r\n"),
        Step::Agreed(None),
        client("EHLO a.test\r\n"),
        Step::Closed,
    ]);
    assert_eq!(lines(&found), ["opaque smtp 13/21", "opaque smtp 23/37 ended", "opaque ? 13/0 ended"]);
    let found = play(&[client(vec![7; 600]), client(vec![8; 600]), Step::Lost(Direction::ToServer, 5), Step::Closed]);
    assert_eq!(lines(&found), ["opaque ? 512/0", "anomaly > Gap 5 bytes were not seen", "opaque ? 1205/0 ended"]);
    assert_eq!(lines(&play(&[client("GET /half"), Step::Closed])), ["opaque ? 9/0 ended"]);
}

#[test]
fn the_queue_is_bounded() {
    let found = play_cut(&[client(GET.repeat(200)), Step::Closed], Limits::default(), &|bytes| vec![bytes.to_vec()]);
    assert_eq!(exchanges(&found).len(), 128);
    assert_eq!(lines(&found)[0], "stopped > more than 128 requests wait for their answers");
}
