//! One certificate of a sound path is changed, and the first fault must be that change, at that certificate, with that cause.

use sidelight_model::finding::Cause;
use sidelight_model::x509::path::{End, Profile, Stack};
use sidelight_wire::certificate::Extension;
use sidelight_wire::der;

use super::pki::{Draft, Key, ask, ask_as, below, extension, word};

const HOST: &str = "a.example";
const BASIC: &[u64] = &[2, 5, 29, 19];
const KEY_USAGE: &[u64] = &[2, 5, 29, 15];
const PURPOSES: &[u64] = &[2, 5, 29, 37];
const SAN: &[u64] = &[2, 5, 29, 17];

fn middle() -> Draft {
    Draft::ca("middle", Some(0))
}

fn leaf() -> Draft {
    Draft::leaf(&[HOST])
}

#[test]
fn a_sound_path_is_good() {
    let exploration = below(middle(), leaf(), HOST);
    assert_eq!(word(&exploration), "ok");
    assert_eq!(exploration.good_path().unwrap().certificates.len(), 3);
}

#[test]
fn one_fault_is_found_where_it_is() {
    let client_auth: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 2];
    let eku = |arcs: &[u64]| Extension::extended_key_usage(&[der::oid(arcs)]);
    let unknown = || extension(&[1, 3, 6, 1, 4, 1, 99999, 1], true, vec![5, 0]);
    let cases: Vec<(&str, Draft, Draft, Cause)> = vec![
        ("expired at 0", middle(), leaf().expired(), Cause::CertExpired),
        ("expired at 1", middle().expired(), leaf(), Cause::IntermediateExpired),
        ("wrong_purpose at 0", middle(), leaf().without(PURPOSES).and(eku(client_auth)), Cause::LeafNotForServer),
        ("wrong_purpose at 1", middle().and(eku(client_auth)), leaf(), Cause::LeafNotForServer),
        ("no_extended_key_usage at 0", middle(), leaf().without(PURPOSES), Cause::LeafNotForServer),
        ("leaf_is_ca at 0", middle(), leaf().and(Extension::basic_constraints(true, None)), Cause::LeafIsCa),
        ("issuer_not_ca at 1", middle().without(BASIC), leaf(), Cause::IssuerNotCa),
        (
            "no_key_cert_sign at 1",
            Draft::ca("middle", None).without(KEY_USAGE).and(Extension::key_usage(&[6])),
            leaf(),
            Cause::IssuerNotCa,
        ),
        ("unknown_critical_extension at 0", middle(), leaf().and(unknown()), Cause::UnknownCriticalExtension),
        ("unknown_critical_extension at 1", middle().and(unknown()), leaf(), Cause::UnknownCriticalExtension),
        ("no_san at 0", middle(), leaf().without(SAN), Cause::NoSan),
        ("name_mismatch at 0", middle(), Draft::leaf(&["b.example"]), Cause::HostnameMismatch),
        (
            "malformed_extension at 0",
            middle(),
            leaf().without(SAN).and(extension(SAN, false, b"text".to_vec())),
            Cause::BadCertificateEncoding,
        ),
        ("duplicate_extension at 0", middle(), leaf().and(Extension::key_usage(&[0])), Cause::BadCertificateEncoding),
        (
            "key_usage_not_for_tls at 0",
            middle(),
            leaf().without(KEY_USAGE).and(Extension::key_usage(&[6])),
            Cause::LeafNotForServer,
        ),
        ("zero_serial at 0", middle(), leaf().serial(&[0]), Cause::BadCertificateEncoding),
        ("long_serial at 1", middle().serial(&[0x41; 21]), leaf(), Cause::BadCertificateEncoding),
    ];
    for (expected, middle, leaf, cause) in cases {
        let exploration = below(middle, leaf, HOST);
        let path = exploration.best().unwrap();
        assert_eq!(path.end, End::Anchor, "{expected}: {}", word(&exploration));
        let first = path.first_fault().unwrap();
        let said: Vec<_> =
            path.faults.iter().map(|found| format!("{} at {}", found.fault.code(), found.position)).collect();
        assert!(said.contains(&expected.to_owned()), "{expected}: {said:?}");
        assert_eq!(first.fault.cause(first.position, false), cause, "{expected}: {said:?}");
    }
}

