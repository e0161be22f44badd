//! `sidelight flows`: recordings read again. In: the real program, one recording of real traffic. Out: lists, whole flows, counts,
//! exports that import again, and words for everything that cannot be read.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use sidelight_testkit::World;
use sidelight_testkit::process::{Finished, run};
use sidelight_testkit::world::{NAME, binary};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");

/// A recording of a few exchanges.
struct Recorded {
    store: PathBuf,
    port: u16,
    folder: tempfile::TempDir,
}

impl Recorded {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = folder.path().join("it.sidelight");
        let options = ["--mode", "explicit@127.0.0.1:0", "--store-packets", "--store", text(&store)];
        let world = World::with(PROGRAM, &["h2", "http/1.1"], &options, 1);
        for path in ["/bytes/2000", "/status/404", "/trailers"] {
            world.compare(|side| side.curl(&["--http1.1", "--header", "TE: trailers", &side.url(path)]));
        }
        world.compare(|side| side.curl(&["--http2", "--data", "a=1&b=2", &side.url("/hash?page=2")]));
        let port = world.origin.address().port();
        world.sidelight.stop();
        Self { store, port, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `sidelight flows VERB --store …`.
    fn flows(&self, arguments: &[&str]) -> Finished {
        flows(self.folder.path(), &[arguments, &["--store", text(&self.store)]].concat())
    }
}

fn flows(home: &Path, arguments: &[&str]) -> Finished {
    let mut command = Command::new(binary(PROGRAM));
    command.arg("flows").args(arguments).env("XDG_STATE_HOME", home.join("state")).current_dir(home);
    run(&mut command)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn lines(done: &Finished) -> Vec<Value> {
    done.text().lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// What two recordings of the same traffic agree in.
fn essence(flows: &[Value]) -> Vec<String> {
    let one = |flow: &Value| {
        let bodies = [&flow["request"]["body"]["size"], &flow["response"]["body"]["size"]];
        let (method, url, status) = (&flow["method"], &flow["url"], &flow["status"]);
        format!("{method} {url} {status} {} {bodies:?} {}", flow["protocol"], flow["response"]["headers"])
    };
    flows.iter().map(one).collect()
}

#[test]
fn lists_are_lines_filters_choose_and_objects_have_ids() {
    let it = Recorded::new();
    let list = it.flows(&["list"]).success();
    assert_eq!(list.text().lines().count(), 4, "{list}");
    let first = list.text().lines().next().expect("a line").to_owned();
    assert!(
        first.trim_start().starts_with("1 ") && first.contains(&format!("https://{NAME}:{}/bytes/2000", it.port)),
        "{first}"
    );
    let chosen = |arguments: &[&str]| lines(&it.flows(&[&["list", "--json"], arguments].concat()).success());
    let ids = |arguments: &[&str]| {
        chosen(arguments).iter().map(|flow| flow["id"].as_u64().expect("a number")).collect::<Vec<_>>()
    };
    assert_eq!(ids(&["--filter", "~c 404"]), [2]);
    assert_eq!(ids(&["--filter", "~m POST & ~u page"]), [4]);
    assert_eq!(ids(&["--filter", "!~c 404"]), [1, 3, 4]);
    assert_eq!(ids(&["-n", "2"]), [3, 4]);
    assert_eq!(ids(&["-n", "1", "--filter", "~c 200 & ~m GET"]), [3]);
    let flow = &chosen(&["-n", "1"])[0];
    for (member, value) in [("type", "flow"), ("kind", "exchange"), ("method", "POST"), ("protocol", "HTTP/2")] {
        assert_eq!(flow[member], value, "{flow}");
    }
    assert!(flow.get("messages").is_none() && flow["request"]["body"].get("text").is_none(), "{flow}");
}

#[test]
fn show_gives_all_of_the_flows_that_are_meant() {
    let it = Recorded::new();
    let whole = it.flows(&["show", "4"]).success().text();
    for words in ["POST https://", "/hash?page=2", "200", "a: 1", "TLS 1.3", "(flow 4)"] {
        assert!(whole.contains(words), "`{words}` is not in {whole}");
    }
    // Days left may turn between the two.
    let steady =
        |text: &str| text.lines().filter(|line| !line.contains(" days")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(steady(&it.flows(&["show"]).success().text()), steady(&whole));
    let range = it.flows(&["show", "2..3"]).success().text();
    assert!(range.contains("(flow 2)") && range.contains("(flow 3)") && !range.contains("(flow 1)"), "{range}");
    let objects = lines(&it.flows(&["show", "1..", "--json", "--filter", "~m POST"]).success());
    assert_eq!(objects.len(), 1);
    assert_eq!(objects[0]["request"]["body"]["text"], "a=1&b=2");
    assert!(objects[0]["messages"].is_array() && objects[0]["findings"].is_array(), "{}", objects[0]);
    let raw = it.flows(&["show", "1", "--format", "raw"]).success();
    assert!(raw.stdout.starts_with(b"GET /bytes/2000 HTTP/1.1\r\n"), "{raw}");
    assert!(raw.stdout.ends_with(&sidelight_testkit::origin::body(0, 2000)), "another body");
}

#[test]
fn exports_are_read_by_their_imports() {
    let it = Recorded::new();
    let original = essence(&lines(&it.flows(&["list", "--json"]).success()));
    for (format, name) in [("har", "it.har"), ("log", "it.log")] {
        let file = it.path(name);
        it.flows(&["export", "--format", format, "--show-secrets", "-o", text(&file)]).success();
        let again = it.path(&format!("{format}.sidelight"));
        let imported = flows(it.folder.path(), &["import", text(&file), "--store", text(&again), "--json"]).success();
        let report = &lines(&imported)[0];
        assert_eq!(
            (&report["type"], &report["flows"], &report["damage"]),
            (&"import".into(), &4.into(), &Value::Array(vec![]))
        );
        let list = lines(&flows(it.folder.path(), &["list", "--json", "--store", text(&again)]).success());
        assert_eq!(essence(&list), original, "{format}");
        // The same without keeping it.
        let looked = lines(&flows(it.folder.path(), &["list", "--json", "--from", text(&file)]).success());
        assert_eq!(essence(&looked), original, "{format}");
    }
    for content in ["plain", "tls"] {
        let file = it.path(&format!("{content}.pcapng"));
        let export = ["export", "--format", "pcapng", "--pcap-content", content, "--show-secrets", "-o", text(&file)];
        it.flows(&export).success();
        let looked = lines(&flows(it.folder.path(), &["list", "--json", "--from", text(&file)]).success());
        let statuses: Vec<&Value> = looked.iter().map(|flow| &flow["status"]).collect();
        assert_eq!(statuses, [200, 404, 200, 200], "{content}: {looked:?}");
    }
    let folder = it.path("raw");
    it.flows(&["export", "--format", "raw", "-o", text(&folder)]).success();
    assert!(std::fs::read_dir(folder).expect("a folder").count() >= 4);
    let objects = lines(&it.flows(&["export", "--format", "jsonl"]).success());
    assert_eq!(objects.iter().filter(|it| it["type"] == "exchange").count(), 4);
}

#[test]
fn a_capture_that_was_cut_is_repaired() {
    let it = Recorded::new();
    let (whole, cut, repaired) = (it.path("whole.har"), it.path("cut.har"), it.path("repaired.har"));
    it.flows(&["export", "--format", "har", "-o", text(&whole)]).success();
    let bytes = std::fs::read(&whole).expect("a HAR");
    std::fs::write(&cut, &bytes[..bytes.len() * 3 / 4]).expect("a part of it");
    let done =
        flows(it.folder.path(), &["export", "--from", text(&cut), "--format", "har", "-o", text(&repaired)]).success();
    assert!(done.errors().contains("warning: ") && done.errors().contains("cut.har: at byte "), "{done}");
    let entries = |path: &Path| -> Vec<Value> {
        let har: Value = serde_json::from_slice(&std::fs::read(path).expect("a HAR")).expect("JSON");
        har["log"]["entries"].as_array().expect("entries").clone()
    };
    let (before, after) = (entries(&whole), entries(&repaired));
    assert!(!after.is_empty() && after.len() < before.len());
    for (one, other) in before.iter().zip(&after) {
        assert_eq!(one["request"]["url"], other["request"]["url"]);
        assert_eq!(one["response"]["content"]["text"], other["response"]["content"]["text"]);
    }
}

#[test]
fn what_cannot_be_read_is_named_with_what_to_do() {
    let it = Recorded::new();
    let write = |name: &str, bytes: &[u8]| std::fs::write(it.path(name), bytes).expect("a file");
    write("empty", b"");
    write("words.txt", b"these are words\n");
    write("it.har", b"{\"log\":{\"version\":\"1.2\",\"creator\":{\"name\":\"x\",\"version\":\"1\"},\"entries\":[]}}");
    let cases: [(&[&str], i32, &[&str]); 18] = [
        (&["list"], 3, &["there is no recording in", "sidelight run", "--store FILE"]),
        (&["list", "--store", "none"], 3, &["none", "no such recording"]),
        (&["list", "--store", "words.txt"], 3, &["words.txt", "not a recording", "--from words.txt"]),
        (&["list", "--store", "."], 3, &["not a recording but a folder"]),
        (&["list", "--store", "it.har"], 3, &["it.har", "flows import"]),
        (&["list", "--store", "it.sidelight", "--filter", "~hdr x"], 2, &["column 1", "^^^^", "did you mean ~h"]),
        (&["list", "--store", "it.sidelight", "--filter", "(~c 200"], 2, &["column"]),
        (&["list", "--from", "empty"], 3, &["empty is empty"]),
        (&["list", "--from", "words.txt"], 3, &["words.txt is no capture", "formats: har"]),
        (&["list", "--from", "it.har", "--store", "it.sidelight"], 2, &["--from", "--store"]),
        (&["show", "99", "--store", "it.sidelight"], 3, &["no flow 99", "last flow is 4"]),
        (&["show", "x", "--store", "it.sidelight"], 2, &["`x` is no number", "3..7"]),
        (&["show", "last", "--filter", "~c 500", "--store", "it.sidelight"], 3, &["no flow matches"]),
        (&["export", "--format", "pdf", "--store", "it.sidelight"], 2, &["--format", "pcapng"]),
        (
            &["export", "--format", "har", "-o", "no/such/it.har", "--store", "it.sidelight"],
            3,
            &["no/such", "mkdir -p"],
        ),
        (&["export", "--format", "raw", "--store", "it.sidelight"], 2, &["--format raw", "-o DIR"]),
        (
            &["export", "--format", "pcapng", "--pcap-content", "tls", "-o", "x", "--store", "it.sidelight"],
            2,
            &["--show-secrets"],
        ),
        (&["stats", "--assert", "tls>", "--store", "it.sidelight"], 2, &["--assert", "column"]),
    ];
    for (arguments, status, words) in cases {
        let done = flows(it.folder.path(), arguments);
        assert_eq!(done.status.code(), Some(status), "{done}");
        assert!(done.text().is_empty() && done.errors().starts_with("error: "), "{done}");
        for word in words {
            assert!(done.errors().contains(word), "`{word}` is not in: {done}");
        }
        assert!(!done.errors().contains("panicked"), "{done}");
    }
}

#[test]
fn imports_go_on_after_a_file_that_cannot_be_read() {
    let it = Recorded::new();
    let har = it.path("it.har");
    it.flows(&["export", "--format", "har", "-o", text(&har)]).success();
    std::fs::write(it.path("words.txt"), "these are words\n").expect("a file");
    let done = flows(it.folder.path(), &["import", "words.txt", "it.har"]);
    assert_eq!(done.status.code(), Some(3), "{done}");
    assert!(
        done.errors().contains("words.txt is no capture") && done.text().contains("it.har: HAR: 4 exchanges"),
        "{done}"
    );
    let list = flows(it.folder.path(), &["list"]).success();
    assert_eq!(list.text().lines().count(), 4, "{list}");
    let nothing = flows(it.folder.path(), &["import", "words.txt", "--store", "new.sidelight"]);
    assert_eq!(nothing.status.code(), Some(3), "{nothing}");
}

#[test]
fn statistics_are_counted_and_rules_are_checked() {
    let it = Recorded::new();
    let counted = lines(&it.flows(&["stats", "--json"]).success());
    assert_eq!((&counted[0]["type"], &counted[0]["exchanges"]), (&"stats".into(), &4.into()), "{}", counted[0]);
    assert!(it.flows(&["stats"]).success().text().contains(NAME));
    let holds = it.flows(&["stats", "--assert", "tls>=1.2; verified"]).success();
    assert!(holds.text().contains("holds of 4 flows"), "{holds}");
    let breaks = it.flows(&["stats", "--assert", "status<400"]);
    assert_eq!(breaks.status.code(), Some(1), "{breaks}");
    assert!(breaks.text().starts_with("✗ ") && breaks.text().contains("404"), "{breaks}");
    std::fs::write(it.path("hosts"), "# ours\nelsewhere.test\n").expect("a file");
    let foreign = it.flows(&["stats", "--assert", "hosts in hosts", "--json"]);
    assert_eq!(foreign.status.code(), Some(1), "{foreign}");
    assert!(lines(&foreign)[0].to_string().contains(NAME), "{foreign}");
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let it = Recorded::new();
    for arguments in
        [&["list"][..], &["show", "1.."], &["export", "--format", "har"], &["export", "--format", "curl"], &["stats"]]
    {
        let mut command = Command::new(binary(PROGRAM));
        command.arg("flows").args(arguments).arg("--store").arg(&it.store);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        // Nobody reads from now on.
        drop(child.stdout.take());
        let done = child.wait_with_output().expect("it ends");
        assert!(
            done.status.success() && done.stderr.is_empty(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
}

#[test]
fn everything_that_a_filter_can_ask_is_listed() {
    let home = tempfile::tempdir().expect("a folder");
    let listed = flows(home.path(), &["filters"]).success().text();
    let catalogue = &lines(&flows(home.path(), &["filters", "--json"]).success())[0];
    assert_eq!(catalogue["type"], "filters", "every object has its type");
    let operators = catalogue["operators"].as_array().expect("operators");
    assert!(operators.len() > 50, "{}", operators.len());
    for operator in operators {
        let name = operator["operator"].as_str().expect("a name");
        assert!(listed.contains(&format!("  {name}")), "{name}");
    }
}

#[test]
fn a_pcapng_without_its_tls_says_why() {
    let it = Recorded::new();
    let redacted = it.flows(&["export", "--format", "pcapng", "-o", text(&it.path("redacted.pcapng"))]).success();
    assert!(redacted.errors().contains("the original TLS cannot be redacted"), "{redacted}");
    let har = it.path("it.har");
    it.flows(&["export", "--format", "har", "-o", text(&har)]).success();
    flows(it.folder.path(), &["import", "it.har", "--store", "without.sidelight"]).success();
    let tls = ["export", "--format", "pcapng", "--pcap-content", "tls", "--show-secrets", "-o", "tls.pcapng"];
    let none = flows(it.folder.path(), &[&tls[..], &["--store", "without.sidelight"]].concat());
    assert_eq!(none.status.code(), Some(3), "{none}");
    assert!(none.errors().contains("without.sidelight holds no original TLS"), "{none}");
    assert!(none.errors().contains("--store-packets") && !it.path("tls.pcapng").exists(), "{none}");
}
