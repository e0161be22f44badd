//! `registry check` beside the real clients: docker, containerd and podman's library with the same files, at Debian's docker-registry with
//! tokens behind nginx in TLS. In: files of a client. Out: what `check` says, and that the client fares as it says.
//!
//! All of it stands in a network of its own, at an address that is not on loopback: there docker would not verify.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use sidelight_testkit::netns::Namespace;
use sidelight_testkit::peers::{self, Dockerd, HTPASSWD, REGISTRY_LOGIN, TokenAuth, token_registry_by};
use sidelight_testkit::process::{Finished, Running, run};
use sidelight_testkit::{Hosts, Issuer, Leaf, world};

use super::program::{document, fault};

const REGISTRY: &str = "registry.test:5443";
const IMAGE: &str = "registry.test:5443/team/app:1";
const RULES: &str = "[[allow]]\nuser = \"joe\"\nscope = \"repository:team/*:pull,push\"\n";

/// Names and texts of a host's files.
type Files<'f> = Vec<(&'f str, &'f str)>;

/// The registry with all that belongs to it.
struct World {
    folder: tempfile::TempDir,
    hosts: Hosts,
    root: Issuer,
    _servers: Vec<Running>,
    _namespace: Namespace,
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl World {
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("sl").tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        let namespace = Namespace::new();
        namespace.ip(&["address", "add", "10.77.0.1/32", "dev", "lo"]);
        let address = SocketAddr::from(([10, 77, 0, 1], 5443));
        let hosts = Hosts::new(folder.path(), &[("registry.test", address.ip())]).inside(&namespace);
        let root = Issuer::root("Registry Root");
        let identity = root.issue(&Leaf::named(&["registry.test"]));
        let mut openssl = Command::new("openssl");
        openssl.args([
            "req",
            "-x509",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/CN=tokens",
            "-newkey",
            "rsa:2048",
            "-keyout",
        ]);
        run(openssl.arg(at("token.key")).arg("-out").arg(at("token.pem"))).success();
        std::fs::write(at("htpasswd"), HTPASSWD).expect("users");
        std::fs::write(at("rules.toml"), RULES).expect("rules");
        let mut serve = hosts.command(world::binary(env!("CARGO_BIN_EXE_sidelight")));
        serve.args(["registry", "token", "serve", "--listen", "127.0.0.1:5001", "--issuer", "tester"]);
        serve.args(["--service", "r.test", "--key"]).arg(at("token.key")).arg("--users").arg(at("htpasswd"));
        let mut tokens = Running::start(serve.arg("--rules").arg(at("rules.toml")), &at("serve.log"));
        tokens.until_it_listens(&hosts, local(5001));
        let realm = format!("https://{REGISTRY}/token");
        let bundle = at("token.pem");
        let auth = TokenAuth { realm: &realm, service: "r.test", issuer: "tester", bundle: &bundle };
        let mut registry = token_registry_by(hosts.command("docker-registry"), folder.path(), local(5000), &auth);
        registry.until_it_listens(&hosts, local(5000));
        let token = "location /token { proxy_pass http://127.0.0.1:5001; }";
        let nginx = peers::nginx_with(&hosts, folder.path(), &identity, &[address], local(5000), [token, ""]);
        let world =
            Self { folder, hosts, root, _servers: vec![tokens, registry, nginx.process], _namespace: namespace };
        world.push();
        world
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn push(&self) {
        let place = self.at("image");
        std::fs::create_dir(&place).expect("a folder");
        let tar = |name: &str, what: &[&str]| {
            run(Command::new("tar").current_dir(&place).args(["-cf", name]).args(what)).success()
        };
        std::fs::write(place.join("words"), "hello\n").expect("a file");
        tar("one.tar", &["words"]);
        let layer = sidelight_testkit::sha256(std::fs::read(place.join("one.tar")).expect("a layer"));
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["sha256:{layer}"]}}}}"#
        );
        std::fs::write(place.join("config.json"), config).expect("a file");
        let manifest = r#"[{"Config":"config.json","RepoTags":["app:1"],"Layers":["one.tar"]}]"#;
        std::fs::write(place.join("manifest.json"), manifest).expect("a file");
        tar("image.tar", &["config.json", "manifest.json", "one.tar"]);
        let root = self.root.write_to(&self.at("root.pem"));
        let mut skopeo = self.hosts.command("skopeo");
        skopeo.args([
            "--insecure-policy",
            "copy",
            "--dest-creds",
            &format!("{}:{}", REGISTRY_LOGIN.0, REGISTRY_LOGIN.1),
        ]);
        skopeo.arg(format!("docker-archive:{}", place.join("image.tar").display())).arg(format!("docker://{IMAGE}"));
        run(skopeo.env("SSL_CERT_FILE", root)).success();
    }

    /// A client's host: its files, and whether it knows the password.
    fn host(&self, name: &str, files: &[(&str, &str)], password: &str) -> Host<'_> {
        let root = self.at(name);
        for (file, text) in files {
            let file = root.join(file);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            std::fs::write(file, text).expect("a file");
        }
        for folder in ["etc/docker", "etc/containers", "etc/containerd/certs.d", "home/.docker"] {
            std::fs::create_dir_all(root.join(folder)).expect("a folder");
        }
        let login = data_encoding::BASE64.encode(format!("joe:{password}").as_bytes());
        let logins = format!(r#"{{"auths":{{"{REGISTRY}":{{"auth":"{login}"}}}}}}"#);
        std::fs::write(root.join("home/.docker/config.json"), logins).expect("a file of logins");
        Host { world: self, root, password: password.to_owned() }
    }
}

