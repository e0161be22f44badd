//! Plain HTTP through the explicit proxy, byte by byte at both ends. Spec: RFC 9112, RFC 9110 §7.

use sidelight_testkit::talk::{Line, Proxy, Service};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");

fn explicit() -> Proxy {
    Proxy::start(PROGRAM, &["explicit"], &[])
}

/// A service that answers each request head of a kept connection with the number of the request, and gives the heads.
fn counting() -> Service<Vec<String>> {
    Service::start(|mut line| {
        let mut heads = Vec::new();
        while let Some(head) = next_head(&mut line) {
            heads.push(head);
            line.say(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n#{}", heads.len()));
        }
        heads
    })
}

/// The next head, or nothing when the client has closed.
fn next_head(line: &mut Line) -> Option<String> {
    use std::io::Read;
    let mut first = [0];
    match line.read(&mut first) {
        Ok(1) => Some(format!("{}{}", char::from(first[0]), line.hear_head())),
        _ => None,
    }
}

fn get(place: &str, path: &str) -> String {
    format!("GET http://{place}{path} HTTP/1.1\r\nHost: {place}\r\n\r\n")
}

fn answer(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

#[test]
fn one_connection_goes_to_changing_hosts_and_ports() {
    let proxy = explicit();
    let (a, b) = (counting(), counting());
    let named_b = format!("localhost:{}", b.address.port());
    let mut client = proxy.line("explicit");
    for (place, path, says) in [
        (&a.place(), "/1", "#1"),
        (&a.place(), "/2", "#2"),
        (&named_b, "/3", "#1"),
        (&a.place(), "/4", "#1"),
        (&named_b, "/5", "#1"),
    ] {
        client.say(get(place, path));
        client.hear(answer(says));
    }
    drop(client);
    let lines = |service: &Service<Vec<String>>| -> Vec<String> {
        service.over().iter().map(|head| head.lines().next().unwrap().to_owned()).collect()
    };
    assert_eq!(lines(&a), ["GET /1 HTTP/1.1", "GET /2 HTTP/1.1"], "kept for the second request");
    assert_eq!(
        (lines(&b), lines(&a), lines(&b)),
        (vec!["GET /3 HTTP/1.1".to_owned()], vec!["GET /4 HTTP/1.1".to_owned()], vec!["GET /5 HTTP/1.1".to_owned()],)
    );
    for path in ["/1", "/2", "/3", "/4", "/5"] {
        proxy.sidelight.exchange("GET", path, 200);
    }
}

#[test]
fn what_is_for_the_proxy_is_taken_out_and_all_else_stays_as_it_was() {
    let proxy = explicit();
    let service = Service::start(|mut line| {
        let head = line.hear_head();
        line.say("HTTP/1.1 200 fine \u{80}thanks\r\nX-one :1\r\nset-COOKIE: a=1\r\nSet-Cookie: b=2\r\nX-folded: a\r\n\t b\r\ncontent-length:  3\r\n\r\nyes");
        head
    });
    let place = service.place();
    let mut client = proxy.line("explicit");
    client.say(format!(
        "POST http://{place}/a%20b/../c?q=1&&r HTTP/1.1\r\nhOST: {place}\r\nProxy-Connection: keep-alive\r\nCookie: a=1\r\n\
         X-Odd:  two  spaces \r\nPROXY-AUTHORIZATION: Basic\r\n eDp5\r\nAccept: */*\r\nCOOKIE: b=2\r\nx-odd:\ttab\r\nX-Folded: a\r\n  b\r\n\
         Content-Length: 0\r\nX-Empty:\r\nproxy-connection:close\r\n\r\n"
    ));
    client.hear("HTTP/1.1 200 fine \u{80}thanks\r\nX-one :1\r\nset-COOKIE: a=1\r\nSet-Cookie: b=2\r\nX-folded: a\r\n\t b\r\ncontent-length:  3\r\n\r\nyes");
    assert_eq!(
        service.over(),
        format!(
            "POST /a%20b/../c?q=1&&r HTTP/1.1\r\nhOST: {place}\r\nCookie: a=1\r\nX-Odd:  two  spaces \r\nAccept: */*\r\nCOOKIE: b=2\r\n\
             x-odd:\ttab\r\nX-Folded: a\r\n  b\r\nContent-Length: 0\r\nX-Empty:\r\n\r\n"
        )
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let proxy = explicit();
    let hidden = "GET http://nowhere.test/ HTTP/1.1\r\n\r\n";
    // Answers before the body of its request has come; that must not be taken for a request.
    let early = Service::start(move |mut line| {
        line.hear_head();
        line.say(answer("early"));
        line.hear(hidden);
    });
    let a = counting();
    let post = format!(
        "POST http://{}/2 HTTP/1.1\r\nHost: b\r\nContent-Length: {}\r\n\r\n{hidden}",
        early.place(),
        hidden.len()
    );
    let mut client = proxy.line("explicit");
    client.say([get(&a.place(), "/1"), post, get(&a.place(), "/3"), get(&a.place(), "/4")].concat());
    for says in ["#1", "early", "#1", "#2"] {
        client.hear(answer(says));
    }
    client.half_close();
    client.hear_end();
    early.over();
    assert_eq!((a.over().len(), a.over().len()), (1, 2));
}

#[test]
fn chunked_requests_pass_with_extensions_and_trailers() {
    let body = "5;name=\"va;lue\"\r\nhello\r\n006 \r\n world\r\n0;last\r\nX-Sum: 1\r\nx-sum:2\r\n\r\n";
    let proxy = explicit();
    let service = Service::start(move |mut line| {
        for _ in 0..2 {
            line.hear_head();
            line.hear(body);
            line.say("HTTP/1.1 200 OK\r\nTrailer: T\r\nTransfer-Encoding: chunked\r\n\r\n");
            line.say_slowly("3;x\r\nabc\r\n0\r\nT: 1\r\n\r\n");
        }
    });
    let mut client = proxy.line("explicit");
    for slowly in [false, true] {
        client.say(format!(
            "POST http://{0}/ HTTP/1.1\r\nHost: {0}\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n",
            service.place()
        ));
        if slowly {
            client.say_slowly(body)
        } else {
            client.say(body)
        }
        client
            .hear("HTTP/1.1 200 OK\r\nTrailer: T\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: 1\r\n\r\n");
    }
    service.over();
    let seen = proxy.sidelight.exchange("POST", "/", 200);
    assert_eq!(seen["request"]["trailers"], serde_json::json!([["X-Sum", "1"], ["x-sum", "2"]]), "{seen}");
    assert_eq!(seen["request"]["body"]["size"], 11);
}

#[test]
fn a_body_waits_for_100_continue_and_hints_pass() {
    let proxy = explicit();
    let service = Service::start(|mut line| {
        let head = line.hear_head();
        line.say("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
        line.hear("body");
        line.say(answer("done"));
        line.hear_head();
        line.say("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
        head
    });
    let mut client = proxy.line("explicit");
    let head = format!(
        "PUT http://{0}/ HTTP/1.1\r\nHost: {0}\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
        service.place()
    );
    client.say(&head);
    client.hear("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
    client.say("body");
    client.hear(answer("done"));
    client.say(&head);
    client.hear("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
    assert!(service.over().ends_with("Expect: 100-continue\r\n\r\n"));
    let seen = proxy.sidelight.exchange("PUT", "/", 200);
    let interim: Vec<_> = seen["interim"].as_array().unwrap().iter().map(|it| it["status"].as_u64().unwrap()).collect();
    assert_eq!(interim, [103, 100]);
}

#[test]
fn responses_without_a_body_end_with_their_head() {
    let proxy = explicit();
    let answers = [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: \"x\"\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend"),
    ];
    let service = Service::start(move |mut line| {
        answers.map(|(_, answer)| {
            let head = line.hear_head();
            line.say(answer);
            head
        })
    });
    let mut client = proxy.line("explicit");
    for (number, (method, answer)) in answers.into_iter().enumerate() {
        client.say(format!("{method} http://{0}/{number} HTTP/1.1\r\nHost: {0}\r\n\r\n", service.place()));
        client.hear(answer);
    }
    let heads = service.over();
    assert!(heads[3].starts_with("HEAD /3 HTTP/1.1\r\n"), "all came over one connection");
    for (number, status) in [(0, 200), (1, 204), (2, 304), (3, 200), (4, 200)] {
        proxy.sidelight.exchange(answers[number].0, &format!("/{number}"), status);
    }
}

#[test]
fn a_response_without_a_length_ends_with_the_connection() {
    let proxy = explicit();
    let service = Service::start(|mut line| {
        line.hear_head();
        line.say("HTTP/1.0 200 OK\r\nServer: old\r\n\r\nfirst ");
        line.say("second");
    });
    let mut client = proxy.line("explicit");
    client.say(get(&service.place(), "/"));
    client.hear("HTTP/1.0 200 OK\r\nServer: old\r\n\r\nfirst second");
    client.hear_end();
    let seen = proxy.sidelight.exchange("GET", "/", 200);
    assert_eq!((&seen["outcome"], &seen["response"]["body"]["size"]), (&"complete".into(), &12.into()), "{seen}");
}

#[test]
fn an_upgrade_is_accepted_or_refused_by_the_service() {
    let proxy = explicit();
    let service = Service::start(|mut line| {
        let head = line.hear_head();
        if head.contains("/no") {
            line.say("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno");
            line.hear_head();
            line.say(answer("next"));
            return;
        }
        // The first bytes of the new protocol come with the answer, and the client's with its request.
        line.say("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: knock\r\n\r\nwho is there?");
        line.hear("\0GET / HTTP/1.1\r\n\r\n");
        line.hear_end();
        line.say("goodbye\u{ff}");
    });
    let ask = |path: &str| {
        let place = service.place();
        format!("GET http://{place}{path} HTTP/1.1\r\nHost: {place}\r\nConnection: upgrade\r\nUpgrade: knock\r\n\r\n")
    };
    let mut client = proxy.line("explicit");
    client.say(ask("/yes"));
    client.hear("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: knock\r\n\r\nwho is there?");
    client.say("\0GET / HTTP/1.1\r\n\r\n");
    client.half_close();
    client.hear("goodbye\u{ff}");
    client.hear_end();
    service.over();
    assert_eq!(proxy.sidelight.exchange("GET", "/yes", 101)["outcome"], "upgraded");

    let mut client = proxy.line("explicit");
    client.say(ask("/no"));
    client.hear("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno");
    client.say(get(&service.place(), "/next"));
    client.hear(answer("next"));
    service.over();
    proxy.sidelight.exchange("GET", "/next", 200);
}

#[test]
fn ambiguous_framing_passes_once_and_the_connection_ends() {
    let proxy = explicit();
    let service = Service::start(|mut line| {
        let head = line.hear_head();
        line.hear("3\r\nabc\r\n0\r\n\r\n");
        line.say("HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno");
        let rest = String::from_utf8(line.hear_all()).unwrap();
        (head, rest)
    });
    let place = service.place();
    for fields in ["Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 3\r\nContent-length: 13\r\n"]
    {
        let mut client = proxy.line("explicit");
        client.say(format!("POST http://{place}/ HTTP/1.1\r\nHost: {place}\r\n{fields}\r\n3\r\nabc\r\n0\r\n\r\n"));
        client.hear("HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno");
        client.hear_gone();
        let (head, rest) = service.over();
        assert_eq!(head, format!("POST / HTTP/1.1\r\nHost: {place}\r\n{fields}\r\n"), "kept as evidence");
        assert_eq!(rest, "");
        let of_client = client.local().to_string();
        let seen = proxy
            .sidelight
            .wait_for("the exchange", "exchange", |line| line["client"]["address"] == of_client.as_str());
        assert!(!seen["anomalies"].as_array().unwrap().is_empty(), "{seen}");
    }
}

#[test]
fn an_ambiguous_response_is_not_followed_by_another_on_the_same_connection() {
    let proxy = explicit();
    let said = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde";
    let service = Service::start(move |mut line| {
        line.hear_head();
        line.say(said);
        line.half_close();
        line.hear_all()
    });
    let mut client = proxy.line("explicit");
    client.say(get(&service.place(), "/"));
    client.hear(said);
    client.hear_end();
    client.say(get(&service.place(), "/next"));
    assert_eq!(service.over(), b"");
}

#[test]
fn a_response_may_come_before_its_request_is_whole() {
    let proxy = explicit();
    let service = Service::start(|mut line| {
        line.hear_head();
        line.hear("12345");
        line.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nbig!");
        line.hear("67890");
        line.hear_head();
        line.say(answer("next"));
    });
    let place = service.place();
    let mut client = proxy.line("explicit");
    client.say(format!("POST http://{place}/ HTTP/1.1\r\nHost: {place}\r\nContent-Length: 10\r\n\r\n12345"));
    client.hear("HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nbig!");
    client.say("67890");
    client.say(get(&place, "/next"));
    client.hear(answer("next"));
    service.over();

    // A service that has heard enough closes; its word arrives all the same.
    let service = Service::start(|mut line| {
        line.hear_head();
        line.say("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbig!");
        line.half_close();
        line.hear_until("last");
    });
    let place = service.place();
    let mut client = proxy.line("explicit");
    client.say(format!("POST http://{place}/ HTTP/1.1\r\nHost: {place}\r\nContent-Length: 10\r\n\r\n12345"));
    client.hear("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbig!");
    client.say("\nlast");
    client.hear_end();
    service.over();
}

#[test]
fn a_kept_connection_that_the_service_closed_is_made_anew() {
    let proxy = explicit();
    let service = Service::start(|mut line| {
        line.hear_head();
        line.say(answer("kept?"));
    });
    let mut client = proxy.line("explicit");
    for _ in 0..20 {
        client.say(get(&service.place(), "/"));
        client.hear(answer("kept?"));
        service.over();
    }
}

#[test]
fn targets_are_read_in_all_their_forms() {
    let proxy = explicit();
    let service = counting();
    let place = service.place();
    let mut client = proxy.line("explicit");
    for (number, target) in [
        format!("GET http://{place}?q#x"),
        format!("GET HTTP://{place}"),
        format!("GET http://user:p%40ss@{place}/login"),
        format!("OPTIONS http://{place}"),
        format!("OPTIONS http://{place}/"),
        format!("GET http://{place}//a//?b"),
    ]
    .into_iter()
    .enumerate()
    {
        client.say(format!("{target} HTTP/1.1\r\nHost: {place}\r\n\r\n"));
        client.hear(answer(&format!("#{}", number + 1)));
    }
    drop(client);
    let heads = service.over();
    let lines: Vec<_> = heads.iter().map(|head| head.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "GET /?q#x HTTP/1.1",
            "GET / HTTP/1.1",
            "GET /login HTTP/1.1",
            "OPTIONS * HTTP/1.1",
            "OPTIONS / HTTP/1.1",
            "GET //a//?b HTTP/1.1",
        ]
    );
}

#[test]
fn what_cannot_be_forwarded_is_answered_with_what_to_do() {
    let proxy = explicit();
    let service: Service<()> = Service::start(|_| ());
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (request, status, words) in [
        (format!("GET https://{}/ HTTP/1.1\r\n\r\n", service.place()), "400 Bad Request", "use CONNECT for https://"),
        (format!("GET ftp://{}/ HTTP/1.1\r\n\r\n", service.place()), "400 Bad Request", "ftp://"),
        ("GET http:///x HTTP/1.1\r\n\r\n".to_owned(), "400 Bad Request", "sidelight: "),
        ("GET http://a.test:99999/ HTTP/1.1\r\n\r\n".to_owned(), "400 Bad Request", "99999"),
        ("GET http://[::zz]/ HTTP/1.1\r\n\r\n".to_owned(), "400 Bad Request", "::zz"),
        ("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned(), "400 Bad Request", "HTTPS_PROXY=http://127.0.0.1:"),
        (format!("GET http://{nobody}/ HTTP/1.1\r\n\r\n"), "502 Bad Gateway", &nobody.to_string()),
        ("GET http://no-such-name.invalid/ HTTP/1.1\r\n\r\n".to_owned(), "502 Bad Gateway", "no-such-name.invalid"),
        ("\u{80} what?\r\n\r\n".to_owned(), "400 Bad Request", "this is an HTTP proxy"),
        (
            format!("GET http://{}/ HTTP/1.1\r\n\r\n", proxy.sidelight.address("explicit")),
            "508 Loop Detected",
            "leads back to this proxy",
        ),
    ] {
        let mut client = proxy.line("explicit");
        client.say(&request);
        let answer = String::from_utf8(client.hear_all()).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")) && answer.contains(words), "{request}: {answer}");
    }
    assert!(service.is_alone(), "nothing of it reached the service");
    let mut client = proxy.line("explicit");
    client.say(format!("HEAD http://{nobody}/ HTTP/1.1\r\n\r\n"));
    assert!(client.hear_head().starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
    client.hear_end();
}
