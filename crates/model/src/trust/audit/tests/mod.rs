//! Each check with a survey that has the fault, and one that has not.

mod certificates;
mod places;
mod settings;

use std::collections::BTreeMap;

use super::forge::{Draft, Image, NOW};
use super::*;
use crate::trust::reference::Reference;
use crate::trust::{CertId, Runtime, Survey};

/// A question with nothing special about it.
fn question<'a>(survey: &'a Survey, reference: &'a Reference, readers: &'a [Reads]) -> Question<'a> {
    Question { survey, reference, readers, now: NOW, days: 90, ignore: &[], policy: None }
}

/// What is found when nothing is known of programs or of Mozilla's list.
fn found(image: &Image) -> Vec<Issue> {
    audit(question(&image.survey, &Reference::default(), &[])).issues
}

/// The issues of one check.
fn of(check: Check, issues: &[Issue]) -> Vec<&Issue> {
    issues.iter().filter(|issue| issue.check == check).collect()
}

/// The only issue of one check.
fn only(check: Check, issues: &[Issue]) -> &Issue {
    let found = of(check, issues);
    assert_eq!(found.len(), 1, "{check}: {issues:#?}");
    found[0]
}

fn reads(name: &str, runtime: Runtime, version: Option<&str>, roots: &[CertId], file: &str) -> Reads {
    Reads {
        name: name.to_owned(),
        runtime,
        version: version.map(str::to_owned),
        roots: roots.iter().map(|id| (*id, vec![file.to_owned()])).collect::<BTreeMap<_, _>>(),
        files: vec![file.to_owned()],
    }
}

const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

#[test]
fn a_sound_image_has_nothing_but_its_private_roots() {
    let mut image = Image::new();
    image.pem(BUNDLE, &[&Draft { constrained: true, ..Draft::root("Sound Root") }]);
    let codes: Vec<Check> = found(&image).iter().map(|issue| issue.check).collect();
    assert_eq!(codes, [Check::T09]);
}

#[test]
fn the_worst_comes_first_and_every_issue_has_words_evidence_and_a_fix() {
    let mut image = Image::new();
    let root = Draft { until: -10, ..Draft::root("Old Root") };
    image.pem(BUNDLE, &[&root, &root]);
    image.key("/etc/ssl/private/ca.key", Some(root.key.clone()));
    image.env("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    image.env("SSL_CERT_FILE", "/nowhere.pem");
    let issues = found(&image);
    let order: Vec<Severity> = issues.iter().map(|issue| issue.severity).collect();
    assert!(order.is_sorted_by(|a, b| a >= b), "{order:?}");
    assert_eq!(issues[0].check, Check::T13);
    for issue in &issues {
        assert!(!issue.summary.is_empty() && !issue.summary.ends_with('.'), "{issue:?}");
        assert!(!issue.evidence.is_empty(), "{issue:?}");
        assert!(issue.evidence.iter().all(|it| !it.value.is_empty()), "{issue:?}");
    }
    let prints: std::collections::BTreeSet<String> = issues.iter().map(Issue::fingerprint).collect();
    assert_eq!(prints.len(), issues.len());
}

#[test]
fn what_the_user_ignores_is_counted_and_left_out() {
    let mut image = Image::new();
    let root = Draft { until: -10, ..Draft::root("Old Root") };
    image.pem(BUNDLE, &[&root]);
    image.env("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    let hash = crate::x509::fingerprint(&root.der());
    let ignore: Vec<Ignore> = [format!("T01:{hash}"), "T15:NODE_TLS_REJECT_UNAUTHORIZED".to_owned(), "T16".to_owned()]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    let reference = Reference::default();
    let report = audit(Question { ignore: &ignore, ..question(&image.survey, &reference, &[]) });
    let codes: Vec<Check> = report.issues.iter().map(|issue| issue.check).collect();
    assert_eq!(codes, [Check::T09]);
}

#[test]
fn a_policy_names_what_must_may_and_must_not_be() {
    let mut image = Image::new();
    let (good, bad, odd) = (Draft::root("Good"), Draft::root("Bad"), Draft::root("Odd"));
    image.pem(BUNDLE, &[&good, &bad, &odd]);
    let rule = |draft: &Draft| Rule { sha256: Some(crate::x509::fingerprint(&draft.der())), ..Rule::default() };
    let policy = Policy {
        file: ".paranoia.yaml".to_owned(),
        require: vec![rule(&Draft::root("Absent"))],
        allow: vec![rule(&good)],
        forbid: vec![rule(&bad)],
    };
    let reference = Reference::default();
    let issues = audit(Question { policy: Some(&policy), ..question(&image.survey, &reference, &[]) }).issues;
    assert!(only(Check::P01, &issues).summary.contains("which the policy requires"));
    assert_eq!(only(Check::P02, &issues).summary, "Odd is trusted, and the policy does not name it");
    assert_eq!(only(Check::P03, &issues).summary, "Bad is trusted, and the policy forbids it");
    // What the policy allows is no stranger any more.
    assert!(!of(Check::T09, &issues).iter().any(|issue| issue.summary.starts_with("Good")));
    let by_sha1 = Rule { sha1: Some("0".repeat(40)), ..Rule::default() };
    assert!(!by_sha1.fits(&image.survey.pool.all()[0]));
}
