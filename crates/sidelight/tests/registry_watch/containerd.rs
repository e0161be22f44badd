//! containerd's ctr with a folder of hosts.toml files: our plain local port first, the realm rewritten, the file as it was.

use std::path::Path;

use rustix::process::Signal;
use sidelight_testkit::process::{Finished, Running, run};

use super::kit::{REGISTRY, Special, Watch, World, is_whole, tree};

/// A containerd of the test's own.
struct Containerd {
    _process: Running,
    socket: String,
}

impl Containerd {
    fn start(world: &World) -> Self {
        let home = world.path("ctrd");
        std::fs::create_dir_all(&home).expect("a folder");
        let socket = world.path("c.sock").display().to_string();
        let config = format!(
            "version = 2\nroot = '{0}/root'\nstate = '{0}/state'\ndisabled_plugins = ['io.containerd.grpc.v1.cri']\n[grpc]\n  address = '{socket}'\n",
            home.display()
        );
        std::fs::write(home.join("config.toml"), config).expect("a file");
        let mut command = world.place.command("containerd");
        command.arg("--config").arg(home.join("config.toml"));
        let mut process = Running::start(&mut command, &home.join("log"));
        let probe = socket.clone();
        process.until("answering", || run(world.place.command("ctr").args(["-a", &probe, "version"])).status.success());
        Self { _process: process, socket }
    }

    fn ctr(&self, world: &World, words: &[&str]) -> Finished {
        run(world.place.command("ctr").args(["-a", &self.socket]).args(words))
    }

    fn pull(&self, world: &World, hosts: &Path, image: &str, more: &[&str]) -> Finished {
        let hosts = hosts.to_str().expect("text");
        let words = ["images", "pull", "--snapshotter", "native", "--hosts-dir", hosts];
        self.ctr(world, &[&words[..], more, &[image]].concat())
    }
}

#[test]
fn ctr_asks_our_port_first_and_finds_its_own_way_afterwards() {
    let world = World::start();
    let image = format!("{REGISTRY}/team/app:1");
    world.fill(&image);
    let containerd = Containerd::start(&world);
    let hosts = world.path("hosts.d");
    std::fs::create_dir_all(hosts.join(REGISTRY)).expect("a folder");
    let own = format!("# mine\nserver = \"https://{REGISTRY}\"\nca = \"{}\"\n", world.root_file().display());
    std::fs::write(hosts.join(REGISTRY).join("hosts.toml"), own).expect("a file");
    let before = tree(&hosts);
    let hosts_dir = hosts.to_str().expect("text");
    let options = ["--client", "containerd", "--hosts-dir", hosts_dir, "--registry", REGISTRY];
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let watch = Watch::start(world.sidelight(), world.folder.path(), &options);
        let during = std::fs::read_to_string(hosts.join(REGISTRY).join("hosts.toml")).expect("a file");
        assert!(during.starts_with("# mine\nserver") && during.contains("[host.\"http://127.0.0.1:"), "{during}");
        let pulled = containerd.pull(&world, &hosts, &image, &[]);
        assert!(pulled.status.success(), "{pulled}\n{}", watch.errors());
        let block = watch.pull("ok");
        is_whole(&block);
        assert_eq!(block["registry"], REGISTRY, "{block:#}");
        let urls = block.to_string();
        assert!(urls.contains("https://auth.test/token") && !urls.contains("127.0.0.2"), "the true places: {block:#}");
        assert!(!urls.contains("ns=registry.test"), "{block:#}");
        containerd.ctr(&world, &["images", "rm", "--sync", &image]).success();
        let (_, errors) = watch.end(signal);
        assert!(errors.contains("realm https://auth.test is shown to the client as http://127.0.0.2:"), "{errors}");
        if signal == Signal::KILL {
            // Ours is gone, the file still names it: the true server is asked after it.
            containerd.pull(&world, &hosts, &image, &[]).success();
            run(world.sidelight().args(["registry", "explain", "x"]));
        }
        assert_eq!(tree(&hosts), before, "{errors}");
    }
}

#[test]
fn a_file_that_was_not_there_goes_with_its_folder() {
    let world = World::start();
    let hosts = world.path("hosts.d");
    std::fs::create_dir_all(&hosts).expect("a folder");
    let before = tree(&hosts);
    let options = ["--client", "containerd", "--hosts-dir", hosts.to_str().expect("text"), "--registry", "r.test:5000"];
    let watch = Watch::start(world.sidelight(), world.folder.path(), &options);
    assert!(hosts.join("r.test:5000/hosts.toml").is_file());
    watch.end(Signal::INT);
    assert_eq!(tree(&hosts), before);
}

