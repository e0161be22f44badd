//! dockerd: our CA below its certs.d, its connections redirected; and all of that gone afterwards.

use rustix::process::Signal;
use sidelight_testkit::process::run;

use super::kit::{REGISTRY, Watch, World, is_whole, tree};

#[test]
fn a_pull_is_seen_whole_and_nothing_stays_behind() {
    let world = World::start();
    let image = format!("{REGISTRY}/team/app:1");
    world.fill(&image);
    let dockerd = world.dockerd();
    let docker = |arguments: &[&str]| run(dockerd.docker(world.folder.path()).args(arguments));
    let certs = world.path("certs.d");
    let before = (tree(&certs), world.rules());
    let socket = dockerd.address();
    let options = ["--client", "docker", "--host", &socket, "--registry", REGISTRY];

    // A rehearsal touches nothing, and says all.
    let mut rehearsal = world.sidelight();
    let told = run(rehearsal.args(["registry", "watch", "--dry-run"]).args(options)).success().text();
    assert!(told.contains("would write /etc/docker/certs.d/registry.test/sidelight.crt"), "{told}");
    assert!(told.contains("would redirect connections of dockerd (process "), "{told}");
    assert_eq!((tree(&certs), world.rules()), before);

    for (signal, pulls) in [(Signal::INT, true), (Signal::TERM, false), (Signal::KILL, true)] {
        let watch = Watch::start(world.sidelight(), world.folder.path(), &options);
        assert!(certs.join(REGISTRY).join("sidelight.crt").is_file());
        assert!(world.rules().contains("table inet sidelight-watch"), "{}", world.rules());
        if pulls {
            world.stranger();
            let pulled = docker(&["pull", &image]);
            assert!(pulled.status.success(), "{pulled}\n{}\n{}", dockerd.said(), watch.errors());
            let block = watch.pull("ok");
            is_whole(&block);
            assert_eq!(block["client"]["process"], "dockerd", "{block:#}");
            docker(&["rmi", &image]).success();
            world.stranger();
        }
        let (status, errors) = watch.end(signal);
        if signal == Signal::KILL {
            // The kernel has taken the rules away; the file goes with the next start of whatever command.
            assert_eq!(world.rules(), before.1);
            assert_ne!(tree(&certs), before.0);
            let next = run(world.sidelight().args(["registry", "explain", "unauthorized: authentication required"]));
            assert!(next.errors().contains("put back what a killed `registry watch` had left"), "{next}");
        } else {
            assert!(status.success(), "{status}: {errors}");
        }
        assert_eq!(tree(&certs), before.0, "{errors}");
        assert_eq!(world.rules(), before.1);
    }
    // Without it, it goes on as before.
    docker(&["pull", &image]).success();
}

#[test]
fn a_file_that_is_there_is_put_back_and_two_at_a_time_are_refused() {
    let world = World::start();
    let dockerd = world.dockerd();
    let certs = world.path("certs.d");
    let own = certs.join(REGISTRY).join("sidelight.crt");
    std::fs::write(&own, "somebody's own\n").expect("a file");
    let before = tree(&certs);
    let socket = dockerd.address();
    let options = ["--client", "docker", "--host", &socket, "--registry", REGISTRY];
    let watch = Watch::start(world.sidelight(), world.folder.path(), &options);
    assert_ne!(tree(&certs), before);
    let during = (tree(&certs), world.rules());
    let mut second = world.sidelight();
    let refused = run(second.args(["registry", "watch"]).args(options).arg("--ca").arg(world.path("other-ca")));
    assert_eq!(refused.status.code(), Some(3), "{refused}");
    assert!(refused.errors().contains("another `sidelight registry watch` is at work"), "{refused}");
    assert_eq!((tree(&certs), world.rules()), during, "what the first one needs was left alone");
    watch.end(Signal::INT);
    assert_eq!(tree(&certs), before);
}

#[test]
fn what_cannot_be_watched_is_said() {
    let world = World::start();
    let mut remote = world.sidelight();
    let remote = run(remote
        .args(["registry", "watch", "--client", "docker", "--registry", REGISTRY])
        .env("DOCKER_HOST", "tcp://10.1.1.1:2375"));
    assert_eq!(remote.status.code(), Some(3), "{remote}");
    assert!(remote.errors().contains("tcp://10.1.1.1:2375") && remote.errors().contains("hint:"), "{remote}");
    let none = run(world.sidelight().args(["registry", "watch", "--client", "docker"]));
    assert_eq!(none.status.code(), Some(2), "{none}");
}
