//! Files of every kind, in pieces of several sizes: what is found must not depend on how they are cut.

use flate2::Compression;
use flate2::write::DeflateEncoder;
use sidelight_model::trust::reference::Reference;
use sidelight_model::trust::{Content, Format, Pool, ProgramKind, Store};
use sidelight_model::x509::tlv;
use std::io::Write as _;

use super::*;
use crate::pem;

fn current(count: usize) -> Vec<Vec<u8>> {
    Reference::builtin().current().take(count).map(|root| root.certificate.as_ref().unwrap().der.clone()).collect()
}

fn keys(count: usize) -> Vec<Vec<u8>> {
    let of = |root: &sidelight_model::trust::reference::Root| root.certificate.as_ref().unwrap().public_key.clone();
    Reference::builtin().current().take(count).map(of).collect()
}

/// What is found in the file, which is the same however it is cut.
fn scan_as(path: &str, mode: u32, bytes: &[u8]) -> Vec<Found> {
    let found_in = |piece: usize| {
        let mut pool = Pool::default();
        let Some(mut scan) = Scan::open(path, bytes.len() as u64, mode) else { return Vec::new() };
        let whole = bytes.chunks(piece).all(|piece| scan.feed(piece));
        scan.close(whole, &mut pool)
    };
    let found = found_in(bytes.len().max(1));
    for piece in [1, 3, 100, 4096, 70_000] {
        assert_eq!(found_in(piece), found, "{path} in pieces of {piece}");
    }
    found
}

fn scan(path: &str, bytes: &[u8]) -> Vec<Found> {
    scan_as(path, 0o644, bytes)
}

fn one(found: Vec<Found>) -> Content {
    let [found] = <[Found; 1]>::try_from(found).unwrap();
    found.content
}

fn store(found: Vec<Found>) -> Store {
    match one(found) {
        Content::Store(store) | Content::Program(_, Some(store)) => store,
        other => panic!("{other:?}"),
    }
}

