//! Certificates with bytes changed, cut out and put in: whatever comes, the explorer answers, and never that a changed leaf is trusted.

use proptest::prelude::*;
use sidelight_model::x509::path::{AnchorSet, Asked, Profile, Purpose, Question, Stack, explore};

use super::pki::{Draft, Key, NOW};

/// A chain of three, and the root.
fn chain() -> (Vec<Vec<u8>>, Vec<u8>) {
    let (top, middle, bottom) = (Key::new(), Key::new(), Key::new());
    let root = Draft::ca("root", None).sign(&top, ("root", &top));
    let issuer = Draft::ca("middle", Some(0)).sign(&middle, ("root", &top));
    let leaf = Draft::leaf(&["a.example", "*.b.example"]).sign(&bottom, ("middle", &middle));
    (vec![leaf, issuer], root)
}

/// Where, how many bytes are taken out there, and what is put in.
type Change = (prop::sample::Index, usize, Vec<u8>);

fn changed(der: &[u8], change: &Change) -> Vec<u8> {
    let at = change.0.index(der.len());
    let end = (at + change.1).min(der.len());
    [&der[..at], &change.2, &der[end..]].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_panics_on_changed_certificates(
        which in 0usize..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0usize..4, prop::collection::vec(any::<u8>(), 0..4)), 1..4),
    ) {
        let (mut sent, mut root) = chain();
        let original = if which == 2 { root.clone() } else { sent[which].clone() };
        let made = changes.iter().fold(original.clone(), |der, change| changed(&der, change));
        if which == 2 { root = made.clone() } else { sent[which] = made.clone() }
        let anchors = AnchorSet::new([root.as_slice()]);
        let name = Asked::parse("a.example").unwrap();
        let profiles = [Profile::Strict, Profile::Lenient].into_iter().chain(Stack::all().map(Profile::Stack));
        for profile in profiles {
            let exploration = explore(&Question {
                chain: &sent,
                anchors: &anchors,
                crls: std::slice::from_ref(&made),
                name: Some(&name),
                purpose: Purpose::Server,
                now: NOW,
                max_depth: None,
                profile,
                every_path: true,
            });
            for path in &exploration.paths {
                prop_assert!(path.certificates.iter().all(|number| *number < exploration.certificates.len()));
                prop_assert!(path.is_good() || path.first_fault().is_some() || path.end != sidelight_model::x509::path::End::Anchor);
            }
        }
        let plain = explore(&Question {
            chain: &sent, anchors: &anchors, crls: &[], name: Some(&name), purpose: Purpose::Server, now: NOW,
            max_depth: None, profile: Profile::Strict, every_path: false,
        });
        prop_assert!(which == 2 || made == original || plain.good_path().is_none(), "a changed certificate is trusted");
    }
}
