//! Refused logins and tokens, by the real registry. In: skopeo with rights, without, with a wrong password; a registry that expects another
//! issuer. Out: the cause of each.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sidelight_testkit::peers::{HTPASSWD, TokenAuth, token_registry};
use sidelight_testkit::process::{Running, free_port, run};
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
        self.recorded().1
    }

    /// The same with the folder of the recording.
    fn recorded(self) -> (tempfile::TempDir, Vec<(String, String, Vec<String>)>) {
        let Self { folder, sidelight, _servers, .. } = self;
        sidelight.stop();
        let store = folder.path().join("rec.sidelight");
        let (document, _) = timeline(folder.path(), &["--store", path(&store)]);
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let told = |it: &&Value| (text(&it["verdict"]["cause"]), text(&it["action"]), steps(it));
        let all = blocks(&document).iter().map(told).collect();
        (folder, all)
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
    let (folder, told) = world.recorded();
    assert!(!told.is_empty() && told.iter().all(|(cause, ..)| cause == "token_refused"), "{told:#?}");
    the_recorded_token_is_judged(folder.path());
}

/// `registry token` takes the token that was refused from the recording, and service, scope and time with it; and from an export.
fn the_recorded_token_is_judged(folder: &Path) {
    let token = |arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(["registry", "token"]).args(arguments).current_dir(folder).env("HOME", folder);
        run(&mut command)
    };
    let settings = ["--roots", "token.pem", "--issuer", "somebody else", "--registry", "2", "--json"];
    let verify = |from: &[&str]| -> Value {
        let finished = token(&[&["verify"], from, &settings].concat());
        assert_eq!(finished.status.code(), Some(1), "{finished}");
        serde_json::from_str(&finished.text()).expect("JSON")
    };
    let newest = verify(&["--store", "rec.sidelight"]);
    assert_eq!((&newest["cause"], &newest["status"]), (&"token_wrong_issuer".into(), &401.into()), "{newest:#}");
    let place = newest["evidence"].to_string();
    let at = place.find("flow ").expect("the flow is named") + 5;
    let flow: String = place[at..].chars().take_while(char::is_ascii_digit).collect();
    assert_eq!(verify(&["--store", "rec.sidelight", "--flow", &flow]), newest);
    // What the timeline advises is such a command.
    let text = timeline(folder, &["--store", "rec.sidelight"]).0.to_string();
    let advice = "sidelight registry token verify --store rec.sidelight --flow ";
    let at = text.find(advice).unwrap_or_else(|| panic!("{text}")) + advice.len();
    let advised: String = text[at..].chars().take_while(char::is_ascii_digit).collect();
    assert!(text[at..].starts_with(&format!("{advised} --roots BUNDLE --issuer ISSUER\"")), "{text}");
    assert_eq!(verify(&["--store", "rec.sidelight", "--flow", &advised])["cause"], newest["cause"]);
    let decoded = token(&["decode", "--store", "rec.sidelight", "--flow", &flow]);
    assert!(decoded.status.success() && decoded.text().contains("tester"), "{decoded}");
    assert_eq!(token(&["decode", "--store", "rec.sidelight", "--flow", "99999"]).status.code(), Some(3));
    for (secrets, is_there) in [("--show-secrets", true), ("--redact", false)] {
        let mut export = Command::new(PROGRAM);
        export.args(["flows", "export", "--format", "har", "--store", "rec.sidelight", secrets, "-o", "a.har"]);
        run(export.current_dir(folder)).success();
        let decoded = token(&["decode", "--from", "a.har"]);
        assert_eq!(decoded.status.success(), is_there, "{decoded}");
        assert!(is_there || decoded.errors().contains("--show-secrets"), "{decoded}");
    }
    let mut list = Command::new(PROGRAM);
    list.args(["flows", "list", "--store", "rec.sidelight", "--filter", "~registry login", "--json"]);
    let listed = run(list.current_dir(folder)).text();
    let is_login = |line: &str| line.contains("/v2/\"") || line.contains("/token?");
    assert!(listed.lines().count() > 1 && listed.lines().all(is_login), "{listed}");
}
