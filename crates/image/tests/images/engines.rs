//! Images and containers of real engines. In: one image, handed to each engine by its own tools. Out: what is read of their
//! stores is what is read of the archive.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sidelight_image::{Collected, Error, Options};
use sidelight_testkit::peers::Dockerd;
use sidelight_testkit::process::{Running, run_within};

use crate::same::{sample, summary};
use crate::watch::{contents, read};

/// Long enough for a loaded machine; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(120);

fn run(program: &str, args: &[&str]) {
    run_within(Command::new(program).args(args), PATIENCE).success();
}

/// The sample as an archive, and what is read of it.
fn stage(folder: &Path) -> (String, Collected<Vec<u8>>) {
    let archive = folder.join("app.tar");
    fs::write(&archive, sample().docker_old(&["app:1"])).unwrap();
    let archive = archive.display().to_string();
    let collected = read(&archive, &Options::default()).unwrap();
    (archive, collected)
}

/// No engine's store but the one under test.
fn nowhere() -> Options {
    let mut options = Options::default();
    options.engines.docker_roots.clear();
    options.engines.storage_roots.clear();
    options.engines.containerd_roots.clear();
    options.engines.docker_host = Some("unix:///nowhere/docker.sock".to_owned());
    options
}

fn dockerd(folder: &Path, driver: &str) -> Dockerd {
    Dockerd::start_with(Command::new("dockerd"), folder, driver)
}

#[test]
fn docker_is_read_from_its_store_and_through_its_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, first) = stage(folder.path());
    let dockerd = dockerd(folder.path(), "overlay2");
    run_within(dockerd.docker(folder.path()).args(["load", "-i", &archive]), PATIENCE).success();

    let mut by_socket = nowhere();
    by_socket.engines.docker_host = Some(format!("unix://{}", folder.path().join("d.sock").display()));
    let mut by_store = nowhere();
    by_store.engines.docker_roots = vec![folder.path().join("docker/data")];
    for (how, options) in [("socket", &by_socket), ("store", &by_store)] {
        for name in ["docker-daemon:app:1", "app:1"] {
            let collected = read(name, options).unwrap_or_else(|error| panic!("{how} {name}: {error}"));
            assert_eq!(summary(&collected), summary(&first), "{how} {name}");
        }
    }
    let Err(Error::NotFound { tried, .. }) = read("docker-daemon:other:2", &by_store) else {
        panic!("other:2 was found")
    };
    assert!(tried.iter().any(|line| line.contains("it holds app:1")), "{tried:?}");
    let Err(Error::NotFound { tried, .. }) = read("docker-daemon:other:2", &by_socket) else {
        panic!("other:2 was found")
    };
    assert!(tried.iter().any(|line| line.starts_with("Docker at")), "{tried:?}");
}

#[test]
fn a_running_container_is_read_by_identifier_and_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let dockerd = dockerd(folder.path(), "overlay2");
    let docker = |args: &[&str]| run_within(dockerd.docker(folder.path()).args(args), PATIENCE);
    fs::create_dir_all(at("root/bin")).unwrap();
    fs::create_dir_all(at("root/etc/ssl")).unwrap();
    fs::copy("/bin/busybox", at("root/bin/busybox")).unwrap();
    fs::write(at("root/etc/ssl/cert.pem"), "of the image\n").unwrap();
    run("tar", &["-C", &at("root").display().to_string(), "-cf", &at("root.tar").display().to_string(), "."]);
    docker(&["import", &at("root.tar").display().to_string(), "night:1"]).success();
    // A bundle that is mounted in, as Kubernetes mounts one.
    fs::write(at("mounted.pem"), "mounted\n").unwrap();
    let mount = format!("{}:/etc/ssl/mounted.pem:ro", at("mounted.pem").display());
    let running = docker(&[
        "run",
        "-d",
        "--name",
        "nightly",
        "--network",
        "none",
        "-e",
        "SSL_CERT_FILE=/etc/ssl/cert.pem",
        "-v",
        &mount,
        "night:1",
        "/bin/busybox",
        "sleep",
        "600",
    ]);
    let id = running.success().text().trim().to_owned();

    let mut options = nowhere();
    options.engines.docker_roots = vec![at("docker/data")];
    for name in [&id, &id[..12], "nightly"] {
        let collected = read(&format!("container:{name}"), &options).unwrap_or_else(|error| panic!("{name}: {error}"));
        let files = contents(&collected);
        assert_eq!(files["/etc/ssl/cert.pem"], b"of the image\n", "{name}");
        assert_eq!(files["/etc/ssl/mounted.pem"], b"mounted\n", "{name}");
        assert!(
            !files.keys().any(|path| path.starts_with("/proc/") || path.starts_with("/sys/")),
            "{:?}",
            files.keys()
        );
        assert_eq!(collected.config.var("SSL_CERT_FILE"), Some("/etc/ssl/cert.pem"));
        assert_eq!(collected.config.entrypoint, ["/bin/busybox", "sleep", "600"]);
        assert_eq!(collected.image.as_deref(), Some("night:1"));
    }
    docker(&["kill", "nightly"]).success();
    match read("container:nightly", &options) {
        Err(Error::NotRunning { image, .. }) => assert_eq!(image.as_deref(), Some("night:1")),
        other => panic!("{other:?}"),
    }
    assert!(matches!(read("container:nobody", &options), Err(Error::NotFound { .. })));
}

