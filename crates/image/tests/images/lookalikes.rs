//! Look-alikes of the images that people start from: Alpine, UBI, Wolfi, distroless Java. In: their layouts, by hand. Out: what runs
//! in them and which file each runtime reads, as the whole way from archive to answer finds it.

use sidelight_image::trust::{TrustWatch, survey};
use sidelight_image::{Options, Source, open};
use sidelight_model::time::Timestamp;
use sidelight_model::trust::effective::{Effective, Situation, SourceState, effective_auto};
use sidelight_model::trust::reference::Reference;
use sidelight_model::trust::{Runtime, Survey};
use sidelight_wire::{jks, pem};

use super::build::{Coding, Image, Layer};

/// So many of Mozilla's roots are in every store.
const ROOTS: usize = 12;

fn roots() -> Vec<Vec<u8>> {
    let known = Reference::builtin().current().filter_map(|root| root.certificate.as_ref());
    known.take(ROOTS).map(|certificate| certificate.der.clone()).collect()
}

fn bundle() -> String {
    roots().iter().map(|der| pem::write("CERTIFICATE", der)).collect()
}

fn key_store() -> Vec<u8> {
    let entry = |(index, der): (usize, Vec<u8>)| jks::Entry {
        alias: format!("debian:root{index}.pem"),
        created: Timestamp::default(),
        kind: jks::EntryKind::Certificate(jks::Certificate::x509(der)),
    };
    jks::write(&roots().into_iter().enumerate().map(entry).collect::<Vec<_>>(), "changeit").unwrap()
}

/// A program with strings in it.
fn program(strings: &[&str]) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(600, 0);
    for text in strings {
        bytes.extend(text.bytes());
        bytes.push(0);
    }
    bytes.resize(bytes.len() + 64, 0);
    bytes
}

/// A Go program of version 1.22 with one module.
fn go_program() -> Vec<u8> {
    let mut bytes = program(&["/etc/ssl/certs/ca-certificates.crt", "SSL_CERT_FILE"]);
    let list = "0123456789abcdefpath\tapp\nmod\tapp\t(devel)\t\n0123456789abcdef";
    bytes.extend(b"\xff Go buildinf:\x08\x02");
    bytes.extend([0; 16]);
    for text in ["go1.22.5", list] {
        bytes.push(u8::try_from(text.len()).unwrap());
        bytes.extend(text.bytes());
    }
    bytes.extend([0; 64]);
    bytes
}

fn open_ssl(folder: &str) -> Vec<u8> {
    program(&[&format!("OPENSSLDIR: \"{folder}\""), "SSL_CERT_FILE", "SSL_CERT_DIR"])
}

/// The image as an archive of today with its layers compressed, read and judged. No variable is set and `command` is started.
fn judged(layers: Vec<Layer>, command: &str) -> (Survey, Vec<Effective>) {
    let mut image = Image::new(layers);
    let text = String::from_utf8(image.config.clone()).unwrap();
    let text = text.replace(",\"SSL_CERT_FILE=/etc/ssl/own.pem\"", "").replace("\"/app\"", &format!("\"{command}\""));
    assert!(!text.contains("own.pem") && text.contains(command), "{text}");
    image.config = text.into_bytes();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image.tar");
    std::fs::write(&file, image.docker_new(Coding::Gzip, "like:1")).unwrap();
    let source: Source = format!("docker-archive:{}", file.display()).parse().unwrap();
    let mut watch = TrustWatch::new();
    let collected = open(&source, &Options::default()).unwrap().collect(&mut watch).unwrap();
    let survey = survey(&source.to_string(), collected, watch);
    let found = effective_auto(&survey, &Situation::default());
    (survey, found)
}

/// The runtimes, and for each the files by which it has roots, by their real names, and how many roots that makes.
fn answers(found: &[Effective]) -> Vec<(Runtime, Vec<&str>, usize)> {
    let gives = |state: &SourceState| matches!(state, SourceState::Gives(count) if *count > 0);
    found
        .iter()
        .map(|one| {
            let used = one.sources.iter().filter(|source| gives(&source.state));
            let files = used.map(|source| source.leads_to.as_deref().unwrap_or(&source.path)).collect();
            (one.runtime, files, one.accepted().count())
        })
        .collect()
}

const DEBIAN: &str = "/etc/ssl/certs/ca-certificates.crt";

