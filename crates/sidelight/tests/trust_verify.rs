//! `sidelight trust verify` as a user and a script run it: the answer first, the exit status, JSON, and questions line by line.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use sidelight_testkit::{Issuer, Leaf};

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn write(&self, name: &str, text: impl AsRef<str>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text.as_ref()).unwrap();
        path
    }
}

fn verify(roots: &Path, chain: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidelight"));
    command.env_clear().args(["trust", "verify", "--roots"]).arg(roots).arg("--chain").arg(chain).args(more);
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_answer_comes_first_and_the_status_says_the_same() {
    let files = Files::new();
    let (root, other) = (Issuer::root("The Root"), Issuer::root("Another Root"));
    let middle = root.intermediate("The Middle");
    let roots = files.write("roots.pem", root.pem());
    let chain = files.write("chain.pem", middle.issue(&Leaf::named(&["registry.test"])).chain_pem);
    let bare = files.write("bare.pem", middle.issue(&Leaf::named(&["registry.test"]).without_chain()).chain_pem);
    let old = files.write("old.pem", root.issue(&Leaf::named(&["registry.test"]).expired()).chain_pem);
    let others = files.write("others.pem", other.pem());
    let asked = ["--name", "registry.test", "--as", "openssl"];
    for (roots, chain, more, status, first) in [
        (&roots, &chain, &asked[..], 0, "✓"),
        (
            &roots,
            &chain,
            &["--name", "other.test", "--as", "go"][..],
            1,
            "it is not for other.test, but for registry.test",
        ),
        (&roots, &old, &asked[..], 1, "it expired on"),
        (&roots, &bare, &asked[..], 1, "neither among the roots nor was it sent"),
        (&others, &chain, &asked[..], 1, "neither among the roots nor was it sent"),
    ] {
        let output = verify(roots, chain, more);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.lines().next().unwrap().contains(first), "{said}");
    }
    let missing = verify(&roots, &files.folder.path().join("none.pem"), &[]);
    assert_eq!((missing.status.code(), text(&missing)), (Some(3), String::new()));
}

#[test]
fn json_is_a_finding_with_every_path_and_client() {
    let files = Files::new();
    let root = Issuer::root("The Root");
    let roots = files.write("roots.pem", root.pem());
    let chain = files.write("chain.pem", root.issue(&Leaf::named(&["registry.test"]).expired()).chain_pem);
    let output = verify(&roots, &chain, &["--name", "registry.test", "--as", "java", "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&document["v"], &document["type"]), (&json!(1), &json!("trust-verify")));
    assert_eq!((&document["result"], &document["cause"]), (&json!("reject"), &json!("cert_expired")));
    assert_eq!(document["fault"], "server");
    assert!(document["evidence"].as_array().unwrap().len() >= 3, "{document}");
    let failed = &document["paths"][0]["checks"][0]["failed"];
    assert_eq!((&failed[0]["check"], &failed[0]["code"]), (&json!("validity"), &json!("expired")));
    let clients = document["clients"].as_array().unwrap();
    assert!(clients.len() >= 14 && clients.iter().all(|client| client["result"] == "reject"), "{document}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("it expired on"));
}

#[test]
fn questions_are_answered_one_by_one_whatever_they_are() {
    let root = Issuer::root("The Root");
    let leaf = root.issue(&Leaf::named(&["registry.test"]));
    let sound = json!({"id": "a", "roots": [root.pem()], "chain": [leaf.chain_pem], "name": "registry.test"});
    let with = |member: &str, value: Value| {
        let mut question = sound.clone();
        question[member] = value;
        question.to_string()
    };
    let mut child = Command::new(env!("CARGO_BIN_EXE_sidelight"))
        .args(["trust", "verify", "--batch", "--profile", "lenient"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    let huge = format!("\"{}\"", "x".repeat(1 << 20));
    for (question, id, result) in [
        (sound.to_string(), json!("a"), "accept"),
        (with("name", json!("other.test")), json!("a"), "reject"),
        (with("id", json!(7)), json!(7), "accept"),
        (with("at", json!("1999-01-01T00:00:00Z")), json!("a"), "reject"),
        (with("at", json!("yesterday")), json!("a"), "unsupported"),
        (with("purpose", json!("mail")), json!("a"), "unsupported"),
        (with("name_kind", json!("URI")), json!("a"), "unsupported"),
        (with("chain", json!([])), json!("a"), "unsupported"),
        (with("chain", json!(["no PEM"])), json!("a"), "unsupported"),
        (with("chain", json!(5)), json!("a"), "unsupported"),
        (with("roots", json!([])), json!("a"), "reject"),
        (
            with("chain", json!(["-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"])),
            json!("a"),
            "reject",
        ),
        (huge, Value::Null, "unsupported"),
        ("{".to_owned(), Value::Null, "unsupported"),
        ("\u{0}\u{fffd}".to_owned(), Value::Null, "unsupported"),
        (with("crls", Value::Null), json!("a"), "accept"),
    ] {
        // The next question is only asked when this one has been answered.
        writeln!(input, "{question}").unwrap();
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        let shown: String = question.chars().take(120).collect();
        assert_eq!((&answer["id"], &answer["result"]), (&id, &json!(result)), "{shown}: {line}");
        assert!(!answer["reason"].as_str().unwrap().is_empty(), "{line}");
    }
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
