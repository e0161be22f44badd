//! T01 to T10, T12, T16: what certificates say.

use super::super::forge::{P256, ec, name, rsa, rsa_of};
use super::*;
use crate::trust::Format;

/// The issues of one check when the system bundle holds this certificate.
fn with(draft: &Draft, check: Check) -> Vec<(Severity, String)> {
    let mut image = Image::new();
    image.pem(BUNDLE, &[draft]);
    let issues = found(&image);
    of(check, &issues).iter().map(|issue| (issue.severity, issue.summary.clone())).collect()
}

#[test]
fn validity() {
    let root = Draft::root("R");
    let cases = [
        (Check::T01, Draft { until: -1, ..root.clone() }, Severity::Error, "R expired on 2026-11-29"),
        (Check::T02, Draft { from: 5, ..root.clone() }, Severity::Error, "R is not valid before 2026-12-05"),
        (Check::T03, Draft { until: 30, ..root.clone() }, Severity::Warn, "R expires on 2026-12-30, in 30 days"),
        (Check::T03, Draft { until: 0, ..root.clone() }, Severity::Warn, "R expires today, 2026-11-30"),
    ];
    for (check, draft, severity, summary) in cases {
        assert_eq!(with(&draft, check), [(severity, summary.to_owned())]);
        assert_eq!(with(&root, check), []);
    }
}

#[test]
fn an_expired_root_tells_who_still_accepts_it() {
    let mut image = Image::new();
    image.pem(BUNDLE, &[&Draft { until: -1, ..Draft::root("R") }]);
    let id = CertId(0);
    let readers = [
        reads("Java 17", Runtime::Java, Some("17"), &[id], BUNDLE),
        reads("curl", Runtime::Curl, None, &[id], BUNDLE),
        reads("Go", Runtime::Go, None, &[], BUNDLE),
    ];
    let issues = audit(question(&image.survey, &Reference::default(), &readers)).issues;
    let told: Vec<String> =
        only(Check::T01, &issues).affected.iter().map(|it| format!("{} {}", it.who, it.effect)).collect();
    assert_eq!(told, ["Java 17 still accepts it", "curl refuses what it issued"]);
}

#[test]
fn authority() {
    let root = Draft::root("R");
    let other = Some(name("Issuer", "Example"));
    let cases = [
        (Draft { basic: Some((true, false)), ..root.clone() }, Severity::Error, "basicConstraints CA"),
        (Draft { basic: None, ..root.clone() }, Severity::Error, "basicConstraints CA"),
        (Draft { usage: Some(0x80), ..root.clone() }, Severity::Error, "keyUsage does not allow"),
        (Draft { purpose: Some(4), ..root.clone() }, Severity::Error, "extendedKeyUsage is not for servers"),
        (Draft { issuer: other.clone(), ..root.clone() }, Severity::Warn, "is an intermediate"),
        (
            Draft { issuer: other, basic: Some((true, false)), ..root.clone() },
            Severity::Warn,
            "a server's own certificate",
        ),
        (
            Draft { basic: Some((true, false)), dns: Some("a.test"), ..root.clone() },
            Severity::Info,
            "self-signed certificate",
        ),
        (Draft { dns: Some("a.test"), ..root.clone() }, Severity::Warn, "an authority as well"),
    ];
    for (draft, severity, part) in cases {
        let found = with(&draft, Check::T04);
        assert!(matches!(&found[..], [(s, text)] if *s == severity && text.contains(part)), "{part}: {found:?}");
    }
    for sound in [root.clone(), Draft { v1: true, ..root.clone() }, Draft { purpose: Some(1), ..root }] {
        assert_eq!(with(&sound, Check::T04), []);
    }
}

#[test]
fn strictness() {
    let root = Draft::root("R");
    let cases = [
        (Draft { v1: true, ..root.clone() }, "version 1"),
        (Draft { basic: Some((false, true)), ..root.clone() }, "basicConstraints is not critical"),
        (Draft { usage: None, ..root.clone() }, "no keyUsage"),
    ];
    for (draft, part) in cases {
        let found = with(&draft, Check::T05);
        assert!(matches!(&found[..], [(Severity::Warn, text)] if text.contains(part)), "{part}: {found:?}");
    }
    assert_eq!(with(&root, Check::T05), []);
}

#[test]
fn only_a_new_python_is_strict() {
    let reader = |version| reads("Python", Runtime::Python, version, &[], "");
    assert!(reader(Some("3.13.1")).is_strict() && reader(Some("3.14")).is_strict());
    assert!(!reader(Some("3.12.9")).is_strict() && !reader(None).is_strict());
}

