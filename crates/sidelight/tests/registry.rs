//! Images in a real registry, in TLS and behind a login. In: what skopeo pushed. Out: the same read by name, failures that say what
//! helps, and an image pushed by us that skopeo takes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use sidelight_testkit::peers::{self, REGISTRY_LOGIN};
use sidelight_testkit::process::{Finished, free_port, run};
use sidelight_testkit::{Hosts, Issuer, Leaf};

/// A registry with one image, `team/app:1`, which trusts one root.
struct Registry {
    folder: tempfile::TempDir,
    root: PathBuf,
    authority: String,
    _server: peers::Server,
}

impl Registry {
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("sl").tempdir().expect("a temporary folder");
        let issuer = Issuer::root("Registry Root");
        let identity = issuer.issue(&Leaf::named(&["localhost", "127.0.0.1"]));
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let server = peers::private_registry(&Hosts::new(folder.path(), &[]), folder.path(), address, &identity);
        let certs = folder.path().join("certs");
        std::fs::create_dir_all(&certs).expect("a folder");
        let root = issuer.write_to(&certs.join("ca.crt"));
        let registry = Self { root, authority: format!("localhost:{}", address.port()), folder, _server: server };
        registry.push_old();
        registry
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a docker archive by hand and lets skopeo push it.
    fn push_old(&self) {
        let content = self.path("root/etc/ssl/certs");
        std::fs::create_dir_all(&content).expect("a folder");
        let old = Issuer::root("The Old Root");
        old.write_to(&content.join("ca-certificates.crt"));
        let layer = self.path("layer.tar");
        let pack = |tar: &Path, folder: &Path, what: &[&str]| {
            let fixed = ["--owner=0", "--group=0", "--numeric-owner", "--sort=name", "-cf"];
            run(Command::new("tar").args(fixed).arg(tar).arg("-C").arg(folder).args(what)).success();
        };
        pack(&layer, &self.path("root"), &["etc"]);
        let diff_id = sidelight_testkit::sha256(std::fs::read(&layer).expect("the layer"));
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","created":"2020-01-01T00:00:00Z","config":{{}},"history":[{{"created_by":"ADD root"}}],"rootfs":{{"type":"layers","diff_ids":["sha256:{diff_id}"]}}}}"#
        );
        std::fs::write(self.path("config.json"), config).expect("a file");
        let manifest = r#"[{"Config":"config.json","RepoTags":["app:1"],"Layers":["layer.tar"]}]"#;
        std::fs::write(self.path("manifest.json"), manifest).expect("a file");
        let archive = self.path("image.tar");
        pack(&archive, self.folder.path(), &["config.json", "manifest.json", "layer.tar"]);
        let from = format!("docker-archive:{}", archive.display());
        self.skopeo(&["copy", "--insecure-policy", &from, &self.name("team/app:1")], "dest-").success();
    }

    fn name(&self, name: &str) -> String {
        format!("docker://{}/{name}", self.authority)
    }

    /// skopeo with the root and the login, for `src-`, `dest-` or neither.
    fn skopeo(&self, arguments: &[&str], side: &str) -> Finished {
        let (user, password) = REGISTRY_LOGIN;
        let mut command = Command::new("skopeo");
        command.args(arguments).arg(format!("--{side}creds={user}:{password}"));
        run(command.arg(format!("--{side}cert-dir={}", self.path("certs").display())))
    }

    /// A file of logins with this password.
    fn logins(&self, password: &str) -> PathBuf {
        let file = self.path(&format!("{password}.json"));
        let user = REGISTRY_LOGIN.0;
        let text = format!(r#"{{"auths":{{"{}":{{"username":"{user}","password":"{password}"}}}}}}"#, self.authority);
        std::fs::write(&file, text).expect("a file");
        file
    }

    /// sidelight with nothing of this machine's logins.
    fn sidelight(&self, arguments: &[&str]) -> Finished {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidelight"));
        command.args(arguments).env("HOME", self.folder.path()).env_remove("DOCKER_CONFIG");
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "XDG_CONFIG_HOME", "REGISTRY_AUTH_FILE"] {
            command.env_remove(name);
        }
        run(command.env("XDG_RUNTIME_DIR", self.folder.path()))
    }
}