struct Host<'w> {
    world: &'w World,
    root: PathBuf,
    password: String,
}

impl Host<'_> {
    /// `registry check`: its cause, with all of what it printed where that is not as wanted.
    fn check(&self, client: &str, image: &str, wanted: &str) {
        let mut command = self.world.hosts.command(world::binary(env!("CARGO_BIN_EXE_sidelight")));
        command.args(["--json", "registry", "check", image, "--blobs", "--as", client, "--host-root"]).arg(&self.root);
        // containerd has no file of logins; a kubelet hands over those of the pod.
        command.arg("--authfile").arg(self.root.join("home/.docker/config.json"));
        let checked = run(self.at_home(&mut command));
        assert_eq!(fault(&checked, wanted), None, "{client} {}", self.root.display());
        if wanted == "ok" {
            let ways = document(&checked)["ways"].as_array().cloned().unwrap_or_default();
            let steps = ways.iter().flat_map(|way| way["steps"].as_array().cloned().unwrap_or_default());
            assert!(steps.into_iter().any(|step| step["step"] == "token"), "{checked}");
        }
    }

    fn at_home<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        for name in ["XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE"] {
            command.env_remove(name);
        }
        command.env("HOME", self.root.join("home"))
    }

    /// A command that sees one folder of this host's `/etc`.
    fn seeing(&self, folder: &str, program: &str) -> Command {
        let mut command = self.world.hosts.command("sh");
        command.args(["-c", "mkdir -p \"$1\" && mount --bind \"$0\" \"$1\" && shift && exec \"$@\""]);
        command.arg(self.root.join(folder.trim_start_matches('/'))).arg(folder).arg(program);
        command
    }

    fn skopeo(&self, image: &str) -> Finished {
        let mut command = self.seeing("/etc/containers", "skopeo");
        command.args(["--insecure-policy", "copy", "--src-authfile"]).arg(self.root.join("home/.docker/config.json"));
        command.arg(format!("docker://{image}")).arg(format!("dir:{}", self.root.join("out").display()));
        run(self.at_home(&mut command))
    }

    fn docker(&self) -> Finished {
        let own = self.root.join("d");
        std::fs::create_dir(&own).expect("a folder for dockerd");
        let dockerd = Dockerd::start(self.seeing("/etc/docker", "dockerd"), &own);
        let mut command = Command::new("docker");
        command.arg("--config").arg(self.root.join("home/.docker")).args(["--host", &dockerd.address(), "pull", IMAGE]);
        sidelight_testkit::hosts::clean(&mut command);
        run(&mut command)
    }

    fn ctr(&self, socket: &Path) -> Finished {
        let mut command = self.world.hosts.command("ctr");
        let namespace = self.root.file_name().expect("a name").to_string_lossy().into_owned();
        command.arg("--address").arg(socket).args(["--namespace", &namespace, "content", "fetch", "--user"]);
        command.arg(format!("joe:{}", self.password)).arg("--hosts-dir").arg(self.root.join("etc/containerd/certs.d"));
        run(command.arg(IMAGE))
    }
}

/// The client fares as `check` says.
#[track_caller]
fn fares(finished: &Finished, well: bool) {
    assert_eq!(finished.status.success(), well, "{finished}");
}

const RIGHT: &str = REGISTRY_LOGIN.1;

