//! dockerd pushes and pulls through sidelight. In: its conversation with a registry in TLS. Out: a block for each, with every step.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::Value;
use sidelight_testkit::peers::{self, Dockerd, docker_trust};
use sidelight_testkit::process::{free_port, run};
use sidelight_testkit::{Hosts, Issuer, Leaf, Sidelight, world};

use super::captures::{World, end, sslsplit};
use super::kit::{PROGRAM, blocks, folder, image, steps, timeline};

const NAME: &str = "registry.test";

#[test]
fn a_push_and_two_pulls_of_dockerd() {
    let folder = folder();
    let hosts = Hosts::new(folder.path(), &[(NAME, IpAddr::V4(Ipv4Addr::LOCALHOST))]);
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let root = Issuer::root("Registry Test Root");
    let identity = root.issue(&Leaf::named(&[NAME]));
    let plain = peers::registry(&hosts, folder.path(), SocketAddr::from(([127, 0, 0, 1], free_port())));
    let _tls = peers::nginx(&hosts, folder.path(), &identity, &[address], plain.address);
    let roots = root.write_to(&folder.path().join("root.pem"));
    let store = folder.path().join("rec.sidelight").display().to_string();
    let options =
        ["--roots", roots.to_str().expect("a path of text"), "--mode", "explicit@127.0.0.1:0", "--store", &store];
    let sidelight = Sidelight::start(hosts.command(world::binary(PROGRAM)), folder.path(), &options, 1);
    let authority = format!("{NAME}:{}", address.port());
    let mut command = docker_trust(&hosts, folder.path(), &[&authority], &sidelight.ca_file());
    command.env("HTTPS_PROXY", format!("http://{}", sidelight.address("explicit")));
    let dockerd = Dockerd::start(command, folder.path());
    let docker = |arguments: &[&str]| run(dockerd.docker(folder.path()).args(arguments));
    let name = format!("{authority}/team/app:1");
    let archive = image(folder.path());
    let file = archive.trim_start_matches("docker-archive:");
    docker(&["load", "--input", file]).success();
    docker(&["tag", "app:1", &name]).success();
    let pushed = docker(&["push", &name]);
    assert!(pushed.status.success(), "{pushed}\n{}", sidelight.said());
    docker(&["rmi", "app:1", &name]).success();
    docker(&["pull", &name]).success();
    assert!(!docker(&["pull", &format!("{authority}/team/app:nope")]).status.success());
    drop(dockerd);
    sidelight.stop();
    let (document, status) = timeline(folder.path(), &["--store", &store]);
    assert_eq!(status, 1, "{document:#}");
    let blocks = blocks(&document);
    let told: Vec<_> =
        blocks.iter().map(|it| (&it["action"], &it["client"]["name"], &it["verdict"]["cause"])).collect();
    let expected = [("push", "docker", "ok"), ("pull", "docker", "ok"), ("pull", "docker", "manifest_unknown")];
    assert_eq!(told.len(), 3, "{document:#}");
    for (told, expected) in told.iter().zip(expected) {
        assert_eq!([told.0, told.1, told.2].map(|it| it.as_str().unwrap_or("-")), [expected.0, expected.1, expected.2]);
    }
    let pull = steps(blocks[1]);
    let count = |name: &str| pull.iter().filter(|it| *it == &format!("{name} done")).count();
    assert_eq!((count("ping"), count("config"), count("layer")), (1, 1, 2), "{pull:?}");
    let push = steps(blocks[0]);
    let uploads = push.iter().filter(|it| *it == "upload done").count();
    assert_eq!((uploads, push.last().map(String::as_str)), (3, Some("put_manifest done")), "{push:?}");
    let verified = blocks[0]["steps"].as_array().expect("steps").iter().filter(|it| it["digest"] == "verified").count();
    assert_eq!(verified, 4, "uploads and manifest: {:#}", blocks[0]);
}

