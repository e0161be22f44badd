//! A small image, fed by hand.

use std::collections::BTreeMap;

use sidelight_model::trust::reference::Reference;
use sidelight_model::trust::{Content, Reader};
use sidelight_wire::pem;

use super::*;
use crate::{Collected, Head, Kept, Watch as _};

fn root(name: &str) -> Vec<u8> {
    let root = Reference::builtin().all().iter().find(|root| root.name == name).unwrap();
    root.certificate.as_ref().unwrap().der.clone()
}

/// Feeds files in pieces of `piece` bytes.
fn read(files: &[(&str, Vec<u8>)], piece: usize, watch: &mut TrustWatch) -> Collected<TrustFound> {
    let mut kept = BTreeMap::new();
    for (path, bytes) in files {
        let size = bytes.len() as u64;
        let head = Head { path, size, mode: 0o644, uid: 0, gid: 0 };
        let Some(mut open) = watch.open(&head) else { continue };
        let whole = bytes.chunks(piece).all(|piece| watch.feed(&mut open, piece));
        if let Some(found) = watch.close(open, whole) {
            let path = (*path).to_owned();
            kept.insert(path.clone(), Kept { path, layer: Some(0), mode: 0o644, uid: 0, gid: 0, size, found });
        }
    }
    Collected {
        image: None,
        layers: Vec::new(),
        config: Default::default(),
        files: kept,
        hidden: Vec::new(),
        links: BTreeMap::new(),
        notes: Vec::new(),
    }
}

#[test]
fn a_small_image_is_surveyed_the_same_however_it_is_cut() {
    let isrg = pem::write("CERTIFICATE", &root("ISRG Root X1"));
    let files = [
        ("/etc/ssl/certs/ca-certificates.crt", isrg.clone().into_bytes()),
        ("/etc/pip.conf", b"[global]\ncert = /x\n".to_vec()),
        ("/usr/share/doc/x.txt", b"nothing".to_vec()),
        ("/etc/ssl/cert.pem", Vec::new()),
        ("/app/lib.so", [b"\x7fELF\0\0".as_slice(), &[7; 5000], &root("ISRG Root X2"), &[7; 5000]].concat()),
    ];
    for piece in [1, 7, 512, 1 << 20] {
        let mut watch = TrustWatch::new();
        let collected = read(&files, piece, &mut watch);
        let survey = survey("test", collected, watch);
        let names: Vec<_> = survey.files.keys().map(String::as_str).collect();
        assert_eq!(names, ["/app/lib.so", "/etc/pip.conf", "/etc/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt"]);
        assert_eq!(survey.pool.all().len(), 2);
        let bundle = survey.store("/etc/ssl/certs/ca-certificates.crt").unwrap();
        assert_eq!(survey.pool.get(bundle.entries[0].cert).short_name(), "ISRG Root X1");
        assert!(survey.store("/etc/ssl/cert.pem").unwrap().faults[0].what.contains("empty"));
        let Content::Program(program, Some(store)) = &survey.files["/app/lib.so"].content else { panic!() };
        assert_eq!((program.known_keys.len(), store.entries.len()), (1, 1));
        let _ = Reader::ALL;
    }
}

#[test]
fn reading_may_end_at_the_first_hit() {
    let mut watch =
        TrustWatch::until(|found, _| matches!(&found.content, Content::Store(store) if !store.entries.is_empty()));
    let text = pem::write("CERTIFICATE", &root("ISRG Root X1"));
    read(&[("/a.pem", b"".to_vec()), ("/b.pem", text.into_bytes())], 4096, &mut watch);
    assert!(watch.is_enough());
}

#[test]
fn hard_links_do_not_multiply_what_is_held() {
    let bundle: String = Reference::builtin()
        .all()
        .iter()
        .filter_map(|root| Some(pem::write("CERTIFICATE", &root.certificate.as_ref()?.der)))
        .collect();
    let mut watch = TrustWatch::new();
    let mut collected = read(&[("/etc/ssl/cert.pem", bundle.into_bytes())], 1 << 20, &mut watch);
    let kept = collected.files["/etc/ssl/cert.pem"].clone();
    for number in 0..5_000 {
        collected.files.insert(format!("/opt/{number}.pem"), kept.clone());
        collected.hidden.push(kept.clone());
    }
    let survey = survey("test", collected, watch);
    let entries = |file: &sidelight_model::trust::File| match &file.content {
        Content::Store(store) => store.entries.len(),
        _ => 0,
    };
    let held: usize = survey.files.values().chain(&survey.hidden).map(entries).sum();
    assert!(held > 100_000 && held <= 160_000, "{held}");
    assert!(survey.files.contains_key("/etc/ssl/cert.pem"));
    assert!(survey.notes.iter().any(|note| note.contains("hard links were left out")), "{:?}", survey.notes);
}

#[test]
fn keys_and_faults_count_as_certificates_do() {
    let keys = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".repeat(4_000).into_bytes();
    let mut watch = TrustWatch::new();
    let files: Vec<_> = (0..20).map(|number| (format!("/k/{number}.pem"), keys.clone())).collect();
    let files: Vec<_> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    let collected = read(&files, 1 << 20, &mut watch);
    assert!(!collected.files.is_empty() && collected.files.len() < 12, "{}", collected.files.len());
    assert!(watch.notes.iter().any(|note| note.contains("certificates and keys")), "{:?}", watch.notes);
}
