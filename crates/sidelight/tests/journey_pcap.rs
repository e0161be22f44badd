//! Captures made by the real program between real peers, opened by tshark. In: curl, OpenSSL, gRPC and WebSocket peers. Out: every
//! byte decrypted on both legs, equal to what the origin sent, and nothing that Wireshark finds wrong.

mod wireshark;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sidelight_testkit::process::{Running, free_port, run};
use sidelight_testkit::world::{self, NAME, binary, names, python};
use sidelight_testkit::{Issuer, Origin, World, origin, peers};
use wireshark::{Capture, SERVICES, file};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");
const EXPLICIT: [&str; 2] = ["--mode", "explicit@127.0.0.1:0"];
const LENGTH: u64 = 300_007;

/// A world that writes a capture, and where it is; the folder must outlive it.
fn world(protocols: &[&str], options: &[&str]) -> (World, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pcap = file(folder.path(), "a.pcapng");
    let options = [&EXPLICIT[..], &["--pcap", &pcap], options].concat();
    (World::with(PROGRAM, protocols, &options, 1), pcap, folder)
}

/// curl through sidelight, which must succeed.
fn curl(world: &World, arguments: &[&str]) {
    let done = run(&mut world.through().curl(&[arguments, &["--output", "/dev/null"]].concat()));
    assert!(done.status.success(), "{done}\n{}", world.sidelight.said());
}

#[test]
fn both_legs_are_decrypted_by_the_keys_inside() {
    let (world, pcap, _folder) = world(&["h2", "http/1.1"], &[]);
    let url = world.through().url(&format!("/bytes/{LENGTH}"));
    for version in ["--http1.1", "--http2"] {
        for most in ["1.2", "1.3"] {
            curl(&world, &[version, "--tls-max", most, &url]);
        }
    }
    let port = world.origin.address().port();
    world.sidelight.stop();
    let capture = Capture::new(pcap, port);
    capture.is_sound();
    let body = origin::body(0, LENGTH);
    let bodies = capture.http1_bodies();
    assert_eq!(bodies.len(), 4, "two connections of two legs");
    assert!(bodies.iter().all(|found| *found == body));
    let bodies = capture.http2_bodies();
    assert_eq!(bodies.len(), 4, "two connections of two legs");
    assert!(bodies.iter().all(|found| *found == body));
    let first = capture.fields("frame.comment", &["frame.comment"]);
    assert_eq!(first[0], "sidelight: connection 1, client leg");
    let whole = format!("to {NAME}:{port}; SNI {NAME}; intercept");
    for leg in ["client", "service"] {
        let about =
            |line: &&String| line.contains(&format!("connection 1, {leg} leg; curl[")) && line.ends_with(&whole);
        assert_eq!(first.iter().filter(about).count(), 1, "{first:#?}");
    }
}

#[test]
fn resumed_sessions_are_decrypted() {
    let (world, pcap, _folder) = world(&["http/1.1"], &[]);
    let url = world.through().url("/bytes/1000");
    for most in ["1.2", "1.3"] {
        // One process, so that it keeps its sessions, and a connection for each.
        curl(&world, &["--tls-max", most, "--header", "Connection: close", &url, &url, "--output", "/dev/null"]);
    }
    let port = world.origin.address().port();
    let resumed =
        world.sidelight.of_type("exchange").iter().filter(|seen| seen["server_tls"]["resumed"] == true).count();
    world.sidelight.stop();
    let capture = Capture::new(pcap, port);
    capture.is_sound();
    let answers = capture.fields("http.response.code == 200 and http.file_data", &["frame.interface_id"]);
    assert_eq!(answers.len(), 8, "four connections of two legs");
    let psk = capture.fields("tls.handshake.type == 2 and tls.handshake.extension.type == 41", &["frame.number"]);
    assert!(!psk.is_empty(), "no session of TLS 1.3 was resumed ({resumed} as sidelight says)");
}