#[test]
fn keys() {
    let root = Draft::root("R");
    let key = |key: Vec<u8>| Draft { key, ..root.clone() };
    let power = [1, 0, 2, 0, 1];
    let cases = [
        (key(rsa(128, &[1, 0, 1], 3)), Severity::Error, "1024 bits"),
        (key(rsa(256, &[3], 3)), Severity::Warn, "exponent is 3"),
        (key(rsa(256, &[1], 3)), Severity::Critical, "exponent is 1"),
        (key(rsa_of(&power, &[1, 0, 1])), Severity::Critical, "ROCA"),
        (key(ec(&[0x2b, 0x81, 4, 0, 10])), Severity::Warn, "secp256k1"),
    ];
    for (draft, severity, part) in cases {
        let found = with(&draft, Check::T06);
        assert!(matches!(&found[..], [(s, text)] if *s == severity && text.contains(part)), "{part}: {found:?}");
    }
    for sound in [root.clone(), key(ec(P256))] {
        assert_eq!(with(&sound, Check::T06), []);
    }
}

#[test]
fn certificates_with_one_fault_are_one_issue() {
    let mut image = Image::new();
    let names = ["A", "B", "C", "D", "E", "F"];
    let drafts: Vec<Draft> = names
        .iter()
        .map(|name| Draft {
            until: -10,
            usage: None,
            key: rsa(128, &[1, 0, 1], name.as_bytes()[0] & 0x7f),
            ..Draft::root(name)
        })
        .collect();
    image.pem(BUNDLE, &drafts.iter().collect::<Vec<_>>());
    let issues = found(&image);
    for check in [Check::T01, Check::T05, Check::T06, Check::T09] {
        let issue = only(check, &issues);
        assert_eq!((issue.certs.len(), issue.places.len()), (6, 6), "{issue:#?}");
        assert!(issue.summary.contains("A, B, C and 3 more"), "{}", issue.summary);
    }
    let leaf = |name| Draft { basic: Some((true, false)), dns: Some("a.test"), ..Draft::root(name) };
    let mut image = Image::new();
    image.pem(BUNDLE, &[&leaf("A"), &leaf("B"), &Draft { basic: None, ..Draft::root("C") }]);
    let issues = found(&image);
    let told: Vec<(Severity, usize)> = of(Check::T04, &issues).iter().map(|it| (it.severity, it.certs.len())).collect();
    assert_eq!(told, [(Severity::Error, 1), (Severity::Info, 2)]);
}

#[test]
fn private_roots_that_the_same_programs_lack_are_one_issue() {
    let mut image = Image::new();
    image.pem(BUNDLE, &[&Draft::root("A"), &Draft::root("B"), &Draft::root("C")]);
    let all = [CertId(0), CertId(1), CertId(2)];
    let readers = [
        reads("curl", Runtime::Curl, None, &all, BUNDLE),
        reads("Go", Runtime::Go, None, &all, BUNDLE),
        reads("Node 20", Runtime::Node, None, &all[..1], BUNDLE),
    ];
    let issues = audit(question(&image.survey, &Reference::default(), &readers)).issues;
    assert_eq!(only(Check::T12, &issues).summary, "B and C are trusted by Go and curl, but not by Node 20");
}

/// Copies in packages age together: one warning at most, and no private root is lost in it.
#[test]
fn copies_of_public_roots_in_packages_are_one_warning() {
    let mut image = Image::new();
    let (public, corp) = (Draft { until: -5, ..Draft::root("Listed") }, Draft::root("Corp"));
    for n in 0..6 {
        image.pem(&format!("/opt/python{n}/site-packages/certifi/cacert.pem"), &[&public, &corp]);
    }
    let reference = list(&public, ["2020-01-01", "", "distrusted in 2020"]);
    let issues = audit(question(&image.survey, &reference, &[])).issues;
    let copies = only(Check::T10, &issues);
    assert_eq!((copies.severity, copies.places.len(), copies.certs.len()), (Severity::Warn, 6, 1));
    assert_eq!(
        copies.summary,
        "6 copies of the public roots inside packages (certifi), the youngest roots in them of 2010, hold up to 1 that Mozilla removed and hold up to 1 that have expired"
    );
    assert_eq!((of(Check::T08, &issues).len(), of(Check::T01, &issues).len()), (0, 0));
    assert_eq!(only(Check::T09, &issues).places.len(), 6);
}

#[test]
fn duplicates_and_kin() {
    let mut image = Image::new();
    let root = Draft::root("R");
    let rekeyed = Draft { key: rsa(256, &[1, 0, 1], 99), ..root.clone() };
    let renewed = Draft { serial: 2, until: 3000, ..root.clone() };
    image.pem(BUNDLE, &[&root, &root, &rekeyed, &renewed]);
    let issues = found(&image);
    let about: Vec<&str> = of(Check::T07, &issues).iter().map(|issue| issue.about.as_str()).collect();
    assert_eq!(
        about.iter().copied().collect::<std::collections::BTreeSet<_>>(),
        ["same-key", "same-name", "twice"].into()
    );
    assert!(of(Check::T07, &issues).iter().all(|issue| issue.severity == Severity::Info));
    let mut image = Image::new();
    image.pem(BUNDLE, &[&root, &Draft::root("S")]);
    assert_eq!(of(Check::T07, &found(&image)).len(), 0);
}

