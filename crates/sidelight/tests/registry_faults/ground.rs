//! Where rows are tried: names, a CA, `sidelight proxy` with its recording. In: a row. Out: what its client said, what `check` and `explain`
//! say of it; at the end, what `timeline` says of all.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use sidelight_testkit::process::{Finished, run};
use sidelight_testkit::talk::Service;
use sidelight_testkit::{Hosts, Issuer, Leaf, Sidelight, world};

use crate::daemons::Daemons;
use crate::ports::unheard;
use crate::row::{Row, Tool};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");

/// Names of the registry, its token server and its storage.
const NAMES: [&str; 3] = ["registry.test", "auth.test", "storage.test"];

/// What the row's client and two of the verbs said.
pub(crate) struct Met {
    /// The client failed, alone and through sidelight.
    pub(crate) failed: bool,
    pub(crate) words: String,
    pub(crate) check: Option<String>,
    pub(crate) explained: Vec<String>,
    /// Each cause that `explain` lists says how it is told from the others, and what comes next.
    pub(crate) tells_apart: bool,
}

/// Proxies that refuse, each in its way.
pub(crate) struct Proxies {
    pub(crate) absent: String,
    pub(crate) login: String,
    pub(crate) denying: String,
    _services: Mutex<[Service<()>; 2]>,
}

pub(crate) struct Ground {
    folder: tempfile::TempDir,
    hosts: Hosts,
    /// A root that everybody trusts.
    pub(crate) root: Issuer,
    roots: PathBuf,
    /// TLS as it should be.
    pub(crate) tls: Arc<rustls::ServerConfig>,
    pub(crate) proxies: Proxies,
    sidelight: Mutex<Option<Sidelight>>,
    listening: Vec<String>,
    ca: PathBuf,
    archive: String,
    podmen: AtomicUsize,
    daemons: Daemons,
}

impl Proxies {
    fn start() -> Self {
        let refusing = |answer: &'static str| {
            Service::start(move |mut line| {
                line.hear_head();
                line.say(answer);
            })
        };
        let login = refusing(
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"p\"\r\nContent-Length: 0\r\n\r\n",
        );
        let denying = refusing("HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>");
        let url = |place: String| format!("http://{place}");
        Self {
            absent: format!("http://127.0.0.1:{}", unheard()),
            login: url(login.place()),
            denying: url(denying.place()),
            _services: Mutex::new([login, denying]),
        }
    }
}

