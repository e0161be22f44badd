//! SOCKS, byte by byte. Spec: RFC 1928, RFC 1929.

use sidelight_testkit::talk::{Line, Proxy, Service};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");
const DONE: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

fn socks(options: &[&str]) -> Proxy {
    Proxy::start(PROGRAM, &["socks5"], options)
}

fn hello(mut line: Line) {
    line.hear("ping");
    line.say("pong");
    line.hear_end();
}

/// A request with this command for an address in its wire form.
fn request(command: u8, address: &[u8], port: u16) -> Vec<u8> {
    [&[5, command, 0][..], address, &port.to_be_bytes()].concat()
}

fn name(name: &str) -> Vec<u8> {
    [&[3, name.len() as u8][..], name.as_bytes()].concat()
}

const LOOPBACK4: &[u8] = &[1, 127, 0, 0, 1];
const LOOPBACK6: &[u8] = &[4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

#[test]
fn names_and_addresses_are_reached() {
    let proxy = socks(&[]);
    let (four, six) = (Service::start(hello), Service::at("[::1]:0", hello));
    let requests = [
        request(1, LOOPBACK4, four.address.port()),
        request(1, LOOPBACK6, six.address.port()),
        request(1, &name("socks.localhost"), four.address.port()),
        // Clients that write addresses as names mean the address.
        request(1, &name("127.0.0.1"), four.address.port()),
    ];
    for request in &requests {
        for slowly in [false, true] {
            let mut line = proxy.line("socks5");
            let say = |line: &mut Line, bytes: &[u8]| if slowly { line.say_slowly(bytes) } else { line.say(bytes) };
            say(&mut line, &[5, 2, 2, 0]);
            line.hear([5, 0]);
            say(&mut line, request);
            line.hear(DONE);
            say(&mut line, b"ping");
            line.hear("pong");
            line.half_close();
            line.hear_end();
        }
    }
    // All at once, without waiting for any answer.
    let mut line = proxy.line("socks5");
    line.say([&[5, 1, 0][..], &requests[0], b"ping"].concat());
    line.hear([&[5, 0][..], DONE, b"pong"].concat());
    drop(line);
    let named = proxy.sidelight.wait_for("the name", "connection", |line| {
        line["target"] == format!("socks.localhost:{}", four.address.port())
    });
    assert_eq!((&named["mode"], &named["how"]), (&"socks5".into(), &"clean".into()), "{named}");
}

#[test]
fn a_login_is_wanted_only_where_one_is_configured() {
    let service = Service::start(hello);
    let wish = request(1, LOOPBACK4, service.address.port());
    let proxy = socks(&["--proxy-auth", "kim:s3cret"]);
    let login = |user: &str, password: &str| {
        let lengths = [user.len() as u8, password.len() as u8];
        [&[1, lengths[0]][..], user.as_bytes(), &[lengths[1]], password.as_bytes()].concat()
    };
    let mut line = proxy.line("socks5");
    line.say([5, 1, 0]);
    line.hear([5, 0xff]);
    line.hear_gone();
    for (user, password) in [("kim", "S3cret"), ("kim", ""), ("", "s3cret"), ("kim2", "s3cret")] {
        let mut line = proxy.line("socks5");
        line.say([5, 2, 0, 2]);
        line.hear([5, 2]);
        line.say(login(user, password));
        line.hear([1, 1]);
        line.hear_gone();
    }
    let finding = proxy.sidelight.finding("proxy_auth_required");
    assert!(!finding.to_string().to_lowercase().contains("s3cret"), "{finding}");
    assert!(service.is_alone());
    let mut line = proxy.line("socks5");
    line.say([5, 1, 2]);
    line.hear([5, 2]);
    line.say(login("kim", "s3cret"));
    line.hear([1, 0]);
    line.say(&wish);
    line.hear(DONE);
    line.say("ping");
    line.hear("pong");

    // A client that insists on a login gets through a proxy that wants none.
    let open = socks(&[]);
    let mut line = open.line("socks5");
    line.say([5, 1, 2]);
    line.hear([5, 2]);
    line.say(login("any", "thing"));
    line.hear([1, 0]);
    line.say(&wish);
    line.hear(DONE);
}

#[test]
fn what_socks_cannot_do_is_answered_with_its_code() {
    let proxy = socks(&[]);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let own = proxy.sidelight.address("socks5").port();
    for (request, code) in [
        (request(2, LOOPBACK4, 80), 7),
        (request(3, LOOPBACK6, 80), 7),
        (request(1, &[9], 80), 8),
        (request(1, LOOPBACK4, nobody), 5),
        (request(1, LOOPBACK4, own), 2),
        (request(1, LOOPBACK4, 0), 1),
        (request(1, &name("no-such-name.invalid"), 80), 4),
        (request(1, &name("not a name"), 80), 4),
    ] {
        let mut line = proxy.line("socks5");
        line.say([5, 1, 0]);
        line.hear([5, 0]);
        line.say(&request);
        line.hear([5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
        line.hear_gone();
        let record = proxy.record_of(line.local());
        assert!(record["fate"] == "refused" || record["fate"] == "failed", "{record}");
    }
}

#[test]
fn other_protocols_are_told_apart() {
    let proxy = socks(&[]);
    let told = |line: &Line| {
        let client = line.local().to_string();
        let finding =
            proxy.sidelight.wait_for("the finding", "finding", |it| it["client"]["address"] == client.as_str());
        finding["summary"].as_str().unwrap().to_owned()
    };
    let mut line = proxy.line("socks5");
    line.say(b"\x04\x01\0\x50\x7f\0\0\x01me\0");
    line.hear([0, 0x5b, 0, 0, 0, 0, 0, 0]);
    line.hear_gone();
    assert!(told(&line).contains("SOCKS4"), "{}", told(&line));
    for garbage in [&b"GET http://a.test/ HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\0\x05hello", b"\xff\xff"] {
        let mut line = proxy.line("socks5");
        line.say(garbage);
        line.hear_gone();
        assert!(told(&line).contains("SOCKS"), "{}", told(&line));
    }
    let mut line = proxy.line("socks5");
    line.say([5, 200, 0]);
    line.half_close();
    line.hear_gone();
    assert!(told(&line).contains("before it said whom it wants"), "{}", told(&line));
}
