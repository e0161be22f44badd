//! Trust stores that real programs wrote are read, and real programs that hold roots give them up.
//!
//! In: openssl, keytool, certutil, NSS's library of roots and Node; `cargo xtask setup` installs them. What is counted is
//! compared with what these programs themselves say.

#![allow(clippy::disallowed_methods)] // the library does no I/O; this test hands files to it

use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use sidelight_model::trust::reference::Reference;
use sidelight_model::trust::{Content, Format, Pool, Program, Store};
use sidelight_wire::scan::{Found, Scan};
use sidelight_wire::{pem, trust_store};

#[track_caller]
fn run(program: &str, arguments: &[&str], folder: &Path) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env_remove("JAVA_TOOL_OPTIONS");
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}; run `cargo xtask setup`"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {text}");
    text
}

/// A folder with a root and its key, in PEM.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = ["req", "-x509", "-subj", "/CN=Test Root", "-keyout", "root.key", "-out", "root.pem", "-newkey", "ec"];
    let curve = ["-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];
    run("openssl", &[&root[..], &curve].concat(), folder.path());
    folder
}

fn read(folder: &Path, name: &str) -> (Store, Pool) {
    let mut pool = Pool::default();
    let store = trust_store::read(&std::fs::read(folder.join(name)).unwrap(), &mut pool);
    (store.unwrap_or_else(|| panic!("{name} is no store")), pool)
}

#[track_caller]
fn holds_root(folder: &Path, name: &str, format: Format) -> Store {
    let (store, pool) = read(folder, name);
    assert_eq!(store.format, format, "{name}");
    let wanted = pem::read(&std::fs::read(folder.join("root.pem")).unwrap()).0.remove(0).data;
    assert!(pool.all().iter().any(|certificate| certificate.der == wanted), "{name}: {:?}", store.faults);
    store
}

#[test]
fn what_openssl_writes() {
    let folder = folder();
    let at = folder.path();
    run("openssl", &["x509", "-in", "root.pem", "-outform", "DER", "-out", "root.der"], at);
    holds_root(at, "root.der", Format::Der);
    let purposes = ["-addtrust", "serverAuth", "-addreject", "emailProtection", "-setalias", "mine"];
    run("openssl", &[&["x509", "-in", "root.pem", "-trustout", "-out", "trusted.pem"][..], &purposes].concat(), at);
    let store = holds_root(at, "trusted.pem", Format::Pem);
    let bits = store.entries[0].bits.as_ref().unwrap();
    assert_eq!(bits.trusted.as_deref(), Some(&["1.3.6.1.5.5.7.3.1".to_owned()][..]));
    assert_eq!(
        (bits.rejected.as_slice(), store.entries[0].alias.as_deref()),
        (&["1.3.6.1.5.5.7.3.4".to_owned()][..], Some("mine"))
    );
    for (form, name) in [("PEM", "root.p7b"), ("DER", "root.p7c")] {
        run("openssl", &["crl2pkcs7", "-nocrl", "-certfile", "root.pem", "-outform", form, "-out", name], at);
        holds_root(at, name, Format::Pkcs7);
    }
    let export = ["pkcs12", "-export", "-nokeys", "-in", "root.pem", "-passout", "pass:changeit", "-out", "plain.p12"];
    run("openssl", &export, at);
    let store = holds_root(at, "plain.p12", Format::Pkcs12);
    assert!(!store.entries[0].is_anchor && store.faults[0].what.contains("Java does not see"), "{:?}", store.faults);
    let export =
        ["pkcs12", "-export", "-in", "root.pem", "-inkey", "root.key", "-passout", "pass:secret", "-out", "own.p12"];
    run("openssl", &export, at);
    let (store, _) = read(at, "own.p12");
    assert!(store.locked && store.entries.is_empty());
}

#[test]
fn the_public_half_of_keys_is_what_openssl_computes() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let kinds: &[(&str, &[&str])] = &[
        ("RSA", &["-pkeyopt", "rsa_keygen_bits:2048"]),
        ("EC", &["-pkeyopt", "ec_paramgen_curve:P-384"]),
        ("ED25519", &[]),
    ];
    for (kind, options) in kinds {
        run("openssl", &[&["genpkey", "-algorithm", kind, "-out", "a.key"][..], options].concat(), at);
        run("openssl", &["pkey", "-in", "a.key", "-pubout", "-outform", "DER", "-out", "a.pub"], at);
        let public = std::fs::read(at.join("a.pub")).unwrap();
        let (store, _) = read(at, "a.key");
        assert_eq!((store.keys[0].public_key.as_ref(), store.keys[0].encrypted), (Some(&public), false), "{kind}");
        // Ed25519 has no form of its own.
        if *kind != "ED25519" {
            run("openssl", &["pkey", "-in", "a.key", "-traditional", "-out", "b.key"], at);
            assert_eq!(read(at, "b.key").0.keys[0].public_key.as_ref(), Some(&public), "{kind}, its own form");
        }
        run("openssl", &["pkcs8", "-topk8", "-in", "a.key", "-passout", "pass:x", "-out", "c.key"], at);
        let (store, _) = read(at, "c.key");
        assert_eq!((store.keys[0].public_key.as_ref(), store.keys[0].encrypted), (None, true), "{kind}");
        run("openssl", &["pkcs8", "-topk8", "-in", "a.key", "-nocrypt", "-outform", "DER", "-out", "d.key"], at);
        assert_eq!(read(at, "d.key").0.keys[0].public_key.as_ref(), Some(&public), "{kind} in DER");
    }
}

