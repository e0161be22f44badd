//! What is recorded while traffic passes: the recording, and every live format. In: the real program with real clients. Out: files
//! that are whole and private, also after a kill; a standard output that other tools read.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sidelight_testkit::process::{Finished, run};
use sidelight_testkit::talk::Proxy;
use sidelight_testkit::world::{self, NAME, binary, python};
use sidelight_testkit::{Hosts, Issuer, Origin, World, peers};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");
const EXPLICIT: &[&str] = &["--mode", "explicit@127.0.0.1:0"];

fn flows(arguments: &[&str]) -> Finished {
    run(Command::new(binary(PROGRAM)).arg("flows").args(arguments))
}

fn lines(done: &Finished) -> Vec<Value> {
    done.text().lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Waits until something holds.
#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Frames of a capture that a display filter of tshark selects.
fn frames(capture: &Path, filter: &str) -> usize {
    let mut command = Command::new("tshark");
    command.args(["-r", text(capture), "-Y", filter, "-T", "fields", "-e", "frame.number"]);
    run(&mut command).success().text().lines().count()
}

#[test]
fn every_format_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let files: Vec<(&str, PathBuf)> = [
        ("--store", "it.sidelight"),
        ("--har", "it.har"),
        ("--log", "it.log"),
        ("--pcap", "it.pcapng"),
        ("--keylog", "keys.log"),
        ("--jsonl", "it.jsonl"),
        ("--raw", "raw"),
    ]
    .map(|(option, name)| (option, path(name)))
    .into();
    let mut options = EXPLICIT.to_vec();
    options.extend(files.iter().flat_map(|(option, path)| [*option, text(path)]));
    options.extend(["--pcap-content", "both", "--store-packets"]);
    let root = Issuer::root("Recording Test Root");
    let identity = world::identity(&root);
    let websocket = peers::python_server("websocket_server.py", folder.path(), &identity);
    let grpc = peers::python_server("grpc_server.py", folder.path(), &identity);
    let origin = Origin::https("127.0.0.1:0", &identity, &["h2", "http/1.1"]);
    let world = World::around(PROGRAM, root, origin, &options, 1);
    for version in ["--http1.1", "--http2"] {
        world.compare(|side| side.curl(&[version, &side.url("/bytes/70001")]));
    }
    world.compare(|side| {
        let mut python = python(side, "websocket_client.py");
        python.env("WEBSOCKET_URL", format!("wss://{NAME}:{}/chat", websocket.address.port()));
        python
    });
    world.compare(|side| {
        let mut python = python(side, "grpc_client.py");
        python.env("GRPC_TARGET", format!("{NAME}:{}", grpc.address.port())).env("GRPC_DNS_RESOLVER", "native");
        python
    });
    let ledger = world.sidelight.stop();
    let exchanges = ledger["exchanges"].as_u64().expect("a number");
    for (option, path) in &files {
        let mode = std::fs::metadata(path).unwrap_or_else(|e| panic!("{option}: {e}")).permissions().mode() & 0o777;
        assert_eq!(mode, if *option == "--raw" { 0o700 } else { 0o600 }, "{option}");
    }
    let listed = lines(&flows(&["list", "--json", "--store", text(&path("it.sidelight"))]).success());
    assert_eq!(listed.iter().filter(|flow| flow["kind"] == "exchange").count() as u64, exchanges);
    let har: Value = serde_json::from_slice(&std::fs::read(path("it.har")).expect("a HAR")).expect("JSON");
    assert_eq!(har["log"]["entries"].as_array().map(Vec::len), Some(exchanges as usize));
    let jsonl = std::fs::read_to_string(path("it.jsonl")).expect("JSON Lines");
    assert_eq!(jsonl.lines().filter(|line| line.contains("\"type\":\"exchange\"")).count() as u64, exchanges);
    let log = std::fs::read_to_string(path("it.log")).expect("a log");
    assert!(log.contains("/bytes/70001") && log.contains("/chat"), "{log}");
    assert!(std::fs::read_to_string(path("keys.log")).expect("a key log").contains("CLIENT_TRAFFIC_SECRET_0 "));
    assert!(std::fs::read_dir(path("raw")).expect("a folder").count() >= 8);
    let frames = |filter: &str| frames(&path("it.pcapng"), filter);
    // The messages of this gRPC service are no protobuf, which tshark tries to read in them.
    assert_eq!(frames("_ws.malformed and not protobuf"), 0);
    for protocol in ["http", "http2", "websocket", "grpc", "tls.handshake"] {
        assert!(frames(protocol) > 0, "tshark finds no {protocol}");
    }
}

