//! Captures that other programs read: a HAR by its schema, by mitmproxy and by a library; our own reader on HAR and content log.
//! In: the real program with real clients. Out: the same exchanges in every reader.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sidelight_testkit::process::run;
use sidelight_testkit::world::binary;
use sidelight_testkit::{World, peers};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");

/// What curl asks for, and how each answer is told.
const PATHS: &[&str] = &["/bytes/70001", "/bytes/10?token=mArKeD0123456789&x=%20y", "/trailers", "/status/404"];

struct Captured {
    world: World,
    folder: tempfile::TempDir,
}

impl Captured {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Exchanges over HTTP/1.1 and HTTP/2 in a HAR and a content log, with secrets and without.
fn capture(options: &[&str]) -> Captured {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (har, log) = (path("it.har"), path("it.log"));
    let mut all = vec!["--mode", "explicit@127.0.0.1:0", "--har", &har, "--log", &log];
    all.extend_from_slice(options);
    let world = World::with(PROGRAM, &["h2", "http/1.1"], &all, 1);
    for version in ["--http1.1", "--http2"] {
        for path in PATHS {
            world.compare(|side| side.curl(&[version, "-b", "sid=mArKeD0123456789", &side.url(path)]));
        }
        world.compare(|side| side.curl(&[version, "-d", "user=kim&password=mArKeD0123456789", &side.url("/hash")]));
    }
    Captured { world, folder }
}

fn har(path: &Path) -> Vec<Value> {
    let text = std::fs::read(path).expect("a HAR");
    let value: Value = serde_json::from_slice(&text).expect("JSON");
    value["log"]["entries"].as_array().expect("entries").clone()
}

/// Method, URL and status of what tells them under these names.
fn told<'v>(entries: impl IntoIterator<Item = &'v Value>, path: fn(&Value) -> [&Value; 3]) -> Vec<String> {
    let mut told: Vec<_> = entries.into_iter().map(|it| path(it).map(ToString::to_string).join(" ")).collect();
    told.sort();
    told
}

#[test]
fn other_readers_find_in_a_har_what_passed() {
    let it = capture(&["--show-secrets"]);
    it.world.sidelight.exchange("POST", "/hash", 200);
    let Captured { world, folder } = it;
    world.sidelight.stop();
    let path = folder.path().join("it.har");
    let entries = har(&path);
    assert_eq!(entries.len(), 2 * (PATHS.len() + 1));

    let script = "require('har-validator').har(JSON.parse(require('fs').readFileSync(process.argv[1])))
        .then(() => console.log('valid'), error => { console.log(JSON.stringify(error.errors)); process.exit(1) })";
    let mut node = Command::new("node");
    node.args(["-e", script]).arg(&path).env("NODE_PATH", peers::node_modules());
    assert_eq!(run(&mut node).success().text(), "valid\n");

    let script = "import json, sys\nfrom haralyzer import HarParser\nhar = HarParser(json.load(open(sys.argv[1])))\n\
        print(sum(entry.response.status == 200 for page in har.pages for entry in page.entries))";
    let mut python = Command::new(peers::python());
    python.args(["-c", script]).arg(&path);
    let fine = entries.iter().filter(|entry| entry["response"]["status"] == 200).count();
    assert_eq!(run(&mut python).success().text().trim(), fine.to_string());

    let mut mitmdump = Command::new(peers::mitmdump());
    mitmdump.args(["--no-server", "--flow-detail", "1", "--rfile"]).arg(&path).env("HOME", folder.path());
    let seen = run(&mut mitmdump).success();
    for part in ["GET https://origin.test:", "/bytes/70001", "<< 200 OK", "<< HTTP/2 404 Not Found", "?token=mArKeD"] {
        assert!(seen.text().contains(part), "{part}: {seen}");
    }
    assert_eq!(
        seen.text().lines().filter(|line| line.trim_start().starts_with("<< ")).count(),
        entries.len(),
        "{seen}"
    );
}

#[test]
fn our_own_reader_finds_in_har_and_log_what_passed() {
    let it = capture(&[]);
    it.world.sidelight.exchange("POST", "/hash", 200);
    let files = [it.path("it.har"), it.path("it.log")];
    let stores = [it.path("har.sidelight"), it.path("log.sidelight")];
    let Captured { world, folder: _folder } = it;
    world.sidelight.stop();
    for file in &files {
        let text = String::from_utf8_lossy(&std::fs::read(file).expect("a capture")).into_owned();
        assert!(!text.contains("mArKeD") && text.contains("redacted"), "{}", file.display());
    }
    let entries = har(&files[0]);
    let expected = told(&entries, |it| [&it["request"]["method"], &it["request"]["url"], &it["response"]["status"]]);
    for (file, store) in files.iter().zip(&stores) {
        let mut import = Command::new(binary(PROGRAM));
        import.args(["flows", "import", "--store"]).args([store, file]);
        run(&mut import).success();
        let mut list = Command::new(binary(PROGRAM));
        list.args(["flows", "list", "--json", "--show-secrets", "--store"]).arg(store);
        let listed = run(&mut list).success();
        let lines: Vec<Value> = listed.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let found = lines.iter().filter(|it| it["kind"] == "exchange");
        assert_eq!(told(found, |it| [&it["method"], &it["url"], &it["status"]]), expected, "{}", file.display());
    }
}
