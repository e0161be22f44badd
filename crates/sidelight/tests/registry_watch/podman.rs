//! podman and skopeo: a drop-in of registries.conf with our port as the mirror that is asked first. Each program has an /etc/containers
//! of the test's own, bound over this machine's.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use sidelight_testkit::process::run;

use super::kit::{PROGRAM, REGISTRY, Special, Watch, World, is_whole, tree};

/// A program that sees `folder` as /etc/containers.
fn with(world: &World, folder: &Path, program: &str) -> Command {
    let mut command = world.place.command("sh");
    command.args(["-c", "mount --bind \"$0\" /etc/containers && exec \"$@\""]).arg(folder);
    command.arg(if program == "sidelight" { PROGRAM } else { program });
    command.env("HOME", world.folder.path());
    command
}

/// An /etc/containers that knows the registry's root.
fn etc(world: &World) -> std::path::PathBuf {
    let etc = world.path("etc");
    std::fs::create_dir_all(etc.join("certs.d").join(REGISTRY)).expect("a folder");
    std::fs::create_dir_all(etc.join("registries.conf.d")).expect("a folder");
    world.root.write_to(&etc.join("certs.d").join(REGISTRY).join("ca.crt"));
    std::fs::write(etc.join("policy.json"), r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).expect("a file");
    std::fs::write(etc.join("registries.conf"), "unqualified-search-registries = []\n").expect("a file");
    etc
}

#[test]
fn skopeo_and_podman_ask_our_port_first() {
    let world = World::start();
    let image = format!("{REGISTRY}/team/app:1");
    world.fill(&image);
    let etc = etc(&world);
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

/// Logins are looked up by the host that is asked, which is ours: the pull is refused there, said beforehand, and made by its own way.
#[test]
fn a_stored_login_is_not_sent_to_the_local_port() {
    let world = World::with(Special { private: true, ..Special::default() });
    let image = format!("{REGISTRY}/team/app:1");
    world.fill(&image);
    let etc = etc(&world);
    let logins = world.path("auth.json");
    std::fs::write(&logins, r#"{"auths":{"registry.test":{"auth":"am9lOmh1bnRlcjI="}}}"#).expect("a file");
    let mut sidelight = with(&world, &etc, "sidelight");
    sidelight.env("REGISTRY_AUTH_FILE", &logins);
    let watch = Watch::start(sidelight, world.folder.path(), &["--client", "podman", "--registry", REGISTRY]);
    let mut skopeo = with(&world, &etc, "skopeo");
    skopeo.env("REGISTRY_AUTH_FILE", &logins).args(["copy", &format!("docker://{image}")]);
    run(skopeo.arg(format!("dir:{}", world.path("out").display()))).success();
    let block = watch.wait_for("registry_block", |it| it["verdict"]["outcome"] != "ok");
    assert!(!block.to_string().contains("\"credentials\":\"login\""), "{block:#}");
    let (_, errors) = watch.end(Signal::INT);
    assert!(
        errors.contains("podman's login for registry.test (in ") && errors.contains("is not sent to a local port"),
        "{errors}"
    );
}
