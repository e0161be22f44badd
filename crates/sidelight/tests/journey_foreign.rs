//! Captures by the real mitmproxy and the real sslsplit, read back. In: curl's conversation with an origin, recorded by them.
//! Out: flows whose bodies are those that the origin sent.

use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sidelight_testkit::process::{free_port, run};
use sidelight_testkit::{Issuer, Origin, Running, peers, sha256, world};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");

/// What the origin's `/bytes/N` is: its digest, as a body of N bytes.
fn digest(length: usize) -> String {
    sha256(sidelight_testkit::origin::body(0, length as u64))
}

/// Ends a recorder in order, with the child that does the work of sslsplit, and waits for its last writing.
fn end(recorder: &mut Running) {
    let pid = Pid::from_raw(i32::try_from(recorder.pid()).expect("a process id")).expect("a process id");
    kill_process(pid, Signal::TERM).expect("the recorder still runs");
    let gone = format!("/proc/{}/stat", pid.as_raw_nonzero());
    recorder.until("it ends", || std::fs::read_to_string(&gone).map_or(true, |stat| stat.contains(") Z ")));
}

/// Imports `capture` and lists its flows.
fn flows(folder: &Path, capture: &Path) -> Vec<Value> {
    let store = folder.join("imported.sidelight");
    let sidelight = |arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).arg("--store").arg(&store).env("HOME", folder);
        run(&mut command).success()
    };
    let said = sidelight(&["flows", "import", &capture.display().to_string()]);
    assert!(!said.errors().contains("damage"), "{}", said.errors());
    let listed = sidelight(&["flows", "list", "--json"]).text();
    listed.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn find<'f>(flows: &'f [Value], path: &str) -> &'f Value {
    let fits = |flow: &&Value| flow["url"].as_str().is_some_and(|url| url.ends_with(path));
    flows.iter().find(fits).unwrap_or_else(|| panic!("no flow {path} in {flows:#?}"))
}

#[test]
fn mitmproxy_recorded_what_the_origin_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Issuer::root("test root");
    let origin = Origin::https("127.0.0.1:0", &world::identity(&root), &["h2", "http/1.1"]);
    let (port, capture) = (free_port(), folder.path().join("capture.flows"));
    let mut mitmdump = Command::new(peers::mitmdump());
    mitmdump.args(["-q", "--listen-host", "127.0.0.1", "-p", &port.to_string(), "--set", "ssl_insecure=true"]);
    mitmdump.args(["--set", &format!("confdir={}", folder.path().display())]).arg("-w").arg(&capture);
    let mut recorder = Running::start(&mut mitmdump, &folder.path().join("mitmdump.log"));
    let place = world::names(folder.path());
    recorder.until_it_listens(&place, ([127, 0, 0, 1], port).into());
    for (version, path) in [("--http1.1", "/bytes/700001"), ("--http2", "/bytes/1048577"), ("--http2", "/hash")] {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--insecure", "--max-time", "30", "--output", "/dev/null", version]);
        curl.args(["--proxy", &format!("http://127.0.0.1:{port}"), &format!("https://{}{path}", origin.address())]);
        if path == "/hash" {
            curl.args(["--data-binary", "what was posted"]);
        }
        run(&mut curl).success();
    }
    end(&mut recorder);
    let flows = flows(folder.path(), &capture);
    assert_eq!(flows.len(), 3, "{flows:#?}");
    for (path, protocol, length) in [("/bytes/700001", "HTTP/1.1", 700_001), ("/bytes/1048577", "HTTP/2", 1_048_577)] {
        let flow = find(&flows, path);
        assert_eq!((&flow["protocol"], &flow["status"]), (&protocol.into(), &200.into()), "{flow}");
        let body = &flow["response"]["body"];
        assert_eq!((&body["size"], &body["sha256"]), (&length.into(), &digest(length).into()), "{flow}");
        assert_eq!(flow["tls"]["version"], "TLS 1.3", "{flow}");
        assert_eq!(flow["tls"]["chain_sha256"].as_array().map(Vec::len), Some(2), "leaf and issuer: {flow}");
    }
    assert_eq!(find(&flows, "/hash")["request"]["body"]["sha256"], sha256("what was posted"));
}

#[test]
fn sslsplit_recorded_what_the_origin_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Issuer::root("test root");
    let identity = world::identity(&root);
    let origin = Origin::https("127.0.0.1:0", &identity, &["http/1.1"]);
    let (chain, key) = identity.write_to(folder.path(), "ca");
    let (port, capture) = (free_port(), folder.path().join("content.log"));
    let to = origin.address();
    let mut sslsplit = Command::new("sslsplit");
    sslsplit.args(["-D", "-u", "root", "-k"]).arg(key).arg("-c").arg(chain).arg("-L").arg(&capture);
    sslsplit.args(["ssl", "127.0.0.1", &port.to_string(), &to.ip().to_string(), &to.port().to_string()]);
    let mut recorder = Running::start(&mut sslsplit, &folder.path().join("sslsplit.log"));
    recorder.until_it_listens(&world::names(folder.path()), ([127, 0, 0, 1], port).into());
    // Longer than a TLS record of a client is in sslsplit's hands at a time: its own head lands within the token.
    let token = "t".repeat(40_000);
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--insecure", "--max-time", "30", "--output", "/dev/null", "--output", "/dev/null"]);
    curl.args(["--header", &format!("Authorization: Bearer {token}")]);
    curl.args([format!("https://127.0.0.1:{port}/bytes/900001"), format!("https://127.0.0.1:{port}/status/204")]);
    run(&mut curl).success();
    recorder.until("the log holds the end", || {
        std::fs::read(&capture).is_ok_and(|log| log.windows(6).any(|window| window == b"(EOF)\n"))
    });
    end(&mut recorder);
    let log = std::fs::read(&capture).expect("the log");
    assert!(
        !log.windows(token.len()).any(|window| window == token.as_bytes()),
        "the token is whole: nothing is proved"
    );
    let flows = flows(folder.path(), &capture);
    let body = &find(&flows, "/bytes/900001")["response"]["body"];
    assert_eq!((&body["size"], &body["sha256"]), (&900_001.into(), &digest(900_001).into()));
    let fingerprint = &sha256(&token)[..8];
    let asked = find(&flows, "/status/204")["request"]["headers"].to_string();
    assert!(asked.contains(fingerprint), "the token is put together again: {asked}");
}
