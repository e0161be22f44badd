//! What the key store writers make is read by the real programs, and what those write is read here.
//!
//! In: `openssl` (makes keys and certificates) and Java's `keytool`. Where one is missing, its part says so and is left out;
//! `.ci/run` installs both.

#![allow(clippy::disallowed_methods)] // the library does no I/O; this test hands files to programs

use std::path::Path;
use std::process::{Command, Output};

use sidelight_model::time::Timestamp;
use sidelight_wire::{jks, pem, pkcs12};

const PASSWORD: &str = "changeit";

fn run(program: &str, arguments: &[&str], directory: &Path) -> Option<Output> {
    match Command::new(program).args(arguments).current_dir(directory).output() {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("{program} cannot be run ({error}); what depends on it is not tested");
            None
        }
    }
}

fn succeed(program: &str, arguments: &[&str], directory: &Path) -> Option<String> {
    let output = run(program, arguments, directory)?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {text}");
    Some(text)
}

fn keytool_list(store: &str, password: &[&str], directory: &Path) -> Option<String> {
    let arguments = [&["-J-Duser.language=en", "-list", "-v", "-keystore", store][..], password].concat();
    succeed("keytool", &arguments, directory)
}

/// A root and a leaf below it with its key, in DER, made by OpenSSL.
struct Pki {
    directory: tempfile::TempDir,
    root: Vec<u8>,
    leaf: Vec<u8>,
    key: Vec<u8>,
}

fn pki() -> Option<Pki> {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];
    let root = ["req", "-x509", "-subj", "/CN=Test Root", "-keyout", "root.key", "-out", "root.pem"];
    succeed("openssl", &[&root[..], &curve].concat(), at)?;
    let leaf = ["req", "-x509", "-subj", "/CN=leaf.test", "-keyout", "leaf.key", "-out", "leaf.pem"];
    succeed("openssl", &[&leaf[..], &["-CA", "root.pem", "-CAkey", "root.key"], &curve].concat(), at)?;
    let block = |name: &str| {
        let (mut blocks, faults) = pem::read(&std::fs::read(at.join(name)).unwrap());
        assert!(faults.is_empty(), "{faults:?}");
        blocks.remove(0).data
    };
    let (root, leaf, key) = (block("root.pem"), block("leaf.pem"), block("leaf.key"));
    Some(Pki { directory, root, leaf, key })
}

#[test]
fn openssl_reads_the_pem_that_is_written() {
    let Some(pki) = pki() else { return };
    let at = pki.directory.path();
    std::fs::write(at.join("ours.pem"), pem::write("CERTIFICATE", &pki.root)).unwrap();
    assert_eq!(std::fs::read(at.join("ours.pem")).unwrap(), std::fs::read(at.join("root.pem")).unwrap());
    let subject = succeed("openssl", &["x509", "-in", "ours.pem", "-noout", "-subject"], at).unwrap();
    assert!(subject.contains("Test Root"), "{subject}");
}

#[test]
fn keytool_reads_the_jks_that_is_written() {
    let Some(pki) = pki() else { return };
    let at = pki.directory.path();
    let entry = |alias: &str, der: &[u8]| jks::Entry {
        alias: alias.into(),
        created: Timestamp::from_secs(1_795_372_833),
        kind: jks::EntryKind::Certificate(jks::Certificate::x509(der)),
    };
    let bytes = jks::write(&[entry("sidelight ü", &pki.root), entry("leaf", &pki.leaf)], PASSWORD).unwrap();
    std::fs::write(at.join("ours.jks"), bytes).unwrap();
    let Some(list) = keytool_list("ours.jks", &["-storepass", PASSWORD], at) else { return };
    assert!(list.contains("Keystore type: JKS") && list.contains("contains 2 entries"), "{list}");
    assert_eq!(list.matches("Entry type: trustedCertEntry").count(), 2, "{list}");
    assert!(list.contains("Owner: CN=Test Root") && list.contains("Nov 22, 2026"), "{list}");
    let wrong = run("keytool", &["-list", "-keystore", "ours.jks", "-storepass", "wrong-password"], at).unwrap();
    assert!(!wrong.status.success());
}

#[test]
fn a_jks_that_keytool_writes_is_read_and_kept_whole() {
    let Some(pki) = pki() else { return };
    let at = pki.directory.path();
    let store = ["-keystore", "theirs.jks", "-storetype", "JKS", "-storepass", PASSWORD];
    let pair = ["-genkeypair", "-alias", "Own", "-keyalg", "EC", "-dname", "CN=own", "-keypass", PASSWORD];
    if run("keytool", &[&pair[..], &store].concat(), at).is_none() {
        return;
    }
    let import = ["-importcert", "-noprompt", "-alias", "Root", "-file", "root.pem"];
    succeed("keytool", &[&import[..], &store].concat(), at);
    let (mut entries, faults) = jks::read(&std::fs::read(at.join("theirs.jks")).unwrap(), Some(PASSWORD)).unwrap();
    assert!(faults.is_empty(), "{faults:?}");
    let root = entries.iter().find(|entry| entry.alias == "root").unwrap();
    assert_eq!(root.kind, jks::EntryKind::Certificate(jks::Certificate::x509(pki.root.clone())));
    let own = entries.iter().find(|entry| entry.alias == "own").unwrap();
    assert!(matches!(&own.kind, jks::EntryKind::PrivateKey { chain, .. } if chain.len() == 1));
    // Written back with one more entry, the private key must still open.
    let leaf = jks::EntryKind::Certificate(jks::Certificate::x509(pki.leaf.clone()));
    entries.push(jks::Entry { alias: "added".into(), created: Timestamp::from_secs(0), kind: leaf });
    std::fs::write(at.join("theirs.jks"), jks::write(&entries, PASSWORD).unwrap()).unwrap();
    let request = ["-certreq", "-alias", "own", "-keypass", PASSWORD];
    assert!(
        succeed("keytool", &[&request[..], &store].concat(), at).unwrap().contains("BEGIN NEW CERTIFICATE REQUEST")
    );
    assert!(keytool_list("theirs.jks", &["-storepass", PASSWORD], at).unwrap().contains("contains 3 entries"));
}