/// `openssl s_server` for the test's name, which answers each request with a page about the connection.
fn openssl(folder: &std::path::Path, root: &Issuer, options: &[&str]) -> (Running, u16) {
    let (certificate, key) = root.issue(&world::leaf()).write_to(folder, "service");
    let port = free_port();
    let mut command = Command::new("openssl");
    command.args(["s_server", "-accept", &format!("127.0.0.1:{port}"), "-www", "-cert"]).arg(certificate);
    command.arg("-key").arg(key).args(options);
    let mut server = Running::start(&mut command, &folder.join("s_server.log"));
    server.until("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    (server, port)
}

#[test]
fn services_with_tls_1_2_and_clients_that_change_their_keys() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = Issuer::root("OpenSSL Test Root");
    let (_server, port) = openssl(folder.path(), &root, &["-tls1_2"]);
    let pcap = file(folder.path(), "a.pcapng");
    let options = [&EXPLICIT[..], &["--pcap", &pcap]].concat();
    let world = World::around(PROGRAM, root, Origin::plain("127.0.0.1:0"), &options, 1);
    curl(&world, &[&format!("https://{NAME}:{port}/tls12")]);
    let mut client = world.through().command("openssl");
    let through = world.through();
    client.args(["s_client", "-connect", &format!("{NAME}:{port}"), "-servername", NAME, "-tls1_3", "-CAfile"]);
    client.arg(&through.ca).args(["-proxy", &through.proxy.expect("a proxy").to_string()]);
    let mut client =
        client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("openssl");
    let mut input = client.stdin.take().expect("a pipe");
    let mut output = BufReader::new(client.stdout.take().expect("a pipe"));
    let mut until = |words: &str| {
        let mut line = Vec::new();
        while !String::from_utf8_lossy(&line).contains(words) {
            line.clear();
            assert!(output.read_until(b'\n', &mut line).expect("its output") > 0, "it ended before {words}");
        }
    };
    until("Verify return code: 0");
    // A line that begins with K is a command: new keys. What follows it is sent with them.
    for text in ["K\n", "GET /after HTTP/1.0\n\n"] {
        // Each is read on its own, or else the command would be sent as text.
        std::thread::sleep(Duration::from_millis(500));
        input.write_all(text.as_bytes()).and_then(|()| input.flush()).expect("its input");
    }
    until("HTTP/1.0 200");
    drop(input);
    client.kill().ok();
    client.wait().expect("its end");
    world.sidelight.exchange("GET", "/after", 200);
    world.sidelight.stop();
    let capture = Capture::new(pcap, port);
    capture.is_dissected();
    let update = capture.fields("tls.handshake.type == 24", &["frame.interface_id"]);
    assert!(!update.is_empty(), "no KeyUpdate was sent");
    for path in ["/tls12", "/after"] {
        let mut seen = capture.fields(&format!("http.request.uri == \"{path}\""), &["frame.interface_id"]);
        seen.sort();
        assert_eq!(seen, ["0", "1"], "{path}");
    }
    let versions = capture.fields(&format!("tls.handshake.type == 2 and {SERVICES}"), &["tls.handshake.version"]);
    assert!(!versions.is_empty() && versions.iter().all(|version| version == "0x0303"), "{versions:?}");
}

#[test]
fn grpc_and_websocket_are_dissected() {
    for (server, client, filter, wanted) in [
        ("grpc_server.py", "grpc_client.py", "grpc.message_length > 0", 4),
        ("websocket_server.py", "websocket_client.py", "websocket.payload", 4),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = Issuer::root("Streams Test Root");
        let server = peers::python_server(server, folder.path(), &world::identity(&root));
        let pcap = file(folder.path(), "a.pcapng");
        let options = [&EXPLICIT[..], &["--pcap", &pcap, "--pcap-content", "both"]].concat();
        let world = World::around(PROGRAM, root, Origin::plain("127.0.0.1:0"), &options, 1);
        let port = server.address.port();
        let mut python = python(&world.through(), client);
        python.env("GRPC_TARGET", format!("{NAME}:{port}")).env("GRPC_DNS_RESOLVER", "native");
        python.env("WEBSOCKET_URL", format!("wss://{NAME}:{port}/chat"));
        let done = run(&mut python);
        assert!(done.status.success(), "{done}");
        world.sidelight.stop();
        let capture = Capture::new(pcap, port).without("protobuf");
        capture.is_dissected();
        let on = |interface: u8| {
            let filter = format!("({filter}) and frame.interface_id == {interface}");
            capture.fields(&filter, &["websocket.payload.text", "grpc.message_length"]).join("\n")
        };
        let (clients, services, decrypted) = (on(0), on(1), on(2));
        assert!(clients.lines().count() >= wanted, "{clients}");
        let words = |text: &str| text.replace(',', "\n");
        assert_eq!(words(&clients), words(&services));
        assert_eq!(words(&clients), words(&decrypted));
    }
}

