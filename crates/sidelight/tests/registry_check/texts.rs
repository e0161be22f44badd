//! `registry explain` as people use it: arguments, pipes, unknown text.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::program::{document, explained, sidelight};

#[test]
fn a_message_is_explained_from_arguments_and_from_a_pipe() {
    let home = tempfile::tempdir().unwrap();
    let text = r#"Error response from daemon: Get "https://registry.corp:5443/v2/": x509: certificate signed by unknown authority"#;
    let told = sidelight(home.path(), &["registry", "explain", text], &[]).success();
    let first = told.text().lines().next().unwrap_or_default().to_owned();
    assert!(first.contains("does not trust the authority") && first.contains("registry.corp:5443"), "{told}");
    assert!(told.text().contains("/etc/docker/certs.d/registry.corp:5443/ca.crt"), "{told}");
    assert_eq!(explained(home.path(), text)[..2], ["root_not_trusted", "missing_intermediate"]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_sidelight"))
        .args(["registry", "explain", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"\x1b[31mtoomany\nrequests\x1b[0m: You have reached\n your pull rate limit")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("rate_limited"), "{text}");
    assert!(!text.contains('\u{1b}'), "what was pasted reaches no terminal: {text:?}");
}

#[test]
fn what_is_not_known_is_said_and_there_is_a_next_step() {
    let home = tempfile::tempdir().unwrap();
    let told = sidelight(home.path(), &["registry", "explain", "the", "printer", "is", "on", "fire"], &[]);
    assert_eq!(told.status.code(), Some(1), "{told}");
    assert!(told.text().contains("not known") && told.text().contains("registry check"), "{told}");
    let json = sidelight(home.path(), &["--json", "registry", "explain", "the printer"], &[]);
    assert_eq!((&document(&json)["known"], &document(&json)["v"]), (&false.into(), &1.into()), "{json}");
    assert_eq!(sidelight(home.path(), &["registry", "explain", " "], &[]).status.code(), Some(2));
}