impl Ground {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("sl").tempdir().expect("a temporary folder");
        let hosts = Hosts::new(folder.path(), &NAMES.map(|name| (name, IpAddr::V4(Ipv4Addr::LOCALHOST))));
        let root = Issuer::root("Registry Root");
        let roots = root.write_to(&folder.path().join("root.pem"));
        let proxies = Proxies::start();
        let modes = [
            "explicit@127.0.0.1:0".to_owned(),
            format!("upstream:{}@127.0.0.1:0", proxies.absent),
            format!("upstream:{}@127.0.0.1:0", proxies.login),
            format!("upstream:{}@127.0.0.1:0", proxies.denying),
        ];
        let store = folder.path().join("rec.sidelight").display().to_string();
        let mut options: Vec<&str> = modes.iter().flat_map(|mode| ["--mode", mode.as_str()]).collect();
        options.extend(["--roots", roots.to_str().expect("a path of text"), "--store", &store]);
        let sidelight = Sidelight::start(hosts.command(world::binary(PROGRAM)), folder.path(), &options, modes.len());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let listening = sidelight.of_type("listening");
        let listening = listening.iter().map(|it| text(&it["address"])).collect();
        let ca = sidelight.ca_file();
        let daemons = Daemons::start(folder.path(), &hosts, &format!("http://{}", sidelight.address("explicit")));
        let tls = root.issue(&Leaf::named(&NAMES)).server_config(&["http/1.1"]);
        std::fs::create_dir(folder.path().join("none")).expect("a folder");
        let archive = archive(folder.path());
        let sidelight = Mutex::new(Some(sidelight));
        Self {
            folder,
            hosts,
            root,
            roots,
            tls,
            proxies,
            sidelight,
            listening,
            ca,
            archive,
            podmen: AtomicUsize::new(0),
            daemons,
        }
    }

    /// Where sidelight listens for clients that would go through this proxy, or through none.
    fn through(&self, proxy: Option<&str>) -> String {
        let proxies = [&self.proxies.absent, &self.proxies.login, &self.proxies.denying];
        // Its modes are told in the order of its options.
        let at = proxy.map_or(0, |wanted| 1 + proxies.iter().position(|it| *it == wanted).expect("one of the proxies"));
        format!("http://{}", self.listening[at])
    }

    /// Tries a row.
    pub(crate) fn meet(&self, row: &Row) -> Met {
        let place = self.folder.path().join(row.name.replace([' ', '/'], "-"));
        std::fs::create_dir(&place).expect("a folder for the row");
        let logins = place.join("auth.json");
        std::fs::write(&logins, &row.logins).expect("a file of logins");
        // Most of them wait.
        let (through, alone, checked) = std::thread::scope(|scope| {
            let listening = self.through(row.proxy.as_deref());
            let (logins, place) = (&logins, &place);
            let through =
                scope.spawn(move || self.client(row, &place.join("through"), logins, &self.ca, Some(&listening)));
            let alone =
                scope.spawn(move || self.client(row, &place.join("alone"), logins, &self.roots, row.proxy.as_deref()));
            let checked = self.check(row, place, logins);
            (through.join().expect("no panic"), alone.join().expect("no panic"), checked)
        });
        let failed = !through.status.success() && !alone.status.success();
        let cause = json(&checked)["cause"].as_str().map(str::to_owned);
        let (explained, tells_apart) = self.explain(&alone.errors());
        let words = format!("alone: {}\nthrough: {}\ncheck: {checked}", alone.errors().trim(), through.errors().trim());
        Met { failed, words, check: cause, explained, tells_apart }
    }

    fn client(&self, row: &Row, place: &Path, logins: &Path, roots: &Path, proxy: Option<&str>) -> Finished {
        std::fs::create_dir(place).expect("a folder");
        let image = format!("docker://{}", row.image);
        let out = format!("dir:{}", place.join("out").display());
        let verify = |side: &str| format!("--{side}-tls-verify={}", !row.plain);
        let logins = logins.to_str().expect("a path of text");
        let mut command = match row.tool {
            Tool::Podman => self.hosts.command("podman"),
            Tool::Docker => {
                std::fs::write(place.join("config.json"), &row.logins).expect("a file of logins");
                return self.daemons.docker(proxy.is_some(), place, &row.image);
            }
            Tool::Ctr => self.daemons.ctr(&self.hosts),
            Tool::Pull | Tool::Push => self.hosts.command("skopeo"),
        };
        match row.tool {
            Tool::Pull => {
                command.args(["--insecure-policy", "copy", "--retry-times", "0", "--src-authfile", logins]);
                command.args([&verify("src"), &image, &out]);
            }
            Tool::Push => {
                command.args(["--insecure-policy", "copy", "--retry-times", "0", "--dest-authfile", logins]);
                command.args([&verify("dest"), &self.archive, &image]);
            }
            Tool::Podman => {
                // podman takes short paths alone.
                let own = self.folder.path().join(format!("p{}", self.podmen.fetch_add(1, Ordering::Relaxed)));
                for (option, name) in [("--root", "root"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
                    command.arg(option).arg(own.join(name));
                }
                command.args(["--storage-driver", "vfs", "--events-backend", "none", "pull", "--authfile", logins]);
                command.args([&format!("--tls-verify={}", !row.plain), &image]);
            }
            Tool::Ctr => {
                command.args(["content", "fetch", "--hosts-dir"]).arg(self.folder.path().join("none"));
                command.args(row.logins.contains("auth\"").then_some("--user=joe:wrong")).arg(&row.image);
            }
            Tool::Docker => {}
        }
        // podman takes HOME's registries.conf and keys; nothing of this machine's.
        command.env("HOME", place).env("SSL_CERT_FILE", roots).env("SSL_CERT_DIR", self.folder.path().join("none"));
        for name in ["XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE"] {
            command.env_remove(name);
        }
        if let Some(proxy) = proxy {
            command.env("HTTPS_PROXY", proxy).env("HTTP_PROXY", proxy);
        }
        run(&mut command)
    }

    fn check(&self, row: &Row, place: &Path, logins: &Path) -> Finished {
        let mut command = self.hosts.command(world::binary(PROGRAM));
        command.args(["--json", "registry", "check", &row.image, "--as", row.tool.client(), "--blobs"]);
        command.arg("--host-root").arg(place).arg("--registry-roots").arg(&self.roots).arg("--authfile").arg(logins);
        command.args(row.plain.then_some("--insecure-registry")).env("HOME", place);
        if let Some(proxy) = &row.proxy {
            command.env("HTTPS_PROXY", proxy);
        }
        run(&mut command)
    }

    /// The causes, the likeliest first.
    fn explain(&self, words: &str) -> (Vec<String>, bool) {
        if words.trim().is_empty() {
            return (Vec::new(), false);
        }
        let mut command = Command::new(world::binary(PROGRAM));
        command.args(["--json", "registry", "explain", "--", words]).env("HOME", self.folder.path());
        let document = json(&run(&mut command));
        let causes = document["causes"].as_array().cloned().unwrap_or_default();
        let is_whole = |cause: &Value| {
            let said = |name: &str| cause[name].as_str().is_some_and(|it| !it.is_empty());
            said("told_by") && said("next") && cause["fix"].as_array().is_some_and(|it| !it.is_empty())
        };
        let tells_apart = causes.iter().all(is_whole);
        (causes.iter().filter_map(|cause| Some(cause["cause"].as_str()?.to_owned())).collect(), tells_apart)
    }

    /// Ends the recording and reads it.
    pub(crate) fn timeline(&self) -> Told {
        let sidelight = self.sidelight.lock().expect("no panic").take().expect("it runs until now");
        sidelight.stop();
        let mut command = Command::new(world::binary(PROGRAM));
        command.args(["registry", "timeline", "--json", "--store"]).arg(self.folder.path().join("rec.sidelight"));
        command.env("HOME", self.folder.path()).env_remove("XDG_STATE_HOME");
        let document = json(&run(&mut command));
        let mut causes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for block in document["sources"][0]["blocks"].as_array().expect("blocks") {
            let verdict = &block["verdict"];
            let is_whole = |name: &str| verdict[name].as_array().is_some_and(|it| !it.is_empty());
            assert!(verdict["cause"] == "ok" || is_whole("evidence"), "no evidence: {block:#}");
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            causes.entry(text(&block["registry"])).or_default().push(text(&verdict["cause"]));
        }
        Told { causes }
    }
}

