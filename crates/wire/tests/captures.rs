//! Conversations of real programs, as they passed (`captures/README.md` tells of which), and what is found in them.

mod script;

use data_encoding::HEXLOWER;
use script::{Step, exchanges, lines, play, play_with};
use sidelight_model::flow::{Decoded, Direction, Header};
use sidelight_wire::content_coding;
use sidelight_wire::flow_decoder::Limits;

/// Reads a capture: one step for each turn, then the end of the connection.
fn steps(capture: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in capture.lines() {
        let bytes = HEXLOWER.decode(&line.as_bytes()[2..]).expect("hexadecimal");
        match (line.as_bytes()[0], steps.last_mut()) {
            (b'>', _) => steps.push(Step::Client(bytes)),
            (b'<', _) => steps.push(Step::Server(bytes)),
            (_, Some(Step::Client(before) | Step::Server(before))) => before.extend(bytes),
            _ => panic!("a capture begins with `>` or `<`"),
        }
    }
    steps.extend([Step::Half(Direction::ToServer), Step::Half(Direction::ToClient), Step::Closed]);
    steps
}

/// What is found when a dozen bytes of each body are kept.
fn read(capture: &str) -> Vec<Decoded> {
    play_with(&steps(capture), Limits { body_kept: 12, head: 64 * 1024, hash_bodies: false })
}

#[test]
fn http1_of_curl_and_node() {
    let found = read(include_str!("captures/http1_curl.hex"));
    let expected = [
        "#1 PUT 127.0.0.1:9308/up 1500 -> 100 200 8 `got 1500`",
        "sse #2 ||one",
        "sse #2 add|2|{\\\"a\\\":1}\\nseco",
        "#2 GET 127.0.0.1:9308/events 0 -> 200 61 `data: one\\n\\ne`",
        "#3 GET 127.0.0.1:9308/early 0 -> 103 200 5 `parts`",
        "#4 HEAD 127.0.0.1:9308/head 0 -> 200 0 ``",
    ];
    assert_eq!(lines(&found), expected);
    let trailers = &exchanges(&found)[2].response.as_ref().unwrap().trailers;
    assert_eq!((&trailers[0].name[..], &trailers[0].value[..]), (&b"X-Sum"[..], &b"9"[..]));
}

#[test]
fn http2_of_curl_and_node() {
    let found = play(&steps(include_str!("captures/h2_curl.hex")));
    let [exchange] = exchanges(&found)[..] else { panic!("{found:?}") };
    let (request, response) = (exchange.request.as_ref().unwrap(), exchange.response.as_ref().unwrap());
    assert_eq!(
        (&request.method[..], &request.target.raw[..], &request.body.kept[..]),
        (&b"POST"[..], &b"/json"[..], &b"abc"[..])
    );
    assert_eq!(Header::find(&request.headers, "user-agent"), Some("curl/7.88.1"));
    let coding = Header::find(&response.headers, "content-encoding").unwrap();
    assert_eq!(content_coding::decode(coding, &response.body.kept, 100), (b"{\"got\":3}".to_vec(), Vec::new()));
    assert!(exchange.anomalies.is_empty());
}

#[test]
fn http2_of_node() {
    let found = read(include_str!("captures/h2_node.hex"));
    let coded = "\\x1f\\x8b\\x08\\x00\\x00\\x00\\x00\\x00\\x00\\x03\\xabV";
    let expected = [
        "#3 GET 127.0.0.1:9302/trailers 0 -> 200 13 `with trailer`".to_owned(),
        "#5 GET 127.0.0.1:9302/missing 0 -> 404 11 `no /missing`".to_owned(),
        format!("#1 POST 127.0.0.1:9302/json 300 -> 103 200 31 `{coded}`"),
        "#2 GET 127.0.0.1:9302/style.css 0 -> 200 3 `a{}`".to_owned(),
        "#7 GET 127.0.0.1:9302/push 0 -> 200 6 `pushed`".to_owned(),
        "#9 GET 127.0.0.1:9302/reset 0 -> - CUT service reset the stream (REFUSED_STREAM)".to_owned(),
        format!("#11 POST 127.0.0.1:9302/json 5 -> 103 200 29 `{coded}`"),
    ];
    assert_eq!(lines(&found), expected);
    for exchange in exchanges(&found) {
        let headers = &exchange.request.as_ref().unwrap().headers;
        let marked = Header::find(headers, "x-request");
        assert_eq!(marked, (!exchange.pushed).then_some("same value each time"), "out of the dynamic table");
    }
    let trailers = &exchanges(&found)[0].response.as_ref().unwrap().trailers;
    assert_eq!((&trailers[0].name[..], &trailers[0].value[..]), (&b"x-checksum"[..], &b"abc"[..]));
}

#[test]
fn calls_of_grpcio() {
    let found = read(include_str!("captures/grpc.hex"));
    let messages: Vec<_> = lines(&found).into_iter().filter(|line| line.starts_with("grpc")).collect();
    let expected = [
        "grpc #1 > 1 `a`",
        "grpc #1 > 2 `bb`",
        "grpc #1 > 3 `ccc`",
        "grpc #1 < 4 `re:a`",
        "grpc #1 < 5 `re:bb`",
        "grpc #1 < 6 `re:ccc`",
        "grpc #3 > 1 `q`",
        "grpc #5 > 26 compressed `\\x1f\\x8b\\x08\\x00\\x00\\x00\\x00\\x00\\x00\\x03\\xab\\xaa`",
        "grpc #5 < 1000 `zzzzzzzzzzzz`",
        "grpc #7 > 1 `q`",
    ];
    assert_eq!(messages, expected);
    let results: Vec<_> = exchanges(&found)
        .iter()
        .map(|exchange| {
            let call = exchange.grpc.as_ref().unwrap();
            (call.requests, call.responses, call.status.unwrap(), call.message.as_deref().unwrap_or(""))
        })
        .collect();
    let expected = [(3, 3, 0, ""), (1, 0, 5, "no such thing: é"), (1, 1, 0, ""), (1, 0, 12, "Method not found!")];
    assert_eq!(results, expected);
}

#[test]
fn websocket_of_python() {
    let found = read(include_str!("captures/websocket.hex"));
    let expected = [
        "#1 GET 127.0.0.1:9304/chat 0 -> 101 0 `` => websocket",
        "ws #1 > text 23/1 deflated `hello hello `",
        "ws #1 < text 23/1 deflated `hello hello `",
        "ws #1 > text 23/1 deflated `hello hello `",
        "ws #1 < text 23/1 deflated `hello hello `",
        "ws #1 > binary 10/4 deflated `fragmented`",
        "ws #1 < binary 10/1 deflated `fragmented`",
        "ws #1 > ping 2/1 `pp`",
        "ws #1 < pong 2/1 `pp`",
        "ws #1 > text 2000/1 deflated `xxxxxxxxxxxx`",
        "ws #1 < text 2000/1 deflated `xxxxxxxxxxxx`",
        "ws #1 > close 1000 bye 5/1 `\\x03\\xe8bye`",
        "ws #1 < close 1000 bye 5/1 `\\x03\\xe8bye`",
    ];
    assert_eq!(lines(&found), expected);
}
