//! Debian's own update command and Java hook: trusted after installing, everything as before after uninstalling.

use crate::private::{all, assert_same, on_private_machine};
use sidelight_host::journal::{Action, Journal};
use sidelight_host::trust_store::{Anchor, JavaStore, Machine, Place, STOREPASS, install, uninstall};
use sidelight_testkit::{Issuer, Leaf, Origin};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub(crate) fn machine() -> Machine<'static> {
    Machine { root: Path::new("/"), home: None, java_home: None, storepass: STOREPASS }
}

fn curl_works(origin: &Origin) -> bool {
    let url = format!("https://localhost:{}/", origin.address().port());
    let mut curl = Command::new("curl");
    // The test machine's own settings must not help or hinder.
    curl.env_clear().env("PATH", "/usr/bin:/bin").args(["--silent", "--output", "/dev/null", "--max-time", "20", &url]);
    let status = curl.status().unwrap();
    assert!(matches!(status.code(), Some(0 | 60)), "curl must be content or refuse the certificate: {status}");
    status.success()
}

#[test]
fn installs_and_restores() {
    on_private_machine("debian::installs_and_restores", || {
        let state = tempfile::tempdir().unwrap();
        let issuer = Issuer::root("sidelight test CA");
        let origin = Origin::https("127.0.0.1:0", &issuer.issue(&Leaf::named(&["localhost"])), &["http/1.1"]);
        let anchor = Anchor::new(issuer.der()).unwrap();
        let before = all();
        assert!(!curl_works(&origin));

        let mut journal = Journal::open(state.path(), Duration::ZERO, Box::new(|_| ())).unwrap();
        let installed = install(&mut journal, &machine(), &Place::Host, &anchor).unwrap();
        assert!(installed.notes.is_empty(), "{:?}", installed.notes);
        assert!(curl_works(&origin));
        let java = std::fs::read("/etc/ssl/certs/java/cacerts").unwrap();
        let java = JavaStore::trusted(&java, STOREPASS).unwrap();
        let alias = format!("debian:{}.pem", anchor.name);
        assert!(java.iter().any(|(name, der)| *name == alias && der == anchor.der()), "the Java hook ran");

        let entry = journal.entries()[0].clone();
        let undone = uninstall(&mut journal, &entry, STOREPASS).unwrap();
        assert!(undone.merged.is_empty() && undone.unclear.is_empty(), "{undone:?}");
        assert!(!curl_works(&origin));
        assert_same(&before, &all(), "after uninstalling");
    });
}

#[test]
fn another_ca_that_came_after_ours_stays() {
    on_private_machine("debian::another_ca_that_came_after_ours_stays", || {
        let state = tempfile::tempdir().unwrap();
        let (ours, theirs) = (Issuer::root("sidelight test CA"), Issuer::root("their CA"));
        let their_origin = Origin::https("127.0.0.1:0", &theirs.issue(&Leaf::named(&["localhost"])), &["http/1.1"]);
        let our_origin = Origin::https("127.0.0.1:0", &ours.issue(&Leaf::named(&["localhost"])), &["http/1.1"]);
        let anchor = Anchor::new(ours.der()).unwrap();
        let mut journal = Journal::open(state.path(), Duration::ZERO, Box::new(|_| ())).unwrap();
        install(&mut journal, &machine(), &Place::Host, &anchor).unwrap();
        std::fs::write("/usr/local/share/ca-certificates/theirs.crt", theirs.pem()).unwrap();
        assert!(Command::new("update-ca-certificates").output().unwrap().status.success());
        assert!(curl_works(&their_origin) && curl_works(&our_origin));

        let entry = journal.entries()[0].clone();
        let undone = uninstall(&mut journal, &entry, STOREPASS).unwrap();
        assert!(!undone.merged.is_empty() && undone.unclear.is_empty(), "{undone:?}");
        assert!(curl_works(&their_origin) && !curl_works(&our_origin));
        let with_us: Vec<_> = all().into_keys().filter(|path| path.to_string_lossy().contains(&anchor.name)).collect();
        assert!(with_us.is_empty(), "{with_us:?}");
        let bundle = || std::fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap();
        let left = bundle();
        assert!(Command::new("update-ca-certificates").output().unwrap().status.success());
        assert!(left == bundle(), "what was left is what Debian's own command makes");
    });
}