/// A folder with a hosts.toml that knows the registry's root.
fn hosts_with_root(world: &World) -> std::path::PathBuf {
    let hosts = world.path("hosts.d");
    std::fs::create_dir_all(hosts.join(REGISTRY)).expect("a folder");
    let own = format!("server = \"https://{REGISTRY}\"\nca = \"{}\"\n", world.root_file().display());
    std::fs::write(hosts.join(REGISTRY).join("hosts.toml"), own).expect("a file");
    hosts
}

/// ctr's login names no server, so it is sent to the local port; the storage gets a port at an address of its own, and no Authorization.
#[test]
fn a_private_image_with_its_blobs_elsewhere() {
    let world = World::with(Special { private: true, storage: true, ..Special::default() });
    let image = format!("{REGISTRY}/team/app:1");
    world.fill(&image);
    let containerd = Containerd::start(&world);
    let hosts = hosts_with_root(&world);
    let before = tree(&hosts);
    let options = ["--client", "containerd", "--hosts-dir", hosts.to_str().expect("text"), "--registry", REGISTRY];
    let watch = Watch::start(world.sidelight(), world.folder.path(), &options);
    let pulled = containerd.pull(&world, &hosts, &image, &["--user", "joe:hunter2"]);
    assert!(pulled.status.success(), "{pulled}\n{}", watch.errors());
    let block = watch.pull("ok");
    is_whole(&block);
    let text = block.to_string();
    assert!(text.contains("\"credentials\":\"login\""), "{block:#}");
    assert!(text.contains("https://cdn.test:8443/store/v2/team/app/blobs/"), "{block:#}");
    let (_, errors) = watch.end(Signal::INT);
    assert!(errors.contains("Location https://cdn.test:8443 is shown to the client as http://127.0.0.3:"), "{errors}");
    assert_eq!(tree(&hosts), before);
}

/// As a kubelet asks: over the CRI, with a login that names its server.
#[test]
fn a_kubelets_pull_by_the_folder_of_the_configuration() {
    let world = World::with(Special { private: true, ..Special::default() });
    let image = format!("{REGISTRY}/team/app:1");
    world.fill(&image);
    let hosts = hosts_with_root(&world);
    let home = world.path("ctrd");
    std::fs::create_dir_all(&home).expect("a folder");
    let socket = world.path("k.sock").display().to_string();
    let config = format!(
        "version = 2\nroot = '{0}/root'\nstate = '{0}/state'\n[grpc]\n  address = '{socket}'\n[plugins.'io.containerd.grpc.v1.cri'.containerd]\n  snapshotter = 'native'\n[plugins.'io.containerd.grpc.v1.cri'.registry]\n  config_path = '{1}'\n",
        home.display(),
        hosts.display()
    );
    std::fs::write(home.join("config.toml"), config).expect("a file");
    let mut command = world.place.command("containerd");
    command.arg("--config").arg(home.join("config.toml"));
    let mut daemon = Running::start(&mut command, &home.join("log"));
    daemon.until("answering", || run(world.place.command("ctr").args(["-a", &socket, "version"])).status.success());
    let before = tree(&hosts);
    let options = ["--client", "containerd", "--host", &format!("unix://{socket}"), "--registry", REGISTRY];
    let watch = Watch::start(world.sidelight(), world.folder.path(), &options);
    let pull = |server: &str| {
        let mut command = world.place.command(sidelight_testkit::peers::python());
        command.arg(sidelight_testkit::peers::script("cri_pull.py")).args([&socket, &image, "joe", "hunter2", server]);
        run(&mut command)
    };
    let pulled = pull("");
    assert!(pulled.status.success(), "{pulled}\n{}\n{}", daemon.said(), watch.errors());
    let block = watch.pull("ok");
    is_whole(&block);
    assert_eq!(block["client"]["process"], "containerd", "{block:#}");
    assert_eq!(block["client"]["pid"], daemon.pid(), "{block:#}");
    // A login that names its server is not sent to us: refused there, then made by its own way, as was said beforehand.
    let own_way = pull("https://registry.test");
    assert!(own_way.status.success(), "{own_way}");
    let refused = watch.wait_for("registry_block", |it| it["verdict"]["outcome"] == "failed");
    assert!(!refused.to_string().contains("\"credentials\":\"login\""), "{refused:#}");
    assert!(refused.to_string().contains("no login came with it"), "{refused:#}");
    let (_, errors) = watch.end(Signal::INT);
    assert!(errors.contains("a login that names registry.test as its server"), "{errors}");
    assert_eq!(tree(&hosts), before);
}