#[test]
fn a_killed_proxy_leaves_a_recording() {
    let world = World::new(PROGRAM);
    world.compare(|side| side.curl(&[&side.url("/bytes/5000")]));
    world.sidelight.exchange("GET", "/bytes/5000", 200);
    let newest = || {
        std::fs::read_dir(world.sidelight.recordings())
            .ok()?
            .filter_map(Result::ok)
            .map(|it| it.path())
            .find(|it| it.extension().is_some_and(|it| it == "sidelight"))
    };
    let store = newest().expect("a recording that nobody named");
    // All but the last second is kept.
    until("the flow", || flows(&["list", "--store", text(&store)]).text().contains("/bytes/5000"));
    kill_process(Pid::from_raw(world.sidelight.pid().cast_signed()).expect("a process id"), Signal::KILL)
        .expect("a signal");
    let shown = flows(&["show", "last", "--store", text(&store)]).success();
    assert!(shown.text().contains("/bytes/5000") && shown.text().contains("200"), "{shown}");
    let continued = flows(&["export", "--format", "har", "--store", text(&store)]).success();
    assert!(continued.text().contains("/bytes/5000"), "{continued}");
}

/// `sidelight run OPTIONS -- curl /bytes/N` within a world of names, its output as a pipe.
fn recorded_run(folder: &Path, options: &[&str], path: &str) -> (Origin, Command) {
    let root = Issuer::root("Recording Test Root");
    let origin = Origin::https("127.0.0.1:0", &world::identity(&root), &["h2", "http/1.1"]);
    let hosts: Hosts = world::names(folder);
    let mut command = hosts.command(binary(PROGRAM));
    command.arg("run").arg("--ephemeral-ca").arg("--roots").arg(root.write_to(&folder.join("roots.pem"))).args(options);
    command.args(["--", "curl", "--silent", "--show-error", "--output", "body"]);
    command.arg(format!("https://{NAME}:{}{path}", origin.address().port())).current_dir(folder);
    (origin, command)
}

#[test]
fn packets_on_standard_output_are_read_by_tshark() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_origin, mut command) = recorded_run(folder.path(), &["--pcap", "-"], "/bytes/3000");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sidelight starts");
    let mut tshark = Command::new("tshark");
    tshark.args(["-r", "-", "-Y", "http2.headers.path", "-T", "fields", "-e", "http2.headers.path"]);
    let read = tshark.stdin(child.stdout.take().expect("a pipe")).output().expect("tshark");
    let ended = child.wait_with_output().expect("sidelight ends");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    // People's text went to standard error.
    assert!(String::from_utf8_lossy(&ended.stderr).contains("/bytes/3000"));
    assert!(String::from_utf8_lossy(&read.stdout).contains("/bytes/3000"), "{}", String::from_utf8_lossy(&read.stderr));
    assert_eq!(std::fs::read(folder.path().join("body")).expect("curl's file").len(), 3000);
}

#[test]
fn the_end_says_where_it_was_recorded_and_what_to_do_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_origin, mut command) = recorded_run(folder.path(), &[], "/bytes/30");
    let done = run(&mut command).success();
    let said = done.errors();
    let line = said.lines().last().expect("a line");
    let (place, next) = line.strip_prefix("recorded in ").and_then(|rest| rest.split_once("; next: ")).expect(line);
    assert_eq!(next, "sidelight flows list");
    let name = Path::new(place).file_name().expect("a name").to_string_lossy().into_owned();
    assert!(name.ends_with("Z-run-curl.sidelight"), "{name}");
    let mut list = Command::new(binary(PROGRAM));
    list.args(["flows", "list"]).env("XDG_STATE_HOME", folder.path().join("state"));
    assert!(run(&mut list).success().text().contains("/bytes/30"));
    // Nothing is said with --quiet, nothing made with --no-store, and nothing left of a run without connections.
    let (_origin, mut quiet) = recorded_run(folder.path(), &["--quiet"], "/bytes/30");
    assert_eq!(run(&mut quiet).success().errors(), "");
    let count = || std::fs::read_dir(folder.path().join("state/sidelight")).expect("a folder").count();
    let before = count();
    let (_origin, mut without) = recorded_run(folder.path(), &["--no-store"], "/bytes/30");
    assert!(!run(&mut without).success().errors().contains("recorded in"));
    let (_origin, mut idle) = recorded_run(folder.path(), &["--transparent", "--quiet"], "/bytes/30");
    idle.args(["--version"]);
    run(&mut idle);
    let mut nothing = Command::new(binary(PROGRAM));
    nothing.args(["run", "--ephemeral-ca", "--", "true"]).env("XDG_STATE_HOME", folder.path().join("state"));
    assert!(!run(&mut nothing).success().errors().contains("recorded in"));
    assert!(count() <= before + 1, "a run without connections left a recording");
}