#[test]
fn a_failing_update_leaves_nothing() {
    on_private_machine("debian::a_failing_update_leaves_nothing", || {
        let state = tempfile::tempdir().unwrap();
        // A key under a certificate's name makes `openssl rehash`, and with it the update, fail.
        let (_, key) = Issuer::root("a CA").issue(&Leaf::named(&["localhost"])).write_to(state.path(), "leaf");
        std::fs::copy(key, "/usr/local/share/ca-certificates/key.crt").unwrap();
        let before = all();
        let mut journal = Journal::open(state.path(), Duration::ZERO, Box::new(|_| ())).unwrap();
        let anchor = Anchor::new(Issuer::root("sidelight test CA").der()).unwrap();
        let error = install(&mut journal, &machine(), &Place::Host, &anchor).unwrap_err().to_string();
        assert!(error.contains("update-ca-certificates ended with exit status: 1"), "{error}");
        assert!(error.ends_with("nothing is left changed"), "{error}");
        assert_same(&before, &all(), "after the failure");
        assert!(journal.entries().is_empty());
    });
}

#[test]
fn an_update_that_does_nothing_is_told() {
    on_private_machine("debian::an_update_that_does_nothing_is_told", || {
        let state = tempfile::tempdir().unwrap();
        let program = state.path().join("update");
        script(&program, "echo busy elsewhere");
        let bind = Command::new("mount")
            .arg("--bind")
            .args([&program, Path::new("/usr/sbin/update-ca-certificates")])
            .status();
        assert!(bind.unwrap().success());
        let before = all();
        let mut journal = Journal::open(state.path(), Duration::ZERO, Box::new(|_| ())).unwrap();
        let anchor = Anchor::new(Issuer::root("sidelight test CA").der()).unwrap();
        let error = install(&mut journal, &machine(), &Place::Host, &anchor).unwrap_err().to_string();
        assert!(error.contains("does not hold the certificate afterwards; it said: busy elsewhere"), "{error}");
        assert_same(&before, &all(), "after the failure");
    });
}

#[test]
fn red_hats_command_is_run_where_its_folders_are() {
    on_private_machine("debian::red_hats_command_is_run_where_its_folders_are", || {
        let state = tempfile::tempdir().unwrap();
        let pem = Path::new("/etc/pki/ca-trust/extracted/pem");
        let anchors = Path::new("/etc/pki/ca-trust/source/anchors");
        std::fs::create_dir_all(pem).unwrap();
        std::fs::create_dir_all(anchors).unwrap();
        std::fs::write(pem.join("tls-ca-bundle.pem"), "").unwrap();
        // What update-ca-trust does for this purpose, with the label that p11-kit writes before each certificate.
        script(
            Path::new("/usr/local/sbin/update-ca-trust"),
            "test \"$1\" = extract && cd /etc/pki/ca-trust && (echo '# sidelight test CA'; cat source/anchors/*) >extracted/pem/tls-ca-bundle.pem",
        );
        let mut journal = Journal::open(state.path(), Duration::ZERO, Box::new(|_| ())).unwrap();
        let anchor = Anchor::new(Issuer::root("sidelight test CA").der()).unwrap();
        let installed = install(&mut journal, &machine(), &Place::Host, &anchor).unwrap();
        let file = anchors.join(format!("{}.crt", anchor.name));
        let ran = Action::Run("/usr/local/sbin/update-ca-trust extract".to_owned());
        assert_eq!(installed.actions, [Action::Write(file.clone()), ran]);
        let bundle = || std::fs::read_to_string(pem.join("tls-ca-bundle.pem")).unwrap();
        assert_eq!(bundle(), format!("# sidelight test CA\n{}", anchor.pem()));
        // Somebody adds a root of theirs: theirs stays, ours goes with its label.
        std::fs::write(pem.join("tls-ca-bundle.pem"), format!("{}# theirs\n", bundle())).unwrap();
        let entry = journal.entries()[0].clone();
        uninstall(&mut journal, &entry, STOREPASS).unwrap();
        assert_eq!(bundle(), "# theirs\n");
        assert!(!file.exists());
    });
}

fn script(path: &Path, body: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
