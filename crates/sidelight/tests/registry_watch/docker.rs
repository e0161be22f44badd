//! dockerd: our CA below its certs.d, its connections redirected; and all of that gone afterwards.

use rustix::process::Signal;
use sidelight_testkit::Hosts;
use sidelight_testkit::peers::{Dockerd, docker_trust};
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

/// The daemon lives in a network that sidelight does not.
#[test]
fn a_daemon_in_another_network_is_watched_from_outside() {
    let world = World::start();
    let image = format!("{REGISTRY}/team/app:1");
    world.fill(&image);
    let dockerd = world.dockerd();
    let before = (tree(&world.path("certs.d")), world.rules());
    let options = ["--client", "docker", "--host", &dockerd.address(), "--registry", REGISTRY];
    let watch = Watch::start(world.sidelight_outside(), world.folder.path(), &options);
    assert!(world.rules().contains("table inet sidelight-watch"), "{}", world.rules());
    world.stranger();
    let pulled = run(dockerd.docker(world.folder.path()).args(["pull", &image]));
    assert!(pulled.status.success(), "{pulled}\n{}\n{}", dockerd.said(), watch.errors());
    is_whole(&watch.pull("ok"));
    let (status, errors) = watch.end(Signal::INT);
    assert!(status.success(), "{errors}");
    assert_eq!((tree(&world.path("certs.d")), world.rules()), before);
}

/// What a daemon says by a proxy cannot be told by where it goes.
#[test]
fn a_daemon_behind_a_proxy_is_named_as_such() {
    let world = World::start();
    let mut command = docker_trust(&world.place, world.folder.path(), &[REGISTRY], &world.root_file());
    command.env("HTTPS_PROXY", "http://joe:hunter2@proxy.test:3128").env("NO_PROXY", "other.test");
    let dockerd = Dockerd::start(command, world.folder.path());
    let watch = |registry: &str, more: &[&str]| {
        let words = ["registry", "watch", "--client", "docker", "--host", &dockerd.address(), "--registry", registry];
        run(world.sidelight().args(words).args(more))
    };
    let refused = watch(REGISTRY, &[]);
    assert_eq!(refused.status.code(), Some(3), "{refused}");
    let errors = refused.errors();
    assert!(errors.contains("nothing would be seen") && errors.contains("HTTPS_PROXY in its environment"), "{errors}");
    assert!(errors.contains("--mode upstream:http://proxy.test:3128") && !errors.contains("hunter2"), "{errors}");
    watch("other.test", &["--dry-run"]).success();
    assert!(!world.path("certs.d").join(REGISTRY).join("sidelight.crt").exists());
}

#[test]
fn what_cannot_be_watched_is_said() {
    let world = World::start();
    // Where it cannot be seen, a command runs all the same.
    let dockerd = world.dockerd();
    let mut hub = world.sidelight();
    let hub = run(hub.args(["run", "--no-store", "--", "docker", "--host", &dockerd.address(), "pull", "alpine"]));
    assert_eq!(hub.status.code(), Some(1), "{hub}");
    assert!(hub.errors().contains("dockerd reads no certs.d for Docker Hub"), "{hub}");
    assert!(hub.errors().contains("Error response from daemon"), "docker's own words: {hub}");
    // The trap of /etc/hosts is reported, and never made.
    let trap = world.path("trap");
    std::fs::create_dir_all(&trap).expect("a folder");
    let place = Hosts::new(&trap, &[(REGISTRY, std::net::Ipv4Addr::LOCALHOST.into())]).inside(&world.network);
    let trapped = Dockerd::start(docker_trust(&place, &trap, &[REGISTRY], &world.root_file()), &trap);
    let mut plan = world.sidelight();
    let words =
        ["registry", "watch", "--client", "docker", "--host", &trapped.address(), "--registry", REGISTRY, "--dry-run"];
    let plan = run(plan.args(words)).success().text();
    assert!(plan.contains("/etc/hosts, line 3, maps registry.test to a loopback address"), "{plan}");
    let mut remote = world.sidelight();
    let remote = run(remote
        .args(["registry", "watch", "--client", "docker", "--registry", REGISTRY])
        .env("DOCKER_HOST", "tcp://10.1.1.1:2375"));
    assert_eq!(remote.status.code(), Some(3), "{remote}");
    assert!(remote.errors().contains("tcp://10.1.1.1:2375") && remote.errors().contains("hint:"), "{remote}");
    let none = run(world.sidelight().args(["registry", "watch", "--client", "docker"]));
    assert_eq!(none.status.code(), Some(2), "{none}");
}

/// A control group (version 2) of the test's own; gone when dropped.
struct Group(std::path::PathBuf);

impl Group {
    fn new(mount: &std::path::Path) -> Self {
        std::fs::create_dir_all(mount).expect("a folder");
        run(std::process::Command::new("mount").args(["-t", "cgroup2", "none"]).arg(mount)).success();
        let group = mount.join(format!("sl{}", std::process::id()));
        std::fs::create_dir(&group).expect("a group");
        Self(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
        let _ = std::process::Command::new("umount").arg(self.0.parent().expect("a mount")).status();
    }
}

#[test]
fn a_daemon_with_a_control_group_of_its_own_is_told_apart_by_the_kernel() {
    let world = World::start();
    let image = format!("{REGISTRY}/team/app:1");
    world.fill(&image);
    let group = Group::new(&world.path("groups"));
    let dockerd = world.dockerd();
    let socket = dockerd.address();
    let options = ["--client", "docker", "--host", &socket, "--registry", REGISTRY];
    let plan = run(world.sidelight().args(["registry", "watch", "--dry-run", "--json"]).args(options)).success().text();
    let plan: serde_json::Value = serde_json::from_str(&plan).expect("a plan");
    let pid = plan["touches"][1]["whose"].as_str().and_then(|it| it.split("process ").nth(1)).expect("a process");
    std::fs::write(group.0.join("cgroup.procs"), pid.trim_end_matches(')')).expect("the daemon in the group");
    let mut sidelight = world.place.command("sh");
    sidelight.args(["-c", "mount -t tmpfs none /sys/fs/cgroup && mkdir /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified && exec \"$0\" \"$@\""]);
    sidelight.arg(super::kit::PROGRAM).env("HOME", world.folder.path());
    let watch = Watch::start(sidelight, world.folder.path(), &options);
    assert!(world.rules().contains("socket cgroupv2 level 1 "), "{}", world.rules());
    world.stranger();
    let pulled = run(dockerd.docker(world.folder.path()).args(["pull", &image]));
    assert!(pulled.status.success(), "{pulled}\n{}\n{}", dockerd.said(), watch.errors());
    is_whole(&watch.pull("ok"));
    watch.end(Signal::INT);
    assert!(!world.rules().contains("sidelight-watch"), "{}", world.rules());
    drop(dockerd);
}
