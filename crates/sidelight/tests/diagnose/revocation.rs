//! OCSP, stapled by openssl(1) and fetched from a responder. In: what it says. Out: what `diagnose` makes of it.

use std::path::Path;

use crate::certificates::{Made, authority, leaf, responder_at};
use crate::endpoints::{Shown, config, http, openssl, tls};
use crate::{diagnose, named};

/// A root, and a leaf of it with a serial number.
fn chain(folder: &Path, responder: Option<&str>) -> (Made, Made) {
    let root = Made::itself(authority("Acme Root"));
    let mut params = leaf();
    params.serial_number = Some(4711.into());
    if let Some(url) = responder {
        responder_at(&mut params, url);
    }
    std::fs::write(folder.join("root.pem"), &root.pem).unwrap();
    let leaf = root.issue(params);
    (root, leaf)
}

fn roots(folder: &Path) -> Vec<String> {
    vec!["--roots".to_owned(), folder.join("root.pem").to_str().unwrap().to_owned()]
}

#[test]
fn a_stapled_response_counts() {
    for revoked in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let (root, leaf) = chain(path, None);
        root.ocsp(path, &leaf, revoked);
        let key = path.join("leaf.key");
        std::fs::write(&key, leaf.key_pem()).unwrap();
        let response = path.join("response.der");
        let staple = ["-status_file", response.to_str().unwrap()];
        let (address, _running) = openssl(path, &path.join("ocsp-leaf.pem"), &key, &staple);
        let (document, finished) = diagnose(&named(address), &roots(path));
        assert_eq!(document["ocsp"]["stapled"], true, "{finished}");
        assert_eq!(document["cause"], if revoked { "revoked" } else { "ok" }, "{finished}");
        if revoked {
            assert!(document["summary"].as_str().unwrap().contains("2020-01-01"), "{finished}");
        }
    }
}

#[test]
fn a_responder_is_asked() {
    for revoked in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        // The address of the responder stands in the certificate that it speaks of.
        let (sender, receiver) = std::sync::mpsc::channel::<Vec<u8>>();
        let answer = std::sync::Mutex::new((receiver, None::<Vec<u8>>));
        let responder = crate::endpoints::http_with(move || {
            let mut held = answer.lock().unwrap();
            if held.1.is_none() {
                held.1 = held.0.recv().ok();
            }
            held.1.clone().unwrap_or_default()
        });
        let url = format!("http://{responder}/");
        let (root, leaf) = chain(path, Some(&url));
        sender.send(root.ocsp(path, &leaf, revoked)).unwrap();
        let address = tls(config(&Shown::new(&[&leaf.der], leaf.key()), None, &[]));
        let (document, finished) = diagnose(&named(address), &roots(path));
        assert_eq!(document["cause"], if revoked { "revoked" } else { "ok" }, "{finished}");
        assert_eq!(document["ocsp"]["fetched"][0], url.as_str(), "{finished}");
        let (document, finished) = diagnose(&named(address), &[roots(path), vec!["--no-fetch".to_owned()]].concat());
        assert_eq!(document["cause"], "ok", "{finished}");
    }
}

/// What is no response is not taken for a good one, nor for a revocation.
#[test]
fn nonsense_of_a_responder_is_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}/", http(b"<html>".to_vec()));
    let (_, leaf) = chain(folder.path(), Some(&url));
    let address = tls(config(&Shown::new(&[&leaf.der], leaf.key()), None, &[]));
    let (document, finished) = diagnose(&named(address), &roots(folder.path()));
    assert_eq!(document["cause"], "ok", "{finished}");
    let evidence = document["evidence"].as_array().unwrap();
    let said = evidence.iter().find(|it| it["what"] == "OCSP").unwrap_or_else(|| panic!("{finished}"));
    assert!(!said["value"].as_str().unwrap().contains("good"), "{finished}");
}
