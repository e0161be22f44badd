//! The decision table: every combination, and what must never be.

use proptest::prelude::*;

use super::*;
use crate::tofu::{Candidate, KeyPin};
use crate::x509::Certificate;

fn around(policy: Policy) -> Surroundings {
    Surroundings {
        policy,
        has_genesis: true,
        is_writable: true,
        is_lasting: true,
        continue_unreachable: false,
        lacks_evidence: false,
    }
}

fn candidate() -> Candidate {
    let root = &crate::trust::reference::Reference::builtin().all()[0];
    let der = root.certificate.as_ref().expect("a certificate").der.clone();
    let certificate = Certificate::parse(&der).expect("a root");
    Candidate { key: KeyPin::of(&certificate.public_key), certificate, sent: true }
}

fn shown() -> [Shown; 5] {
    [
        Shown::Unreachable("refused".into()),
        Shown::Trusted,
        Shown::UnknownIssuer(vec![candidate()]),
        Shown::NoIssuer { issuer: "CN=x".into() },
        Shown::Broken { cause: Cause::CertExpired, summary: "expired".into() },
    ]
}

fn matches() -> [Match; 7] {
    let key = KeyPin([1; 32]);
    [
        Match::Nothing,
        Match::Known { place: 0, same_certificate: true },
        Match::Known { place: 0, same_certificate: false },
        Match::Next { place: 0 },
        Match::Other { recorded: vec![key] },
        Match::Revoked { key, why: None },
        Match::Expired { at: crate::time::Timestamp(0), recorded: vec![key] },
    ]
}

#[test]
fn the_table_of_an_unknown_issuer() {
    let unknown = Shown::UnknownIssuer(vec![candidate()]);
    let row = |policy: Policy| matches().map(|recorded| decide(&around(policy), &unknown, &recorded));
    let install = |rule| Decision::Install { place: 0, rule };
    let rest = [
        install(Rule::Known),
        install(Rule::KnownKey),
        install(Rule::Next),
        Decision::Refuse(Refusal::Changed),
        Decision::Refuse(Refusal::Revoked),
        Decision::Refuse(Refusal::Expired),
    ];
    let whole = |first: Decision| {
        let mut row = vec![first];
        row.extend(rest.iter().cloned());
        row
    };
    assert_eq!(row(Policy::Pin).to_vec(), whole(Decision::Refuse(Refusal::NotPinned)));
    assert_eq!(row(Policy::Tofu).to_vec(), whole(Decision::Adopt));
    let mut enrol = whole(Decision::Ask);
    enrol[4] = Decision::Ask;
    assert_eq!(row(Policy::Enrol).to_vec(), enrol);
    let told: Vec<_> = whole(Decision::Adopt).into_iter().map(|it| Decision::Tell(Box::new(it))).collect();
    assert_eq!(row(Policy::Observe).to_vec(), told);
}

#[test]
fn a_record_that_does_not_last_adopts_nothing() {
    let unknown = Shown::UnknownIssuer(vec![candidate()]);
    let good = around(Policy::Tofu);
    for (it, refusal) in [
        (Surroundings { has_genesis: false, ..good }, Refusal::NoGenesis),
        (Surroundings { is_writable: false, ..good }, Refusal::NotWritable),
        (Surroundings { is_lasting: false, ..good }, Refusal::NotLasting),
        (Surroundings { lacks_evidence: true, ..good }, Refusal::NoEvidence),
    ] {
        assert_eq!(decide(&it, &unknown, &Match::Nothing), Decision::Refuse(refusal));
    }
}

#[test]
fn two_unrelated_hosts_with_one_issuer_are_a_scanner() {
    let host = |name: &str| Host::Name(name.into());
    let unknown = Shown::UnknownIssuer(vec![candidate()]);
    let say = |names: &[Host]| same_scanner(names.iter().map(|name| (name, &unknown)));
    assert!(say(&[host("a.example"), host("b.test")]));
    assert!(!say(&[host("x.a.example"), host("y.a.example")]));
    assert!(!say(&[host("a.example"), Host::Ip([192, 0, 2, 1].into())]));
    assert!(!same_scanner([(&host("a.example"), &unknown), (&host("b.test"), &Shown::Trusted)]));
}

proptest! {
    #[test]
    fn nothing_but_an_unknown_issuer_is_adopted(
        policy in 0..4_usize, what in 0..5_usize, recorded in 0..7_usize, bits in any::<[bool; 5]>()
    ) {
        let it = Surroundings {
            policy: Policy::ALL[policy],
            has_genesis: bits[0],
            is_writable: bits[1],
            is_lasting: bits[2],
            continue_unreachable: bits[3],
            lacks_evidence: bits[4],
        };
        let (shown, recorded) = (&shown()[what], &matches()[recorded]);
        let decision = decide(&it, shown, recorded);
        let unknown = matches!(shown, Shown::UnknownIssuer(_));
        match &decision {
            Decision::Adopt => prop_assert!(
                unknown && it.policy == Policy::Tofu && *recorded == Match::Nothing
                    && it.has_genesis && it.is_writable && it.is_lasting && !it.lacks_evidence
            ),
            Decision::Install { .. } => {
                let is_known = matches!(recorded, Match::Known { .. } | Match::Next { .. });
                prop_assert!(unknown && it.policy != Policy::Observe && is_known);
            }
            Decision::Ask => prop_assert!(unknown && it.policy == Policy::Enrol),
            Decision::Tell(_) => prop_assert!(it.policy == Policy::Observe),
            Decision::Start(rule) => prop_assert!(
                matches!(shown, Shown::Trusted) || (*rule == Rule::Unreachable && it.continue_unreachable)
            ),
            Decision::Refuse(_) => prop_assert!(it.policy != Policy::Observe),
        }
    }
}