#[test]
fn containers_storage_is_read_with_each_driver() {
    let folder = tempfile::tempdir().unwrap();
    let (archive, first) = stage(folder.path());
    for driver in ["overlay", "vfs"] {
        let root = folder.path().join(driver);
        let target = format!(
            "containers-storage:[{driver}@{}+{}]localhost/app:1",
            root.display(),
            folder.path().join("run").display()
        );
        run("skopeo", &["copy", "-q", &format!("docker-archive:{archive}"), &target]);
        let mut options = nowhere();
        options.engines.storage_roots = vec![folder.path().join("none"), root];
        for name in ["containers-storage:localhost/app:1", "containers-storage:app:1", "localhost/app:1", "app:1"] {
            let collected = read(name, &options).unwrap_or_else(|error| panic!("{driver} {name}: {error}"));
            if driver == "overlay" {
                assert_eq!(summary(&collected), summary(&first), "{name}");
            } else {
                assert_eq!(contents(&collected), contents(&first), "{name}");
                assert_eq!(collected.links, first.links, "{name}");
                assert_eq!(collected.config, first.config, "{name}");
                assert!(collected.notes.iter().any(|note| note.contains("vfs")), "{:?}", collected.notes);
            }
        }
    }
}

#[test]
fn containerd_is_read_without_its_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (archive, first) = stage(folder.path());
    let settings = "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n";
    fs::write(at("config.toml"), settings).unwrap();
    let mut command = Command::new("containerd");
    command.args(["--config", &at("config.toml"), "--root", &at("root"), "--state", &at("state")]);
    command.args(["--address", &at("c.sock"), "--log-level", "warn"]);
    let mut containerd = Running::start(&mut command, &folder.path().join("log"));
    let ctr = |args: &[&str]| {
        let mut command = Command::new("ctr");
        command.args(["-a", &at("c.sock")]).args(args);
        run_within(&mut command, PATIENCE)
    };
    containerd.until("answering on its socket", || {
        Command::new("ctr").args(["-a", &at("c.sock"), "version"]).output().is_ok_and(|output| output.status.success())
    });
    // Enough names for a tree of several pages, in two namespaces.
    ctr(&["-n", "k8s.io", "images", "import", "--no-unpack", &archive]).success();
    containerd.until("showing the image", || {
        let list = Command::new("ctr").args(["-a", &at("c.sock"), "-n", "k8s.io", "images", "ls", "-q"]).output();
        list.is_ok_and(|output| output.stdout.starts_with(b"docker.io/library/app:1"))
    });
    for number in 0..60 {
        let name = format!("registry.example/with/a/rather/long/name/so/that/pages/fill/up/app:{number}");
        ctr(&["-n", "k8s.io", "images", "tag", "docker.io/library/app:1", &name]).success();
    }
    let mut options = nowhere();
    options.engines.containerd_roots = vec![folder.path().join("root")];
    for name in ["containerd:app:1", "app:1", "registry.example/with/a/rather/long/name/so/that/pages/fill/up/app:41"] {
        let collected = read(name, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(summary(&collected), summary(&first), "{name}");
        let digest = collected.image.as_deref().and_then(|image| image.split_once('@'));
        assert!(digest.is_some_and(|(_, digest)| digest.starts_with("sha256:")), "{:?}", collected.image);
    }
    let Err(Error::NotFound { tried, .. }) = read("containerd:other:2", &options) else { panic!("other:2 was found") };
    assert!(tried[0].contains("(k8s.io)"), "{tried:?}");
}

#[test]
fn copies_by_skopeo_and_umoci_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (archive, first) = stage(folder.path());
    let from = format!("docker-archive:{archive}");
    for target in ["docker-archive:T.tar:app:1", "oci-archive:A.tar:v1", "oci:layout:v1", "dir:copy"] {
        let (scheme, rest) = target.split_once(':').unwrap();
        let target = format!("{scheme}:{}", at(rest));
        run("skopeo", &["copy", "-q", &from, &target]);
        let collected = read(&target, &Options::default()).unwrap_or_else(|error| panic!("{target}: {error}"));
        assert_eq!(summary(&collected), summary(&first), "{target}");
    }
    run("umoci", &["unpack", "--image", &format!("{}:v1", at("layout")), &at("bundle")]);
    let root = format!("rootfs:{}", at("bundle/rootfs"));
    let collected = read(&root, &Options::default()).unwrap();
    assert_eq!(contents(&collected), contents(&first));
    assert_eq!(collected.links, first.links);
    // A layer that another tool adds: a bundle is replaced, a folder is removed.
    fs::write(at("new.pem"), "by umoci\n").unwrap();
    let image = format!("{}:v1", at("layout"));
    run("umoci", &["insert", "--image", &image, &at("new.pem"), "/etc/ssl/bundle.pem"]);
    run("umoci", &["insert", "--image", &image, "--whiteout", "/data"]);
    let collected = read(&format!("oci:{}:v1", at("layout")), &Options::default()).unwrap();
    assert_eq!(contents(&collected)["/etc/ssl/bundle.pem"], b"by umoci\n");
    assert_eq!(collected.files["/etc/ssl/bundle.pem"].layer, Some(3));
    assert!(!collected.files.contains_key("/data/empty"));
    assert!(collected.hidden.iter().any(|kept| kept.path == "/data/empty"), "{:?}", collected.hidden);
}
