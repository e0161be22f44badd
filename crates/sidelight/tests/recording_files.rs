//! Filters and rotation of what is recorded while traffic passes. In: the real program with curl. Out: files that hold what was
//! asked for, each standing by itself.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use sidelight_testkit::World;
use sidelight_testkit::process::{Finished, run};
use sidelight_testkit::world::binary;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");
const EXPLICIT: &[&str] = &["--mode", "explicit@127.0.0.1:0"];

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn flows(arguments: &[&str]) -> Finished {
    run(Command::new(binary(PROGRAM)).arg("flows").args(arguments))
}

fn urls_of_har(path: &Path) -> Vec<String> {
    let har: Value = serde_json::from_slice(&std::fs::read(path).expect("a HAR")).expect("JSON");
    let entries = har["log"]["entries"].as_array().expect("entries");
    entries.iter().map(|entry| entry["request"]["url"].as_str().expect("a URL").to_owned()).collect()
}

/// Files of `folder` whose names begin so, in the order of their names without extension.
fn files(folder: &Path, start: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").filter_map(Result::ok).map(|entry| entry.path());
    let is_one = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with(start) && !name.ends_with("-wal") && !name.ends_with("-shm")
    };
    let mut found: Vec<PathBuf> = entries.filter(is_one).collect();
    found.sort_by(|one, other| one.file_stem().cmp(&other.file_stem()));
    found
}

#[test]
fn a_filter_chooses_what_is_shown_and_written_but_not_what_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let (store, har, jsonl) = (path("it.sidelight"), path("it.har"), path("it.jsonl"));
    let kept = ["--store", text(&store), "--har", text(&har), "--jsonl", text(&jsonl), "--filter", "~c 404"];
    let world = World::with(PROGRAM, &["http/1.1"], &[EXPLICIT, &kept].concat(), 1);
    for path in ["/bytes/10", "/status/404", "/bytes/20"] {
        world.compare(|side| side.curl(&[&side.url(path)]));
    }
    world.sidelight.exchange("GET", "/status/404", 404);
    let shown = world.sidelight.of_type("exchange").len();
    world.sidelight.stop();
    assert_eq!(shown, 1);
    assert_eq!(urls_of_har(&har).len(), 1);
    let lines = std::fs::read_to_string(&jsonl).expect("JSON Lines");
    assert_eq!(lines.lines().filter(|line| line.contains("\"type\":\"exchange\"")).count(), 1);
    assert_eq!(flows(&["list", "--store", text(&store)]).success().text().lines().count(), 3);
}

#[test]
fn rotated_files_stand_by_themselves_and_the_oldest_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let (har, pcap) = (path("traffic.har"), path("packets.pcapng"));
    let kept = ["--no-store", "--har", text(&har), "--pcap", text(&pcap), "--rotate-size", "60k", "--rotate-keep", "2"];
    let world = World::with(PROGRAM, &["http/1.1"], &[EXPLICIT, &kept].concat(), 1);
    for _ in 0..6 {
        world.compare(|side| side.curl(&[&side.url("/bytes/40000")]));
    }
    world.sidelight.stop();
    let hars = files(folder.path(), "traffic");
    assert_eq!(hars.len(), 2, "{hars:?}");
    for har in &hars {
        assert!(!urls_of_har(har).is_empty(), "{}", har.display());
    }
    let captures = files(folder.path(), "packets");
    assert_eq!(captures.len(), 2, "{captures:?}");
    for capture in &captures {
        let read = run(Command::new("tshark").args(["-r", text(capture), "-Y", "_ws.malformed"])).success();
        assert_eq!(read.text(), "", "{}", capture.display());
    }
}

#[test]
fn follow_goes_on_where_a_rotated_recording_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("it.sidelight");
    let kept = ["--store", text(&store), "--rotate-size", "200k"];
    let world = World::with(PROGRAM, &["http/1.1"], &[EXPLICIT, &kept].concat(), 1);
    world.compare(|side| side.curl(&[&side.url("/bytes/1")]));
    world.sidelight.exchange("GET", "/bytes/1", 200);
    let mut command = Command::new(binary(PROGRAM));
    command.args(["flows", "follow", "--store", text(&store)]).stdout(Stdio::piped());
    let mut child = command.spawn().expect("sidelight starts");
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut next = || {
        let mut line = String::new();
        out.read_line(&mut line).expect("a line");
        line
    };
    assert!(next().contains("/bytes/1 "));
    // Each is larger than a file may become, and waits for the one before to be kept.
    for n in 0..4 {
        let path = format!("/bytes/{}", 300_000 + n);
        world.compare(|side| side.curl(&[&side.url(&path)]));
        let line = next();
        assert!(line.contains(&path), "{line}");
    }
    let _ = child.kill();
    let _ = child.wait();
    world.sidelight.stop();
    assert!(files(folder.path(), "it").len() > 1, "it was not rotated");
}

#[test]
fn a_key_log_of_one_side_decrypts_that_side() {
    let folder = tempfile::tempdir().expect("a folder");
    for side in ["client", "server"] {
        let log = folder.path().join(side);
        let kept = ["--no-store", "--keylog", text(&log), "--keylog-side", side];
        let world = World::with(PROGRAM, &["http/1.1"], &[EXPLICIT, &kept].concat(), 1);
        world.compare(|side| side.curl(&[&side.url("/bytes/1")]));
        world.sidelight.stop();
        let lines = std::fs::read_to_string(&log).expect("a key log");
        let count = lines.lines().filter(|line| line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")).count();
        assert_eq!(count, 1, "{lines}");
        let other = if side == "client" { "service" } else { "client" };
        assert!(!lines.contains(&format!("{other} leg")), "{lines}");
    }
}