/// A list of one root as it is told by `fields`: removed, distrusted after, note.
fn list(draft: &Draft, fields: [&str; 3]) -> Reference {
    let hash = crate::x509::fingerprint(&draft.der());
    let key = crate::redact::sha256_hex(&draft.key);
    let [removed, after, note] = fields;
    Reference::parse(&format!("# as of 2026-10-18\n{hash}\t{key}\t2010-01-01\t{removed}\t{after}\tListed\t{note}\n"))
        .unwrap()
}

#[test]
fn beside_mozillas_list() {
    let mut image = Image::new();
    let root = Draft::root("Listed");
    image.pem(BUNDLE, &[&root]);
    let cases = [
        (["2026-04-13", "", ""], Some((Severity::Warn, "removed on 2026-04-13"))),
        (
            ["~2022-12-07", "", "distrusted on 2022-11-30"],
            Some((Severity::Error, "removed by 2022-12-07; distrusted on 2022-11-30")),
        ),
        (["", "2025-04-15", ""], Some((Severity::Warn, "not trusted for certificates issued after 2025-04-15"))),
        (["", "", "limited to .tr by Mozilla"], Some((Severity::Info, "limited to .tr by Mozilla"))),
        (["", "", ""], None),
    ];
    for (fields, expected) in cases {
        let reference = list(&root, fields);
        let issues = audit(question(&image.survey, &reference, &[])).issues;
        let found = of(Check::T08, &issues);
        let found: Vec<_> = found.iter().map(|issue| (issue.severity, issue.evidence[0].value.as_str())).collect();
        assert_eq!(found, Vec::from_iter(expected), "{fields:?}");
        // A public root is no stranger, and may issue for all names.
        assert!(of(Check::T09, &issues).is_empty() && of(Check::T16, &issues).is_empty());
    }
}

#[test]
fn what_mozilla_has_and_the_image_has_not() {
    let reference = Reference::builtin();
    let current: Vec<_> = reference.current().filter_map(|root| root.certificate.clone()).collect();
    let mut image = Image::new();
    let ids: Vec<CertId> = current.iter().skip(2).map(|cert| image.survey.pool.add(&cert.der).unwrap()).collect();
    let entries = ids.iter().map(|id| crate::trust::Entry {
        cert: *id,
        alias: None,
        label: None,
        line: None,
        offset: None,
        bits: None,
        is_anchor: true,
    });
    let entries: Vec<_> = entries.collect();
    image.pem(BUNDLE, &[]).entries = entries;
    let issues = audit(question(&image.survey, reference, &[])).issues;
    let missing = only(Check::T10, &issues);
    assert!(missing.evidence[0].value.starts_with(&format!("lacks 2 of {}: ", current.len())), "{missing:?}");
    assert_eq!(of(Check::T09, &issues).len(), 0);
    // Few issues for an image that is nearly up to date: a user reads them all.
    assert!(issues.len() <= 6, "{issues:#?}");
}

#[test]
fn strangers_are_named() {
    for (common, organization, severity, part) in [
        ("Zscaler Root CA", "Zscaler Inc.", Severity::Warn, "Zscaler"),
        ("mitmproxy", "mitmproxy", Severity::Error, "mitmproxy"),
        ("Corp Root", "Corp", Severity::Warn, "belongs to no public program"),
    ] {
        let draft = Draft { subject: name(common, organization), ..Draft::root("x") };
        let found = with(&draft, Check::T09);
        assert!(matches!(&found[..], [(s, text)] if *s == severity && text.contains(part)), "{part}: {found:?}");
    }
}

#[test]
fn private_roots_without_limits() {
    assert_eq!(with(&Draft::root("R"), Check::T16).len(), 1);
    assert_eq!(with(&Draft { constrained: true, ..Draft::root("R") }, Check::T16), []);
}

#[test]
fn programs_that_trust_different_roots() {
    let mut image = Image::new();
    let (corp, common) = (Draft::root("Corp Root"), Draft::root("Common"));
    image.pem(BUNDLE, &[&corp, &common]);
    image.store("/usr/lib/jvm/lib/security/cacerts", Format::Jks, &[&common]);
    let readers = [
        reads("curl", Runtime::Curl, None, &[CertId(0), CertId(1)], BUNDLE),
        reads("Go", Runtime::Go, None, &[CertId(0), CertId(1)], BUNDLE),
        reads("Java 17", Runtime::Java, None, &[CertId(1)], "/usr/lib/jvm/lib/security/cacerts"),
    ];
    let reference = Reference::default();
    let issues = audit(question(&image.survey, &reference, &readers)).issues;
    assert_eq!(only(Check::T12, &issues).summary, "Corp Root is trusted by Go and curl, but not by Java 17");
    // Without knowing programs, stores are compared.
    assert!(only(Check::T12, &found(&image)).summary.contains("but not by /usr/lib/jvm/lib/security/cacerts"));
    assert_eq!(of(Check::T12, &audit(question(&image.survey, &reference, &readers[..2])).issues).len(), 0);
}
