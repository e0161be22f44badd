//! What one certificate tells by itself, in its place: leaf, intermediate or anchor. In: a certificate, its role, what is asked.
//! Out: its faults. Spec: RFC 5280 §4.2, §6.1.3, §6.1.4. What needs its neighbours is in `along`, rules of form are in `forms`.

use super::super::strict::{Curve, Digest, KeyKind, SignatureAlgorithm, Strict, dotted, oid, usage};
use super::fault::Fault;
use super::rules::{CaRule, Forms, Rules};
use super::{Asked, Purpose, constraints, forms, leaf};
use crate::time::Timestamp;

/// The place of a certificate in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Leaf,
    Intermediate,
    Anchor,
}

/// What every certificate of a path is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) name: Option<&'a Asked>,
    pub(crate) purpose: Purpose,
    pub(crate) now: Timestamp,
}

/// Everything that is wrong with it.
pub(crate) fn faults(certificate: &Strict, role: Role, asking: Asking<'_>) -> Vec<Fault> {
    let rules = asking.rules;
    let mut found = Vec::new();
    if role != Role::Anchor || rules.anchor.critical_extensions {
        extensions(certificate, rules, &mut found);
    }
    if role != Role::Anchor || rules.anchor.validity {
        validity(certificate, asking.now, &mut found);
    }
    strength(certificate, role, rules, &mut found);
    match role {
        Role::Leaf => leaf::check(certificate, asking, &mut found),
        Role::Intermediate => {
            issuer(certificate, rules.intermediate_ca, rules.cert_sign, &mut found);
            if rules.purposes.issuers {
                purposes(certificate, asking.purpose, rules.purposes.any_on_issuers, &mut found);
            }
        }
        Role::Anchor => {
            issuer(certificate, rules.anchor.ca, rules.anchor.cert_sign, &mut found);
            if rules.anchor.purposes {
                purposes(certificate, asking.purpose, rules.purposes.any_on_issuers, &mut found);
            }
        }
    }
    if rules.version_3 && role != Role::Anchor && rules.forms != Forms::Web && certificate.version != 3 {
        found.push(Fault::Form(super::fault::Form::Version, Vec::new()));
    }
    if role == Role::Intermediate || (role == Role::Anchor && rules.anchor.name_constraints) {
        constraints::unusable(certificate, rules, &mut found);
    }
    forms::check(certificate, role, asking, &mut found);
    found
}

fn extensions(certificate: &Strict, rules: &Rules, found: &mut Vec<Fault>) {
    for (index, extension) in certificate.extensions.iter().enumerate() {
        let oid = &extension.oid;
        if certificate.extensions[..index].iter().any(|earlier| earlier.oid == *oid) {
            found.push(Fault::DuplicateExtension(oid.clone()));
        }
        if let Some(what) = extension.malformed.filter(|_| rules.forms == Forms::Web || is_essential(oid)) {
            found.push(Fault::Extension { oid: oid.clone(), what });
        }
        if extension.critical && !is_understood(oid, rules) {
            found.push(Fault::UnknownCritical(oid.clone()));
        }
    }
}

/// Extensions without which nobody can judge.
fn is_essential(oid: &[u8]) -> bool {
    matches!(
        oid,
        oid::BASIC_CONSTRAINTS
            | oid::KEY_USAGE
            | oid::EXTENDED_KEY_USAGE
            | oid::SUBJECT_ALT_NAME
            | oid::NAME_CONSTRAINTS
    )
}

fn is_understood(oid: &[u8], rules: &Rules) -> bool {
    if is_essential(oid) || oid == oid::CRL_POINTS {
        return true;
    }
    !rules.as_webpki
        && matches!(
            oid,
            oid::AUTHORITY_KEY_ID
                | oid::SUBJECT_KEY_ID
                | oid::POLICIES
                | oid::POLICY_MAPPINGS
                | oid::POLICY_CONSTRAINTS
                | oid::INHIBIT_ANY_POLICY
                | oid::ISSUER_ALT_NAME
                | oid::AUTHORITY_INFO
                | oid::SUBJECT_INFO
                | oid::TLS_FEATURE
        )
}

/// Validity includes both its ends, to the second (RFC 5280 §4.1.2.5).
fn validity(certificate: &Strict, now: Timestamp, found: &mut Vec<Fault>) {
    if now.as_secs() > certificate.not_after.at.as_secs() {
        found.push(Fault::Expired(certificate.not_after.at));
    }
    if now.as_secs() < certificate.not_before.at.as_secs() {
        found.push(Fault::NotYetValid(certificate.not_before.at));
    }
}

fn strength(certificate: &Strict, role: Role, rules: &Rules, found: &mut Vec<Fault>) {
    let looked_at = match role {
        Role::Leaf => rules.leaf_strength,
        Role::Intermediate => true,
        Role::Anchor => rules.anchor.strength,
    };
    if looked_at && !is_strong(&certificate.key.kind, rules) {
        found.push(Fault::WeakKey(certificate.key.kind.clone()));
    }
    // An anchor is not believed for its own signature.
    if role == Role::Anchor {
        return;
    }
    match certificate.signature.algorithm {
        SignatureAlgorithm::Unknown => found.push(Fault::UnknownAlgorithm),
        algorithm => match algorithm.digest() {
            Some(Digest::Md5) => found.push(Fault::WeakSignature(Digest::Md5)),
            Some(Digest::Sha1) if !rules.sha1 => found.push(Fault::WeakSignature(Digest::Sha1)),
            _ => {}
        },
    }
}

fn is_strong(key: &KeyKind, rules: &Rules) -> bool {
    match key {
        KeyKind::Rsa(bits) => *bits >= rules.rsa_bits && (!rules.web_keys || bits % 8 == 0),
        KeyKind::Ec(Curve::P256 | Curve::P384 | Curve::P521) | KeyKind::Ed25519 => true,
        KeyKind::Ec(Curve::P192) | KeyKind::EcExplicit => false,
        KeyKind::Ec(Curve::P224 | Curve::Other(_)) | KeyKind::Dsa | KeyKind::Other(_) => !rules.web_keys,
    }
}

/// Whether it may issue certificates.
fn issuer(certificate: &Strict, rule: CaRule, cert_sign: bool, found: &mut Vec<Fault>) {
    let signs = certificate.key_usage.map(|bits| bits & usage::CERT_SIGN != 0);
    let is_ca = match (rule, certificate.basic_constraints) {
        (CaRule::Anything, _) => true,
        (_, Some(constraints)) => constraints.ca,
        (CaRule::Stated, None) => false,
        (CaRule::StatedOrOld, None) => certificate.version == 1,
        (CaRule::NotDenied, None) => certificate.version == 1 || signs == Some(true),
    };
    if !is_ca {
        found.push(Fault::NotCa { denied: certificate.basic_constraints.is_some() });
    }
    if cert_sign && signs == Some(false) {
        found.push(Fault::NoCertSign);
    }
}

/// Whether its extended key usage, if it has one, includes the purpose.
pub(crate) fn purposes(certificate: &Strict, purpose: Purpose, any: bool, found: &mut Vec<Fault>) {
    let Some(listed) = &certificate.purposes else { return };
    let wanted = match purpose {
        Purpose::Server => oid::SERVER_AUTH,
        Purpose::Client => oid::CLIENT_AUTH,
    };
    if !listed.iter().any(|oid| oid == wanted || (any && oid == oid::ANY_PURPOSE)) {
        found.push(Fault::Purpose { listed: listed.iter().map(|oid| dotted(oid)).collect() });
    }
}
