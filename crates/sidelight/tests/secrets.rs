//! No secret leaves by anything that is shown or exported. In: traffic with a marked secret in every place where one can stand.
//! Out: every command, every format, every stream of the program, searched for the mark. The recording, packets, key logs and raw
//! streams hold the truth, because that is what they are for.

use std::path::{Path, PathBuf};
use std::process::Command;

use sidelight_testkit::World;
use sidelight_testkit::process::{Finished, run};
use sidelight_testkit::world::binary;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");

/// In every secret, so that it can be looked for; in no other place.
const MARK: &str = "m4rk3d";

/// Requests that carry secrets: options of curl, and the path.
fn requests() -> Vec<(Vec<String>, &'static str)> {
    let text = |options: &[&str]| options.iter().map(ToString::to_string).collect::<Vec<_>>();
    vec![
        (text(&["--header", "Authorization: Bearer m4rk3d-bearer"]), "/bytes/1"),
        (text(&["--user", "kim:m4rk3d-basic"]), "/bytes/2"),
        (text(&["--cookie", "sid=m4rk3d-cookie; theme=dark"]), "/bytes/3"),
        (text(&["--header", "X-Api-Key: m4rk3d-key", "--header", "Proxy-Authorization: Basic m4rk3d"]), "/bytes/4"),
        (text(&[]), "/bytes/5?access_token=m4rk3d-query&n=1"),
        (text(&["--data", "user=kim&password=m4rk3d-form"]), "/hash"),
        (
            text(&["--header", "Content-Type: application/json", "--data", r#"{"n":1,"client_secret":"m4rk3d-json"}"#]),
            "/hash",
        ),
        // Comes back as the body of the answer.
        (
            text(&["--header", "Content-Type: application/json", "--data", r#"{"token":"m4rk3d-answer","a":[1]}"#]),
            "/echo",
        ),
        (
            text(&[
                "--header",
                "Content-Type: application/x-www-form-urlencoded",
                "--data",
                "refresh_token=m4rk3d-echo",
            ]),
            "/echo",
        ),
        (text(&["--form", "password=m4rk3d-multipart", "--form", "file=x"]), "/hash"),
    ]
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The mark in `bytes`: as it is, in base64 of any alignment, or packed.
fn marks(bytes: &[u8]) -> bool {
    let is_in = |part: &[u8]| bytes.windows(part.len()).any(|it| it == part);
    // Three alignments; the ends depend on what stands beside.
    let coded = ["bTRyazNk", "00cmszZ", "tNHJrM2"];
    is_in(MARK.as_bytes()) || coded.iter().any(|part| is_in(part.as_bytes()))
}

struct Kept {
    folder: tempfile::TempDir,
    /// Standard output and standard error of the proxy.
    said: String,
}

impl Kept {
    /// Passes all requests through a proxy that writes every format.
    fn new(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let files = [("--store", "it.sidelight"), ("--har", "it.har"), ("--log", "it.log"), ("--jsonl", "it.jsonl")]
            .map(|(option, name)| (option, path(name)));
        let mut options = vec!["--mode", "explicit@127.0.0.1:0", "-vv"];
        options.extend(files.iter().flat_map(|(option, path)| [*option, text(path)]));
        options.extend(more);
        let world = World::with(PROGRAM, &["h2", "http/1.1"], &options, 1);
        for (n, (curl, path)) in requests().iter().enumerate() {
            let version = if n % 2 == 0 { "--http1.1" } else { "--http2" };
            let through = world.through();
            let mut command = through.curl(&[version, &through.url(path)]);
            run(command.args(curl)).success();
        }
        world.sidelight.wait_for("the last exchange", "connection", |line| line["conn"] == requests().len());
        let said = world.sidelight.said();
        world.sidelight.stop();
        Self { folder, said }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn flows(&self, arguments: &[&str]) -> Finished {
        let mut command = Command::new(binary(PROGRAM));
        command.arg("flows").args(arguments).arg("--store").arg(self.path("it.sidelight"));
        run(&mut command).success()
    }
}

/// Everything that can be asked of a recording.
const QUESTIONS: &[&[&str]] = &[
    &["list"],
    &["list", "--json"],
    &["show", "1.."],
    &["show", "1..", "--view", "raw"],
    &["show", "1..", "--view", "hex"],
    &["show", "1..", "--json"],
    &["show", "1..", "--format", "curl"],
    &["show", "1..", "--format", "httpie"],
    &["show", "1..", "--format", "python"],
    &["show", "1..", "--format", "raw"],
    &["stats"],
    &["stats", "--json"],
    &["stats", "--json", "--assert", "status<200"],
    &["export", "--format", "har"],
    &["export", "--format", "log"],
    &["export", "--format", "jsonl"],
    &["export", "--format", "pcapng"],
    &["export", "--format", "curl"],
    &["export", "--format", "httpie"],
    &["export", "--format", "python"],
];

#[test]
fn nothing_that_is_shown_or_exported_holds_a_secret() {
    let kept = Kept::new(&[]);
    assert!(!marks(kept.said.as_bytes()), "the proxy shows a secret: {}", kept.said);
    for name in ["it.har", "it.log", "it.jsonl"] {
        let bytes = std::fs::read(kept.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(!marks(&bytes), "{name} holds a secret: {}", String::from_utf8_lossy(&bytes));
        assert!(String::from_utf8_lossy(&bytes).contains("redacted sha256:"), "{name} redacts nothing");
    }
    for question in QUESTIONS {
        let mut command = Command::new(binary(PROGRAM));
        command.arg("flows").args(*question).arg("--store").arg(kept.path("it.sidelight"));
        let done = run(&mut command);
        let status = if question.contains(&"--assert") { 1 } else { 0 };
        assert_eq!(done.status.code(), Some(status), "{done}");
        let all = [done.stdout.as_slice(), done.stderr.as_slice()].concat();
        assert!(!all.is_empty(), "{question:?} says nothing");
        assert!(!marks(&all), "{question:?} shows a secret: {}", String::from_utf8_lossy(&all));
    }
    let raw = kept.path("raw");
    kept.flows(&["export", "--format", "raw", "-o", text(&raw)]);
    for entry in std::fs::read_dir(&raw).expect("a folder") {
        let file = entry.expect("a file").path();
        assert!(!marks(&std::fs::read(&file).expect("the file")), "{} holds a secret", file.display());
    }
}

#[test]
fn everything_is_there_when_it_is_wanted() {
    let kept = Kept::new(&["--show-secrets"]);
    let wanted = ["bearer", "cookie", "key", "query", "form", "json", "answer", "echo", "multipart"];
    for (question, is_whole) in [
        (&["show", "1..", "--show-secrets"][..], true),
        (&["show", "1..", "--json", "--show-secrets"], true),
        (&["export", "--format", "har", "--show-secrets"], true),
        (&["export", "--format", "log", "--show-secrets"], true),
        (&["export", "--format", "jsonl", "--show-secrets"], true),
        (&["list", "--show-secrets"], false),
    ] {
        let text = kept.flows(question).text();
        for what in wanted.iter().filter(|what| is_whole || **what == "query") {
            assert!(text.contains(&format!("{MARK}-{what}")), "{question:?} lacks {what}: {text}");
        }
    }
    let store = std::fs::read(kept.path("it.sidelight")).expect("the recording");
    assert!(marks(&store), "the recording does not hold the truth");
}
