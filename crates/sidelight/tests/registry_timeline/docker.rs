//! dockerd pushes and pulls through sidelight. In: its conversation with a registry in TLS. Out: a block for each, with every step.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sidelight_testkit::peers::{self, Dockerd, docker_trust};
use sidelight_testkit::process::{free_port, run};
use sidelight_testkit::{Hosts, Issuer, Leaf, Sidelight, world};

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
