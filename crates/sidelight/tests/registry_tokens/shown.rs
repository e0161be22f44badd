//! What people and programs read: key IDs of every form of a key are the same, JSON has the members that it promises.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use sidelight_testkit::process::run;

use super::keys::{self, openssl};
use super::{ISSUER, SERVICE, mint, sidelight};

fn json(arguments: &[&str]) -> Value {
    let said = sidelight(arguments);
    serde_json::from_slice(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[test]
fn every_form_of_a_key_has_the_same_ids() {
    let folder = tempfile::Builder::new().prefix("sl").tempdir().expect("a temporary folder");
    let mut kinds = keys::KINDS.to_vec();
    kinds.push(("ed25519", &["-algorithm", "ED25519"]));
    for (name, kind) in kinds {
        let (key, own) = keys::own(folder.path(), name, kind);
        let at = |ending: &str| folder.path().join(format!("{name}{ending}"));
        let (key, own) = (key.to_str().unwrap(), own.to_str().unwrap());
        let mut files: Vec<PathBuf> = vec![key.into(), own.into()];
        let mut make = |ending: &str, arguments: &[&str]| {
            let file = at(ending);
            openssl(&[arguments, &["-out", file.to_str().unwrap()]].concat());
            files.push(file);
        };
        make("-public.pem", &["pkey", "-in", key, "-pubout"]);
        make("-public.der", &["pkey", "-in", key, "-pubout", "-outform", "DER"]);
        make("-key.der", &["pkey", "-in", key, "-outform", "DER"]);
        make("-cert.der", &["x509", "-in", own, "-outform", "DER"]);
        if name.starts_with("rsa") {
            make("-pkcs1.pem", &["rsa", "-in", key, "-traditional"]);
            make("-pkcs1.der", &["rsa", "-in", key, "-traditional", "-outform", "DER"]);
            make("-pkcs1-public.pem", &["rsa", "-in", key, "-RSAPublicKey_out"]);
        } else if name.starts_with('p') {
            make("-sec1.pem", &["ec", "-in", key]);
            make("-sec1.der", &["ec", "-in", key, "-outform", "DER"]);
        }
        let jwks = at(".jwks");
        sidelight(&["registry", "token", "jwks", own, "-o", jwks.to_str().unwrap()]).success();
        files.push(jwks);
        let names: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
        let all = json(&[&["registry", "key-id", "--json"][..], &names].concat());
        let all = all.as_array().expect("a list");
        assert_eq!(all.len(), files.len(), "{name}");
        for one in all {
            for member in ["libtrust", "rfc7638", "by_registry", "sha256"] {
                assert_eq!(one[member], all[0][member], "{name}: {one}");
            }
            assert!(
                one["kind"].is_string() && one["file"].is_string() && one["by_registry"]["3.1"].is_string(),
                "{one}"
            );
        }
        // openssl's own computation.
        let der = std::fs::read(at("-public.der")).expect("the public key");
        assert_eq!(all[0]["sha256"], sidelight_testkit::sha256(der).as_str());
    }
}

#[test]
fn verdicts_of_all_generations_are_one_document() {
    let folder = tempfile::Builder::new().prefix("sl").tempdir().expect("a temporary folder");
    let (key, own) = keys::own(folder.path(), "token", keys::KINDS[0].1);
    let token = mint(&key, &["--scope", "repository:team/app:pull"]);
    let told = [
        "--roots",
        own.to_str().unwrap(),
        "--issuer",
        ISSUER,
        "--service",
        SERVICE,
        "--scope",
        "repository:team/app:pull",
    ];
    let all = json(&[&["registry", "token", "verify", "--json", &token][..], &told].concat());
    let results: Vec<(&str, &str)> = all
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| (it["registry"].as_str().unwrap(), it["result"].as_str().unwrap()))
        .collect();
    assert_eq!(results, [("2", "accept"), ("3.0", "reject"), ("3.1", "reject")]);
    for member in ["cause", "fault", "summary", "evidence", "fix", "warnings", "checks", "log", "status", "error"] {
        assert!(all[1].get(member).is_some(), "{member} is missing: {all}");
    }
    assert_eq!(all[1]["cause"], "token_key_unknown");
    let x5c = mint(&key, &["--cert", own.to_str().unwrap(), "--x5c", "--scope", "repository:team/app:pull"]);
    sidelight(&[&["registry", "token", "verify", &x5c][..], &told].concat()).success();
    // From standard input, as a token server answers, with the registry's challenge.
    let answer = format!("{{\"token\":\"{x5c}\"}}");
    let file = folder.path().join("answer.json");
    std::fs::write(&file, answer).expect("a file");
    let challenge = format!("Bearer realm=\"x\",service=\"{SERVICE}\",scope=\"repository:team/app:push\"");
    let line = format!(
        "'{}' registry token verify - --roots '{}' --issuer {ISSUER} --challenge '{challenge}' < '{}'",
        env!("CARGO_BIN_EXE_sidelight"),
        own.display(),
        file.display()
    );
    let said = run(Command::new("sh").args(["-c", &line]));
    assert!(said.status.code() == Some(1) && said.text().contains("insufficient_scope"), "{said}");
    let nothing = sidelight(&["registry", "token", "decode", "opaque"]);
    assert_eq!(nothing.status.code(), Some(3), "{nothing}");
}