fn elf(parts: &[&[u8]]) -> Vec<u8> {
    let filler: Vec<u8> = (0..9_000u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let mut bytes = b"\x7fELF\x02\x01\x01\0".to_vec();
    for part in parts {
        bytes.extend(&filler);
        bytes.extend_from_slice(part);
    }
    bytes.extend(&filler);
    bytes
}

#[test]
fn public_keys_without_their_outer_header_are_roots_compiled_in() {
    // This is what a Rust program on webpki-roots holds.
    let contents: Vec<Vec<u8>> = keys(117).iter().map(|key| tlv::first(key).unwrap().0.content.to_vec()).collect();
    let bytes = elf(&contents.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let Content::Program(program, Some(store)) = one(scan("/app", &bytes)) else { panic!() };
    assert_eq!((program.kind, program.known_keys.len(), store.entries.len()), (ProgramKind::Executable, 117, 117));
    assert_eq!(store.format, Format::CompiledIn);
    assert!(store.entries.iter().all(|entry| entry.label.as_deref() == Some("public key")));
}

#[test]
fn certificates_in_der_and_in_pem_are_roots_compiled_in() {
    let ders = current(20);
    let der = elf(&ders.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let Content::Program(program, Some(store)) = one(scan("/usr/lib/libx.so.1", &der)) else { panic!() };
    assert_eq!((program.kind, program.known_keys.len(), store.entries.len()), (ProgramKind::Library, 20, 20));
    // Node's way: lines of 72 columns.
    let text = |der: &Vec<u8>| {
        let base64 = data_encoding::BASE64.encode(der);
        let lines: Vec<&str> = base64.as_bytes().chunks(72).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n\0", lines.join("\n")).into_bytes()
    };
    let texts: Vec<Vec<u8>> = ders.iter().map(text).collect();
    let bytes = elf(&[b"https://nodejs.org/download/release/v26.10.0/node\0", &texts.concat()]);
    let Content::Program(program, Some(store)) = one(scan("/usr/bin/node", &bytes)) else { panic!() };
    assert_eq!((program.known_keys.len(), store.entries.len()), (20, 20));
    assert_eq!(program.values, [("node", "26.10.0".to_owned())]);
    assert!(program.markers.is_empty());
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the test looks at its own program")]
fn this_program_is_not_taken_for_what_it_knows() {
    let roots = current(20).concat();
    let bytes =
        elf(&[&roots, b"NSS Builtin Object\0", b"libssl.so.3\0", b"sidelight trust patterns", b"webpki-roots\0"]);
    let Content::Program(program, None) = one(scan("/usr/bin/sl", &bytes)) else { panic!() };
    assert_eq!(
        (program.markers.as_slice(), program.values.len(), program.known_keys.len()),
        (&["sidelight"][..], 0, 0)
    );
    // The test's own program holds the patterns, too.
    let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let Content::Program(program, None) = one(scan("/usr/bin/tests", &own)) else { panic!() };
    assert_eq!(program.markers, ["sidelight"]);
    // Elsewhere the word means nothing.
    assert!(scan("/app/readme.txt", b"sidelight trust patterns").is_empty());
}

#[test]
fn programs_tell_where_they_read() {
    let bytes = elf(&[b"OPENSSLDIR: \"/usr/lib/ssl\"\0", b"SSL_CERT_FILE\0SSL_CERT_FILE\0", b"\0libgnutls.so.30\0"]);
    let Content::Program(program, None) = one(scan("/opt/x", &bytes)) else { panic!() };
    assert_eq!(program.markers, ["SSL_CERT_FILE"]);
    assert_eq!(program.values, [("openssldir", "/usr/lib/ssl".to_owned()), ("needed", "libgnutls.so.30".to_owned())]);
    // Nothing of interest, but it runs as its owner.
    assert!(scan("/opt/y", &elf(&[])).is_empty());
    assert!(matches!(one(scan_as("/opt/y", 0o4755, &elf(&[]))), Content::Program(..)));
}

#[test]
fn literals_of_source_texts_are_read() {
    let block = pem::write("CERTIFICATE", &current(1)[0]);
    let json = format!("{{\"ca\": {}}}", serde_json::to_string(&block).unwrap());
    assert_eq!(store(scan("/app/config.json", json.as_bytes())).entries.len(), 1);
    let script = format!("x = [\n{}]\n", block.lines().map(|line| format!("  \"{line}\\n\" +\n")).collect::<String>());
    let found = store(scan("/app/roots.js", script.as_bytes()));
    assert_eq!((found.format, found.entries.len(), found.entries[0].line), (Format::CompiledIn, 1, Some(2)));
    assert!(scan("/app/readme.txt", b"write -----BEGIN CERTIFICATE----- first").is_empty());
}

#[test]
fn scripts_are_kept_when_they_speak_of_trust() {
    let text = b"#!/bin/sh\nexport SSL_CERT_FILE=/x\nexec \"$@\"\n";
    let Content::Program(program, None) = one(scan_as("/docker-entrypoint.sh", 0o755, text)) else { panic!() };
    assert_eq!((program.kind, program.markers.as_slice()), (ProgramKind::Script, &["SSL_CERT_FILE"][..]));
    assert_eq!(program.values[0], ("interpreter", "/bin/sh".to_owned()));
    assert_eq!(program.values[1].1.as_bytes(), text);
    assert!(scan("/usr/bin/x", b"#!/bin/sh\ntrue\n").is_empty());
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A member; `streamed`: its sizes stand behind it.
fn member(name: &str, bytes: &[u8], deflated: bool, streamed: bool) -> Vec<u8> {
    let packed = if deflated { deflate(bytes) } else { bytes.to_vec() };
    let size = |length: usize| u32::try_from(length).unwrap().to_le_bytes();
    let sizes = [size(packed.len()), size(bytes.len())].concat();
    let mut out = b"PK\x03\x04\x14\0".to_vec();
    out.extend([if streamed { 8 } else { 0 }, 0, if deflated { 8 } else { 0 }, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    out.extend(if streamed { vec![0; 8] } else { sizes.clone() });
    out.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
    out.extend([0, 0]);
    out.extend(name.as_bytes());
    out.extend(packed);
    if streamed {
        out.extend([b"PK\x07\x08\0\0\0\0".as_slice(), &sizes].concat());
    }
    out
}

#[test]
fn members_of_archives_are_found_stored_or_deflated() {
    let bundle = current(3).iter().map(|der| pem::write("CERTIFICATE", der)).collect::<String>().into_bytes();
    let noise: Vec<u8> = (0..50_000u32).map(|n| (n * n).to_le_bytes()[1]).collect();
    let zip = [
        member("a.class", &noise, true, true),
        member("certifi/cacert.pem", &bundle, false, false),
        member("b.class", &noise, false, false),
        member("org/x/cacerts.pem", &bundle, true, true),
        member("c.class", &noise, true, true),
        member("d/ca-bundle.crt", &bundle, true, false),
        b"PK\x01\x02".to_vec(),
    ]
    .concat();
    let found = scan("/app/app.jar", &zip);
    let names: Vec<&str> = found.iter().map(|found| found.member.as_deref().unwrap()).collect();
    assert_eq!(names, ["certifi/cacert.pem", "org/x/cacerts.pem", "d/ca-bundle.crt"]);
    for found in found {
        let Content::Store(store) = found.content else { panic!() };
        assert_eq!(store.entries.len(), 3);
    }
}

#[test]
fn a_member_that_inflates_without_end_is_cut() {
    let zip = [member("bomb.pem", &vec![b'A'; 64 << 20], true, false), b"PK\x01\x02".to_vec()].concat();
    let mut pool = Pool::default();
    let mut scan = Scan::open("/x.zip", zip.len() as u64, 0o644).unwrap();
    scan.feed(&zip);
    let State::Archive(archive) = &scan.state else { panic!() };
    assert!(archive.held() <= 5 << 20, "{}", archive.held());
    assert!(scan.close(true, &mut pool).is_empty());
}

#[test]
fn a_store_that_is_expected_and_missing_is_a_fault() {
    assert!(store(scan("/etc/ssl/cert.pem", b"")).faults[0].what.contains("empty"));
    assert!(store(scan("/etc/pki/tls/certs/ca-bundle.crt", b"not pem")).faults[0].what.contains("no PEM block"));
    assert!(scan("/opt/notes.txt", b"not pem").is_empty());
    let Content::Text(text) = one(scan("/etc/curlrc", b"insecure\n")) else { panic!() };
    assert_eq!(text, "insecure\n");
}
