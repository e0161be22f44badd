//! Refused logins and tokens, by the real registry. In: skopeo with rights, without, with a wrong password; a registry that expects another
//! issuer. Out: the cause of each.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use sidelight_testkit::peers::{HTPASSWD, TokenAuth, token_registry};
use sidelight_testkit::process::{Running, free_port};
use sidelight_testkit::{Hosts, Sidelight, world};

use super::captures::signer;
use super::kit::{PROGRAM, blocks, folder, image, skopeo, steps, timeline};

const RULES: &str = "[[allow]]\nuser = \"joe\"\nscope = \"repository:team/*:pull,push\"\n";

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A registry that expects tokens of `issuer`, a token server that is `tester`, and sidelight before both.
struct World {
    folder: tempfile::TempDir,
    hosts: Hosts,
    registry: SocketAddr,
    sidelight: Sidelight,
    _servers: [Running; 2],
}

impl World {
    fn start(issuer: &str) -> Self {
        let folder = folder();
        let hosts = Hosts::new(folder.path(), &[]);
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("htpasswd"), HTPASSWD).expect("users");
        std::fs::write(at("rules.toml"), RULES).expect("rules");
        let (key, bundle) = signer(folder.path());
        let [tokens, registry, front, front_tokens] = [(); 4].map(|()| local(free_port()));
        let mut serve = Command::new(PROGRAM);
        serve.args(["registry", "token", "serve", "--listen", &tokens.to_string(), "--key", &key]);
        serve.args(["--issuer", "tester", "--service", "r.test", "--users"]).arg(at("htpasswd"));
        let mut server = Running::start(serve.arg("--rules").arg(at("rules.toml")), &at("serve.log"));
        server.until_it_listens(&hosts, tokens);
        let realm = format!("http://{front_tokens}/token");
        let mut process = token_registry(
            folder.path(),
            registry,
            &TokenAuth { realm: &realm, service: "r.test", issuer, bundle: &bundle },
        );
        process.until_it_listens(&hosts, registry);
        let modes = [format!("forward:{registry}@{front}"), format!("forward:{tokens}@{front_tokens}")];
        let store = at("rec.sidelight").display().to_string();
        let options = ["--mode", &modes[0], "--mode", &modes[1], "--store", &store];
        let sidelight = Sidelight::start(Command::new(world::binary(PROGRAM)), folder.path(), &options, 2);
        Self { folder, hosts, registry: front, sidelight, _servers: [server, process] }
    }

    fn skopeo(&self, arguments: &[&str]) -> bool {
        let logins = self.folder.path().join("auth.json");
        let mut all = vec![arguments[0], "--authfile", logins.to_str().expect("a path of text")];
        all.extend_from_slice(&arguments[1..]);
        skopeo(self.hosts.command("skopeo"), &all).status.success()
    }

    fn login(&self, password: &str) -> bool {
        self.skopeo(&["login", "--tls-verify=false", "-u", "joe", "-p", password, &self.registry.to_string()])
    }

    fn push(&self, repository: &str) -> bool {
        let to = format!("docker://{}/{repository}:1", self.registry);
        self.skopeo(&["copy", "--dest-tls-verify=false", &image(self.folder.path()), &to])
    }

    /// Cause, action and steps of each block, once sidelight has ended.
    fn told(self) -> Vec<(String, String, Vec<String>)> {
        let Self { folder, sidelight, _servers, .. } = self;
        sidelight.stop();
        let store = folder.path().join("rec.sidelight");
        let (document, _) = timeline(folder.path(), &["--store", path(&store)]);
        let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
        blocks(&document).iter().map(|it| (text(&it["verdict"]["cause"]), text(&it["action"]), steps(it))).collect()
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

#[test]
fn logins_and_rights_are_told_apart() {
    let world = World::start("tester");
    assert!(!world.push("team/app"), "nobody is logged in");
    assert!(!world.login("wrong"));
    assert!(world.login("hunter2"));
    assert!(world.push("team/app"));
    assert!(!world.push("others/app"), "joe has no right there");
    let told = world.told();
    let causes: Vec<(&str, &str)> = told.iter().map(|(cause, action, _)| (cause.as_str(), action.as_str())).collect();
    let expected = [
        ("token_access_missing", "push"),
        ("login_refused", "login"),
        ("ok", "login"),
        ("ok", "push"),
        ("token_access_missing", "push"),
    ];
    assert_eq!(causes, expected, "{told:#?}");
    assert_eq!(told[2].2.iter().filter(|it| *it == "token done").count(), 1, "{told:#?}");
}

#[test]
fn a_token_of_another_issuer_is_refused() {
    let world = World::start("somebody else");
    world.login("hunter2");
    world.push("team/app");
    let told = world.told();
    assert!(!told.is_empty() && told.iter().all(|(cause, ..)| cause == "token_refused"), "{told:#?}");
}
