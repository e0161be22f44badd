//! keytool's own stores, of each format: it lists our CA after installing, and the bytes are as before after uninstalling.

use sidelight_host::journal::Journal;
use sidelight_host::trust_store::{Anchor, Machine, Place, STOREPASS, install, uninstall};
use sidelight_testkit::Issuer;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn keytool(arguments: &[&str]) -> String {
    let output = Command::new("keytool").args(arguments).env_remove("JAVA_TOOL_OPTIONS").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn keytool_lists_what_was_installed() {
    let root = tempfile::tempdir().unwrap();
    let theirs = Issuer::root("their CA").write_to(&root.path().join("theirs.pem"));
    let anchor = Anchor::new(Issuer::root("sidelight test CA").der()).unwrap();
    let formats: &[(&str, &[&str], &[&str])] = &[
        ("jks", &["-storetype", "JKS", "-storepass", STOREPASS], &["-storepass", STOREPASS]),
        ("protected", &["-storetype", "PKCS12", "-storepass", STOREPASS], &["-storepass", STOREPASS]),
        (
            // As Java's own since version 18: readable without a password.
            "plain",
            &[
                "-storetype",
                "PKCS12",
                "-storepass",
                STOREPASS,
                "-J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE",
                "-J-Dkeystore.pkcs12.macAlgorithm=NONE",
            ],
            &["-J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE", "-J-Dkeystore.pkcs12.macAlgorithm=NONE"],
        ),
    ];
    let mut before = Vec::new();
    let mut paths = Vec::new();
    for (home, make, _) in formats {
        let path = root.path().join("usr/lib/jvm").join(home).join("lib/security/cacerts");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = path.to_str().unwrap();
        let import =
            ["-importcert", "-noprompt", "-alias", "theirs", "-file", theirs.to_str().unwrap(), "-keystore", file];
        keytool(&[&import[..], make].concat());
        before.push(std::fs::read(&path).unwrap());
        paths.push(path);
    }
    let state = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(state.path(), Duration::ZERO, Box::new(|_| ())).unwrap();
    let machine = Machine { root: root.path(), home: None, java_home: None, storepass: STOREPASS };
    install(&mut journal, &machine, &Place::Java, &anchor).unwrap();
    for ((home, _, open), path) in formats.iter().zip(&paths) {
        let listed = keytool(&[&["-list", "-keystore", path.to_str().unwrap()][..], open].concat());
        let entries = listed.lines().filter(|line| line.contains("trustedCertEntry")).count();
        assert!(entries == 2 && listed.contains(&anchor.name), "{home}: {listed}");
    }
    let entry = journal.entries()[0].clone();
    uninstall(&mut journal, &entry, STOREPASS).unwrap();
    let after: Vec<Vec<u8>> =
        paths.iter().map(|path: &std::path::PathBuf| std::fs::read(Path::new(path)).unwrap()).collect();
    assert!(before == after);
}