#[test]
fn intermediates_are_counted() {
    // (path lengths from the root down, whether the second CA issues to itself) -> verdict
    let cases: &[(&[Option<u8>], bool, &str)] = &[
        (&[None, None, None], false, "ok"),
        (&[Some(2), Some(1), Some(0)], false, "ok"),
        (&[Some(1), None, None], false, "path_length_exceeded at 3"),
        (&[None, Some(0), None], false, "path_length_exceeded at 2"),
        (&[None, Some(0), Some(7)], false, "path_length_exceeded at 2"),
        (&[Some(1), Some(1), Some(0)], true, "ok"),
    ];
    for (lengths, self_issued, expected) in cases {
        let keys: Vec<_> = (0..4).map(|_| Key::new()).collect();
        let second = "first";
        let third = if *self_issued { "first" } else { "second" };
        let root = Draft::ca("root", lengths[0]).sign(&keys[0], ("root", &keys[0]));
        let first = Draft::ca(second, lengths[1]).sign(&keys[1], ("root", &keys[0]));
        let below = Draft::ca(third, lengths[2]).sign(&keys[2], (second, &keys[1]));
        let leaf = leaf().sign(&keys[3], (third, &keys[2]));
        assert_eq!(word(&ask(&[leaf, first, below], &[root], HOST)), *expected, "{lengths:?}");
    }
}

#[test]
fn anchors_are_judged_by_whoever_judges_them() {
    let (top, bottom) = (Key::new(), Key::new());
    let root = Draft::ca("root", None).expired().sign(&top, ("root", &top));
    let leaf = leaf().sign(&bottom, ("root", &top));
    let as_client = |client: &str| {
        let stack: Stack = client.parse().unwrap();
        word(&ask_as(std::slice::from_ref(&leaf), std::slice::from_ref(&root), HOST, Profile::Stack(stack)))
    };
    for (client, expected) in
        [("openssl", "expired at 1"), ("go", "expired at 1"), ("java", "ok"), ("rust-native", "ok")]
    {
        assert_eq!(as_client(client), expected, "{client}");
    }
    let exploration = ask(&[leaf], &[root], HOST);
    let first = exploration.best().unwrap().first_fault().unwrap();
    assert_eq!(first.fault.cause(first.position, true), Cause::RootExpired);
}

#[test]
fn policies_must_be_valid_where_they_are_asked_for() {
    const POLICIES: &[u64] = &[2, 5, 29, 32];
    const CONSTRAINTS: &[u64] = &[2, 5, 29, 36];
    let policy =
        |last: u64| extension(POLICIES, false, der::sequence(&[&der::sequence(&[&der::oid(&[1, 2, 3, last])])]));
    let required = || extension(CONSTRAINTS, true, der::sequence(&[&der::implicit(0, &[0])]));
    for (of_middle, of_leaf, expected) in
        [(Some(4), Some(4), "ok"), (Some(4), Some(5), "no_valid_policy at 0"), (Some(4), None, "no_valid_policy at 0")]
    {
        let add = |draft: Draft, last: Option<u64>| match last {
            Some(last) => draft.and(policy(last)),
            None => draft,
        };
        let exploration = below(add(middle().and(required()), of_middle), add(leaf(), of_leaf), HOST);
        assert_eq!(word(&exploration), expected, "{of_middle:?} {of_leaf:?}");
    }
}

#[test]
fn a_signature_by_another_key_is_told_apart_from_a_missing_issuer() {
    let (top, other, bottom) = (Key::new(), Key::new(), Key::new());
    let root = Draft::ca("root", None).sign(&top, ("root", &top));
    let forged = leaf().sign(&bottom, ("root", &other));
    assert_eq!(word(&ask(&[forged], std::slice::from_ref(&root), HOST)), "wrongkey");
    let orphan = leaf().sign(&bottom, ("nobody", &other));
    assert_eq!(word(&ask(&[orphan], std::slice::from_ref(&root), HOST)), "noissuer");
    let own = leaf().sign(&bottom, ("the leaf", &bottom));
    assert_eq!(word(&ask(std::slice::from_ref(&own), &[root], HOST)), "selfsigned");
    assert_eq!(
        word(&ask(std::slice::from_ref(&own), std::slice::from_ref(&own), HOST)),
        "ok",
        "a self-signed leaf among the anchors"
    );
    assert_eq!(word(&ask(&[vec![0x30, 0]], &[], HOST)), "unreadable");
}
