//! `token serve` with the real registry and skopeo: login, push, pull, and what is refused. In: an image. Out: the same image.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use sidelight_testkit::Hosts;
use sidelight_testkit::peers::{HTPASSWD, TokenAuth, token_registry};
use sidelight_testkit::process::{Finished, Running, free_port, run};

use super::{ISSUER, SERVICE, keys};

const RULES: &str = "\
[[allow]]
user = \"joe\"
scope = \"repository:team/*:pull,push\"

[[allow]]
user = \"anonymous\"
scope = \"repository:team/public:pull\"
";

/// A small image, as skopeo's `dir:` takes it.
fn image(folder: &Path) -> String {
    let root = folder.join("root");
    std::fs::create_dir_all(&root).expect("a folder");
    std::fs::write(root.join("hello"), "hello").expect("a file");
    let layer = folder.join("layer.tar");
    let pack = |tar: &Path, at: &Path, what: &[&str]| {
        run(Command::new("tar").args(["--owner=0", "--group=0", "-cf"]).arg(tar).arg("-C").arg(at).args(what))
            .success();
    };
    pack(&layer, &root, &["hello"]);
    let diff_id = sidelight_testkit::sha256(std::fs::read(&layer).expect("the layer"));
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["sha256:{diff_id}"]}}}}"#
    );
    std::fs::write(folder.join("config.json"), config).expect("a file");
    let manifest = r#"[{"Config":"config.json","RepoTags":["app:1"],"Layers":["layer.tar"]}]"#;
    std::fs::write(folder.join("manifest.json"), manifest).expect("a file");
    let archive = folder.join("image.tar");
    pack(&archive, folder, &["config.json", "manifest.json", "layer.tar"]);
    format!("docker-archive:{}", archive.display())
}

fn skopeo(arguments: &[&str]) -> Finished {
    let mut command = Command::new("skopeo");
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
        command.env_remove(name);
    }
    run(command.args(arguments))
}

/// A token server of ours and a registry that sends its clients to it.
struct Ground {
    folder: tempfile::TempDir,
    registry: SocketAddr,
    realm: String,
    server: Running,
    _registry: Running,
    archive: String,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("sl").tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("htpasswd"), HTPASSWD).expect("users");
        std::fs::write(at("rules.toml"), RULES).expect("rules");
        let (key, bundle) = keys::own(folder.path(), "token", keys::KINDS[3].1);
        let hosts = Hosts::new(folder.path(), &[]);
        let tokens = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let registry = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidelight"));
        command.args(["registry", "token", "serve", "--issuer", ISSUER, "--service", SERVICE]);
        command.arg("--listen").arg(tokens.to_string()).arg("--key").arg(&key);
        command.arg("--users").arg(at("htpasswd")).arg("--rules").arg(at("rules.toml"));
        let mut server = Running::start(&mut command, &at("serve.log"));
        server.until_it_listens(&hosts, tokens);
        let realm = format!("http://{tokens}/token");
        let auth = TokenAuth { realm: &realm, service: SERVICE, issuer: ISSUER, bundle: &bundle };
        let mut process = token_registry(folder.path(), registry, &auth);
        process.until_it_listens(&hosts, registry);
        let archive = image(folder.path());
        Self { folder, registry, realm, server, _registry: process, archive }
    }

    fn logins(&self) -> String {
        self.folder.path().join("auth.json").display().to_string()
    }

    fn name(&self, repository: &str) -> String {
        format!("docker://{}/{repository}:1", self.registry)
    }

    fn login(&self, password: &str) -> Finished {
        let registry = self.registry.to_string();
        let logins = self.logins();
        skopeo(&["login", "--authfile", &logins, "--tls-verify=false", "-u", "joe", "-p", password, &registry])
    }

    fn push(&self, repository: &str) -> Finished {
        let logins = self.logins();
        let how = ["copy", "--insecure-policy", "--dest-tls-verify=false", "--authfile", &logins];
        skopeo(&[&how[..], &[&self.archive, &self.name(repository)]].concat())
    }

    fn pull(&self, repository: &str, into: &str, more: &[&str]) -> Finished {
        let to = format!("dir:{}", self.folder.path().join(into).display());
        let how = ["copy", "--insecure-policy", "--src-tls-verify=false"];
        skopeo(&[&how[..], more, &[&self.name(repository), &to]].concat())
    }
}

#[test]
fn skopeo_logs_in_pushes_and_pulls() {
    let ground = Ground::new();
    let refused = ground.login("wrong");
    assert!(!refused.status.success(), "{refused}");
    ground.login("hunter2").success();
    ground.push("team/app").success();
    ground.push("team/public").success();
    let other = ground.push("others/app");
    assert!(!other.status.success(), "{other}");
    ground.pull("team/app", "mine", &["--authfile", &ground.logins()]).success();
    ground.pull("team/public", "anybodys", &["--src-no-creds"]).success();
    let hidden = ground.pull("team/app", "hidden", &["--src-no-creds"]);
    assert!(!hidden.status.success(), "{hidden}");
    let said = ground.server.said();
    assert!(
        said.contains("200 GET joe: granted repository:team/app:pull,push")
            || said.contains("200 GET joe: granted repository:team/app:push,pull"),
        "{said}"
    );
    assert!(said.contains("401 GET nobody: user joe or the password is wrong"), "{said}");
    assert!(said.contains("not others/app:pull") || said.contains("not others/app:push"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");

    oauth(&ground.realm);
}

/// The POST form, as docker uses it with an identity token.
fn oauth(realm: &str) {
    let post = |fields: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-s", "--noproxy", "*", realm]);
        for field in fields {
            command.args(["--data-urlencode", field]);
        }
        let text = run(&mut command).success().text();
        serde_json::from_str::<serde_json::Value>(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let service = format!("service={SERVICE}");
    let scope = "scope=repository:team/app:pull,push repository:others/app:pull";
    let first = post(&[
        "grant_type=password",
        &service,
        "client_id=test",
        scope,
        "access_type=offline",
        "username=joe",
        "password=hunter2",
    ]);
    let refresh = first["refresh_token"].as_str().expect("a refresh token");
    let again =
        post(&["grant_type=refresh_token", &service, "client_id=test", scope, &format!("refresh_token={refresh}")]);
    let token = again["access_token"].as_str().expect("a token");
    let decoded = super::sidelight(&["registry", "token", "decode", token, "--json"]).success().text();
    let decoded: serde_json::Value = serde_json::from_str(&decoded).expect("JSON");
    assert_eq!(decoded["access"], serde_json::json!(["repository:team/app:pull,push"]), "{decoded}");
    let unknown = post(&["grant_type=refresh_token", &service, "client_id=test", "refresh_token=x"]);
    assert_eq!(unknown["errors"][0]["code"], "UNAUTHORIZED", "{unknown}");
}
