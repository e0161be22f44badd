//! What the tests share: an image, skopeo, the timeline's own words. In: a folder. Out: commands and values.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sidelight_testkit::process::{Finished, run};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");

/// A folder with a short path.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("sl").tempdir().expect("a temporary folder")
}

/// An image of two layers, as `docker-archive:` takes it.
pub(crate) fn image(folder: &Path) -> String {
    let place = folder.join("image");
    std::fs::create_dir_all(&place).expect("a folder");
    let pack = |tar: &str, what: &[&str]| {
        let fixed = ["--owner=0", "--group=0", "--numeric-owner", "--sort=name", "--mtime=@0", "-cf", tar];
        run(Command::new("tar").current_dir(&place).args(fixed).args(what)).success();
        std::fs::read(place.join(tar)).expect("an archive")
    };
    std::fs::write(place.join("words"), "hello\n").expect("a file");
    std::fs::write(place.join("bytes"), sidelight_testkit::origin::body(0, 300_001)).expect("a file");
    let layers = [("one.tar", "words"), ("two.tar", "bytes")];
    let ids: Vec<String> = layers
        .iter()
        .map(|(tar, file)| format!("\"sha256:{}\"", sidelight_testkit::sha256(pack(tar, &[file]))))
        .collect();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        ids.join(",")
    );
    std::fs::write(place.join("config.json"), config).expect("a file");
    let manifest = r#"[{"Config":"config.json","RepoTags":["app:1"],"Layers":["one.tar","two.tar"]}]"#;
    std::fs::write(place.join("manifest.json"), manifest).expect("a file");
    pack("image.tar", &["config.json", "manifest.json", "one.tar", "two.tar"]);
    format!("docker-archive:{}", place.join("image.tar").display())
}

/// skopeo, with nothing of this machine's settings.
pub(crate) fn skopeo(mut command: Command, arguments: &[&str]) -> Finished {
    run(command.arg("--insecure-policy").args(arguments))
}

/// The timeline of `arguments`: its document and its exit status.
#[track_caller]
pub(crate) fn timeline(folder: &Path, arguments: &[&str]) -> (Value, i32) {
    let mut command = Command::new(PROGRAM);
    command.args(["registry", "timeline", "--json"]).args(arguments).env("HOME", folder).env_remove("XDG_STATE_HOME");
    let finished = run(&mut command);
    let text = finished.text();
    let document = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}\n{}", finished.errors()));
    (document, finished.status.code().expect("an exit status"))
}

/// All blocks of a document.
pub(crate) fn blocks(document: &Value) -> Vec<&Value> {
    let sources = document["sources"].as_array().expect("sources");
    sources.iter().flat_map(|it| it["blocks"].as_array().expect("blocks")).collect()
}

/// A block in words that do not depend on ports, times and the order of what goes on beside each other.
pub(crate) fn told(block: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut lines = Vec::new();
    for step in block["steps"].as_array().expect("steps") {
        let statuses: Vec<String> = step["requests"]
            .as_array()
            .expect("requests")
            .iter()
            .map(|it| format!("{} {} {}", text(&it["method"]), it["status"], text(&it["credentials"])))
            .collect();
        let granted = step["requests"].as_array().and_then(|it| it.last()).map(|it| &it["granted"]["token"]);
        let access = granted.filter(|it| it.is_object()).map(|it| format!(" {} {}", it["alg"], it["access"]));
        lines.push(format!(
            "{} {} {} {} {}: {}{}",
            text(&step["step"]),
            text(&step["reference"]),
            text(&step["state"]),
            text(&step["digest"]),
            step["bytes"],
            statuses.join(", "),
            access.unwrap_or_default()
        ));
    }
    lines.sort();
    let head = ["action", "repository", "reference"].map(|name| text(&block[name])).join(" ");
    lines.insert(0, format!("{head} by {}: {}", text(&block["client"]["name"]), text(&block["verdict"]["cause"])));
    lines
}

/// The steps in the order of time, by name and state.
pub(crate) fn steps(block: &Value) -> Vec<String> {
    let all = block["steps"].as_array().expect("steps").iter();
    all.map(|it| format!("{} {}", it["step"].as_str().unwrap_or("-"), it["state"].as_str().unwrap_or("-"))).collect()
}
