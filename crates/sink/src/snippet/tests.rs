//! Tests of snippets by table. In: requests. Out: the very words. That tools send the same bytes is tested with real ones beside
//! the program.

use bytes::Bytes;
use sidelight_model::flow::{Body, ConnId, EventKind, Opened, RequestTarget, Response, Timings};
use sidelight_model::time::Timestamp;

use super::*;

fn connection() -> ConnectionRecord {
    let mut record = ConnectionRecord::new(ConnId(1), Timestamp(1));
    let (client, local) = ("127.0.0.1:40000".parse().unwrap(), "127.0.0.1:8080".parse().unwrap());
    record.learn(Timestamp(1), &EventKind::Opened(Opened { client, local, mode: "explicit".into() }));
    record.learn(Timestamp(1), &EventKind::Target("a.test:8443".parse().unwrap()));
    record
}

fn exchange(method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) -> Exchange {
    Exchange {
        conn: ConnId(1),
        stream: 1,
        version: HttpVersion::Http11,
        request: Some(Request {
            method: Bytes::copy_from_slice(method.as_bytes()),
            target: RequestTarget {
                raw: Bytes::copy_from_slice(target.as_bytes()),
                scheme: Some("https".into()),
                authority: Some("a.test:8443".into()),
            },
            headers: fields.iter().map(|(name, value)| Header::new(name, value)).collect(),
            trailers: Vec::new(),
            body: Body { length: body.len() as u64, kept: Bytes::copy_from_slice(body), ..Body::default() },
        }),
        interim: Vec::new(),
        response: None,
        timings: Timings::default(),
        outcome: Outcome::Complete,
        anomalies: Vec::new(),
        grpc: None,
        pushed: false,
    }
}

#[test]
fn curl_gets_what_it_would_not_send_by_itself_and_nothing_else() {
    let usual = [("Host", "a.test:8443"), ("User-Agent", "curl/8"), ("Accept", "*/*")];
    let text = snippet(Tool::Curl, &connection(), &exchange("GET", "/x?a=1&b=2", &usual, b""));
    assert_eq!(
        text,
        "curl \\\n  --http1.1 \\\n  --header 'User-Agent: curl/8' \\\n  --header 'Accept: */*' \\\n  'https://a.test:8443/x?a=1&b=2'\n"
    );
    let odd = [("Host", "b.test"), ("X-Empty", ""), ("Content-Length", "3"), ("Proxy-Connection", "keep-alive")];
    let text = snippet(Tool::Curl, &connection(), &exchange("POST", "/a[1]/../b", &odd, b"@it"));
    assert_eq!(
        text,
        "curl \\\n  --http1.1 \\\n  --globoff \\\n  --path-as-is \\\n  --header 'Host: b.test' \\\n  --header 'X-Empty;' \\\n  \
         --header 'User-Agent:' \\\n  --header 'Accept:' \\\n  --header 'Content-Type:' \\\n  --data-raw @it \\\n  \
         'https://a.test:8443/a[1]/../b'\n"
    );
    for (method, option) in [("HEAD", "--head"), ("PUT", "--request PUT"), ("a b;rm", "--request 'a b;rm'")] {
        assert!(snippet(Tool::Curl, &connection(), &exchange(method, "/", &[], b"")).contains(option), "{method}");
    }
}

#[test]
fn codings_are_undone_when_the_answer_had_one() {
    let mut coded = exchange("GET", "/", &[("Accept-Encoding", "gzip")], b"");
    assert!(!snippet(Tool::Curl, &connection(), &coded).contains("--compressed"));
    let headers = vec![Header::new("content-encoding", "gzip")];
    let (reason, body) = (Bytes::new(), Body::default());
    coded.response = Some(Response { status: 200, reason, headers, trailers: Vec::new(), body });
    let text = snippet(Tool::Curl, &connection(), &coded);
    assert!(text.contains("--compressed") && text.contains("'Accept-Encoding: gzip'"), "{text}");
}

