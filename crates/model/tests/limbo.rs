//! The path explorer against two public collections of path validation cases: C2SP's x509-limbo and Netflix's bettertls.
//!
//! The data is not part of the project. It is looked for in the folder that `SIDELIGHT_LIMBO` names, else in `shared/x509-limbo` beside
//! the checkout; without it the test says that it did not run. Cases that are missed on purpose stand in docs/path-validation.md.

#![allow(clippy::disallowed_methods)] // the library reads no files and no environment; this test does

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use sidelight_model::time::Timestamp;
use sidelight_model::x509::path::{AnchorSet, Asked, Exploration, Profile, Purpose, Question, explore};

/// Cases whose answer differs from upstream's, and why: docs/path-validation.md.
const MISSED: &[&str] = &[
    "pathlen::validation-ignores-pathlen-in-leaf",
    "rfc5280::aki::cross-signed-root-missing-aki",
    "webpki::san::public-suffix-private-namespace-wildcard-san",
];

/// For cases that give no time; their certificates live from 1970 to 2969.
const DEFAULT_TIME: &str = "2026-07-01T00:00:00Z";

fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("SIDELIGHT_LIMBO").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|above| above.join("shared/x509-limbo"));
    let found = named.into_iter().chain(beside).find(|folder| folder.join("limbo.json.xz").is_file());
    if found.is_none() {
        eprintln!("NOT RUN: there is no x509-limbo; set SIDELIGHT_LIMBO to the folder that holds limbo.json.xz");
    }
    found
}

fn cases(file: &Path) -> Vec<Value> {
    let out = Command::new("xz").args(["-dc", "--"]).arg(file).output().expect("xz starts");
    assert!(out.status.success(), "{} is no xz file", file.display());
    let mut all: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    match all["testcases"].take() {
        Value::Array(cases) => cases,
        _ => panic!("{} holds no cases", file.display()),
    }
}

fn ders(pems: &Value) -> Vec<Vec<u8>> {
    let der = |pem: &Value| {
        let lines = pem.as_str().unwrap_or_default().lines().filter(|line| !line.starts_with("-----"));
        data_encoding::BASE64.decode(lines.collect::<String>().as_bytes()).expect("base64")
    };
    pems.as_array().map(|list| list.iter().map(der).collect()).unwrap_or_default()
}

fn text<'a>(case: &'a Value, member: &str) -> &'a str {
    case[member].as_str().unwrap_or_default()
}

#[derive(Default)]
struct Runner {
    anchors: HashMap<String, Arc<AnchorSet>>,
}

impl Runner {
    fn ask(&mut self, case: &Value, profile: Profile) -> Exploration {
        let mut chain = ders(&Value::Array(vec![case["peer_certificate"].clone()]));
        chain.extend(ders(&case["untrusted_intermediates"]));
        let roots = &case["trusted_certs"];
        let anchors = Arc::clone(
            self.anchors
                .entry(roots.to_string())
                .or_insert_with(|| Arc::new(AnchorSet::new(ders(roots).iter().map(Vec::as_slice)))),
        );
        let only = case["expected_peer_names"].as_array().filter(|names| names.len() == 1).map(|names| &names[0]);
        let peer = Some(&case["expected_peer_name"]).filter(|name| name.is_object()).or(only);
        let name = peer.map(|name| match text(name, "kind") {
            "IP" => Asked::Ip(text(name, "value").parse().expect("an address")),
            "RFC822" => Asked::Email(text(name, "value").to_owned()),
            _ => Asked::dns(text(name, "value")).expect("a name"),
        });
        let at = case["validation_time"].as_str().unwrap_or(DEFAULT_TIME);
        explore(&Question {
            chain: &chain,
            anchors: &anchors,
            crls: &ders(&case["crls"]),
            name: name.as_ref(),
            purpose: if text(case, "validation_kind") == "CLIENT" { Purpose::Client } else { Purpose::Server },
            now: Timestamp::parse(at).expect("a time"),
            max_depth: case["max_chain_depth"].as_u64().and_then(|depth| u32::try_from(depth).ok()),
            profile,
            every_path: false,
        })
    }
}

