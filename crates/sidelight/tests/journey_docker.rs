//! A real dockerd pushes to and pulls from a real registry behind TLS, through sidelight. In: Debian's docker.io, docker-registry and nginx, in explicit,
//! forward and transparent mode. Out: layers with the right digests, and each request of the conversation shown.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use sidelight_testkit::netns::{Namespace, join};
use sidelight_testkit::peers::{self, Dockerd, docker_trust};
use sidelight_testkit::process::{free_port, run};
use sidelight_testkit::{Hosts, Issuer, Leaf, Sidelight, world};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");
const NAME: &str = "registry.test";

/// The CA, the names and the folder of one registry.
struct Registry {
    root: Issuer,
    hosts: Hosts,
    folder: tempfile::TempDir,
    _servers: [peers::Server; 2],
}

impl Registry {
    /// A registry at these TLS addresses of `place`, which is known as `address` to everybody.
    fn start(namespace: Option<&Namespace>, address: Ipv4Addr, listen: &[SocketAddr]) -> Self {
        let folder = tempfile::Builder::new().prefix("sl").tempdir().expect("a temporary folder");
        let hosts = Hosts::new(folder.path(), &[(NAME, IpAddr::V4(address))]);
        let place = namespace.map_or_else(|| hosts.clone(), |namespace| hosts.inside(namespace));
        let root = Issuer::root("Registry Test Root");
        let identity = root.intermediate("Registry Test Intermediate").issue(&Leaf::named(&[NAME]));
        let plain = peers::registry(&place, folder.path(), SocketAddr::from(([127, 0, 0, 1], free_port())));
        let tls = peers::nginx(&place, folder.path(), &identity, listen, plain.address);
        Self { root, hosts, folder, _servers: [plain, tls] }
    }

    fn sidelight(&self, place: &Hosts, modes: &[&str]) -> Sidelight {
        let roots = self.root.write_to(&self.folder.path().join("registry-root.pem"));
        let options = [&["--roots", roots.to_str().expect("a path in UTF-8")], modes].concat();
        Sidelight::start(place.command(world::binary(PROGRAM)), self.folder.path(), &options, modes.len() / 2)
    }
}

/// Builds an image of two layers, pushes it, forgets it, pulls it; the digests must agree.
fn push_and_pull(dockerd: &Dockerd, folder: &Path, authority: &str, sidelight: &Sidelight) {
    let docker = |arguments: &[&str]| run(dockerd.docker(folder).args(arguments).env("DOCKER_BUILDKIT", "0"));
    let context = folder.join("context");
    std::fs::create_dir_all(&context).expect("a folder for the build");
    std::fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY words /words\nCOPY bytes /bytes\n").expect("a file");
    std::fs::write(context.join("words"), "hello\n").expect("a file");
    std::fs::write(context.join("bytes"), sidelight_testkit::origin::body(0, 9_000_001)).expect("a file");
    let image = format!("{authority}/team/app:1");
    docker(&["build", "--quiet", "--tag", &image, context.to_str().expect("a path in UTF-8")]).success();
    let layers =
        |image: &str| docker(&["inspect", "--format", "{{json .RootFS.Layers}} {{.Id}}", image]).success().text();
    let before = layers(&image);
    let pushed = docker(&["push", &image]);
    assert!(pushed.status.success(), "{pushed}\n{}\n{}", dockerd.said(), sidelight.said());
    let digest = digest(&pushed.text());
    docker(&["rmi", &image]).success();
    let pulled = docker(&["pull", &image]);
    assert!(pulled.status.success(), "{pulled}\n{}\n{}", dockerd.said(), sidelight.said());
    assert_eq!(self::digest(&pulled.text()), digest, "another manifest came back");
    assert_eq!(layers(&image), before, "other layers came back");
    shown(sidelight, &digest);
}

/// `1: digest: sha256:… size: …` of docker push, `Digest: sha256:…` of docker pull.
fn digest(text: &str) -> String {
    let start = text.find("sha256:").unwrap_or_else(|| panic!("docker names no digest: {text}"));
    text[start..].split_whitespace().next().unwrap_or_default().to_owned()
}