#[test]
fn plain_content_is_read_without_tls() {
    let (world, pcap, _folder) = world(&["h2", "http/1.1"], &["--pcap-content", "plain"]);
    let url = world.through().url(&format!("/bytes/{LENGTH}"));
    curl(&world, &["--http1.1", &url]);
    curl(&world, &["--http2", &url]);
    let port = world.origin.address().port();
    world.sidelight.stop();
    let capture = Capture::new(pcap, port);
    capture.is_sound();
    assert_eq!(capture.fields("tls or not frame.interface_id == 2", &["frame.number"]), Vec::<String>::new());
    let body = origin::body(0, LENGTH);
    let (http1, http2) = (capture.http1_bodies(), capture.http2_bodies());
    // tshark takes the preface of HTTP/2 for an object of HTTP/1, too.
    assert!(http1.contains(&body) && http2 == [body], "{}", capture.tshark(&[]));
}

#[test]
fn a_pipe_is_read_while_it_goes_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = Issuer::root("Pipe Test Root");
    let origin = Origin::https("127.0.0.1:0", &world::identity(&root), &["http/1.1"]);
    let roots = root.write_to(&folder.path().join("roots.pem"));
    let hosts = names(folder.path());
    let proxy = format!("127.0.0.1:{}", free_port());
    let mut command = hosts.command(binary(PROGRAM));
    command.args(["proxy", "--pcap", "-", "--mode", &format!("explicit@{proxy}"), "--roots"]).arg(roots);
    command.arg("--ca").arg(folder.path().join("ca"));
    let mut sidelight = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("sidelight starts");
    let mut tshark = Command::new("tshark");
    tshark.args(["-l", "-r", "-", "-Y", "http.request.method == GET", "-T", "fields", "-e", "http.request.uri"]);
    tshark.args(["-d", &format!("tcp.port=={},tls", origin.address().port())]);
    tshark.stdin(sidelight.stdout.take().expect("a pipe")).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut tshark = tshark.spawn().expect("tshark is installed (cargo xtask setup)");
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(&proxy).is_err() {
        assert!(Instant::now() < deadline, "it does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut curl = hosts.command("curl");
    curl.args(["--silent", "--show-error", "--cacert"]).arg(folder.path().join("ca/ca.pem"));
    curl.args(["--proxy", &format!("http://{proxy}"), "--output", "/dev/null"]);
    curl.arg(format!("https://{NAME}:{}/bytes/5000", origin.address().port()));
    run(&mut curl).success();
    let mut lines = BufReader::new(tshark.stdout.take().expect("a pipe")).lines();
    for _leg in 0..2 {
        assert_eq!(lines.next().expect("a line").expect("text"), "/bytes/5000");
    }
    assert!(sidelight.try_wait().expect("its state").is_none(), "it still runs");
    sidelight.kill().ok();
    sidelight.wait().expect("its end");
    tshark.wait().expect("its end");
}

#[test]
fn a_long_download_stays_sound() {
    const LONG: u64 = 256 << 20;
    let (world, pcap, _folder) = world(&["http/1.1"], &["--on-overload", "wait"]);
    curl(&world, &[&world.through().url(&format!("/bytes/{LONG}"))]);
    let port = world.origin.address().port();
    world.sidelight.stop();
    let size = std::fs::metadata(&pcap).expect("the capture").len();
    assert!((2 * LONG..2 * LONG + LONG / 8).contains(&size), "{size} bytes");
    let capture = Capture::new(pcap, port);
    // Without putting a body of this size together; what follows its beginning is then taken for anything, a handshake among it. Were a
    // true handshake malformed, its conversation would not be decrypted, and its answer not be found.
    let filter = [
        "-o",
        "http.desegment_body:FALSE",
        "-Y",
        "(_ws.malformed and not http and not tls.handshake) or tcp.analysis.flags or http.response.code == 200",
    ];
    let found = capture.tshark(&[&filter[..], &["-T", "fields", "-e", "_ws.col.Info"]].concat());
    assert_eq!(found.matches("200").count(), found.lines().count(), "{found}");
    assert_eq!(found.matches("HTTP/1.1 200 OK").count(), 2, "{found}");
}

#[test]
fn a_key_log_decrypts_the_side_that_it_is_for_and_raw_streams_are_the_bytes() {
    for (side, interfaces) in [("both", &["0", "1"][..]), ("client", &["0"]), ("server", &["1"])] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [pcap, keys, raw] = ["a.pcapng", "keys.log", "raw"].map(|name| file(folder.path(), name));
        let options = ["--pcap", &pcap, "--keylog", &keys, "--keylog-side", side, "--raw", &raw];
        let world = World::with(PROGRAM, &["http/1.1"], &[&EXPLICIT[..], &options].concat(), 1);
        curl(&world, &[&world.through().url("/bytes/100003")]);
        let port = world.origin.address().port();
        world.sidelight.stop();
        let bare = file(folder.path(), "bare.pcapng");
        run(Command::new("editcap").args(["--discard-all-secrets", &pcap, &bare])).success();
        let capture = Capture::new(bare, port);
        let answers = |more: &[&str]| {
            let fields =
                ["-Y", "http.response.code == 200 and http.file_data", "-T", "fields", "-e", "frame.interface_id"];
            let mut found: Vec<_> = capture.tshark(&[more, &fields].concat()).lines().map(str::to_owned).collect();
            found.sort();
            found
        };
        assert_eq!(answers(&[]), Vec::<String>::new(), "nothing can be read without secrets");
        assert_eq!(answers(&["-o", &format!("tls.keylog_file:{keys}")]), interfaces, "{side}");
        let read = |way: &str| std::fs::read(format!("{raw}/000001-{NAME}-{port}.{way}")).expect("a raw stream");
        let (asked, answered) = (read("to_server"), read("to_client"));
        assert!(asked.starts_with(b"GET /bytes/100003 HTTP/1.1\r\n") && asked.ends_with(b"\r\n\r\n"));
        assert!(answered.starts_with(b"HTTP/1.1 200 OK\r\n") && answered.ends_with(&origin::body(0, 100_003)));
    }
}