/// Cases that contradict the web PKI's rules are judged by RFC 5280 alone, which is no profile of ours.
fn belongs(case: &Value) -> bool {
    let features = case["features"].as_array().cloned().unwrap_or_default();
    let conflicts = case["conflicts_with"].as_array().is_some_and(|list| !list.is_empty());
    let of_rfc_alone = conflicts && text(case, "id").starts_with("rfc5280");
    !of_rfc_alone && !features.iter().any(|feature| feature == "rfc5280-incompatible-with-webpki")
}

fn reason(exploration: &Exploration) -> String {
    exploration
        .best()
        .map_or_else(|| "unreadable".to_owned(), |best| format!("{:?} {:?}", best.end, best.first_fault()))
}

#[test]
fn the_default_rules_judge_as_the_collections_expect() {
    let Some(folder) = folder() else { return };
    let mut runner = Runner::default();
    let mut wrong = Vec::new();
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for file in ["limbo.json.xz", "pathbuilding.json.xz"] {
        for case in cases(&folder.join(file)).iter().filter(|case| belongs(case)) {
            let id = text(case, "id");
            let expected = text(case, "expected_result") == "SUCCESS";
            let exploration = runner.ask(case, Profile::Strict);
            *count.entry(id.split("::").next().unwrap_or_default().to_owned()).or_default() += 1;
            if exploration.good_path().is_some() != expected && !MISSED.contains(&id) {
                wrong.push(format!("{id}: expected {}: {}", text(case, "expected_result"), reason(&exploration)));
            }
        }
    }
    eprintln!("judged {count:?}");
    assert!(count.values().sum::<usize>() > 9_000, "too few cases: {count:?}");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.iter().take(80).cloned().collect::<Vec<_>>().join("\n")
    );
}

/// What rustls-webpki says.
fn library(case: &Value) -> Result<(), webpki::Error> {
    use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
    let leaf = CertificateDer::from(ders(&Value::Array(vec![case["peer_certificate"].clone()])).remove(0));
    let roots: Vec<_> = ders(&case["trusted_certs"]).into_iter().map(CertificateDer::from).collect();
    let anchors: Vec<_> = roots.iter().filter_map(|root| webpki::anchor_from_trusted_cert(root).ok()).collect();
    let sent: Vec<_> = ders(&case["untrusted_intermediates"]).into_iter().map(CertificateDer::from).collect();
    let at = Timestamp::parse(case["validation_time"].as_str().unwrap_or(DEFAULT_TIME)).expect("a time");
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at.as_secs().unsigned_abs()));
    let end = webpki::EndEntityCert::try_from(&leaf)?;
    let usage = if text(case, "validation_kind") == "CLIENT" {
        webpki::KeyUsage::client_auth()
    } else {
        webpki::KeyUsage::server_auth()
    };
    end.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, &sent, at, usage, None, None)?;
    match case["expected_peer_name"]["value"].as_str() {
        Some(name) => {
            let name = ServerName::try_from(name).map_err(|_| webpki::Error::BadDer)?;
            end.verify_is_valid_for_subject_name(&name)
        }
        None => Ok(()),
    }
}

#[test]
fn the_lenient_rules_are_those_of_rustls_webpki() {
    let Some(folder) = folder() else { return };
    let mut runner = Runner::default();
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for file in ["limbo.json.xz", "pathbuilding.json.xz"] {
        for case in &cases(&folder.join(file)) {
            let is_mail = text(&case["expected_peer_name"], "kind") == "RFC822";
            let has_lists = case["crls"].as_array().is_some_and(|lists| !lists.is_empty());
            // The library has neither names of mailboxes nor a depth that can be asked for.
            if is_mail || has_lists || case["max_chain_depth"].is_u64() {
                continue;
            }
            compared += 1;
            let (ours, theirs) = (runner.ask(case, Profile::Lenient), library(case));
            if ours.good_path().is_some() != theirs.is_ok() {
                wrong.push(format!("{}: rustls-webpki says {theirs:?}, we say {}", text(case, "id"), reason(&ours)));
            }
        }
    }
    assert!(compared > 9_000, "too few cases: {compared}");
    assert!(
        wrong.is_empty(),
        "{} of {compared} differ:\n{}",
        wrong.len(),
        wrong.iter().take(80).cloned().collect::<Vec<_>>().join("\n")
    );
}
