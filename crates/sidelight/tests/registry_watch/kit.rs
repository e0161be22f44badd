//! What the tests share: a registry with a token server in a network of its own, the program while it watches, what a folder holds.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use sidelight_testkit::netns::Namespace;
use sidelight_testkit::peers::{self, Dockerd, TokenAuth, docker_trust, token_registry_by};
use sidelight_testkit::process::{Running, run};
use sidelight_testkit::{Hosts, Identity, Issuer, Leaf, world};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");
pub(crate) const REGISTRY: &str = "registry.test";
pub(crate) const AUTH: &str = "auth.test";
const PATIENCE: Duration = Duration::from_secs(60);

/// A registry at `registry.test`, whose tokens come from `auth.test`; neither is on loopback, where dockerd would verify nothing.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) root: Issuer,
    pub(crate) place: Hosts,
    pub(crate) network: Namespace,
    _tokens: Running,
    _registry: Running,
    _servers: Vec<Running>,
}

/// What is special about a registry.
#[derive(Clone, Copy, Default)]
pub(crate) struct Special<'s> {
    /// What is wrong with every token that is given, as `token mint --break` calls it.
    pub(crate) wrong: Option<&'s str>,
    /// Only [`peers::REGISTRY_LOGIN`] gets tokens.
    pub(crate) private: bool,
    /// Blobs are had at `cdn.test:8443`, which takes no Authorization.
    pub(crate) storage: bool,
}

impl World {
    pub(crate) fn start() -> Self {
        Self::with(Special::default())
    }

