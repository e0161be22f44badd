//! Issuers' ways to name their key against each generation, as it was measured with 2.8.3, 3.0.0 and 3.1.1. In: tokens of `mint`. Out: nothing,
//! or the cell of the table that differs.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{ISSUER, SERVICE, keys, mint, sidelight};

/// What a registry has: a bundle, or a JWKS file.
#[derive(Clone, Copy)]
enum With<'a> {
    Bundle(&'a Path),
    Jwks(&'a Path),
}

fn verify(token: &str, registry: &str, with: With<'_>) -> Value {
    let (option, file) = match with {
        With::Bundle(file) => ("--roots", file),
        With::Jwks(file) => ("--jwks", file),
    };
    let base = ["registry", "token", "verify", "--json", "--token", token, "--registry", registry];
    let told = [option, file.to_str().unwrap(), "--issuer", ISSUER, "--service", SERVICE];
    let said = sidelight(&[&base[..], &told].concat());
    serde_json::from_slice(&said.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// `accept`, or what the log says of the reason, in few words.
fn in_short(verdict: &Value) -> &'static str {
    if verdict["result"] == "accept" {
        return "ok";
    }
    let log = verdict["log"].to_string();
    let told = [
        ("untrusted key with ID", "untrusted key"),
        ("untrusted JWK", "untrusted JWK"),
        ("malformed token", "malformed"),
        ("unknown authority", "unknown authority"),
        ("ed25519.PublicKey is not supported", "no start"),
        ("error in cryptographic primitive", "signature"),
    ];
    told.iter().find(|(text, _)| log.contains(text)).map_or("?", |(_, short)| short)
}

struct Issuer {
    key: PathBuf,
    own: PathBuf,
    jwks: PathBuf,
}

impl Issuer {
    /// A key whose coordinates have no leading zeros: those of 3.1 are another matter.
    fn new(folder: &Path, name: &str, kind: &[&str]) -> Self {
        loop {
            let (key, own) = keys::own(folder, name, kind);
            let told = sidelight(&["registry", "key-id", "--json", own.to_str().unwrap()]).success();
            let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
            if told[0]["by_registry"]["3.1"] == told[0]["rfc7638"] {
                return Self { key, own, jwks: folder.join(format!("{name}.jwks")) };
            }
        }
    }

    /// What 2.x, 3.0 and 3.1 with the bundle, and 3.1 with a JWKS of this ID, say of a token made so.
    fn row(&self, id: Option<&str>, options: &[&str]) -> [&'static str; 4] {
        let own = self.own.to_str().unwrap();
        let token = mint(&self.key, &[&["--registry", "3.1", "--cert", own][..], options].concat());
        let jwks = self.jwks.to_str().unwrap();
        let kid: Vec<&str> = id.iter().flat_map(|id| ["--kid", *id]).collect();
        sidelight(&[&["registry", "token", "jwks", own, "-o", jwks][..], &kid].concat()).success();
        let bundle = With::Bundle(&self.own);
        let cells = [("2", bundle), ("3.0", bundle), ("3.1", bundle), ("3.1", With::Jwks(&self.jwks))];
        cells.map(|(registry, with)| in_short(&verify(&token, registry, with)))
    }

    fn id(&self, member: &str) -> String {
        let told = sidelight(&["registry", "key-id", "--json", self.own.to_str().unwrap()]).success();
        let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
        told[0].pointer(member).and_then(Value::as_str).expect("an ID").to_owned()
    }
}

#[test]
fn issuers_and_generations_fit_as_they_were_measured() {
    let folder = tempfile::Builder::new().prefix("sl").tempdir().expect("a temporary folder");
    let rsa = Issuer::new(folder.path(), "rsa", keys::KINDS[0].1);
    let ec = Issuer::new(folder.path(), "ec", keys::KINDS[2].1);
    let ed = Issuer::new(folder.path(), "ed", &["-algorithm", "ED25519"]);
    const NO: &str = "untrusted key";
    for issuer in [&rsa, &ec] {
        let libtrust = issuer.id("/libtrust");
        assert_eq!(issuer.row(Some(&libtrust), &["--kid", &libtrust]), ["ok", NO, NO, "ok"], "libtrust");
        assert_eq!(issuer.row(None, &["--x5c"]), ["ok", "ok", "ok", "unknown authority"], "x5c");
        assert_eq!(
            issuer.row(None, &["--break", "jwk-no-kid"]),
            ["ok", "untrusted JWK", "untrusted JWK", "untrusted JWK"]
        );
        assert_eq!(issuer.row(Some("own"), &["--kid", "own"]), [NO, NO, NO, "ok"], "an identity provider's");
        assert_eq!(issuer.row(None, &["--break", "opaque"]), ["malformed"; 4]);
        assert_eq!(issuer.row(None, &["--break", "alg-none"])[1..], ["malformed"; 3]);
    }
    let thumbprint = rsa.id("/rfc7638");
    assert_eq!(rsa.row(Some(&thumbprint), &["--kid", &thumbprint]), [NO, "ok", "ok", "ok"], "RFC 7638, RSA");
    assert_eq!(rsa.row(Some(&thumbprint), &["--kid", &thumbprint, "--alg", "PS256"])[1..], ["ok"; 3], "RSA-PSS");
    let thumbprint = ec.id("/rfc7638");
    assert_eq!(ec.row(Some(&thumbprint), &["--kid", &thumbprint]), [NO, NO, "ok", "ok"], "RFC 7638, ECDSA");
    let point = ec.id("/by_registry/3.0");
    assert_eq!(ec.row(Some(&point), &["--kid", &point]), [NO, "ok", NO, "ok"], "the base point's");
    let thumbprint = ed.id("/rfc7638");
    assert_eq!(ed.row(Some(&thumbprint), &["--kid", &thumbprint]), ["no start", NO, "ok", "ok"], "Ed25519");
    assert_eq!(ed.row(None, &["--x5c"]), ["no start", "ok", "ok", "unknown authority"], "Ed25519, x5c");
}

#[test]
fn what_3_answers_differs_from_2() {
    let folder = tempfile::Builder::new().prefix("sl").tempdir().expect("a temporary folder");
    let ec = Issuer::new(folder.path(), "ec", keys::KINDS[2].1);
    let other = Issuer::new(folder.path(), "other", keys::KINDS[2].1);
    let bundle = With::Bundle(&ec.own);
    let with =
        |options: &[&str]| verify(&mint(&ec.key, &[&["--registry", "3.1"][..], options].concat()), "3.1", bundle);
    // A wrong signature: no error=, the reason in the warning alone.
    let signature = with(&["--break", "signature"]);
    assert_eq!((&signature["status"], &signature["error"]), (&401.into(), &Value::Null), "{signature}");
    assert_eq!(signature["log"].as_array().map(Vec::len), Some(1), "{signature}");
    let text = with(&["--break", "exp-text"]);
    assert!(
        text["log"][0].as_str().unwrap().contains("json: cannot unmarshal string into Go value of type int64")
            && text["error"].is_null(),
        "{text}"
    );
    assert_eq!(with(&["--break", "audience-list"])["result"], "accept");
    assert!(with(&["--break", "audience"])["log"][0].as_str().unwrap().contains("another audience: [another service]"));
    assert!(
        with(&["--break", "kid-missing"])["log"][0].as_str().unwrap().contains("failed to verify token: invalid token")
    );
    // Of two certificates on one curve 3.0 knows the last alone; the other's tokens have a wrong signature.
    let both = folder.path().join("both.pem");
    let read = |path: &Path| std::fs::read_to_string(path).expect("a certificate");
    std::fs::write(&both, read(&ec.own) + &read(&other.own)).expect("a bundle");
    let token = |issuer: &Issuer| mint(&issuer.key, &["--registry", "3.0"]);
    assert_eq!(in_short(&verify(&token(&ec), "3.0", With::Bundle(&both))), "signature");
    assert_eq!(in_short(&verify(&token(&other), "3.0", With::Bundle(&both))), "ok");
    // A single JWK is no set.
    let single = folder.path().join("single.json");
    let set: Value = {
        let said = sidelight(&["registry", "token", "jwks", ec.own.to_str().unwrap()]).success();
        serde_json::from_slice(&said.stdout).expect("JSON")
    };
    std::fs::write(&single, set["keys"][0].to_string()).expect("a file");
    let said = verify(&token(&ec), "3.1", With::Jwks(&single));
    assert!(
        said["status"].is_null() && said["log"][0].as_str().unwrap().contains("at least one token signing key"),
        "{said}"
    );
}
