//! Conversations that a buffering or editing proxy breaks: gRPC, WebSocket, server-sent events, odd bytes, half-closes, resets.
//! In: the real program and peers that go on only when the other side's last word has arrived. Out: the same words, and each reported.

use std::io::{Read, Write};
use std::net::Shutdown;

use sidelight_testkit::exact::{self, Script, Step};
use sidelight_testkit::pki::client_config;
use sidelight_testkit::world::{self, python};
use sidelight_testkit::{Issuer, Origin, World, peers};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");
const EXPLICIT: &[&str] = &["--mode", "explicit@127.0.0.1:0"];

/// A world whose origin is one of the test kit's Python servers.
fn world_with(script: &str) -> (World, peers::Server) {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let root = Issuer::root("Streams Test Root");
    let server = peers::python_server(script, folder.path(), &world::identity(&root));
    (World::around(PROGRAM, root, Origin::plain("127.0.0.1:0"), EXPLICIT, 1), server)
}

#[test]
fn grpc_streams_in_both_directions_at_once() {
    let (world, server) = world_with("grpc_server.py");
    let target = format!("{}:{}", world::NAME, server.address.port());
    let done = world.compare(|side| {
        let mut python = python(side, "grpc_client.py");
        // The library reads the hosts file only through the system's resolver.
        python.env("GRPC_TARGET", &target).env("GRPC_DNS_RESOLVER", "native");
        python
    });
    assert!(done.text().contains("StatusCode.OK yes"), "{done}");
    assert!(done.text().contains("StatusCode.FAILED_PRECONDITION as asked"), "{done}");
    let chat = world.sidelight.exchange("POST", "/echo.Echo/Chat", 200);
    assert_eq!((&chat["grpc"]["requests"], &chat["grpc"]["responses"]), (&5.into(), &5.into()), "{chat}");
    assert_eq!(chat["grpc"]["status"], 0, "{chat}");
    let failed = world.sidelight.exchange("POST", "/echo.Echo/Fail", 200);
    assert_eq!((&failed["grpc"]["status"], &failed["grpc"]["message"]), (&9.into(), &"as asked".into()), "{failed}");
}

#[test]
fn websocket_messages_pass_and_are_shown() {
    let (world, server) = world_with("websocket_server.py");
    let url = format!("wss://{}:{}/chat", world::NAME, server.address.port());
    let done = world.compare(|side| {
        let mut python = python(side, "websocket_client.py");
        python.env("WEBSOCKET_URL", &url);
        python
    });
    assert!(done.text().contains("1000 enough"), "{done}");
    world.sidelight.exchange("GET", "/chat", 101);
    for (direction, kind) in
        [("to_server", "text"), ("to_client", "text"), ("to_client", "binary"), ("to_server", "close")]
    {
        world.sidelight.wait_for(&format!("{kind} {direction}"), "websocket", |line| {
            line["direction"] == direction && line["kind"] == kind
        });
    }
    let fragments = world.sidelight.wait_for("a message of three frames", "websocket", |line| {
        line["direction"] == "to_server" && line["size"] == 14
    });
    assert!(fragments["frames"].as_u64().is_some_and(|frames| frames >= 3), "{fragments}");
}

#[test]
fn each_server_sent_event_arrives_before_the_next_is_sent() {
    for protocols in [&["http/1.1"][..], &["h2", "http/1.1"]] {
        let world = World::with(PROGRAM, protocols, EXPLICIT, 1);
        let done = world.compare(|side| python(side, "events.py"));
        assert_eq!(done.text().matches("event: tick").count(), 5, "{done}");
        for event in 1..=5 {
            let id = event.to_string();
            world.sidelight.wait_for(&format!("event {id}"), "event", |line| {
                line["event"] == "tick" && line["id"] == id.as_str() && line["size"] == 7
            });
        }
        world.sidelight.exchange("GET", "/events", 200);
    }
}

