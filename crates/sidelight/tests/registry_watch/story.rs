//! A pull that fails with nothing in dockerd's log: the cause is named by one command, and nothing is left of it.

use sidelight_testkit::process::run;

use super::kit::{REGISTRY, World, tree};

/// The token server signs with the ID of its certificate's DER: the registry refuses every token, and says why to its own log alone.
#[test]
fn one_command_names_the_cause() {
    let world = World::with(Some("kid-certificate"));
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
    assert!(text.contains("sidelight registry key-id BUNDLE --match KID") && text.contains("recorded in "), "{said}");
    assert_eq!((tree(&world.path("certs.d")), world.rules()), before);
}
