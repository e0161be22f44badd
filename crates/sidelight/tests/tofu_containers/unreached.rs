//! Programs that no variable reaches. In: a static program with roots of its own, where an application lies, in a container without rights
//! and in a root file system that is a mere folder. Out: a warning that names it, and it is right: the program refuses the service, curl does not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use sidelight_testkit::process::run;
use sidelight_testkit::{Finished, Issuer, peers};

use crate::engine::{Engine, NAME, leaf, scanner};

const WARNING: &str = "not reached by any variable: /app/service (Go) has roots of its own compiled in, and takes them alone if it was written so";

/// A folder with the program alone.
fn service(engine: &Engine) -> PathBuf {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    let folder = engine.path("app");
    std::fs::create_dir(&folder).unwrap();
    let program = folder.join("service");
    std::fs::write(&program, PROGRAM.get_or_init(|| build(engine))).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn build(engine: &Engine) -> Vec<u8> {
    let roots: String = (0..25).map(|number| Issuer::root(&format!("Root {number}")).pem().to_owned()).collect();
    let source = engine.path("service.go");
    std::fs::copy(peers::script("reach_embedded.go"), &source).unwrap();
    std::fs::write(engine.path("roots.pem"), roots).unwrap();
    let program = engine.path("service");
    peers::go_build(&source, &program);
    std::fs::read(program).unwrap()
}

/// Both commands, started with the same rights.
#[track_caller]
fn is_named_rightly(engine: &Engine, start: impl Fn(&[&str]) -> Finished) {
    let url = engine.url();
    let curl = start(&["curl", "--silent", "--max-time", "30", "--write-out", "%{http_code}", &url]).success();
    assert_eq!(curl.text(), "204", "{curl}");
    assert!(curl.errors().contains(WARNING), "{curl}");
    // git, curl, apt and Python are reached, and not named.
    assert_eq!(curl.errors().matches("not reached by any variable").count(), 1, "{curl}");
    let refused = start(&["/app/service", &url]);
    assert_eq!(refused.status.code(), Some(1), "{refused}");
    assert!(refused.errors().contains("certificate signed by unknown authority"), "{refused}");
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn a_program_with_roots_of_its_own_is_named() {
    let engine = Engine::with_debian();
    let folder = service(&engine);
    let file = engine.path("Dockerfile");
    std::fs::write(&file, "FROM sidelight:debian\nCOPY service /app/service\n").unwrap();
    let image = engine.own("own-roots");
    engine.build_in(&image, file.to_str().unwrap(), &[], &folder);
    let _service = engine.service(&leaf(&scanner()));
    engine.connects(&engine.pins());
    let line = format!("run --rm {} --user 65534 --read-only --tmpfs /tmp", engine.pins());
    is_named_rightly(&engine, |command| engine.container(&line, &image, command));
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn it_is_named_on_any_root_file_system() {
    let engine = Engine::new();
    let folder = service(&engine);
    let root = engine.path("root");
    std::fs::create_dir(&root).unwrap();
    let tar = peers::folder().join("debian.tar");
    run(Command::new("tar").arg("-C").arg(&root).arg("-xf").arg(tar)).success();
    std::fs::create_dir(root.join("app")).unwrap();
    std::fs::copy(folder.join("service"), root.join("app/service")).unwrap();
    std::fs::copy(crate::engine::program(), root.join("sidelight")).unwrap();
    std::fs::write(root.join("etc/hosts"), format!("127.0.0.1 localhost {NAME}\n")).unwrap();
    let _service = engine.service(&leaf(&scanner()));
    run(Command::new("chroot").arg(&root).args(["/sidelight", "tofu", "pins", "init"])).success();
    let host = format!("{NAME}:{}", engine.port);
    is_named_rightly(&engine, |command| {
        // As engines do it: the first process of its own, in its own root.
        let mut start = Command::new("unshare");
        start.args(["--pid", "--fork", "--mount", "--mount-proc"]).arg(format!("--root={}", root.display()));
        start.args(["/sidelight", "tofu", "--policy", "tofu", "--install", "environment", "--host", &host, "--"]);
        start.args(command).env_clear().env("PATH", "/usr/bin:/bin");
        run(&mut start)
    });
}