#[test]
fn rotated_files_open_alone_and_together() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pcap = file(folder.path(), "part.pcapng");
    let options = [&EXPLICIT[..], &["--pcap", &pcap, "--rotate-size", "300KB"]].concat();
    let world = World::with(PROGRAM, &["http/1.1"], &options, 1);
    curl(&world, &[&world.through().url("/bytes/500009")]);
    let port = world.origin.address().port();
    world.sidelight.stop();
    let mut parts: Vec<_> =
        std::fs::read_dir(folder.path()).expect("a folder").map(|part| part.expect("a part").path()).collect();
    // The first file has no number.
    parts.sort_by_key(|part| (part.as_os_str().len(), part.clone()));
    assert!(parts.len() >= 3, "{parts:?}");
    for part in &parts {
        let capture = Capture::new(part, port);
        assert_eq!(capture.fields("tcp.analysis.flags", &["frame.number"]), Vec::<String>::new(), "{}", part.display());
        let mut capinfos = Command::new("capinfos");
        let said = run(capinfos.arg(part)).success().text();
        assert!(said.contains("Number of decryption secrets in file: ") && said.contains("Name = clients"), "{said}");
    }
    let whole = file(folder.path(), "whole.pcapng");
    let mut mergecap = Command::new("mergecap");
    mergecap
        .args(["-a", "-w", &whole])
        .args(parts.iter().filter(|part| part.extension().is_some_and(|it| it == "pcapng")));
    run(&mut mergecap).success();
    let body = origin::body(0, 500_009);
    let bodies = Capture::new(whole, port).http1_bodies();
    assert!(bodies.len() == 2 && bodies.iter().all(|found| *found == body));
}