#[test]
fn what_keytool_writes() {
    let folder = folder();
    let at = folder.path();
    for (kind, format) in [("jks", Format::Jks), ("jceks", Format::Jceks), ("pkcs12", Format::Pkcs12)] {
        let import = ["-importcert", "-noprompt", "-alias", "mine", "-file", "root.pem", "-storepass", "changeit"];
        run("keytool", &[&import[..], &["-storetype", kind, "-keystore", kind]].concat(), at);
        let store = holds_root(at, kind, format);
        assert!(store.entries[0].is_anchor && store.keys.is_empty(), "{kind}");
        assert_eq!(store.entries[0].alias.as_deref(), Some("mine"));
        let generate = ["-genkeypair", "-alias", "own", "-keyalg", "EC", "-dname", "CN=own", "-storepass", "changeit"];
        run("keytool", &[&generate[..], &["-keypass", "changeit", "-storetype", kind, "-keystore", kind]].concat(), at);
        let store = holds_root(at, kind, format);
        assert_eq!((store.keys.len(), store.entries.len()), (1, 2), "{kind}");
        assert!(store.keys[0].encrypted && store.keys[0].public_key.is_some());
    }
}

#[test]
fn what_certutil_writes() {
    let folder = folder();
    let at = folder.path();
    run("certutil", &["-N", "--empty-password", "-d", "sql:."], at);
    run("certutil", &["-A", "-d", "sql:.", "-n", "trusted one", "-t", "C,,", "-i", "root.pem"], at);
    let store = holds_root(at, "cert9.db", Format::NssDb);
    assert_eq!((store.entries[0].alias.as_deref(), store.entries[0].is_anchor), (Some("trusted one"), true));
    run("certutil", &["-M", "-d", "sql:.", "-n", "trusted one", "-t", "p,p,p"], at);
    let store = holds_root(at, "cert9.db", Format::NssDb);
    assert!(!store.entries[0].is_anchor, "{:?}", store.entries[0].bits);
}

/// A program as it lies on this machine.
#[track_caller]
fn program(path: &str) -> (Program, Option<Store>) {
    let path = std::fs::canonicalize(path).unwrap_or_else(|error| panic!("{path}: {error}; run `cargo xtask setup`"));
    let name = path.to_str().unwrap();
    let mut file = std::fs::File::open(&path).unwrap();
    let size = file.metadata().unwrap().len();
    let mut scan = Scan::open(name, size, 0o755).unwrap();
    let mut piece = vec![0; 256 << 10];
    loop {
        let length = file.read(&mut piece).unwrap();
        if length == 0 {
            break;
        }
        scan.feed(&piece[..length]);
    }
    let found: Vec<Found> = scan.close(true, &mut Pool::default());
    match found.into_iter().next().map(|found| found.content) {
        Some(Content::Program(program, store)) => (program, store),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn roots_within_node() {
    let text = run("node", &["-p", "`${require('tls').rootCertificates.length} ${process.version}`"], Path::new("/"));
    let (count, version) = text.trim().split_once(' ').unwrap();
    let (program, store) = program("/usr/bin/node");
    assert_eq!(store.unwrap().entries.len(), count.parse::<usize>().unwrap());
    assert!(program.values.contains(&("node", version.trim_start_matches('v').to_owned())), "{:?}", program.values);
    assert!(program.known_keys.len() > 100);
}

#[test]
fn roots_within_nss() {
    let (program, store) = program("/usr/lib/x86_64-linux-gnu/libnssckbi.so");
    let store = store.unwrap();
    assert_eq!(store.format, Format::NssBuiltins);
    let current = Reference::builtin().current().count();
    assert!(store.entries.len() >= 100 && program.known_keys.len() >= 90, "{} of {current}", program.known_keys.len());
}

#[test]
fn paths_within_libraries() {
    let value = |program: &Program, name: &str| {
        program.values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    };
    let (crypto, _) = program("/usr/lib/x86_64-linux-gnu/libcrypto.so.3");
    let says = run("openssl", &["version", "-d"], Path::new("/"));
    assert_eq!(
        value(&crypto, "openssldir").map(|path| format!("OPENSSLDIR: \"{path}\"")).as_deref(),
        Some(says.trim())
    );
    let (curl, _) = program("/usr/lib/x86_64-linux-gnu/libcurl.so.4");
    assert_eq!(value(&curl, "curl-ca-bundle").as_deref(), Some("/etc/ssl/certs/ca-certificates.crt"));
    let (gnutls, store) = program("/usr/lib/x86_64-linux-gnu/libgnutls.so.30");
    assert_eq!(value(&gnutls, "gnutls-file").as_deref(), Some("/etc/ssl/certs/ca-certificates.crt"));
    assert!(store.is_none(), "the keys of its self-test are nobody's");
}