#[test]
fn bodies_that_no_word_can_hold_come_by_standard_input() {
    let body: Vec<u8> = (0..=255).collect();
    for (tool, reads) in [(Tool::Curl, "--data-binary @-"), (Tool::Httpie, "http \\\n")] {
        let text = snippet(tool, &connection(), &exchange("POST", "/", &[], &body));
        assert!(text.starts_with("base64 -d <<'BODY' | ") && text.contains(reads), "{text}");
        let coded: String =
            text.lines().skip_while(|line| !line.starts_with("AAEC")).take_while(|line| *line != "BODY").collect();
        assert_eq!(data_encoding::BASE64.decode(coded.as_bytes()).unwrap(), body);
    }
    let text = snippet(Tool::Python, &connection(), &exchange("POST", "/", &[], &body));
    assert!(text.contains("data=b\"\\x00\\x01") && text.contains("!\\\"#") && text.contains("\\xff\""), "{text}");
}

#[test]
fn nothing_from_a_peer_leaves_its_quotes() {
    let hostile = "'; touch /tmp/x; echo $(id) `id` \\ \"\u{202e}\u{1b}[2J\r\n#";
    let mut conn = connection();
    conn.learn(Timestamp(1), &EventKind::Upstream("192.0.2.1:443".parse().unwrap()));
    let mut one = exchange(hostile, hostile, &[(hostile, hostile)], hostile.as_bytes());
    one.outcome = Outcome::Upgraded(hostile.to_owned());
    for tool in [Tool::Curl, Tool::Httpie, Tool::Python] {
        let text = snippet(tool, &conn, &one);
        assert!(!text.chars().any(|c| c != '\n' && !shell::is_plain(c)), "{text:?}");
        let comments = text.lines().take_while(|line| line.starts_with('#')).count();
        assert_eq!(text.lines().filter(|line| line.starts_with('#')).count(), comments, "a comment was made: {text}");
    }
}

#[test]
fn words_are_one_word_to_a_real_shell() {
    let all: Vec<u8> = (1..=255).collect();
    for bytes in
        [&b""[..], b"plain", b"it's", b"a\nb\tc", b"\\n", b"$HOME", "é\u{202e}1".as_bytes(), b"\xff7\xfe", &all]
    {
        let command = format!("printf %s {}", shell::word(bytes));
        let done = std::process::Command::new("bash").args(["-c", &command]).output().expect("bash");
        assert_eq!(done.stdout, bytes, "{command}");
    }
}

#[test]
fn notes_say_what_cannot_be_made_again() {
    let mut cut = exchange("POST", "/", &[], b"abc");
    if let Some(request) = &mut cut.request {
        request.body.length = 10;
        request.trailers.push(Header::new("x", "y"));
    }
    cut.version = HttpVersion::Http2;
    let text = snippet(Tool::Httpie, &connection(), &cut);
    for words in ["only 3 of the body's 10 bytes", "1 trailer after", "it was HTTP/2"] {
        assert!(text.contains(words), "{text}");
    }
    let mut unseen = exchange("GET", "/", &[], b"");
    unseen.request = None;
    assert_eq!(snippet(Tool::Curl, &connection(), &unseen), "# the request of this exchange was not seen\n");
    let hidden = exchange("GET", "/", &[("Authorization", "Bearer ‹redacted sha256:1a2b3c4d›")], b"");
    assert!(snippet(Tool::Curl, &connection(), &hidden).starts_with("# secrets are replaced"));
}

#[test]
fn items_of_httpie_are_headers_whatever_is_in_them() {
    let fields = [("X", "=1"), ("Y", "@file"), ("Z", "a\\:b"), ("E", "")];
    let text = snippet(Tool::Httpie, &connection(), &exchange("GET", "/", &fields, b""));
    for item in ["'X:\\=1'", "'Y:\\@file'", "'Z:a\\\\:b'", "'E;'"] {
        assert!(text.contains(item), "{item}: {text}");
    }
}
