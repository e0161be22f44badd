//! What a server shows of itself: certificates and a stapled OCSP response. In: a leaf, an issuer, a response. Out: broken promises.

use sidelight_model::flow::Host;
use sidelight_model::forge::LeafPlan;
use sidelight_model::time::Timestamp;
use sidelight_model::x509::path::{AnchorSet, Asked, End, Profile, Purpose, Question, Stack, explore};
use sidelight_model::x509::{Anchors, Certificate, explain, judge, revoked_at};

/// November 2026: the committed certificates are valid then.
const NOW: Timestamp = Timestamp::from_secs(1_795_372_833);

/// Reads, judges, explains and copies whatever can be read: without panic, and with all raw parts taken from the certificate.
pub fn certificate(data: &[u8]) {
    let (leaf_der, rest) = counted(data);
    let (issuer_der, response) = counted(rest);
    let leaf = Certificate::parse(leaf_der);
    let issuer = Certificate::parse(issuer_der);
    for certificate in [&leaf, &issuer].into_iter().flatten() {
        let parts = [&certificate.subject_der, &certificate.issuer_der, &certificate.public_key];
        for part in parts.into_iter().chain(&certificate.sans_der) {
            assert!(part.is_empty() || certificate.der.windows(part.len()).any(|window| window == part.as_slice()));
        }
        assert!(certificate.sha256().len() == 64 && certificate.short_name().len() <= 8 * certificate.der.len());
        assert!(!certificate.not_before.rfc3339().is_empty() && !certificate.not_after.date().is_empty());
        assert!(!certificate.is_self_signed() || certificate.is_self_issued());
    }
    let (Ok(host), Ok(target)) = (Host::parse("registry.test"), "registry.test:443".parse()) else { return };
    let chain = [leaf_der.to_vec(), issuer_der.to_vec()];
    for anchors in [Anchors::default(), Anchors::new([issuer_der])] {
        let judged = judge(&chain, &anchors, &host, NOW);
        assert_eq!(judged.is_some(), leaf.is_ok());
        let Some(judged) = judged else { continue };
        assert!(!judged.path.is_empty() && judged.path[0] == judged.chain[0]);
        let finding = explain(&judged, &anchors, &target, NOW, "UnknownIssuer", "the test's roots");
        assert!(!finding.summary.is_empty() && !finding.evidence().is_empty());
        let plan = LeafPlan::faulty(&judged, &host, Timestamp(i64::MAX), NOW);
        assert_eq!(plan.subject, judged.chain[0].subject_der);
        let plan = LeafPlan::sound(&judged.chain[0], &host, Timestamp(i64::MAX), NOW);
        assert!(plan.not_before <= NOW && plan.not_after > NOW, "a sound copy is valid: {plan:?}");
    }
    if let (Ok(leaf), Ok(issuer)) = (leaf, issuer) {
        assert_eq!(revoked_at(response, &leaf, &issuer), revoked_at(response, &leaf, &issuer));
    }
}

/// Explores the paths from a leaf over an intermediate to a root, by everybody's rules: without panic, within bounds, and always with a
/// reason.
pub fn paths(data: &[u8]) {
    let (leaf, rest) = counted(data);
    let (issuer, rest) = counted(rest);
    let (root, list) = counted(rest);
    let chain = [leaf.to_vec(), issuer.to_vec()];
    let anchors = AnchorSet::new([root]);
    let crls = if list.is_empty() { Vec::new() } else { vec![list.to_vec()] };
    let Ok(name) = Asked::parse("registry.test") else { return };
    let profiles = [Profile::Strict, Profile::Lenient].into_iter().chain(Stack::all().map(Profile::Stack));
    for profile in profiles {
        let ask = |every_path| {
            let (purpose, max_depth) = (Purpose::Server, None);
            let (chain, crls, name) = (&chain[..], &crls[..], Some(&name));
            explore(&Question {
                chain,
                anchors: &anchors,
                crls,
                name,
                purpose,
                now: NOW,
                max_depth,
                profile,
                every_path,
            })
        };
        let (all, one) = (ask(true), ask(false));
        assert_eq!(all.good_path().is_some(), one.good_path().is_some(), "the answer depends on how much is asked");
        for path in &all.paths {
            assert!(path.certificates.iter().all(|number| *number < all.certificates.len()));
            assert_eq!(path.is_good(), path.end == End::Anchor && path.first_fault().is_none());
        }
    }
}

/// A part with its length in two bytes before it, and what follows.
fn counted(data: &[u8]) -> (&[u8], &[u8]) {
    match data {
        [high, low, rest @ ..] => rest.split_at((usize::from(*high) << 8 | usize::from(*low)).min(rest.len())),
        _ => (data, &[]),
    }
}
