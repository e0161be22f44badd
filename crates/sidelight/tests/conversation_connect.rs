//! Tunnels: how a client asks the proxy for one, and what may be spoken inside. Spec: RFC 9110 §9.3.6, §11.7.

use std::sync::Arc;

use sidelight_testkit::talk::{Line, Proxy, Service};
use sidelight_testkit::{Issuer, Leaf, pki};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");

fn explicit() -> Proxy {
    Proxy::start(PROGRAM, &["explicit"], &[])
}

/// A service that says back what it hears, until the client closes.
fn echo() -> Service<()> {
    Service::start(echo_all)
}

fn echo_all(mut line: Line) {
    use std::io::Read;
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = line.read(&mut buffer) {
        line.say(&buffer[..count]);
    }
}

fn root_and_server(names: &[&str], protocols: &[&str]) -> (Issuer, Arc<rustls::ServerConfig>) {
    let root = Issuer::root("Conversation Root");
    let server = root.issue(&Leaf::named(names)).server_config(protocols);
    (root, server)
}

#[test]
fn tunnels_lead_to_names_and_addresses() {
    let proxy = explicit();
    let four = echo();
    let six = Service::at("[::1]:0", echo_all);
    let (port4, port6) = (four.address.port(), six.address.port());
    for to in [
        format!("127.0.0.1:{port4}"),
        format!("LOCALHOST:{port4}"),
        format!("[::1]:{port6}"),
        format!("localhost.:{port4}"),
    ] {
        let mut line = proxy.tunnel(&to);
        line.say("ping");
        line.hear("ping");
        line.half_close();
        line.hear_end();
    }
    // Bytes that come with the request belong to the tunnel, and the old version will do.
    let mut line = proxy.line("explicit");
    line.say(format!("CONNECT {} HTTP/1.0\r\n\r\nearly", four.place()));
    line.hear("HTTP/1.1 200 Connection Established\r\n\r\nearly");
}

#[test]
fn a_tunnel_without_a_port_or_with_garbage_is_refused_with_the_reason() {
    let proxy = explicit();
    for (target, status, words) in [
        // No port means 443, where nobody listens on this address.
        ("127.99.98.97", "502 Bad Gateway", "127.99.98.97:443"),
        ("127.0.0.1:99999", "400 Bad Request", "99999"),
        ("127.0.0.1:0", "400 Bad Request", "127.0.0.1:0"),
        ("http://127.0.0.1:80", "400 Bad Request", "CONNECT: "),
        ("[::1", "400 Bad Request", "CONNECT: "),
        (":443", "400 Bad Request", "CONNECT: "),
        ("a\u{1}b:443", "400 Bad Request", ""),
    ] {
        let mut line = proxy.line("explicit");
        line.say(format!("CONNECT {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let answer = String::from_utf8(line.hear_all()).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")) && answer.contains(words), "{target}: {answer}");
        let from = line.local();
        drop(line);
        let record = proxy.record_of(from);
        assert!(record["fate"] == "refused" || record["fate"] == "failed", "{target}: {record}");
    }
}