/// The causes of all blocks by the registry's host.
pub(crate) struct Told {
    causes: BTreeMap<String, Vec<String>>,
}

impl Told {
    /// The cause of a row's blocks; several, if they do not agree.
    pub(crate) fn cause_of(&self, row: &Row) -> Option<String> {
        let mut causes = self.causes.get(row.host())?.clone();
        causes.dedup();
        Some(causes.join("+"))
    }
}

fn json(finished: &Finished) -> Value {
    serde_json::from_slice(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished}"))
}

/// An image of one layer, as skopeo takes it.
fn archive(folder: &Path) -> String {
    let place = folder.join("image");
    std::fs::create_dir(&place).expect("a folder");
    let pack = |tar: &str, what: &[&str]| {
        run(Command::new("tar").current_dir(&place).args(["-cf", tar]).args(what)).success();
        std::fs::read(place.join(tar)).expect("an archive")
    };
    std::fs::write(place.join("words"), "hello\n").expect("a file");
    let layer = sidelight_testkit::sha256(pack("one.tar", &["words"]));
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["sha256:{layer}"]}}}}"#
    );
    std::fs::write(place.join("config.json"), config).expect("a file");
    let manifest = r#"[{"Config":"config.json","RepoTags":["app:1"],"Layers":["one.tar"]}]"#;
    std::fs::write(place.join("manifest.json"), manifest).expect("a file");
    pack("image.tar", &["config.json", "manifest.json", "one.tar"]);
    format!("docker-archive:{}", place.join("image.tar").display())
}