/// A command whose standard output is read line by line.
struct Follower {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Follower {
    fn start(store: &Path) -> Self {
        let mut command = Command::new(binary(PROGRAM));
        command.args(["flows", "follow", "--store"]).arg(store).stdout(Stdio::piped());
        let mut child = command.spawn().expect("sidelight starts");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, out }
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("a line");
        assert!(!line.is_empty(), "follow ended");
        line
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn follow_prints_what_comes_until_it_is_interrupted() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("it.sidelight");
    let world = World::with(PROGRAM, &["http/1.1"], &[EXPLICIT, &["--store", text(&store)]].concat(), 1);
    world.compare(|side| side.curl(&[&side.url("/bytes/11")]));
    until("the first flow", || flows(&["list", "--store", text(&store)]).text().contains("/bytes/11"));
    let mut follower = Follower::start(&store);
    assert!(follower.line().contains("/bytes/11"));
    for n in [12, 13] {
        world.compare(|side| side.curl(&[&side.url(&format!("/bytes/{n}"))]));
        let line = follower.line();
        assert!(line.contains(&format!("/bytes/{n}")), "{line}");
    }
    kill_process(Pid::from_raw(follower.child.id().cast_signed()).expect("a process id"), Signal::INT)
        .expect("a signal");
    assert!(follower.child.wait().expect("an end").success());
    let mut rest = String::new();
    follower.out.read_to_string(&mut rest).expect("the rest");
    assert_eq!(rest, "");
}

#[test]
fn a_recording_is_continued_and_nothing_else_is_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("it.sidelight");
    for n in [21, 22] {
        let (_origin, mut command) = recorded_run(folder.path(), &["--store", text(&store)], &format!("/bytes/{n}"));
        let done = run(&mut command).success();
        assert!(
            done.errors().ends_with(&format!("; next: sidelight flows list --store {}\n", store.display())),
            "{done}"
        );
    }
    let ids: Vec<Value> = lines(&flows(&["list", "--json", "--store", text(&store)]).success())
        .iter()
        .map(|it| it["id"].clone())
        .collect();
    assert_eq!(ids, [1, 2]);
    let other = folder.path().join("notes.txt");
    std::fs::write(&other, "not to be lost\n").expect("a file");
    let (_origin, mut command) = recorded_run(folder.path(), &["--store", text(&other)], "/bytes/1");
    let done = run(&mut command);
    assert_eq!(done.status.code(), Some(125), "{done}");
    assert!(done.errors().contains("--store") && done.errors().contains("notes.txt"), "{done}");
    assert_eq!(std::fs::read_to_string(&other).expect("the file"), "not to be lost\n");
}

#[test]
fn captures_that_cannot_be_are_told_before_anything_is_served() {
    let folder = tempfile::tempdir().expect("a folder");
    for (options, status, words) in [
        (&["--har", "-", "--log", "-"][..], 2, &["--log -", "--har -", "only one"][..]),
        (&["--har", "-", "--json"], 2, &["--har -", "--json"]),
        (&["--store", "-"], 2, &["--store -"]),
        (&["--raw", "-"], 2, &["--raw -", "folder"]),
        (&["--store", "x", "--no-store"], 2, &["--store", "--no-store"]),
        (&["--filter", "~hdr x"], 2, &["--filter", "column 1", "^^^^", "~h"]),
        (&["--filter", "~u ("], 2, &["--filter", "column"]),
        (&["--har", "no/such/folder/it.har"], 3, &["--har", "no/such/folder", "mkdir -p"]),
        (&["--store", "no/such/folder/it.sidelight"], 3, &["--store", "no/such/folder"]),
        (&["--rotate-size", "much"], 2, &["--rotate-size", "is not a size"]),
        (&["--pcap-content", "all"], 2, &["--pcap-content", "tls", "plain", "both"]),
    ] {
        let mut command = Command::new(binary(PROGRAM));
        command.args(["proxy", "--ephemeral-ca", "--mode", "explicit@127.0.0.1:0"]).args(options);
        command.current_dir(folder.path()).env("XDG_STATE_HOME", folder.path().join("state"));
        let done = run(&mut command);
        assert_eq!(done.status.code(), Some(status), "{done}");
        assert!(done.errors().starts_with("error: ") && !done.errors().contains("listening"), "{done}");
        for word in words {
            assert!(done.errors().contains(word), "`{word}` is not in: {done}");
        }
    }
}

#[test]
fn a_default_that_cannot_be_made_is_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("state"), "a file").expect("a file");
    let variables = [("XDG_STATE_HOME", "/dev/null/nowhere")];
    let proxy = Proxy::launch(PROGRAM, None, &["explicit"], &[], &variables);
    proxy.sidelight.stop();
    let mut command = Command::new(binary(PROGRAM));
    command.args(["run", "--ephemeral-ca", "--", "true"]).env("XDG_STATE_HOME", folder.path().join("state"));
    let done = run(&mut command).success();
    assert!(done.errors().contains("warning: nothing is recorded") && done.errors().contains("--no-store"), "{done}");
}
