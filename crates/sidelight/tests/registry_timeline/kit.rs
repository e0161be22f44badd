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
    command
        .args(["registry", "timeline", "--json"])
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .env_remove("XDG_STATE_HOME");
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

/// Members that say when, and by which number of a recording or from where: not what was done.
const ASIDE: &[&str] = &["flow", "where", "started", "duration_ms", "bytes_per_second", "address", "pid", "process"];

/// Everything that a block tells but [`ASIDE`], as lines: its head with the verdict, then its steps. What goes on beside each other
/// has no order, so steps are sorted; where the verdict names a step by its index, its name stands.
pub(crate) fn canonical(block: &Value) -> Vec<String> {
    let mut block = block.clone();
    if let Some(at) = block["verdict"]["step"].as_u64().and_then(|at| usize::try_from(at).ok()) {
        block["verdict"]["step"] = block["steps"][at]["step"].clone();
    }
    strip(&mut block, ASIDE);
    let steps = block["steps"].take();
    let mut lines: Vec<String> = steps.as_array().expect("steps").iter().map(Value::to_string).collect();
    lines.sort();
    lines.insert(0, block.to_string());
    lines
}

/// Removes members wherever they are.
pub(crate) fn strip(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !names.contains(&name.as_str()));
            members.values_mut().for_each(|it| strip(it, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|it| strip(it, names)),
        _ => {}
    }
}

/// The steps in the order of time, by name and state.
pub(crate) fn steps(block: &Value) -> Vec<String> {
    let all = block["steps"].as_array().expect("steps").iter();
    all.map(|it| format!("{} {}", it["step"].as_str().unwrap_or("-"), it["state"].as_str().unwrap_or("-"))).collect()
}