#[test]
fn an_image_is_read_by_its_name_and_each_failure_says_what_helps() {
    let registry = Registry::start();
    let image = registry.name("team/app:1");
    let root = registry.root.to_str().unwrap();
    let (right, wrong) = (registry.logins(REGISTRY_LOGIN.1), registry.logins("wrong"));
    let (right, wrong) = (right.to_str().unwrap(), wrong.to_str().unwrap());
    let list = |more: &[&str]| registry.sidelight(&[&["trust", "list", &image], more].concat());
    let untrusted = list(&[]);
    assert_eq!(untrusted.status.code(), Some(3), "{untrusted}");
    assert!(
        untrusted.errors().contains("certs.d/localhost:") && untrusted.errors().contains("--registry-roots"),
        "{untrusted}"
    );
    let nobody = list(&["--registry-roots", root]);
    assert!(nobody.errors().contains("denied without a login") && nobody.errors().contains("docker login"), "{nobody}");
    let refused = list(&["--registry-roots", root, "--authfile", wrong]);
    assert_eq!(refused.status.code(), Some(3), "{refused}");
    assert!(refused.errors().contains("is not taken: docker login"), "{refused}");
    let read = list(&["--registry-roots", root, "--authfile", right]).success();
    assert!(read.text().contains("The Old Root"), "{read}");
    let insecure = list(&["--insecure-registry", "--authfile", right]).success();
    assert!(insecure.text().contains("The Old Root"), "{insecure}");
    // Where the files lie that docker and podman read, no option is needed.
    let place = registry.path(".config/containers/certs.d").join(&registry.authority);
    std::fs::create_dir_all(&place).unwrap();
    std::fs::copy(root, place.join("ca.crt")).unwrap();
    std::fs::create_dir_all(registry.path(".docker")).unwrap();
    std::fs::copy(right, registry.path(".docker/config.json")).unwrap();
    list(&[]).success();
    let absent = registry.sidelight(&["trust", "list", &registry.name("team/app:2")]);
    assert!(absent.errors().contains("MANIFEST_UNKNOWN"), "{absent}");
    for output in [untrusted, nobody, refused, read, absent] {
        assert!(!format!("{output}").contains(REGISTRY_LOGIN.1), "{output}");
    }
}

#[test]
fn an_image_with_a_root_more_is_pushed() {
    let registry = Registry::start();
    let corp = Issuer::root("Corp Root").write_to(&registry.path("corp.pem"));
    let logins = registry.logins(REGISTRY_LOGIN.1);
    let options = ["--registry-roots", registry.root.to_str().unwrap(), "--authfile", logins.to_str().unwrap()];
    let (old, new) = (registry.name("team/app:1"), registry.name("other/app:2"));
    let add = ["trust", "add", corp.to_str().unwrap(), "--into", &old, "-o", &new];
    let added = registry.sidelight(&[&add[..], &options].concat());
    let inspected = registry.skopeo(&["inspect", &new], "").success().text();
    let digest = inspected.split('"').find(|word| word.starts_with("sha256:")).unwrap().to_owned();
    assert!(added.text().contains(&format!("{}@{digest}", registry.name("other/app"))), "{added}\n{inspected}");
    // A copy checks each digest and diff_id.
    let copy = format!("dir:{}", registry.path("copy").display());
    registry.skopeo(&["copy", "--insecure-policy", &new, &copy], "src-").success();
    let config = registry.skopeo(&["inspect", "--config", &new], "").success().text();
    assert!(config.contains("ADD root") && config.contains("sidelight trust add"), "{config}");
    let found = registry.sidelight(&[&["trust", "find", "Corp Root", &new][..], &options].concat());
    assert_eq!(found.status.code(), Some(0), "{found}");
}
