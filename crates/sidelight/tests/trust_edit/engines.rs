//! Changes as the engines themselves see them. In: Debian's dockerd and podman with folders of their own, a registry, an image with curl. Out: a
//! running container that connects once the printed line was run, and no more when it was taken back; images that are loaded and pulled
//! again and connect.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use sidelight_testkit::peers::{self, Dockerd};
use sidelight_testkit::process::{free_port, run};
use sidelight_testkit::{Finished, Hosts, Issuer, Leaf};

use crate::place::{Place, copy_program};
use crate::story::{BUNDLE, curl, printed_line, service};

const WELCOME: &str = "welcome O=Sidelight Test Peers,CN=client\n";

/// The root of an image with curl, a shell's programs, Debian's roots and a client certificate, as a tar.
fn made(place: &Place, root: &Issuer) {
    let folder = place.path("made");
    copy_program("/usr/bin/curl", &folder);
    // The static busybox needs nothing beside it.
    for path in ["bin/busybox", BUNDLE, "etc/ca-certificates.conf", "etc/os-release"] {
        fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
        fs::copy(Path::new("/").join(path), folder.join(path)).unwrap();
    }
    root.issue(&Leaf::named(&["client"]).for_clients()).write_to(&folder, "client");
    root.write_to(&place.path("root.pem"));
    run(place.command("tar").args(["-C", "made", "-cf", "made.tar", "."])).success();
}

/// The engines of one test.
struct Engines<'p> {
    place: &'p Place,
    dockerd: Dockerd,
    port: u16,
}

impl Engines<'_> {
    fn docker(&self, line: &str) -> Finished {
        let mut docker = self.dockerd.docker(&self.place.path(""));
        run(docker.env("DOCKER_BUILDKIT", "0").current_dir(self.place.path("")).args(line.split_whitespace()))
    }

    /// sidelight, which is told of the engines as their users tell their clients.
    fn sidelight(&self, line: &str) -> Finished {
        let mut command = self.place.command(env!("CARGO_BIN_EXE_sidelight"));
        command.env("DOCKER_HOST", format!("unix://{}", self.place.path("d.sock").display()));
        command.env("CONTAINERS_STORAGE_CONF", self.place.path("storage.conf"));
        run(command.args(line.split_whitespace()))
    }

    /// What curl says in a new container of an image, or in one that runs.
    fn curl(&self, how: &str) -> Finished {
        let options = "--silent --show-error --fail --max-time 30 --cert /client.pem --key /client.key";
        self.docker(&format!("{how} /usr/bin/curl {options} https://localhost:{}/", self.port))
    }

    fn connects(&self, image: &str) {
        let said = self.curl(&format!("run --rm --network host {image}"));
        assert_eq!(said.success().text(), WELCOME, "{image}");
    }
}

#[test]
fn a_container_and_images_of_docker_connect_after_the_change() {
    let place = Place::new();
    let root = Issuer::root("Night Root");
    let (_nginx, port) = service(&place, &root);
    made(&place, &root);
    let hosts = Hosts::new(&place.path(""), &[]);
    let dockerd = Dockerd::start(hosts.command("dockerd"), &place.path(""));
    let engines = Engines { place: &place, dockerd, port };
    engines.docker("import made.tar app:1").success();
    engines.docker("run --detach --name web --network host app:1 /bin/busybox sleep 600").success();
    in_place(&engines);
    engines.docker("rm --force web").success();

    let loaded = engines.sidelight("trust add root.pem --into docker-daemon:app:1 -o docker-archive:new.tar:app:2");
    assert!(loaded.success().text().contains("Night Root is now trusted"));
    engines.docker("load --input new.tar").success();
    engines.connects("app:2");
    podman(&engines);

    // Built from an image that has no user database, by a builder without a shell.
    engines.sidelight("trust add root.pem --into docker-daemon:app:1 --as-dockerfile -o built").success();
    engines.docker("build --quiet --tag app:3 built").success();
    engines.connects("app:3");

    let registry = peers::registry(&hosts, &place.path(""), SocketAddr::from(([127, 0, 0, 1], free_port())));
    let name = format!("{}/team/app:2", registry.address);
    engines.sidelight(&format!("trust add root.pem --into docker-daemon:app:1 -o docker://{name}")).success();
    engines.docker(&format!("pull {name}")).success();
    engines.connects(&name);
}

/// A running container, by the name that only its daemon knows: diagnosed, mended by the printed line, taken back.
fn in_place(engines: &Engines<'_>) {
    let refused = engines.curl("exec web");
    assert!(refused.errors().contains("self-signed certificate in certificate chain"), "{refused}");
    let cert = "--cert made/client.pem --key made/client.key";
    let asked = format!("diagnose localhost:{} --from container:web --as curl {cert}", engines.port);
    let told = engines.sidelight(&format!("{asked} --save-chain chain.pem --json"));
    let told = serde_json::from_slice(&told.stdout).unwrap_or_else(|why| panic!("{why}: {told}"));
    let line = printed_line(&told);
    assert_eq!(line, "sidelight trust add chain-root.pem --into container:web");
    engines.sidelight(line.trim_start_matches("sidelight ")).success();
    assert_eq!(engines.curl("exec web").success().text(), WELCOME);
    engines.sidelight(&asked).success();
    let found = engines.sidelight("trust find chain-root.pem container:web").success();
    assert!(found.text().starts_with("✓ yes"), "{found}");

    let undone = engines.sidelight("trust remove chain-root.pem --from container:web").success();
    assert!(undone.text().contains("everything is as it was before"), "{undone}");
    assert!(!engines.curl("exec web").status.success());
    engines.sidelight(line.trim_start_matches("sidelight ")).success();
    engines.sidelight("trust remove --undo --from container:web").success();
    assert!(!engines.curl("exec web").status.success());
}

/// podman loads the same archive, and sidelight reads podman's store.
fn podman(engines: &Engines<'_>) {
    let place = engines.place;
    let folder = place.path("podman");
    let podman = |line: &str| {
        let mut command: Command = place.command("podman");
        command.arg("--root").arg(folder.join("root")).arg("--runroot").arg(folder.join("run"));
        run(command.args(["--storage-driver", "vfs"]).args(line.split_whitespace())).success().text()
    };
    podman("load --quiet --input new.tar");
    let mounted = podman("image mount app:2");
    let root = Path::new(mounted.trim());
    assert_eq!(curl(place, root, engines.port, true).unwrap(), WELCOME);
    let store = format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{}\"\n", folder.join("root").display());
    place.write("storage.conf", store);
    let found = engines.sidelight("trust find root.pem containers-storage:app:2").success();
    assert!(found.text().starts_with("✓ yes"), "{found}");
    podman("image unmount app:2");
}
