//! What a registry's log and `ctr --http-dump` tell: text and JSON, word for word. In: what docker-registry 2.8.2 and ctr 1.6.20 wrote. Out:
//! snapshots.

use std::path::PathBuf;
use std::process::Command;

use sidelight_testkit::process::run;

use super::kit::PROGRAM;

fn shown(file: &str, more: &[&str]) -> (String, Option<i32>) {
    let place = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/registry_timeline");
    let mut command = Command::new(PROGRAM);
    command.current_dir(place).args(["registry", "timeline", file]).args(more).env("TZ", "UTC").env("NO_COLOR", "1");
    let finished = run(&mut command);
    (finished.text(), finished.status.code())
}

#[test]
fn a_registrys_log() {
    let (text, status) = shown("registry.log", &[]);
    assert_eq!(status, Some(1), "{text}");
    insta::assert_snapshot!("registry_log", text);
    insta::assert_snapshot!("registry_log_json", shown("registry.log", &["--json"]).0);
}

#[test]
fn a_dump_of_ctr() {
    let (text, status) = shown("ctr.txt", &[]);
    assert_eq!(status, Some(0), "{text}");
    insta::assert_snapshot!("http_dump", text);
}

#[test]
fn what_is_none_of_a_registrys_is_said() {
    let empty = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(empty.path(), r#"{"log":{"version":"1.2","creator":{"name":"x","version":"1"},"entries":[]}}"#)
        .expect("a file");
    let finished = run(Command::new(PROGRAM).args(["registry", "timeline"]).arg(empty.path()));
    assert_eq!(finished.status.code(), Some(3));
    assert!(finished.errors().contains("nothing in it is a registry's traffic"), "{finished}");
}
