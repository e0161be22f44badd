//! `sidelight ca` as a user runs it: made, shown, exported, put into a root file system, taken out again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A user with a home of their own.
struct User {
    home: tempfile::TempDir,
}

impl User {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidelight"));
        command.env_clear().env("HOME", self.home.path()).env("PATH", "/usr/bin:/bin");
        command.args(arguments).output().unwrap()
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// Exit status and what was said on standard error.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    fn path(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    fn mode(&self, path: &str) -> u32 {
        fs::metadata(self.path(path)).unwrap().permissions().mode() & 0o777
    }
}

fn keytool(store: &Path) -> String {
    let mut command = Command::new("keytool");
    command.args(["-list", "-storepass", "changeit", "-keystore"]).arg(store).env_remove("JAVA_TOOL_OPTIONS");
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

#[test]
fn it_is_made_once_and_shown() {
    let user = User::new();
    let (status, said) = user.refused(&["ca", "show"]);
    assert!(
        status == 1 && said.contains("there is no CA in") && said.contains("hint: `sidelight ca create`"),
        "{said}"
    );

    let made = user.json(&["ca", "create", "--ca-life", "10d"]);
    assert_eq!(made["days_left"], 10);
    assert_eq!((made["v"].as_u64(), made["key"].as_str()), (Some(1), Some("ECDSA P-256")));
    assert_eq!(made["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(user.json(&["ca", "show"]), made);
    assert_eq!((user.mode(".local/share/sidelight/ca"), user.mode(".local/share/sidelight/ca/ca.key")), (0o700, 0o600));

    let (status, said) = user.refused(&["ca", "create"]);
    assert!(status == 1 && said.contains("already, valid until") && said.contains("--replace"), "{said}");
    let new = user.json(&["ca", "create", "--replace", "--ca-life", "3d", "--ca-key", "rsa2048"]);
    assert_ne!(new["sha256"], made["sha256"]);
    assert_eq!(new["key"], "RSA 2048");
    assert!(new["warnings"][0].as_str().unwrap().starts_with("the CA expires on "), "{new}");
    let files: Vec<_> = fs::read_dir(user.path(".local/share/sidelight/ca")).unwrap().collect();
    assert_eq!(files.len(), 2, "nothing else is left: {files:?}");
}

#[test]
fn it_is_exported_in_every_form_and_the_key_only_when_asked() {
    let user = User::new();
    let ca = user.json(&["ca", "create"]);
    let key = fs::read_to_string(user.path(".local/share/sidelight/ca/ca.key")).unwrap();
    let secret = key.lines().nth(1).unwrap();
    assert_eq!(user.ok(&["ca", "export"]), ca["pem"].as_str().unwrap());

    let file = |name: &str| user.path(name).to_str().unwrap().to_owned();
    user.ok(&["ca", "export", "--format", "der", "-o", &file("ca.der")]);
    assert_eq!(sidelight_testkit::sha256(fs::read(user.path("ca.der")).unwrap()), ca["sha256"].as_str().unwrap());
    assert_eq!(user.mode("ca.der"), 0o644);
    user.ok(&["ca", "export", "--format", "jks", "-o", &file("ca.jks")]);
    user.ok(&["ca", "export", "--format", "p12", "-o", &file("ca.p12")]);
    for store in ["ca.jks", "ca.p12"] {
        let listed = keytool(&user.path(store));
        assert!(listed.contains("sidelight, ") && listed.contains("trustedCertEntry"), "{store}: {listed}");
    }

    let (status, said) = user.refused(&["ca", "export", "--with-key", "-o", &file("key.pem")]);
    assert!(status == 2 && said.contains("--with-key needs --format p12"), "{said}");
    user.ok(&["ca", "export", "--format", "p12", "--with-key", "-o", &file("key.p12"), "--storepass", "secret1"]);
    assert_eq!(user.mode("key.p12"), 0o600);
    let mut openssl = Command::new("openssl");
    openssl.args(["pkcs12", "-noenc", "-passin", "pass:secret1", "-in"]).arg(user.path("key.p12"));
    let opened = String::from_utf8(openssl.output().unwrap().stdout).unwrap();
    assert!(opened.contains(secret), "the key is the CA's");

    for arguments in [&["ca", "show"][..], &["ca", "export"], &["ca", "export", "--format", "p12"]] {
        let output = user.run(&[arguments, &["--json"]].concat());
        assert!(!String::from_utf8_lossy(&output.stdout).contains(secret), "{arguments:?}");
    }
}

#[test]
fn a_root_file_system_trusts_it_and_is_restored() {
    let user = User::new();
    let root = user.path("root");
    let bundle = root.join("etc/ssl/certs/ca-certificates.crt");
    fs::create_dir_all(root.join("usr/local/share/ca-certificates")).unwrap();
    fs::create_dir_all(bundle.parent().unwrap()).unwrap();
    fs::write(&bundle, "theirs\n").unwrap();
    let place = format!("rootfs:{}", root.display());

    let planned = user.json(&["ca", "install", "--into", &place, "--dry-run"]);
    assert_eq!(planned["places"][0]["result"], "planned");
    assert!(!user.path(".local/share/sidelight/ca/ca.pem").exists() && fs::read(&bundle).unwrap() == b"theirs\n");

    let installed = user.json(&["ca", "install", "--into", &place]);
    assert_eq!(installed["places"][0]["result"], "installed", "{installed}");
    let ca = user.json(&["ca", "show"]);
    assert_eq!(fs::read_to_string(&bundle).unwrap(), format!("theirs\n{}", ca["pem"].as_str().unwrap()));
    assert_eq!(ca["installed"][0]["place"], place.as_str());
    assert_eq!(user.json(&["ca", "install", "--into", &place])["places"][0]["result"], "already");
    assert_eq!(user.mode(".local/state/sidelight/journal/journal.jsonl"), 0o600);

    let restored = user.json(&["ca", "uninstall"]);
    assert_eq!(restored["places"][0]["result"], "restored", "{restored}");
    assert_eq!(fs::read(&bundle).unwrap(), b"theirs\n");
    assert_eq!(fs::read_dir(root.join("usr/local/share/ca-certificates")).unwrap().count(), 0);
    assert_eq!(user.json(&["ca", "show"])["installed"].as_array().unwrap().len(), 0);
    assert_eq!(user.json(&["ca", "uninstall"])["places"].as_array().unwrap().len(), 0);
}

#[test]
fn what_cannot_be_done_is_told() {
    let user = User::new();
    let (status, said) = user.refused(&["ca", "install", "--into", "system"]);
    assert!(status == 2 && said.contains("`system` is no trust store; it must be host, nss, java"), "{said}");
    let (status, said) = user.refused(&["ca", "install", "--into", "rootfs:/none/such"]);
    assert!(status == 3 && said.contains("rootfs:/none/such"), "{said}");
    let empty = user.path("empty");
    fs::create_dir_all(empty.join("etc")).unwrap();
    let (status, said) = user.refused(&["ca", "install", "--into", &format!("rootfs:{}", empty.display())]);
    assert!(status == 3 && said.contains("install the package ca-certificates first"), "{said}");

    fs::write(user.path("ca.pem"), "no certificate").unwrap();
    let (status, said) = user.refused(&["ca", "show", "--ca", user.home.path().to_str().unwrap()]);
    assert!(status == 3 && said.contains("ca.pem: line 1") && said.contains("no PEM block"), "{said}");
}