    pub(crate) fn with(special: Special<'_>) -> Self {
        let folder = tempfile::Builder::new().prefix("sl").tempdir().expect("a temporary folder");
        let network = Namespace::new();
        let addresses = [1, 2, 3].map(|n| Ipv4Addr::new(10, 92, 0, n));
        for address in addresses {
            network.ip(&["address", "add", &format!("{address}/32"), "dev", "lo"]);
        }
        let named = [REGISTRY, AUTH, "cdn.test"].into_iter().zip(addresses);
        let names: Vec<(&str, IpAddr)> = named.map(|(name, address)| (name, IpAddr::V4(address))).collect();
        let place = Hosts::new(folder.path(), &names).inside(&network);
        let root = Issuer::root("Registry Test Root");
        let signer = Issuer::root("Tokens").issue(&Leaf::named(&["tokens.test"]));
        let (bundle, key) = signer.write_to(folder.path(), "tokens");
        let [plain, issuer] = [5000, 5001].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut command = token_server(&place, folder.path(), issuer, (&key, &bundle), special);
        let mut tokens = Running::start(&mut command, &folder.path().join("tokens.log"));
        tokens.until_it_listens(&place, issuer);
        let auth =
            TokenAuth { realm: "https://auth.test/token", service: "registry", issuer: "tokens", bundle: &bundle };
        let mut registry = token_registry_by(place.command("docker-registry"), folder.path(), plain, &auth);
        registry.until_it_listens(&place, plain);
        let hand_on = |to: SocketAddr| {
            format!(
                "location / {{ proxy_pass http://{to}; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https; }}"
            )
        };
        let tls = |name: &str, address: Ipv4Addr, port: u16, locations: &str| {
            let own = folder.path().join(name);
            std::fs::create_dir_all(&own).expect("a folder");
            nginx(&place, &own, &root.issue(&Leaf::named(&[name])), SocketAddr::from((address, port)), locations)
        };
        let to_storage = "location ~ /blobs/sha256: { if ($request_method = GET) { return 307 https://cdn.test:8443/store$uri?sig=s3cret; } proxy_pass http://127.0.0.1:5000; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https; } ";
        let first = if special.storage { to_storage } else { "" };
        let blobs = folder.path().join("registry/docker/registry/v2/blobs/sha256");
        let stored = format!(
            "location ~ ^/store/v2/.*/blobs/sha256:((..).*)$ {{ if ($http_authorization) {{ return 400; }} alias {}/$2/$1/data; }}",
            blobs.display()
        );
        let servers = vec![
            tls(REGISTRY, addresses[0], 443, &format!("{first}{}", hand_on(plain))),
            tls(AUTH, addresses[1], 443, &hand_on(issuer)),
            tls("cdn.test", addresses[2], 8443, &stored),
        ];
        Self { root, place, network, _tokens: tokens, _registry: registry, _servers: servers, folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The file of the registry's root, which this machine does not know.
    pub(crate) fn root_file(&self) -> PathBuf {
        self.root.write_to(&self.path("root.pem"))
    }

    /// Puts an image of two layers into the registry.
    pub(crate) fn fill(&self, image: &str) {
        let archive = image_archive(self.folder.path());
        let certs = self.path("fill");
        std::fs::create_dir_all(&certs).expect("a folder");
        self.root.write_to(&certs.join("ca.crt"));
        let mut command = self.place.command("skopeo");
        command.args(["--insecure-policy", "copy"]);
        if self.path("users").exists() {
            let (user, password) = peers::REGISTRY_LOGIN;
            command.args(["--dest-creds", &format!("{user}:{password}")]);
        }
        command.arg("--dest-cert-dir").arg(&certs);
        run(command.args([&archive, &format!("docker://{image}")])).success();
    }

    /// dockerd, which alone knows the registry's root: in its own certs.d.
    pub(crate) fn dockerd(&self) -> Dockerd {
        let command = docker_trust(&self.place, self.folder.path(), &[REGISTRY], &self.root_file());
        Dockerd::start(command, self.folder.path())
    }

    /// sidelight in the same network; a mount namespace of its own. `before` runs in that before it.
    pub(crate) fn sidelight(&self) -> Command {
        let mut command = self.place.command(world::binary(PROGRAM));
        command.env("HOME", self.folder.path()).env_remove("DOCKER_HOST");
        command
    }

    /// What the packet filter does in the network.
    pub(crate) fn rules(&self) -> String {
        run(self.network.command("nft").args(["list", "ruleset"])).success().text()
    }

    /// Another program's conversation with the registry over TLS, which it verifies by the true root.
    #[track_caller]
    pub(crate) fn stranger(&self) {
        let mut curl = self.place.command("curl");
        curl.args(["-sS", "-o", "/dev/null", "-w", "%{http_code} %{ssl_verify_result}", "--cacert"])
            .arg(self.root_file());
        assert_eq!(run(curl.arg(format!("https://{REGISTRY}/v2/"))).success().text(), "401 0");
    }
}

/// The token server: sidelight's own, or one that gives everybody the same wrong token.
fn token_server(
    place: &Hosts,
    folder: &Path,
    listen: SocketAddr,
    (key, bundle): (&Path, &Path),
    special: Special<'_>,
) -> Command {
    let Some(wrong) = special.wrong else {
        let mut command = place.command(world::binary(PROGRAM));
        command.args(["registry", "token", "serve", "--issuer", "tokens", "--service", "registry", "--listen"]);
        command.arg(listen.to_string()).arg("--key").arg(key);
        if special.private {
            std::fs::write(folder.join("users"), peers::HTPASSWD).expect("users");
            command.arg("--users").arg(folder.join("users"));
        }
        return command;
    };
    let mut mint = Command::new(PROGRAM);
    mint.args(["registry", "token", "mint", "--issuer", "tokens", "--service", "registry", "--break", wrong]);
    mint.args(["--scope", "repository:team/app:pull", "--key"]).arg(key).arg("--cert").arg(bundle);
    let token = run(&mut mint).success().text();
    let mut command = place.command(peers::python());
    command.arg(peers::script("one_token.py")).arg(listen.port().to_string()).arg(token.trim());
    command
}

/// nginx with TLS at one address.
fn nginx(place: &Hosts, folder: &Path, identity: &Identity, listen: SocketAddr, locations: &str) -> Running {
    let (chain, key) = identity.write_to(folder, "nginx");
    let (home, chain, key) = (folder.display(), chain.display(), key.display());
    let temporary =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|it| format!("{it}_temp_path {home}/{it}; "));
    let text = format!(
        "daemon off; pid {home}/pid; error_log stderr warn; user root; events {{ worker_connections 512; }}
http {{ access_log {home}/access.log; {} client_max_body_size 0; proxy_http_version 1.1;
  server {{ listen {listen} ssl http2; ssl_certificate {chain}; ssl_certificate_key {key}; {locations} }} }}",
        temporary.concat()
    );
    std::fs::write(folder.join("nginx.conf"), text).expect("nginx.conf");
    let mut command = place.command("nginx");
    command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf"));
    let mut process = Running::start(&mut command, &folder.join("nginx.log"));
    process.until_it_listens(place, listen);
    process
}

/// An image of two layers, as `docker-archive:` takes it.
fn image_archive(folder: &Path) -> String {
    let place = folder.join("image");
    std::fs::create_dir_all(&place).expect("a folder");
    let pack = |tar: &str, what: &[&str]| {
        let fixed = ["--owner=0", "--group=0", "--numeric-owner", "--sort=name", "--mtime=@0", "-cf", tar];
        run(Command::new("tar").current_dir(&place).args(fixed).args(what)).success();
        std::fs::read(place.join(tar)).expect("an archive")
    };
    std::fs::write(place.join("words"), "hello\n").expect("a file");
    std::fs::write(place.join("bytes"), sidelight_testkit::origin::body(0, 300_001)).expect("a file");
    let layers = [("one.tar", "words"), ("two.tar", "bytes")];
    let ids = layers.map(|(tar, file)| format!("\"sha256:{}\"", sidelight_testkit::sha256(pack(tar, &[file]))));
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        ids.join(",")
    );
    std::fs::write(place.join("config.json"), config).expect("a file");
    let manifest = r#"[{"Config":"config.json","RepoTags":["app:1"],"Layers":["one.tar","two.tar"]}]"#;
    std::fs::write(place.join("manifest.json"), manifest).expect("a file");
    pack("image.tar", &["config.json", "manifest.json", "one.tar", "two.tar"]);
    format!("docker-archive:{}", place.join("image.tar").display())
}