#[test]
fn alpine_reads_the_bundle_behind_cert_pem() {
    let base = Layer::new()
        .file("etc/os-release", "ID=alpine\nVERSION_ID=3.20.1\n")
        .file("etc/alpine-release", "3.20.1\n")
        .file("etc/ssl/certs/ca-certificates.crt", bundle())
        .link("etc/ssl/cert.pem", "certs/ca-certificates.crt")
        .file("lib/libssl.so.3", open_ssl("/etc/ssl"))
        .file("lib/libcrypto.so.3", open_ssl("/etc/ssl"))
        .file("bin/busybox", program(&["BusyBox v1.36.1"]));
    let (_, found) = judged(vec![base, Layer::new().file("app", go_program())], "/app");
    let answers = answers(&found);
    // What the image starts comes first.
    assert_eq!(answers[0], (Runtime::Go, vec![DEBIAN, "/etc/ssl/certs"], ROOTS), "Go reads the folder too");
    let openssl = answers.iter().find(|answer| answer.0 == Runtime::OpenSsl).expect("OpenSSL is there");
    assert_eq!(*openssl, (Runtime::OpenSsl, vec![DEBIAN], ROOTS), "{answers:?}");
}

#[test]
fn ubi_reads_its_bundle_behind_two_links() {
    const PEM: &str = "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem";
    const JAVA: &str = "/etc/pki/ca-trust/extracted/java/cacerts";
    let home = "usr/lib/jvm/java-17-openjdk-17.0.11";
    let base = Layer::new()
        .link("lib", "usr/lib")
        .link("lib64", "usr/lib64")
        .file("etc/os-release", "ID=\"rhel\"\nVERSION_ID=\"9.4\"\n")
        .file(&PEM[1..], bundle())
        .file(&JAVA[1..], key_store())
        .link("etc/pki/tls/certs/ca-bundle.crt", PEM)
        .link("etc/pki/tls/cert.pem", PEM)
        .link("etc/pki/java/cacerts", JAVA)
        .file("usr/lib64/libssl.so.3.0.7", open_ssl("/etc/pki/tls"))
        .link("usr/lib64/libssl.so.3", "libssl.so.3.0.7")
        .file("usr/lib64/libcrypto.so.3.0.7", open_ssl("/etc/pki/tls"));
    let java = Layer::new()
        .file(&format!("{home}/lib/server/libjvm.so"), program(&["JVM"]))
        .file(&format!("{home}/release"), "JAVA_VERSION=\"17.0.11\"\n")
        .file(&format!("{home}/bin/java"), program(&["java"]))
        .link(&format!("{home}/lib/security/cacerts"), "/etc/pki/java/cacerts");
    let (_, found) = judged(vec![base, java], "/usr/bin/java");
    let answers = answers(&found);
    for expected in [(Runtime::OpenSsl, vec![PEM], ROOTS), (Runtime::Java, vec![JAVA], ROOTS)] {
        assert!(answers.contains(&expected), "{expected:?} in {answers:?}");
    }
}

#[test]
fn wolfi_without_roots_gives_its_go_program_none() {
    let base = Layer::new().file("etc/os-release", "ID=wolfi\n").file("etc/apk/world", "wolfi-baselayout\n");
    let (_, none) = judged(vec![base, Layer::new().file("usr/bin/app", go_program())], "/usr/bin/app");
    assert_eq!(answers(&none), [(Runtime::Go, vec![], 0)]);
    let base = Layer::new()
        .file("etc/os-release", "ID=wolfi\n")
        .file("etc/ssl/certs/ca-certificates.crt", bundle())
        .link("etc/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt");
    let upper = Layer::new().file("usr/bin/app", go_program()).file("etc/ssl/certs/.wh.ca-certificates.crt", "");
    let (survey, gone) = judged(vec![base, upper], "/usr/bin/app");
    assert_eq!(answers(&gone), [(Runtime::Go, vec![], 0)], "a whiteout took the bundle");
    assert!(survey.hidden.iter().any(|file| file.path == DEBIAN));
}

#[test]
fn distroless_java_reads_the_key_store_behind_its_home() {
    const STORE: &str = "/etc/ssl/certs/java/cacerts";
    let home = "usr/lib/jvm/java-17-openjdk-amd64";
    let base = Layer::new()
        .file("etc/os-release", "ID=\"debian\"\nPRETTY_NAME=\"Distroless\"\n")
        .file("etc/ssl/certs/ca-certificates.crt", bundle());
    let java = Layer::new()
        .file(&STORE[1..], key_store())
        .file(&format!("{home}/lib/server/libjvm.so"), program(&["JVM"]))
        .file(&format!("{home}/release"), "JAVA_VERSION=\"17.0.11\"\n")
        .file(&format!("{home}/bin/java"), program(&["java"]))
        .link(&format!("{home}/lib/security/cacerts"), STORE)
        .link("usr/bin/java", &format!("/{home}/bin/java"));
    let (survey, found) = judged(vec![base, java], "/usr/bin/java");
    assert_eq!(answers(&found), [(Runtime::Java, vec![STORE], ROOTS)]);
    assert_eq!(found[0].version.as_deref(), Some("17.0.11"));
    assert_eq!(survey.files[STORE].layer, Some(1));
}
