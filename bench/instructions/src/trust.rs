//! Certificates: the path to a root is built, and a copy is forged.

use std::hint::black_box;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use sidelight_engine::ca::{Authority, CaOptions, KeyKind};
use sidelight_engine::forge::Forge;
use sidelight_model::flow::Host;
use sidelight_model::forge::LeafPlan;
use sidelight_model::time::Timestamp;
use sidelight_model::x509::Certificate;
use sidelight_model::x509::path::{AnchorSet, Asked, Profile, Purpose, Question, explore};

const NOW: Timestamp = Timestamp::from_secs(1_795_372_833);

/// Leaf, intermediate, root, in DER; ECDSA P-256.
fn chain() -> [Vec<u8>; 3] {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (params, KeyPair::generate().expect("a key"))
    };
    let (root, root_key) = authority("Root");
    let root_der = root.self_signed(&root_key).expect("a root").der().to_vec();
    let root = Issuer::new(root, root_key);
    let (middle, middle_key) = authority("Intermediate");
    let middle_der = middle.signed_by(&middle_key, &root).expect("an intermediate").der().to_vec();
    let middle = Issuer::new(middle, middle_key);
    let mut leaf = CertificateParams::new(vec!["registry.test".to_owned()]).expect("parameters");
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let leaf = leaf.signed_by(&KeyPair::generate().expect("a key"), &middle).expect("a leaf").der().to_vec();
    [leaf, middle_der, root_der]
}

/// The path from a leaf over an intermediate to one root.
pub(crate) fn path(count: u32) {
    let [leaf, middle, root] = chain();
    let (sent, anchors) = ([leaf, middle], AnchorSet::new([root.as_slice()]));
    let name = Asked::parse("registry.test").expect("a name");
    for _ in 0..count {
        let question = Question {
            chain: &sent,
            anchors: &anchors,
            crls: &[],
            name: Some(&name),
            purpose: Purpose::Server,
            now: NOW,
            max_depth: None,
            profile: Profile::Strict,
            every_path: false,
        };
        assert!(explore(black_box(&question)).good_path().is_some(), "there is a path");
    }
}

/// A copy of a leaf, for another name each time.
pub(crate) fn forge(count: u32) {
    let [leaf, _, _] = chain();
    let leaf = Certificate::parse(&leaf).expect("a leaf");
    let authority = Arc::new(Authority::ephemeral(&CaOptions::default(), NOW).expect("an authority"));
    let forge = Forge::new(authority.clone()).expect("a forge");
    for number in 0..count {
        let host = Host::parse(&format!("h{number}.test")).expect("a name");
        let plan = LeafPlan::sound(&leaf, &host, authority.not_after(), NOW);
        black_box(forge.leaf(&plan, KeyKind::EcdsaP256).expect("a copy"));
    }
}