#[test]
fn odd_but_legal_bytes_arrive_as_they_were_sent() {
    let request = b"GET /odd?a=b%20c HTTP/1.1\r\nhOST:  odd.test \r\nX-Twice: 1\r\nAccept: */*\r\nx-tWICE:2\r\n\r\n";
    let answer = b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>; rel=preload\r\n\r\nHTTP/1.1 200 Tip Top\r\nsERVER:odd\r\n\
        Transfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n5;name=\"v;1\"\r\nhello\r\n006\r\n world\r\n0\r\nX-eND: 1\r\n\r\n";
    let (world, identity) = plain_world();
    let steps = vec![Step::ReadUntil(b"\r\n\r\n".to_vec()), Step::SendSlowly(answer.to_vec()), Step::HalfClose];
    let script = Script::over_tls(identity.server_config(&["http/1.1"]), steps);
    let mut stream = tunnel(&world, script.address.port());
    stream.write_all(request).and_then(|()| stream.flush()).expect("the request goes out");
    let mut got = Vec::new();
    exact::read_to_end(&mut stream, &mut got);
    assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(answer));
    drop(stream);
    assert_eq!(String::from_utf8_lossy(&script.received()), String::from_utf8_lossy(request));
    let seen = world.sidelight.exchange("GET", "/odd?a=b%20c", 200);
    assert_eq!(seen["interim"][0]["status"], 103, "{seen}");
    assert_eq!(seen["response"]["reason"], "Tip Top", "{seen}");
    assert_eq!(seen["response"]["trailers"][0], serde_json::json!(["X-eND", "1"]), "{seen}");
}

#[test]
fn either_side_may_close_first_and_still_listen() {
    let (world, identity) = plain_world();
    // The client closes its direction; the server answers after it has seen that.
    let steps = vec![Step::ReadToEnd, Step::Send(b"you said all of it".to_vec()), Step::HalfClose];
    let script = Script::over_tls(identity.server_config(&[]), steps);
    let mut stream = tunnel(&world, script.address.port());
    stream.write_all(b"\x00first and last").expect("the words go out");
    stream.conn.send_close_notify();
    stream.flush().expect("close_notify goes out");
    stream.sock.shutdown(Shutdown::Write).expect("a half-closed connection");
    let mut got = Vec::new();
    exact::read_to_end(&mut stream, &mut got);
    assert_eq!(got, b"you said all of it");
    assert_eq!(script.received(), b"\x00first and last");
    // The server closes its direction first; the client still speaks.
    let steps = vec![Step::ReadUntil(b"?".to_vec()), Step::Send(b"bye".to_vec()), Step::HalfClose, Step::ReadToEnd];
    let script = Script::over_tls(identity.server_config(&[]), steps);
    let mut stream = tunnel(&world, script.address.port());
    stream.write_all(b"\x00ready?").and_then(|()| stream.flush()).expect("the question goes out");
    let mut got = Vec::new();
    exact::read_to_end(&mut stream, &mut got);
    assert_eq!(got, b"bye");
    stream.write_all(b"still here").and_then(|()| stream.flush()).expect("the words go out");
    drop(stream);
    assert_eq!(script.received(), b"\x00ready?still here");
}

#[test]
fn a_reset_is_passed_on_as_an_end_of_the_connection() {
    let (world, identity) = plain_world();
    let steps = vec![Step::ReadUntil(b"\r\n\r\n".to_vec()), Step::Send(b"HTTP/1.1 200 OK\r\n".to_vec()), Step::Reset];
    let script = Script::over_tls(identity.server_config(&["http/1.1"]), steps);
    let mut stream = tunnel(&world, script.address.port());
    stream
        .write_all(b"GET /reset HTTP/1.1\r\nHost: x\r\n\r\n")
        .and_then(|()| stream.flush())
        .expect("the request goes out");
    let mut got = Vec::new();
    let end = stream.read_to_end(&mut got);
    assert!(end.is_err(), "a broken connection ended as if it were whole: {:?}", String::from_utf8_lossy(&got));
    script.received();
    let seen = world.sidelight.wait_for("the cut exchange", "exchange", |line| line["outcome"] == "cut");
    assert_eq!(seen["method"], "GET", "{seen}");
}

/// A world whose origin each test scripts itself, and the identity for it.
fn plain_world() -> (World, sidelight_testkit::Identity) {
    let root = Issuer::root("Exact Test Root");
    let identity = world::identity(&root);
    (World::around(PROGRAM, root, Origin::plain("127.0.0.1:0"), EXPLICIT, 1), identity)
}

/// A TLS client through sidelight to a port of this machine.
fn tunnel(world: &World, port: u16) -> exact::ClientStream {
    let through = world.through();
    let roots = std::fs::read_to_string(&through.ca).expect("the CA's certificate");
    let proxy = through.proxy.expect("a proxy");
    let tcp = exact::tcp(Some(proxy), &format!("{}:{port}", world::NAME), proxy).expect("a tunnel");
    exact::tls(tcp, world::NAME, client_config(&roots, &["http/1.1"]))
}