#[test]
fn java_and_openssl_read_the_trust_stores_that_are_written() {
    let Some(pki) = pki() else { return };
    let at = pki.directory.path();
    let certificates = [("sidelight ü", &pki.root[..]), ("leaf", &pki.leaf[..])];
    let sealed = pkcs12::write_trust_store(&certificates, Some(PASSWORD)).unwrap();
    std::fs::write(at.join("sealed.p12"), &sealed).unwrap();
    let open = pkcs12::write_trust_store(&certificates, None).unwrap();
    std::fs::write(at.join("open.p12"), &open).unwrap();
    for (bytes, password) in [(&sealed, PASSWORD), (&open, ""), (&open, "ignored")] {
        let read = pkcs12::read(bytes, password).unwrap();
        assert_eq!((read.identities.len(), read.certificates.len()), (0, 2));
        for (alias, der) in &certificates {
            let found = read.certificates.iter().find(|found| found.der == *der).unwrap();
            assert!(found.trusted && found.alias.as_deref() == Some(alias));
        }
    }
    let pass = format!("pass:{PASSWORD}");
    let sealed_text = succeed("openssl", &["pkcs12", "-in", "sealed.p12", "-nokeys", "-passin", &pass], at).unwrap();
    let open_text = succeed("openssl", &["pkcs12", "-in", "open.p12", "-nokeys", "-nomacver", "-passin", "pass:"], at);
    assert_eq!(sealed_text.matches("BEGIN CERTIFICATE").count(), 2, "{sealed_text}");
    assert_eq!(open_text.unwrap().matches("BEGIN CERTIFICATE").count(), 2);
    for (store, password) in [("sealed.p12", &["-storepass", PASSWORD][..]), ("open.p12", &["-storepass", "any-other"])]
    {
        let Some(list) = keytool_list(store, password, at) else { return };
        assert_eq!(list.matches("Entry type: trustedCertEntry").count(), 2, "{store}: {list}");
    }
}

#[test]
fn identities_go_both_ways() {
    let Some(pki) = pki() else { return };
    let at = pki.directory.path();
    let bytes = pkcs12::write_identity("mine", &[&pki.leaf, &pki.root], &pki.key, PASSWORD).unwrap();
    std::fs::write(at.join("ours.p12"), &bytes).unwrap();
    let expected = |contents: pkcs12::Contents, alias: Option<&str>| {
        assert!(contents.certificates.is_empty());
        assert_eq!(contents.identities.len(), 1);
        assert_eq!(contents.identities[0].chain, [pki.leaf.clone(), pki.root.clone()]);
        assert_eq!(contents.identities[0].key.reveal(), &pki.key);
        assert_eq!(contents.identities[0].alias.as_deref(), alias);
    };
    expected(pkcs12::read(&bytes, PASSWORD).unwrap(), Some("mine"));
    let pass = format!("pass:{PASSWORD}");
    let text = succeed("openssl", &["pkcs12", "-in", "ours.p12", "-noenc", "-passin", &pass], at).unwrap();
    let (blocks, _) = pem::read(text.as_bytes());
    assert_eq!(blocks.iter().filter(|block| block.is_certificate()).count(), 2);
    assert_eq!(blocks.iter().filter(|block| block.is_private_key()).count(), 1);
    let export = ["pkcs12", "-export", "-inkey", "leaf.key", "-in", "leaf.pem", "-certfile", "root.pem"];
    succeed("openssl", &[&export[..], &["-out", "theirs.p12", "-name", "theirs", "-passout", &pass]].concat(), at);
    expected(pkcs12::read(&std::fs::read(at.join("theirs.p12")).unwrap(), PASSWORD).unwrap(), Some("theirs"));
    if let Some(list) = keytool_list("ours.p12", &["-storepass", PASSWORD], at) {
        assert!(list.contains("Entry type: PrivateKeyEntry") && list.contains("chain length: 2"), "{list}");
    }
}

#[test]
fn what_cannot_be_read_or_written_is_explained() {
    let Some(pki) = pki() else { return };
    let bytes = pkcs12::write_trust_store(&[("a", &pki.root)], Some(PASSWORD)).unwrap();
    assert!(matches!(pkcs12::read(&bytes, "wrong"), Err(pkcs12::Error::Password)));
    assert!(matches!(pkcs12::read(&bytes[..bytes.len() - 9], PASSWORD), Err(pkcs12::Error::Damaged(_))));
    assert!(matches!(pkcs12::read(b"-----BEGIN", ""), Err(pkcs12::Error::NotPkcs12(": it is PEM"))));
    let twice = pkcs12::write_trust_store(&[("a", &pki.root), ("A", &pki.leaf)], None);
    assert!(matches!(twice, Err(pkcs12::Error::DuplicateAlias(alias)) if alias == "A"));
    assert!(matches!(pkcs12::write_trust_store(&[("😀", &pki.root)], None), Err(pkcs12::Error::Alias(_))));
    assert!(matches!(pkcs12::write_trust_store(&[("a", b"junk")], None), Err(pkcs12::Error::Certificate { .. })));
    assert!(matches!(pkcs12::write_identity("a", &[], &pki.key, "x"), Err(pkcs12::Error::NoCertificate)));
    assert!(matches!(pkcs12::write_identity("a", &[&pki.leaf], b"junk", "x"), Err(pkcs12::Error::Key(_))));
}