/// Every step of both conversations was reported, the manifest with its digest.
fn shown(sidelight: &Sidelight, digest: &str) {
    sidelight
        .wait_for("the greeting", "exchange", |line| line["url"].as_str().is_some_and(|url| url.ends_with("/v2/")));
    for (method, part, status) in [
        ("HEAD", "/v2/team/app/blobs/sha256:", 404),
        ("POST", "/v2/team/app/blobs/uploads/", 202),
        ("PATCH", "/v2/team/app/blobs/uploads/", 202),
        ("PUT", "/v2/team/app/blobs/uploads/", 201),
        ("PUT", "/v2/team/app/manifests/1", 201),
        ("GET", "/v2/team/app/manifests/", 200),
        ("GET", "/v2/team/app/blobs/sha256:", 200),
    ] {
        sidelight.wait_for(&format!("{method} {part} {status}"), "exchange", |line| {
            line["method"] == method
                && line["url"].as_str().is_some_and(|url| url.contains(part))
                && line["status"] == status
        });
    }
    let manifest = format!("/v2/team/app/manifests/{digest}");
    let pulled = sidelight.exchange("GET", &manifest, 200);
    let named = serde_json::json!(["Docker-Content-Digest", digest]);
    assert!(pulled["response"]["headers"].as_array().is_some_and(|headers| headers.contains(&named)), "{pulled}");
}

#[test]
fn through_an_explicit_proxy() {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let registry = Registry::start(None, Ipv4Addr::LOCALHOST, &[address]);
    let sidelight = registry.sidelight(&registry.hosts, &["--mode", "explicit@127.0.0.1:0"]);
    let authority = format!("{NAME}:{}", address.port());
    let folder = registry.folder.path();
    let mut command = docker_trust(&registry.hosts, folder, &[&authority], &sidelight.ca_file());
    command.env("HTTPS_PROXY", format!("http://{}", sidelight.address("explicit")));
    let dockerd = Dockerd::start(command, folder);
    push_and_pull(&dockerd, folder, &authority, &sidelight);
    sidelight.stop();
}

#[test]
fn through_a_forwarder_that_stands_in_the_registrys_place() {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let registry = Registry::start(None, Ipv4Addr::LOCALHOST, &[address]);
    let sidelight = registry.sidelight(&registry.hosts, &["--mode", &format!("forward:{address}@127.0.0.1:0")]);
    let authority = format!("{NAME}:{}", sidelight.address("forward").port());
    let folder = registry.folder.path();
    let dockerd = Dockerd::start(docker_trust(&registry.hosts, folder, &[&authority], &sidelight.ca_file()), folder);
    push_and_pull(&dockerd, folder, &authority, &sidelight);
    sidelight.stop();
}

#[test]
fn through_a_router_that_redirects() {
    let [client, router, origin] = [Namespace::new(), Namespace::new(), Namespace::new()];
    join((&client, &["10.91.1.2/24"]), (&router, &["10.91.1.1/24"]));
    join((&origin, &["10.91.2.2/24"]), (&router, &["10.91.2.1/24"]));
    client.ip(&["route", "add", "default", "via", "10.91.1.1"]);
    origin.ip(&["route", "add", "default", "via", "10.91.2.1"]);
    router.sysctl("net.ipv4.ip_forward", "1");
    let address = SocketAddr::from(([10, 91, 2, 2], 443));
    let registry = Registry::start(Some(&origin), Ipv4Addr::new(10, 91, 2, 2), &[address]);
    let sidelight = registry.sidelight(&registry.hosts.inside(&router), &["--mode", "transparent@10.91.1.1:8443"]);
    router.nft(
        "table ip sidelight { chain in { type nat hook prerouting priority dstnat; \
         ip daddr 10.91.2.2 tcp dport 443 redirect to :8443; }; }",
    );
    let folder = registry.folder.path();
    let place = registry.hosts.inside(&client);
    let dockerd = Dockerd::start(docker_trust(&place, folder, &[NAME], &sidelight.ca_file()), folder);
    push_and_pull(&dockerd, folder, NAME, &sidelight);
    sidelight.stop();
}
