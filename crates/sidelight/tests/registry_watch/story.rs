//! A pull that fails with nothing in dockerd's log: the cause is named by one command, and nothing is left of it.

use sidelight_testkit::process::run;

use super::kit::{REGISTRY, Special, World, is_whole, steps, tree};

/// The token server signs with the ID of its certificate's DER: the registry refuses every token, and says why to its own log alone.
#[test]
fn one_command_names_the_cause() {
    let world = World::with(Special { wrong: Some("kid-certificate"), ..Special::default() });
    let dockerd = world.dockerd();
    let folder = world.folder.path();
    let image = format!("{REGISTRY}/team/app:1");
    let plainly = run(dockerd.docker(folder).args(["pull", &image]));
    assert!(!plainly.status.success(), "{plainly}");
    assert!(!dockerd.said().contains("kid") && !dockerd.said().contains("key"), "{}", dockerd.said());
    let before = (tree(&world.path("certs.d")), world.rules());

    let mut command = world.sidelight();
    command.args(["run", "--ca"]).arg(world.path("ca")).args([
        "--",
        "docker",
        "--host",
        &dockerd.address(),
        "--config",
    ]);
    let said = run(command.arg(world.path("docker-config")).args(["pull", &image]));
    let (status, text) = (said.status.code(), said.errors());
    assert_eq!(status, plainly.status.code(), "{said}");
    assert!(text.contains("✗ pull registry.test/team/app"), "{said}");
    assert!(text.contains("cause: token_refused"), "{said}");
    assert!(text.contains("what is left is the issuer, the key (kid, x5c) or the signature"), "{said}");
    assert!(text.contains("recorded in "), "{said}");
    // The command that it prints, with the one thing that the client's side cannot know.
    let kid = text.split_once("sidelight registry key-id BUNDLE --match ").expect("the next command").1;
    let kid = kid.lines().next().unwrap_or_default();
    let mut next = world.sidelight();
    let next = run(next.args(["registry", "key-id"]).arg(world.path("tokens.pem")).args(["--match", kid]));
    assert!(next.text().contains("is the libtrust ID of the certificate's DER"), "{next}");
    assert_eq!((tree(&world.path("certs.d")), world.rules()), before);
}

/// What `run` says of docker's other verbs, for a registry that wants a login and keeps its blobs elsewhere.
#[test]
fn a_login_a_push_and_a_pull_are_seen_by_run() {
    let world = World::with(Special { private: true, storage: true, ..Special::default() });
    let image = format!("{REGISTRY}/team/app:1");
    world.fill(&image);
    let dockerd = world.dockerd();
    let before = (tree(&world.path("certs.d")), world.rules());
    let docker = |words: &[&str]| {
        let mut command = world.sidelight();
        command.args(["run", "--json", "--ca"]).arg(world.path("ca")).args([
            "--",
            "docker",
            "--host",
            &dockerd.address(),
        ]);
        let said = run(command.arg("--config").arg(world.path("docker-config")).args(words));
        let lines = said.text();
        let blocks = lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")));
        let blocks: Vec<serde_json::Value> =
            blocks.filter(|it: &serde_json::Value| it["type"] == "registry_block").collect();
        assert_eq!((tree(&world.path("certs.d")), world.rules()), before, "{said}");
        (blocks, said)
    };
    let (blocks, said) = docker(&["login", "-u", "joe", "-p", "wrong", REGISTRY]);
    assert!(!said.status.success() && blocks[0]["verdict"]["outcome"] == "failed", "{said}");
    let (blocks, said) = docker(&["login", "-u", "joe", "-p", "hunter2", REGISTRY]);
    assert!(said.status.success(), "{said}");
    assert_eq!((&blocks[0]["action"], &blocks[0]["verdict"]["outcome"]), (&"login".into(), &"ok".into()), "{said}");
    let (blocks, said) = docker(&["pull", &image]);
    assert!(said.status.success(), "{said}");
    assert_eq!(blocks.len(), 1, "{said}");
    is_whole(&blocks[0]);
    // The storage is at another port, which was not redirected before the registry named it.
    let stored = blocks[0].to_string().matches("https://cdn.test:8443/store/v2/team/app/blobs/sha256:").count();
    assert!(stored >= 3, "{said}");
    assert!(!said.text().contains("s3cret") && !said.text().contains("hunter2"), "{said}");
    let other = format!("{REGISTRY}/team/other:2");
    run(dockerd.docker(world.folder.path()).args(["tag", &image, &other])).success();
    let (blocks, said) = docker(&["push", &other]);
    assert!(said.status.success(), "{said}");
    assert_eq!((&blocks[0]["action"], &blocks[0]["verdict"]["outcome"]), (&"push".into(), &"ok".into()), "{said}");
    assert!(steps(&blocks[0]).iter().any(|it| it == "put_manifest done"), "{said}");
}