#[test]
fn the_login_must_be_right() {
    let proxy = Proxy::start(PROGRAM, &["explicit"], &["--proxy-auth", "kim:s3cret:x"]);
    let service = echo();
    let connect = |login: &str| {
        let mut line = proxy.line("explicit");
        line.say(format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n{login}\r\n", service.place()));
        line
    };
    // kim:wrong; kim with another case of the password; the right words by another scheme; not base64.
    for login in [
        "",
        "Proxy-Authorization: Basic a2ltOndyb25n\r\n",
        "Proxy-Authorization: Basic a2ltOlMzY3JldDp4\r\n",
        "Proxy-Authorization: Bearer a2ltOnMzY3JldDp4\r\n",
        "Proxy-Authorization: Basic %%%\r\n",
        "Authorization: Basic a2ltOnMzY3JldDp4\r\n",
    ] {
        let mut line = connect(login);
        let head = line.hear_head();
        assert!(head.starts_with("HTTP/1.1 407 Proxy Authentication Required\r\n"), "{login}: {head}");
        assert!(head.contains("\r\nProxy-Authenticate: Basic realm=\"sidelight\"\r\n"), "{head}");
    }
    let finding = proxy.sidelight.finding("proxy_auth_required");
    assert!(!finding.to_string().contains("s3cret"), "{finding}");
    assert!(service.is_alone());
    for login in
        ["Proxy-Authorization: Basic a2ltOnMzY3JldDp4\r\n", "proxy-authorization:  basic  a2ltOnMzY3JldDp4 \r\n"]
    {
        let mut line = connect(login);
        line.hear("HTTP/1.1 200 Connection Established\r\n\r\n");
        line.say("in");
        line.hear("in");
    }
}

#[test]
fn clients_may_speak_tls_to_the_proxy() {
    let (root, server) = root_and_server(&["inner.localhost"], &[]);
    let service = Service::start(move |line| echo_all(line.serve_tls(&server)));
    let proxy = Proxy::trusting(PROGRAM, &root, &["explicit", "explicit:tls"], &[]);
    let secure = proxy.sidelight.of_type("listening")[1]["address"].as_str().unwrap().parse().unwrap();
    let to = format!("inner.localhost:{}", service.address.port());
    for (address, name) in
        [(proxy.sidelight.address("explicit"), "localhost"), (secure, "127.0.0.1"), (secure, "proxy.test")]
    {
        let mut outer = Line::to(address).tls(name, &proxy.client(&["http/1.1"]));
        outer.say(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n"));
        outer.hear("HTTP/1.1 200 Connection Established\r\n\r\n");
        let mut inner = outer.tls("inner.localhost", &proxy.client(&[]));
        inner.say("two layers");
        inner.hear("two layers");
    }
    let mut plain = Line::to(secure);
    plain.say(format!("CONNECT {to} HTTP/1.1\r\n\r\n"));
    plain.hear_gone();
    let finding = proxy.sidelight.finding("proxy_denied");
    assert!(finding["summary"].as_str().unwrap().contains("explicit:tls"), "{finding}");
    let stranger = pki::client_config(root.pem(), &[]);
    let refused = Line::to(secure).try_tls("localhost", &stranger);
    assert!(refused.is_err());
    assert!(
        proxy.sidelight.finding("tls_intercepted")["summary"].as_str().unwrap().contains("certificate of this proxy")
    );
}

#[test]
fn the_proxy_hands_out_its_certificate() {
    let proxy = explicit();
    let mut line = proxy.line("explicit");
    line.say("GET /ca.pem HTTP/1.1\r\nHost: proxy\r\n\r\n");
    let head = line.hear_head();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(String::from_utf8(line.hear_all()).unwrap(), proxy.ca());
    let mut line = proxy.line("explicit");
    line.say("HEAD /ca.pem HTTP/1.1\r\nHost: proxy\r\n\r\n");
    assert!(line.hear_head().contains(&format!("\r\nContent-Length: {}\r\n", proxy.ca().len())));
    line.hear_end();
    let mut line = proxy.line("explicit");
    line.say("GET /ca.key HTTP/1.1\r\nHost: proxy\r\n\r\n");
    assert!(line.hear_head().starts_with("HTTP/1.1 400 Bad Request\r\n"));
    assert!(!String::from_utf8(line.hear_all()).unwrap().contains("PRIVATE"));
}

#[test]
fn inside_a_tunnel_tls_is_opened_with_the_protocol_that_the_service_chose() {
    let (root, server) = root_and_server(&["inner.localhost"], &["h2", "http/1.1"]);
    let service = Service::start(move |line| {
        let mut line = line.serve_tls(&server);
        let name = line.server().server_name().map(str::to_owned);
        line.hear_head();
        line.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        name
    });
    let proxy = Proxy::trusting(PROGRAM, &root, &["explicit"], &[]);
    let to = format!("inner.localhost:{}", service.address.port());
    let mut line = proxy.tunnel(&to).tls("inner.localhost", &proxy.client(&["http/1.0", "http/1.1"]));
    assert_eq!(line.client().alpn_protocol(), Some(&b"http/1.1"[..]), "of those offered, what the service takes");
    line.say(format!("GET /in HTTP/1.1\r\nHost: {to}\r\n\r\n"));
    line.hear("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(service.over().as_deref(), Some("inner.localhost"));
    let seen = proxy.sidelight.exchange("GET", "/in", 200);
    assert_eq!(seen["url"], format!("https://{to}/in"));
    let line = proxy.tunnel(&to).tls("inner.localhost", &proxy.client(&[]));
    assert_eq!(line.client().alpn_protocol(), None, "nothing offered, nothing chosen");
}

#[test]
fn inside_a_tunnel_plain_http_and_h2c_are_shown() {
    let proxy = explicit();
    let service = Service::start(|mut line| {
        line.hear_head();
        line.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let mut line = proxy.tunnel(&service.place());
    line.say_slowly("get /plain HTTP/1.1\r\nHost: x.test\r\nProxy-Connection: stays\r\n\r\n");
    line.hear("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    service.over();
    proxy.sidelight.exchange("get", "/plain", 200);

    // RFC 9113 §3.4: preface, SETTINGS; a request with literal fields, answered with :status 204.
    let settings = b"\0\0\0\x04\0\0\0\0\0";
    let h2c = Service::start(move |mut line| {
        line.hear("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        line.hear(settings);
        line.say(settings);
        line.hear_until("/h2c");
        line.say(b"\0\0\x01\x01\x05\0\0\0\x01\x89");
        line.hear_end();
    });
    let mut line = proxy.tunnel(&h2c.place());
    line.say([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), settings].concat());
    // Indexed :method GET and :scheme http, literal :authority and :path (RFC 7541 §6.1, §6.2.2).
    let block = b"\x82\x86\x01\x06x.test\x04\x04/h2c";
    line.say([&[0, 0, block.len() as u8, 1, 5, 0, 0, 0, 1][..], block].concat());
    line.hear(settings);
    line.hear(b"\0\0\x01\x01\x05\0\0\0\x01\x89");
    line.half_close();
    h2c.over();
    let seen = proxy.sidelight.exchange("GET", "/h2c", 204);
    assert_eq!(seen["protocol"], "HTTP/2");
}

#[test]
fn unknown_bytes_pass_both_ways() {
    let proxy = explicit();
    let bytes: Vec<u8> = (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let first_bytes: [&[u8]; 5] =
        [b"\0", b"\x16", b"\x16\x03\x01\xff\xff\x01\0\0\0junk", b"\x16\x03\x01\0\x05\x02\0\0\0\0more", b"\x80\x2e\x01"];
    for first in first_bytes {
        let service = echo();
        let mut line = proxy.tunnel(&service.place());
        let said = [first, &bytes].concat();
        line.say(&said);
        line.half_close();
        assert!(line.hear_all() == said, "after {}", first.escape_ascii());
        service.over();
    }
}

#[test]
fn a_service_may_speak_first() {
    let proxy = explicit();
    for banner in
        ["SSH-2.0-OpenSSH_9.2\r\n", "220 mail.test ESMTP\r\n", "\0\x01", "HTTP/1.1 408 Request Timeout\r\n\r\n"]
    {
        let service = Service::start(move |mut line| {
            line.say(banner);
            line.hear("and you?\n");
            line.say("bye");
            line.half_close();
            line.hear_end();
        });
        let mut line = proxy.tunnel(&service.place());
        line.hear(banner);
        line.say("and you?\n");
        line.hear("bye");
        line.hear_end();
        line.half_close();
        service.over();
        assert_eq!(proxy.record_of(line.local())["how"], "clean");
    }
}

#[test]
fn a_client_that_begins_tls_after_another_greeting_is_told_of() {
    let proxy = explicit();
    let hello = "\x16\x03\x01\0\x05\x01\0\0\x01\0";
    let service = Service::start(move |mut line| {
        line.say("SSH-2.0-OpenSSH_9.2\r\n");
        line.hear(hello);
        line.half_close();
        line.hear_end();
    });
    let mut line = proxy.tunnel(&service.place());
    line.hear("SSH-2.0-OpenSSH_9.2\r\n");
    line.say(hello);
    line.hear_end();
    line.half_close();
    service.over();
    let finding = proxy.sidelight.finding("not_tls");
    assert!(finding["summary"].as_str().unwrap().contains("SSH"), "{finding}");
    assert_eq!(finding["evidence"][0]["value"], "SSH-2.0-OpenSSH_9.2");
}

#[test]
fn a_client_may_half_close_at_once_and_a_service_too() {
    let proxy = explicit();
    let service = Service::start(|mut line| {
        line.hear_end();
        line.say("said after the end");
    });
    let mut line = proxy.tunnel(&service.place());
    line.half_close();
    line.hear("said after the end");
    line.hear_end();
    service.over();

    let service = Service::start(|mut line| {
        line.half_close();
        line.hear("still heard");
        line.hear_end();
    });
    let mut line = proxy.tunnel(&service.place());
    line.hear_end();
    line.say("still heard");
    line.half_close();
    service.over();
}

#[test]
fn half_closes_pass_through_tls() {
    let (root, server) = root_and_server(&["inner.localhost"], &[]);
    let service = Service::start(move |line| {
        let mut line = line.serve_tls(&server);
        line.hear("request");
        line.hear_end();
        line.say("response");
        line.half_close();
    });
    let proxy = Proxy::trusting(PROGRAM, &root, &["explicit"], &[]);
    let to = format!("inner.localhost:{}", service.address.port());
    let mut line = proxy.tunnel(&to).tls("inner.localhost", &proxy.client(&[]));
    line.say("request");
    line.half_close();
    line.hear("response");
    line.hear_end();
    service.over();
    let record = proxy.record_of(line.local());
    assert_eq!((&record["fate"], &record["how"]), (&"decrypted".into(), &"clean".into()), "{record}");
}
