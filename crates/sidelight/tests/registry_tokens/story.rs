//! A token whose `kid` was made from the certificate's DER (distribution#813): named as that, mended by the printed line, taken by the registry.

use std::net::SocketAddr;

use sidelight_testkit::Hosts;
use sidelight_testkit::peers::{TokenAuth, token_registry};
use sidelight_testkit::process::free_port;

use super::{ISSUER, SERVICE, ask, keys, mint, sidelight};

#[test]
fn an_id_of_the_certificate_is_named_and_mended() {
    let folder = tempfile::Builder::new().prefix("sl").tempdir().expect("a temporary folder");
    let (key, bundle) = keys::own(folder.path(), "token", keys::KINDS[0].1);
    let file = bundle.to_str().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let auth = TokenAuth { realm: "http://127.0.0.1:1/token", service: SERVICE, issuer: ISSUER, bundle: &bundle };
    let mut registry = token_registry(folder.path(), address, &auth);
    registry.until_it_listens(&Hosts::new(folder.path(), &[]), address);
    let url = format!("http://{address}/v2/");
    let token = mint(&key, &["--cert", file, "--break", "kid-certificate"]);
    assert_eq!(ask(&url, &token).0, 401);

    let told = ["--roots", file, "--issuer", ISSUER, "--service", SERVICE, "--registry", "2.8.2"];
    let said = sidelight(&[&["registry", "token", "verify", &token][..], &told].concat());
    assert_eq!(said.status.code(), Some(1), "{said}");
    assert!(said.text().contains("the libtrust ID of the certificate's DER, not of the public key"), "{said}");
    let fix =
        said.text().lines().find_map(|line| line.trim().strip_prefix("kid: ").map(ToOwned::to_owned)).expect("a fix");
    assert_eq!(ask(&url, &mint(&key, &["--kid", &fix])).0, 200);

    // The same from the registry's log alone, and with key-id.
    let log = registry.said();
    let line = log.lines().find(|line| line.contains("untrusted key with ID")).expect("the registry's line");
    let from_log = sidelight(&["registry", "token", "verify", line, "--roots", file]);
    assert_eq!(from_log.status.code(), Some(1), "{from_log}");
    assert!(from_log.text().contains("certificate's DER") && from_log.text().contains(&fix), "{from_log}");
    let by_id = sidelight(&["registry", "key-id", file, "--match", line]);
    assert_eq!(by_id.status.code(), Some(1), "{by_id}");
    assert!(
        by_id.text().starts_with("✗ ") && by_id.text().contains("certificate's DER") && by_id.text().contains(&fix),
        "{by_id}"
    );

    // To a registry 3 the same token is mended by a JWKS file.
    let jwks = folder.path().join("jwks.json");
    let id = line.split("\\\"").nth(1).expect("the ID in the line");
    sidelight(&["registry", "token", "jwks", file, "--kid", id, "-o", jwks.to_str().unwrap()]).success();
    let three = ["--jwks", jwks.to_str().unwrap(), "--issuer", ISSUER, "--service", SERVICE, "--registry", "3.1"];
    sidelight(&[&["registry", "token", "verify", &token][..], &three].concat()).success();
}

#[test]
fn private_keys_are_never_printed() {
    let folder = tempfile::Builder::new().prefix("sl").tempdir().expect("a temporary folder");
    let (key, own) = keys::own(folder.path(), "token", keys::KINDS[2].1);
    let file = key.to_str().unwrap();
    let pem = std::fs::read_to_string(&key).expect("the key");
    let secret: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
    let token = mint(&key, &["--cert", own.to_str().unwrap()]);
    let signature = token.rsplit('.').next().expect("a signature").to_owned();
    for arguments in [
        vec!["registry", "key-id", file],
        vec!["registry", "key-id", file, "--json", "--match", "x"],
        vec!["registry", "token", "jwks", file],
        vec!["registry", "token", "decode", &token],
        vec!["registry", "token", "decode", &token, "--json"],
        vec![
            "registry",
            "token",
            "verify",
            &token,
            "--roots",
            own.to_str().unwrap(),
            "--key",
            file,
            "--issuer",
            ISSUER,
            "--service",
            "other",
            "--json",
        ],
    ] {
        let said = sidelight(&arguments);
        let all = format!("{}{}", said.text(), said.errors());
        assert!(
            !all.is_empty() && !all.contains(&secret[20..60]) && !all.contains(&signature),
            "{arguments:?}: {said}"
        );
    }
}