/// docker with a login and long tokens, seen by sslsplit alone, as people do it who have nothing else: its log cuts the token in two.
#[test]
fn a_docker_pull_in_the_log_of_sslsplit() {
    let world = World::start(false, true);
    let recorder = sslsplit(&world);
    let roots = world.root.write_to(&world.folder.path().join("root.pem"));
    let folder = world.folder.path();
    let authority = world.authority();
    let mut command = docker_trust(&world.split, folder, &[&authority], &roots);
    command.env("SSL_CERT_FILE", &roots);
    let dockerd = Dockerd::start(command, folder);
    let docker = |arguments: &[&str]| run(dockerd.docker(folder).args(arguments));
    let archive = image(folder);
    let name = format!("{authority}/team/app:1");
    docker(&["load", "--input", archive.trim_start_matches("docker-archive:")]).success();
    docker(&["tag", "app:1", &name]).success();
    docker(&["push", &name]).success();
    docker(&["rmi", "app:1", &name]).success();
    docker(&["pull", &name]).success();
    drop(dockerd);
    end(&recorder);
    let log = std::fs::read(world.path("split.log")).expect("what sslsplit wrote");
    let text = String::from_utf8_lossy(&log);
    let is_cut =
        |line: &str| line.starts_with("Authorization: Bearer ") && line.contains(" UTC [") && line.contains(" -> [");
    assert!(text.lines().any(is_cut), "no head of a record stands within a token: this tests nothing");
    let blocks = world.blocks(&[&world.path("split.log")]);
    let told: Vec<_> = blocks.iter().map(|it| (it["action"].as_str(), it["verdict"]["cause"].as_str())).collect();
    assert_eq!(told, [(Some("push"), Some("ok")), (Some("pull"), Some("ok"))], "{blocks:#?}");
    let mut shown = 0;
    for block in &blocks {
        let granted: Vec<&Value> = requests(block)
            .filter_map(|it| it["granted"]["token"].as_object().map(|_| &it["granted"]["token"]))
            .collect();
        for presented in requests(block).map(|it| &it["presented"]).filter(|it| it.is_object()) {
            // It is whole: its fingerprint is that of the token in the answer of the token server.
            assert!(granted.iter().any(|it| it["fingerprint"] == presented["fingerprint"]), "{presented:#}");
            assert_eq!((&presented["alg"], &presented["x5c"]), (&"RS256".into(), &1.into()), "{presented:#}");
            shown += 1;
        }
    }
    assert!(shown > 5, "{blocks:#?}");
}

fn requests(block: &Value) -> impl Iterator<Item = &Value> {
    let steps = block["steps"].as_array().expect("steps").iter();
    steps.flat_map(|it| it["requests"].as_array().expect("requests"))
}

/// Logins of docker: refused, right, and out again, which asks nobody anything.
#[test]
fn logins_of_docker() {
    let world = World::start_with_users();
    let folder = world.folder.path();
    let roots = world.root.write_to(&folder.join("root.pem"));
    let store = world.path("rec.sidelight");
    let options =
        ["--roots", roots.to_str().expect("a path of text"), "--mode", "explicit@127.0.0.1:0", "--store", &store];
    let sidelight = Sidelight::start(world.here.command(world::binary(PROGRAM)), folder, &options, 1);
    let authority = world.authority();
    let mut command = docker_trust(&world.here, folder, &[&authority], &sidelight.ca_file());
    command.env("HTTPS_PROXY", format!("http://{}", sidelight.address("explicit")));
    command.env("SSL_CERT_FILE", sidelight.ca_file());
    let dockerd = Dockerd::start(command, folder);
    let docker = |arguments: &[&str]| run(dockerd.docker(folder).args(arguments));
    let login = |password: &str| docker(&["login", "-u", "joe", "-p", password, &authority]);
    assert!(!login("wrong").status.success());
    let right = login("hunter2");
    assert!(right.status.success(), "{right}\n{}\n{}", dockerd.said(), sidelight.said());
    docker(&["logout", &authority]).success();
    drop(dockerd);
    sidelight.stop();
    let blocks = world.blocks(&["--store", &store]);
    let told: Vec<_> = blocks
        .iter()
        .map(|it| ["action", "cause"].map(|name| it[name].as_str().or(it["verdict"][name].as_str()).unwrap_or("-")))
        .collect();
    assert_eq!(told, [["login", "login_refused"], ["login", "ok"]], "{blocks:#?}");
    for block in &blocks {
        assert_eq!(block["client"]["name"], "docker", "{block:#}");
        assert!(block["client"]["version"].as_str().is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit())));
    }
}
