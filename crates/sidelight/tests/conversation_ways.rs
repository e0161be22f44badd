//! The other ways in and the ways out: sni, forward, reverse, and chains of proxies.

use std::sync::Arc;

use sidelight_testkit::talk::{Line, Proxy, Service};
use sidelight_testkit::{Issuer, Leaf, pki};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");
const NAME: &str = "origin.localhost";
const LOGIN: &str = "kim:s3cret";
/// `kim:s3cret` as Basic wants it.
const BASIC: &str = "Basic a2ltOnMzY3JldA==";

fn pki() -> (Issuer, Arc<rustls::ServerConfig>) {
    let root = Issuer::root("Ways Root");
    let server = root.issue(&Leaf::named(&[NAME])).server_config(&["http/1.1"]);
    (root, server)
}

fn answer(mut line: Line) -> String {
    let head = line.hear_head();
    line.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    head
}

/// A service with TLS that gives the server name and the head of one request.
fn secure(tls: Arc<rustls::ServerConfig>) -> Service<(Option<String>, String)> {
    Service::start(move |line| {
        let line = line.serve_tls(&tls);
        let name = line.server().server_name().map(str::to_owned);
        (name, answer(line))
    })
}

fn ask(line: &mut Line, path: &str) {
    line.say(format!("GET {path} HTTP/1.1\r\nHost: {NAME}\r\n\r\n"));
    line.hear("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

#[test]
fn sni_leads_to_the_name_in_the_hello_or_in_host() {
    let (root, tls) = pki();
    let service = secure(tls);
    let plain = Service::start(answer);
    let proxy = Proxy::trusting(PROGRAM, &root, &[&format!("sni:{}", service.address.port())], &[]);
    let mut line = proxy.line("sni").tls(NAME, &proxy.client(&["http/1.1"]));
    ask(&mut line, "/named");
    assert_eq!(service.over().0.as_deref(), Some(NAME));
    let url = format!("https://{NAME}/named");
    assert_eq!(proxy.sidelight.exchange("GET", "/named", 200)["url"], url);

    let mut line = proxy.line("sni");
    let head = format!("GET /host HTTP/1.1\r\nX-first: 1\r\nhost: localhost:{}\r\n\r\n", plain.address.port());
    line.say_slowly(&head);
    line.hear("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(plain.over(), head);

    let nameless = proxy.line("sni").try_tls("127.0.0.1", &proxy.client(&[])).err().expect("a refusal");
    assert!(nameless.to_string().contains("UnrecognisedName"), "{nameless}");
    let finding = proxy.sidelight.finding("sni_needed");
    assert!(finding["summary"].as_str().unwrap().contains("no server name"), "{finding}");
    assert!(finding["fix"][0]["how"].as_str().unwrap().contains("forward:HOST:PORT"));
    for garbage in ["\0\0\0\0", "GET / HTTP/1.0\r\n\r\n"] {
        let mut line = proxy.line("sni");
        line.say(garbage);
        line.half_close();
        line.hear_gone();
        assert_eq!(proxy.record_of(line.local())["fate"], "refused", "{garbage:?}");
    }
}

#[test]
fn forward_leads_everything_to_one_place() {
    let (root, tls) = pki();
    let service = secure(tls);
    let banner = Service::start(|mut line| line.say("SSH-2.0-x\r\n"));
    let to = [format!("forward:127.0.0.1:{}", service.address.port()), format!("forward:{}", banner.address)];
    let proxy = Proxy::trusting(PROGRAM, &root, &[&to[0], &to[1]], &[]);
    let mut line = proxy.line("forward").tls(NAME, &proxy.client(&["http/1.1"]));
    ask(&mut line, "/hosts-file");
    assert_eq!(service.over().0.as_deref(), Some(NAME), "the client's own name for it is what counts");
    proxy.sidelight.exchange("GET", "/hosts-file", 200);
    let second = proxy.sidelight.of_type("listening")[1]["address"].as_str().unwrap().parse().unwrap();
    let mut line = Line::to(second);
    line.hear("SSH-2.0-x\r\n");
    line.hear_end();
    // Without a name, the certificate must be for the address; this one is not, and the client sees so.
    let error = proxy.line("forward").try_tls("127.0.0.1", &proxy.client(&[])).err().expect("a refusal").to_string();
    assert!(error.contains("not valid for name"), "{error}");
    proxy.sidelight.finding("hostname_mismatch");
}

#[test]
fn reverse_stands_before_a_service_with_tls_on_either_side_or_both() {
    let (root, tls) = pki();
    let service = secure(tls);
    let plain = Service::start(answer);
    let urls = [
        format!("reverse:https://{NAME}:{}", service.address.port()),
        format!("reverse:http://127.0.0.1:{}", plain.address.port()),
    ];
    let proxy = Proxy::trusting(PROGRAM, &root, &[&urls[0], &urls[1]], &[]);
    let listening = proxy.sidelight.of_type("listening");
    let at = |index: usize| Line::to(listening[index]["address"].as_str().unwrap().parse().unwrap());
    // Clients know it by another name, or by none at all.
    for name in ["front.test", "127.0.0.1"] {
        let mut line = at(0).tls(name, &proxy.client(&["h2", "http/1.1"]));
        assert_eq!(line.client().alpn_protocol(), Some(&b"http/1.1"[..]));
        ask(&mut line, "/both");
        let (sni, head) = service.over();
        assert_eq!(sni.as_deref(), Some(NAME));
        assert_eq!(head, format!("GET /both HTTP/1.1\r\nHost: {NAME}\r\n\r\n"));
    }
    let mut line = at(0);
    ask(&mut line, "/out");
    assert_eq!(service.over().0.as_deref(), Some(NAME));
    let mut line = at(1).tls("front.test", &proxy.client(&["h2", "http/1.1"]));
    assert_eq!(line.client().alpn_protocol(), Some(&b"http/1.1"[..]));
    ask(&mut line, "/in");
    plain.over();
    let mut line = at(1);
    ask(&mut line, "/none");
    plain.over();
    for path in ["/both", "/out", "/in", "/none"] {
        proxy.sidelight.exchange("GET", path, 200);
    }
}

#[test]
fn a_plain_client_of_reverse_is_not_led_to_an_untrusted_service() {
    let (_, tls) = pki();
    let service = Service::start(move |line| line.try_serve_tls(&tls).map(|mut line| line.hear_all()));
    let url = format!("reverse:https://{NAME}:{}", service.address.port());
    let proxy = Proxy::trusting(PROGRAM, &Issuer::root("Another Root"), &[&url], &[]);
    let mut line = proxy.line("reverse");
    line.say("GET /secret HTTP/1.1\r\n\r\n");
    line.hear_gone();
    proxy.sidelight.finding("root_not_trusted");
    assert!(service.over().is_ok_and(|heard| heard.is_empty()));
}

/// What a client gets through a chain of proxies to a service with TLS, and through it in plain.
fn through_chain(next: &Proxy, next_mode: &str, scheme: &str) {
    let (root, tls) = pki();
    let service = secure(tls);
    let plain = Service::start(answer);
    let url = format!("upstream:{scheme}://{LOGIN}@{}", next.sidelight.address(next_mode));
    let next_ca = next.sidelight.ca_file();
    let proxy = Proxy::trusting(PROGRAM, &root, &[&url], &["--roots", next_ca.to_str().unwrap()]);
    let to = format!("{NAME}:{}", service.address.port());
    let mut line = proxy.line("upstream");
    line.say(format!("CONNECT {to} HTTP/1.1\r\n\r\n"));
    line.hear("HTTP/1.1 200 Connection Established\r\n\r\n");
    let mut line = line.tls(NAME, &proxy.client(&["http/1.1"]));
    ask(&mut line, "/chained");
    assert_eq!(service.over().0.as_deref(), Some(NAME));
    drop(line);
    let seen = proxy.sidelight.exchange("GET", "/chained", 200);
    assert_eq!(seen["upstream"], next.sidelight.address(next_mode).to_string(), "{seen}");
    next.sidelight.wait_for("the tunnel", "connection", |line| line["target"] == to.as_str());

    let mut line = proxy.line("upstream");
    let place = plain.place();
    line.say(format!(
        "GET http://{place}/plain HTTP/1.1\r\nHost: {place}\r\nProxy-Authorization: Basic eDp5\r\nX-odd:1\r\n\r\n"
    ));
    line.hear("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(plain.over(), format!("GET /plain HTTP/1.1\r\nHost: {place}\r\nX-odd:1\r\n\r\n"));
}

#[test]
fn chains_go_through_http_https_and_socks_proxies_with_a_login() {
    // The next proxy only relays, so that the first one sees the service's own certificate.
    let next = Proxy::start(PROGRAM, &["explicit", "socks5"], &["--proxy-auth", LOGIN, "--pass", "*"]);
    through_chain(&next, "explicit", "http");
    through_chain(&next, "socks5", "socks5");
    let next = Proxy::start(PROGRAM, &["explicit:tls"], &["--proxy-auth", LOGIN, "--pass", "*"]);
    through_chain(&next, "explicit", "https");
}

#[test]
fn the_next_proxy_gets_its_own_login_and_no_proxy_goes_around_it() {
    let next = Service::start(|mut line| {
        let head = line.hear_head();
        line.say("HTTP/1.1 200 sure\r\nVia: next\r\n\r\nearly ");
        line.say("banner");
        head
    });
    let around = Service::start(answer);
    let url = format!("upstream:http://{LOGIN}@{}", next.address);
    let variables = [("NO_PROXY", "other.test,.localhost"), ("HTTPS_PROXY", "http://127.0.0.1:1")];
    let proxy = Proxy::launch(PROGRAM, None, &[&url], &[], &variables);
    let mut line = proxy.line("upstream");
    line.say("CONNECT service.test:25 HTTP/1.1\r\nProxy-Authorization: Basic eDp5\r\nUser-Agent: me\r\n\r\n");
    line.hear("HTTP/1.1 200 Connection Established\r\n\r\nearly banner");
    line.hear_end();
    let head = next.over();
    assert!(head.starts_with("CONNECT service.test:25 HTTP/1.1\r\nHost: service.test:25\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nProxy-Authorization: {BASIC}\r\n")) && !head.contains("eDp5"), "{head}");

    let mut line = proxy.line("upstream");
    let place = format!("a.localhost:{}", around.address.port());
    line.say(format!("GET http://{place}/around HTTP/1.1\r\nHost: {place}\r\n\r\n"));
    line.hear("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert!(around.over().starts_with("GET /around HTTP/1.1\r\n"));
    assert!(next.is_alone());
}

#[test]
fn a_next_proxy_that_refuses_is_named_with_its_answer() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let answers = [
        ("HTTP/1.1 403 Not From Here\r\nContent-Length: 4\r\n\r\nbusy", "proxy_denied", "403 Not From Here"),
        (
            "HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
            "proxy_auth_required",
            "login",
        ),
        ("220 mail.test ESMTP\r\n", "proxy_denied", "not an HTTP answer"),
        ("HTTP/1.1 2", "proxy_denied", "closed the connection before its answer was whole"),
        ("", "proxy_denied", "closed the connection before its answer was whole"),
    ];
    for (says, cause, words) in answers {
        let next = Service::start(move |mut line| {
            line.hear_head();
            line.say(says);
        });
        let url = format!("upstream:http://{}", next.address);
        refused(&Proxy::start(PROGRAM, &[&url], &[]), next.address, cause, words);
    }
    let url = format!("upstream:http://{dead}");
    refused(&Proxy::start(PROGRAM, &[&url], &[]), dead, "proxy_unreachable", "refused");
    let socks = Service::start(|mut line| {
        line.hear([5, 1, 0]);
        line.say([5, 0xff]);
    });
    let url = format!("upstream:socks5://{}", socks.address);
    refused(&Proxy::start(PROGRAM, &[&url], &[]), socks.address, "proxy_denied", "method");
    let stranger = secure(pki().1);
    let url = format!("upstream:https://127.0.0.1:{}", stranger.address.port());
    refused(&Proxy::trusting(PROGRAM, &pki().0, &[&url], &[]), stranger.address, "proxy_unreachable", "127.0.0.1");
}

fn refused(proxy: &Proxy, next: std::net::SocketAddr, cause: &str, words: &str) {
    let mut line = proxy.line("upstream");
    line.say("CONNECT service.test:443 HTTP/1.1\r\n\r\n");
    let answer = String::from_utf8(line.hear_all()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
    assert!(answer.contains(&next.to_string()) && answer.contains(words), "{words}: {answer}");
    let finding = proxy.sidelight.finding(cause);
    assert_eq!(finding["fault"], "proxy", "{finding}");
    assert!(!finding["fix"].as_array().unwrap().is_empty());
}

#[test]
fn a_client_that_trusts_only_the_service_is_told_apart_in_every_way() {
    let (root, tls) = pki();
    let service = Service::start(move |line| line.try_serve_tls(&tls).map(|mut line| line.hear_all()).is_ok());
    let proxy = Proxy::trusting(PROGRAM, &root, &[&format!("sni:{}", service.address.port())], &[]);
    let error = proxy.line("sni").try_tls(NAME, &pki::client_config(root.pem(), &[])).err().expect("a refusal");
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    let finding = proxy.sidelight.finding("tls_intercepted");
    assert!(finding["summary"].as_str().unwrap().contains("unknown_ca"), "{finding}");
}
