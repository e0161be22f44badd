//! podman and skopeo: a drop-in of registries.conf with our port as the mirror that is asked first. Each program has an /etc/containers
//! of the test's own, bound over this machine's.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use sidelight_testkit::process::run;

use super::kit::{PROGRAM, REGISTRY, Watch, World, is_whole, tree};

/// A program that sees `folder` as /etc/containers.
fn with(world: &World, folder: &Path, program: &str) -> Command {
    let mut command = world.place.command("sh");
    command.args(["-c", "mount --bind \"$0\" /etc/containers && exec \"$@\""]).arg(folder);
    command.arg(if program == "sidelight" { PROGRAM } else { program });
    command.env("HOME", world.folder.path());
    command
}

#[test]
fn skopeo_and_podman_ask_our_port_first() {
    let world = World::start();
    let image = format!("{REGISTRY}/team/app:1");
    world.fill(&image);
    let etc = world.path("etc");
    std::fs::create_dir_all(etc.join("certs.d").join(REGISTRY)).expect("a folder");
    std::fs::create_dir_all(etc.join("registries.conf.d")).expect("a folder");
    world.root.write_to(&etc.join("certs.d").join(REGISTRY).join("ca.crt"));
    std::fs::write(etc.join("policy.json"), r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).expect("a file");
    std::fs::write(etc.join("registries.conf"), "unqualified-search-registries = []\n").expect("a file");
    let before = tree(&etc);
    let options = ["--client", "podman", "--registry", REGISTRY];
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let watch = Watch::start(with(&world, &etc, "sidelight"), world.folder.path(), &options);
        let to = world.path(&format!("out{}", signal.as_raw()));
        let mut skopeo = with(&world, &etc, "skopeo");
        let copied = run(skopeo.args(["copy", &format!("docker://{image}")]).arg(format!("dir:{}", to.display())));
        assert!(copied.status.success(), "{copied}\n{}", watch.errors());
        let block = watch.pull("ok");
        is_whole(&block);
        assert_eq!(block["client"]["process"], "skopeo", "{block:#}");
        if signal == Signal::INT {
            let mut podman = with(&world, &etc, "podman");
            podman
                .args(["--storage-driver", "vfs", "--root"])
                .arg(world.path("pods"))
                .arg("--runroot")
                .arg(world.path("podrun"));
            let pulled = run(podman.args(["pull", &image]));
            assert!(pulled.status.success(), "{pulled}\n{}", watch.errors());
            let block =
                watch.wait_for("registry_block", |it| it["client"]["process"] == "podman" && it["action"] == "pull");
            is_whole(&block);
        }
        let (_, errors) = watch.end(signal);
        if signal == Signal::KILL {
            // Nothing listens at the mirror any more: the registry itself is asked, and the next start cleans up.
            let mut skopeo = with(&world, &etc, "skopeo");
            run(skopeo
                .args(["copy", &format!("docker://{image}")])
                .arg(format!("dir:{}", world.path("late").display())))
            .success();
            run(with(&world, &etc, "sidelight").args(["registry", "explain", "x"]));
        }
        assert_eq!(tree(&etc), before, "{errors}");
    }
}
