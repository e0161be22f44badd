//! Faults between skopeo and the real registry. In: a server that hands everything on but one thing. Out: the cause of each.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;
use sidelight_testkit::process::{Running, free_port};
use sidelight_testkit::{Hosts, Sidelight, peers, world};

use super::kit::{PROGRAM, blocks, folder, image, skopeo, timeline};

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// The last block of a pull of `tag` through a server with this fault.
#[track_caller]
fn pull(fault: &str, tag: &str) -> Value {
    let folder = folder();
    let hosts = Hosts::new(folder.path(), &[]);
    let [registry, faulty, front] = [(); 3].map(|()| local(free_port()));
    let _registry = peers::registry(&hosts, folder.path(), registry);
    let archive = image(folder.path());
    let to = format!("docker://{registry}/team/app:1");
    skopeo(hosts.command("skopeo"), &["copy", "--dest-tls-verify=false", &archive, &to]).success();
    let mut python = Command::new(peers::python());
    python.arg(peers::script("registry_faults.py")).args([&faulty.to_string(), &registry.to_string(), fault]);
    let mut server = Running::start(&mut python, &folder.path().join("faults.log"));
    server.until_it_listens(&hosts, faulty);
    let store = folder.path().join("rec.sidelight").display().to_string();
    let mode = format!("forward:{faulty}@{front}");
    let options = ["--mode", &mode, "--store", &store];
    let sidelight = Sidelight::start(Command::new(world::binary(PROGRAM)), folder.path(), &options, 1);
    let from = format!("docker://{front}/team/app:{tag}");
    let out = format!("dir:{}", folder.path().join("out").display());
    let finished = skopeo(hosts.command("skopeo"), &["copy", "--src-tls-verify=false", &from, &out]);
    assert!(!finished.status.success(), "{fault}: {finished}");
    sidelight.stop();
    let (document, status) = timeline(folder.path(), &["--store", &store]);
    assert_eq!(status, 1, "{document:#}");
    (*blocks(&document).last().expect("a block")).clone()
}

/// Cause of the block, and the step that failed.
fn cause(block: &Value) -> (String, String) {
    let verdict = &block["verdict"];
    let step = verdict["step"].as_u64().and_then(|at| block["steps"].get(usize::try_from(at).ok()?));
    let step = step.map(|it| it["step"].as_str().unwrap_or("-").to_owned()).unwrap_or_default();
    assert!(verdict["evidence"].as_array().is_some_and(|it| !it.is_empty()), "{verdict:#}");
    // Which blob comes first is skopeo's business.
    let step = if step == "config" { "layer".to_owned() } else { step };
    (verdict["cause"].as_str().unwrap_or("-").to_owned(), step)
}

macro_rules! faults {
    ($($name:ident: $fault:literal, $tag:literal => $cause:literal, $step:literal;)*) => {
        $(#[test]
        fn $name() {
            let block = pull($fault, $tag);
            assert_eq!(cause(&block), ($cause.to_owned(), $step.to_owned()), "{block:#}");
        })*
    };
}

faults! {
    a_tag_that_is_not_there: "none", "nope" => "manifest_unknown", "manifest";
    a_blob_that_was_lost: "blob-404", "1" => "blob_unknown", "layer";
    a_blob_that_was_altered: "blob-altered", "1" => "blob_altered", "layer";
    a_blob_that_is_cut: "blob-cut", "1" => "transfer_cut", "layer";
    a_manifest_that_was_altered: "manifest-altered", "1" => "manifest_altered", "manifest";
    a_limit_of_rate: "rate", "1" => "rate_limited", "manifest";
    a_registry_that_fails: "broken", "1" => "registry_failed", "manifest";
    a_page_that_blocks: "blocked", "1" => "request_blocked", "manifest";
    a_page_that_answers: "page", "1" => "web_page_instead", "manifest";
    a_challenge_without_a_way: "unauthorized", "1" => "challenge_missing", "manifest";
    a_login_that_is_missing: "basic", "1" => "login_missing", "manifest";
    a_path_that_leads_elsewhere: "elsewhere", "1" => "not_a_registry", "manifest";
    a_storage_that_refuses: "storage", "1" => "storage_refused", "layer";
}