#[test]
fn check_says_how_docker_fares() {
    let world = World::start();
    let ca = format!("etc/docker/certs.d/{REGISTRY}/ca.crt");
    let insecure = format!(r#"{{"insecure-registries":["{REGISTRY}"]}}"#);
    let cases: [(&str, Files<'_>, &str, &str); 4] = [
        ("da", vec![], RIGHT, "root_not_trusted"),
        ("db", vec![(&ca, world.root.pem())], RIGHT, "ok"),
        ("dc", vec![("etc/docker/daemon.json", &insecure)], RIGHT, "ok"),
        ("dd", vec![(&ca, world.root.pem())], "wrong", "login_refused"),
    ];
    for (name, files, password, cause) in cases {
        let host = world.host(name, &files, password);
        host.check("docker", IMAGE, cause);
        fares(&host.docker(), cause == "ok");
    }
}

#[test]
fn check_says_how_podmans_library_fares() {
    let world = World::start();
    let ca = format!("etc/containers/certs.d/{REGISTRY}/ca.crt");
    let insecure = format!("[[registry]]\nlocation = '{REGISTRY}'\ninsecure = true\n");
    let elsewhere = format!("[[registry]]\nprefix = 'other.test'\nlocation = '{REGISTRY}'\n");
    let blocked = format!("[[registry]]\nlocation = '{REGISTRY}'\nblocked = true\n");
    let conf = "etc/containers/registries.conf";
    let other = "other.test/team/app:1";
    let cases: [(&str, Files<'_>, &str, &str, &str); 6] = [
        ("pa", vec![], RIGHT, IMAGE, "root_not_trusted"),
        ("pb", vec![(&ca, world.root.pem())], RIGHT, IMAGE, "ok"),
        ("pc", vec![(conf, &insecure)], RIGHT, IMAGE, "ok"),
        ("pd", vec![(conf, &elsewhere), (&ca, world.root.pem())], RIGHT, other, "ok"),
        ("pe", vec![(conf, &blocked), (&ca, world.root.pem())], RIGHT, IMAGE, "client_files_unusable"),
        ("pf", vec![(&ca, world.root.pem())], "wrong", IMAGE, "login_refused"),
    ];
    for (name, files, password, image, cause) in cases {
        let host = world.host(name, &files, password);
        host.check("podman", image, cause);
        fares(&host.skopeo(image), cause == "ok");
    }
}

#[test]
fn check_says_how_containerd_fares() {
    let world = World::start();
    let socket = world.at("c.sock");
    let at = |name: &str| world.at("containerd").join(name).display().to_string();
    let settings = format!(
        "version = 2\nroot = '{}'\nstate = '{}'\ndisabled_plugins = ['io.containerd.grpc.v1.cri', 'io.containerd.internal.v1.opt']\n[grpc]\naddress = '{}'\n",
        at("root"),
        at("state"),
        socket.display()
    );
    std::fs::write(world.at("containerd.toml"), settings).expect("a file of settings");
    let mut command = world.hosts.command("containerd");
    let mut containerd =
        Running::start(command.arg("--config").arg(world.at("containerd.toml")), &world.at("containerd.log"));
    containerd.until("answering on its socket", || {
        run(Command::new("ctr").arg("--address").arg(&socket).arg("version")).status.success()
    });
    let config = ("etc/containerd/config.toml", "[plugins.cri.registry]\nconfig_path = '/etc/containerd/certs.d'\n");
    let hosts = format!("etc/containerd/certs.d/{REGISTRY}/hosts.toml");
    let ca = format!("etc/containerd/certs.d/{REGISTRY}/ca.crt");
    let trusting = format!("server = 'https://{REGISTRY}'\n[host.'https://{REGISTRY}']\nca = 'ca.crt'\n");
    let skipping = format!("server = 'https://{REGISTRY}'\n[host.'https://{REGISTRY}']\nskip_verify = true\n");
    let mirrored = format!(
        "server = 'https://{REGISTRY}'\nca = 'ca.crt'\n[host.'http://127.0.0.1:9']\ncapabilities = ['pull', 'resolve']\n"
    );
    let crt = (ca.as_str(), world.root.pem());
    let cases: [(&str, Files<'_>, &str, &str); 6] = [
        ("ca", vec![config], RIGHT, "root_not_trusted"),
        ("cb", vec![config, (&hosts, &trusting), crt], RIGHT, "ok"),
        ("cc", vec![config, (&hosts, &skipping)], RIGHT, "ok"),
        ("cd", vec![config, crt], RIGHT, "ok"),
        ("ce", vec![config, (&hosts, &mirrored), crt], RIGHT, "ok"),
        ("cf", vec![config, (&hosts, &trusting), crt], "wrong", "login_refused"),
    ];
    for (name, files, password, cause) in cases {
        let host = world.host(name, &files, password);
        host.check("containerd", IMAGE, cause);
        fares(&host.ctr(&socket), cause == "ok");
    }
}
