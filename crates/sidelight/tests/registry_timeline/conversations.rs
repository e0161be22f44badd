//! What docker and skopeo seldom do, captured by everything at once: uploads in one piece and in chunks, mounts, uploads given up, ranges,
//! storage hosts, referrers, deletes, clients beside each other. In: a Python client and the real registry. Out: the same from each
//! capture; and from the registry's own log what a log can tell.

use std::process::Command;

use serde_json::Value;
use sidelight_testkit::peers;
use sidelight_testkit::process::run;

use super::captures::{Recorders, World, all_tell_the_same_but};
use super::kit::{canonical, steps, strip};

/// The digests of the layers of the image that the client makes for a repository: the first is sent in one piece, the second in chunks.
fn layers(world: &World, repository: &str, seed: &str) -> Vec<String> {
    let mut command = Command::new(peers::python());
    command.arg(peers::script("registry_client.py")).args([&world.authority(), "", "digests", repository, seed]);
    run(&mut command).success().text().lines().map(str::to_owned).collect()
}

fn talk(world: &World, recorders: &Recorders, what: &str) {
    let python = peers::python();
    let mut command = recorders.client(world, python.to_str().expect("a path of text"));
    command.arg(peers::script("registry_client.py")).arg(world.authority()).arg(&recorders.authority).arg(what);
    let finished = run(&mut command);
    assert!(finished.status.success(), "{finished}\n{}", recorders.said());
}

/// Client, action, repository, cause.
fn heads(blocks: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let head = |it: &Value| {
        [&it["client"]["name"], &it["action"], &it["repository"], &it["verdict"]["cause"]].map(text).join(" ")
    };
    let mut heads: Vec<String> = blocks.iter().map(head).collect();
    heads.sort();
    heads
}

fn count(block: &Value, what: &str) -> usize {
    steps(block).iter().filter(|it| *it == what).count()
}

fn of<'b>(blocks: &'b [Value], action: &str, repository: &str) -> &'b Value {
    let is_it = |it: &&Value| it["action"] == action && it["repository"] == repository;
    blocks.iter().find(is_it).unwrap_or_else(|| panic!("no {action} of {repository}: {blocks:#?}"))
}

#[test]
fn everything_that_the_specification_has() {
    let world = World::start(true, false);
    let recorders = Recorders::start(&world);
    for what in ["push", "pull", "delete"] {
        talk(&world, &recorders, what);
    }
    recorders.stop();
    let layers = layers(&world, "team/one", "1");
    let own = all_tell_the_same_but(&world, &[("push", &layers[1]), ("pull", &layers[0]), ("pull", &layers[1])]);
    let push = of(&own, "push", "team/one");
    assert_eq!((count(push, "upload done"), count(push, "put_manifest done")), (3, 1), "{push:#}");
    let all = push["steps"].as_array().expect("steps");
    let chunked = all.iter().find(|it| it["requests"].to_string().contains("PATCH")).expect("chunks");
    assert_eq!((&chunked["bytes"], &chunked["digest"]), (&262_144.into(), &"verified".into()), "{chunked:#}");
    assert!(all.iter().filter(|it| it["step"] == "upload").all(|it| it["digest"] == "verified"), "{push:#}");
    let copy = of(&own, "push", "team/one-copy");
    assert_eq!(count(copy, "mount done"), 1, "{copy:#}");
    let pull = of(&own, "pull", "team/one");
    let layers: Vec<&Value> =
        pull["steps"].as_array().expect("steps").iter().filter(|it| it["step"] == "layer").collect();
    assert_eq!((layers.len(), &pull["verdict"]["cause"]), (2, &"ok".into()), "{pull:#}");
    for layer in layers {
        assert_eq!((&layer["digest"], &layer["state"]), (&"verified".into(), &"done".into()), "{layer:#}");
        assert_eq!(
            layer["requests"].as_array().map(Vec::len),
            Some(4),
            "two ranges, each by way of the storage: {layer:#}"
        );
    }
    assert_eq!((count(pull, "referrers done"), count(pull, "tags done")), (1, 1), "{pull:#}");
    let delete = of(&own, "delete", "team/one");
    assert_eq!(count(delete, "delete done"), 2, "{delete:#}");
    the_log_tells_what_logs_can(&world);
}

#[test]
fn clients_beside_each_other_do_not_mix() {
    let world = World::start(false, false);
    let recorders = Recorders::start(&world);
    talk(&world, &recorders, "beside");
    recorders.stop();
    let [two, three] = [("team/two", "2"), ("team/three", "3")].map(|(name, seed)| layers(&world, name, seed));
    let pieces = [&two, &three].map(|it| [("push", &*it[1]), ("pull", &*it[0]), ("pull", &*it[1])]);
    let own = all_tell_the_same_but(&world, &pieces.concat());
    for (client, repository) in [("oras", "team/two"), ("crane", "team/three")] {
        for action in ["push", "pull"] {
            let block = of(&own, action, repository);
            assert_eq!((&block["client"]["name"], &block["verdict"]["cause"]), (&client.into(), &"ok".into()));
            let urls = block["steps"].to_string();
            let other = if repository == "team/two" { "team/three" } else { "team/two" };
            assert!(!urls.contains(&format!("/v2/{other}/")), "{block:#}");
        }
    }
    assert_eq!(heads(&own).iter().filter(|it| it.contains(" pull ")).count(), 2, "{:#?}", heads(&own));
    the_log_tells_what_logs_can(&world);
}

/// Members that a registry's log does not tell: fields, content, tokens, what was sent.
const NOT_IN_A_LOG: &[&str] = &[
    "bytes",
    "sent",
    "received",
    "digest",
    "manifest",
    "presented",
    "credentials",
    "challenge",
    "asked",
    "granted",
    "errors",
    "location",
    "range",
    "content_range",
    "rate_limit",
    "retry_after",
    "cache",
    "not_fetched",
    "verdict",
    "cut",
    "redirected",
    "state",
    "url",
    "registry",
];

/// The registry's own log gives the same blocks and, of what went to the registry, the same requests in the same steps; config and layers are
/// blobs there, for it has no manifests.
fn the_log_tells_what_logs_can(world: &World) {
    let told = |arguments: &[&str]| -> Vec<String> {
        let mut lines = Vec::new();
        for mut block in world.blocks(arguments) {
            for step in block["steps"].as_array_mut().expect("steps") {
                let requests = step["requests"].as_array_mut().expect("requests");
                // Token servers, storage hosts, and what nginx answered itself are not in it.
                requests.retain(|it| it["redirected"] == false && it["status"] != 307);
                if matches!(step["step"].as_str(), Some("config" | "layer")) {
                    step["step"] = "blob".into();
                }
            }
            let all = block["steps"].as_array_mut().expect("steps");
            all.retain(|it| {
                let is_elsewhere = matches!(it["step"].as_str(), Some("token" | "referrers" | "ping"));
                !is_elsewhere && it["requests"].as_array().is_some_and(|it| !it.is_empty())
            });
            strip(&mut block, NOT_IN_A_LOG);
            lines.push(canonical(&block).join("\n"));
        }
        lines.sort();
        lines
    };
    let (log, own) = (told(&[&world.path("registry.log")]), told(&["--store", &world.path("rec.sidelight")]));
    assert_eq!(log, own, "the registry's log");
}