/// `registry watch --json` under way.
pub(crate) struct Watch {
    child: Child,
    lines: Arc<(Mutex<Vec<Value>>, Condvar)>,
    errors: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Watch {
    /// Starts it by `command`, which is sidelight's own without any words yet; comes back once it watches.
    #[track_caller]
    pub(crate) fn start(mut command: Command, folder: &Path, options: &[&str]) -> Self {
        command.args(["registry", "watch", "--json", "--ca"]).arg(folder.join("ca")).args(options);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("sidelight starts");
        let (lines, errors) = (Arc::new((Mutex::new(Vec::new()), Condvar::new())), Arc::new(Mutex::new(String::new())));
        let (out, err) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let (kept, said) = (Arc::clone(&lines), Arc::clone(&errors));
        let readers = vec![
            std::thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                    kept.0.lock().expect("lines").push(value);
                    kept.1.notify_all();
                }
            }),
            std::thread::spawn(move || {
                for line in BufReader::new(err).lines().map_while(Result::ok) {
                    said.lock().expect("text").push_str(&format!("{line}\n"));
                }
            }),
        ];
        let started = Self { child, lines, errors, readers };
        started.wait_for("watching", |_| true);
        started
    }

    /// Waits for a line of a type that fits.
    #[track_caller]
    pub(crate) fn wait_for(&self, kind: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.lines.0.lock().expect("lines");
        loop {
            if let Some(found) = lines.iter().find(|it| it["type"] == kind && fits(it)) {
                return found.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {kind} came: {lines:#?}\n{}", self.errors());
            lines = self.lines.1.wait_timeout(lines, left).expect("lines").0;
        }
    }

    /// The block of a pull with this verdict.
    #[track_caller]
    pub(crate) fn pull(&self, cause: &str) -> Value {
        self.wait_for("registry_block", |it| it["action"] == "pull" && it["verdict"]["cause"] == cause)
    }

    pub(crate) fn errors(&self) -> String {
        self.errors.lock().expect("text").clone()
    }

    /// Sends a signal, and waits for the end.
    #[track_caller]
    pub(crate) fn end(mut self, signal: rustix::process::Signal) -> (ExitStatus, String) {
        let pid = rustix::process::Pid::from_raw(self.child.id().cast_signed()).expect("a process");
        rustix::process::kill_process(pid, signal).expect("a signal");
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end\n{}", self.errors());
            std::thread::sleep(Duration::from_millis(10));
        };
        self.readers.drain(..).for_each(|it| drop(it.join()));
        (status, self.errors())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All that a folder holds: names, modes, times of change, contents.
pub(crate) fn tree(folder: &Path) -> BTreeMap<PathBuf, (u32, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let Ok(meta) = std::fs::symlink_metadata(&path) else { continue };
        if meta.is_dir() {
            open.extend(std::fs::read_dir(&path).expect("a folder").flatten().map(|it| it.path()));
            found.insert(path, (meta.permissions().mode(), 0, Vec::new()));
        } else {
            let bytes = std::fs::read(&path).expect("a file");
            found.insert(path, (meta.permissions().mode(), meta.mtime_nsec(), bytes));
        }
    }
    found
}

/// The steps of a block by name and state, in the order of time.
pub(crate) fn steps(block: &Value) -> Vec<String> {
    let all = block["steps"].as_array().expect("steps").iter();
    all.map(|it| format!("{} {}", it["step"].as_str().unwrap_or("-"), it["state"].as_str().unwrap_or("-"))).collect()
}

/// Every step of a pull of the image was seen, and blobs verified.
#[track_caller]
pub(crate) fn is_whole(block: &Value) {
    let steps = steps(block);
    for wanted in ["token done", "manifest done", "config done", "layer done"] {
        assert!(steps.iter().any(|it| it == wanted), "no `{wanted}` in {steps:?}: {block:#}");
    }
    let is_verified = |it: &&Value| it["digest"] == "verified";
    let verified = block["steps"].as_array().expect("steps").iter().filter(is_verified).count();
    assert!(verified >= 3, "{block:#}");
}
