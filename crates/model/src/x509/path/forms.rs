//! Rules of form, which say how a certificate must be made rather than what it means. In: a certificate and its role. Out: faults.
//! Spec: RFC 5280 §4; CA/Browser Forum Baseline Requirements §7.1; OpenSSL's X509_V_FLAG_X509_STRICT (`check_chain`).

use super::super::strict::{GeneralName, Strict, oid, usage};
use super::Purpose;
use super::certificate::{Asking, Role};
use super::fault::{Fault, Form};
use super::rules::Forms;
use super::syntax;

pub(super) fn check(certificate: &Strict, role: Role, asking: Asking<'_>, found: &mut Vec<Fault>) {
    let mut broken: Vec<(Form, &[u8])> = Vec::new();
    match asking.rules.forms {
        Forms::None => {}
        Forms::OpenSslStrict => openssl_strict(certificate, role, &mut broken),
        Forms::Web => {
            identity(certificate, role, &mut broken);
            key_ids(certificate, role, &mut broken);
            criticality(certificate, role, &mut broken);
            authority(certificate, role, &mut broken);
            names(certificate, found);
            if role == Role::Leaf {
                leaf(certificate, asking, &mut broken);
            }
        }
    }
    found.extend(broken.into_iter().map(|(form, oid)| Fault::Form(form, oid.to_vec())));
}

fn is_ca(certificate: &Strict) -> bool {
    certificate.basic_constraints.is_some_and(|constraints| constraints.ca)
}

fn identity(certificate: &Strict, role: Role, broken: &mut Vec<(Form, &[u8])>) {
    let mut rule = |form, is_broken: bool| {
        if is_broken {
            broken.push((form, &[]));
        }
    };
    rule(Form::Version, certificate.version != 3);
    // Roots in use have odd serial numbers; nobody looks a root up by it.
    if role != Role::Anchor {
        let serial = &certificate.serial;
        rule(Form::NegativeSerial, serial[0] & 0x80 != 0);
        rule(Form::ZeroSerial, serial.iter().all(|byte| *byte == 0));
        rule(Form::LongSerial, serial.len() > 20);
        rule(Form::TimeForm, !certificate.not_before.in_right_form || !certificate.not_after.in_right_form);
    }
    rule(Form::EmptyIssuer, certificate.issuer.is_empty());
    rule(Form::EmptySubject, certificate.subject.is_empty() && (role != Role::Leaf || is_ca(certificate)));
    rule(Form::AlgorithmsDiffer, !certificate.signature.same_inside);
}

fn key_ids(certificate: &Strict, role: Role, broken: &mut Vec<(Form, &[u8])>) {
    let authority = certificate.authority_key.as_ref();
    let id = authority.and_then(|key| key.key_id.as_ref());
    // A self-signed certificate may leave its issuer's key identifier out, but not half of it (RFC 5280 §4.2.1.1); above an anchor
    // nobody looks, so that one that others signed too may leave it out as well.
    let may_lack = role == Role::Anchor || certificate.is_self_issued();
    if id.is_none() && (!may_lack || authority.is_some()) {
        broken.push((Form::NoAuthorityKeyId, oid::AUTHORITY_KEY_ID));
    }
    if role == Role::Anchor && certificate.is_self_issued() {
        if authority.is_some_and(|key| key.has_issuer || key.serial.is_some()) {
            broken.push((Form::AuthorityKeyByName, oid::AUTHORITY_KEY_ID));
        }
        if id.is_some_and(|id| certificate.subject_key_id.as_ref().is_some_and(|own| own != id)) {
            broken.push((Form::KeyIdsDiffer, oid::AUTHORITY_KEY_ID));
        }
    }
    if certificate.subject_key_id.is_none() && (role != Role::Leaf || is_ca(certificate)) {
        broken.push((Form::NoSubjectKeyId, oid::SUBJECT_KEY_ID));
    }
}

fn criticality(certificate: &Strict, role: Role, broken: &mut Vec<(Form, &[u8])>) {
    let never: &[&'static [u8]] = &[
        oid::AUTHORITY_KEY_ID,
        oid::SUBJECT_KEY_ID,
        oid::AUTHORITY_INFO,
        oid::SUBJECT_INFO,
        oid::SUBJECT_DIRECTORY,
        oid::FRESHEST_CRL,
    ];
    broken.extend(never.iter().filter(|oid| certificate.is_critical(oid)).map(|oid| (Form::Critical, *oid)));
    for always in [oid::POLICY_CONSTRAINTS, oid::INHIBIT_ANY_POLICY] {
        if certificate.extension(always).is_some_and(|extension| !extension.critical) {
            broken.push((Form::NotCritical, always));
        }
    }
    if is_ca(certificate) && !certificate.is_critical(oid::BASIC_CONSTRAINTS) {
        broken.push((Form::NotCritical, oid::BASIC_CONSTRAINTS));
    }
    if certificate.names.is_some() && role == Role::Leaf {
        match (certificate.subject.is_empty(), certificate.is_critical(oid::SUBJECT_ALT_NAME)) {
            (true, false) => broken.push((Form::NotCritical, oid::SUBJECT_ALT_NAME)),
            (false, true) => broken.push((Form::Critical, oid::SUBJECT_ALT_NAME)),
            _ => {}
        }
    }
}

fn authority(certificate: &Strict, role: Role, broken: &mut Vec<(Form, &[u8])>) {
    let signs = certificate.key_usage.is_some_and(|bits| bits & usage::CERT_SIGN != 0);
    let length = certificate.basic_constraints.and_then(|constraints| constraints.path_length);
    let usage_denies = certificate.key_usage.is_some() && !signs;
    if (signs && !is_ca(certificate)) || (length.is_some() && (!is_ca(certificate) || usage_denies)) {
        broken.push((Form::CertSignMismatch, oid::KEY_USAGE));
    }
    if certificate.name_constraints.as_ref().is_some_and(|constraints| constraints.is_hollow) {
        broken.push((Form::HollowConstraints, oid::NAME_CONSTRAINTS));
    }
    if role == Role::Anchor && certificate.is_self_issued() && certificate.purposes.is_some() {
        broken.push((Form::RootPurposes, oid::EXTENDED_KEY_USAGE));
    }
}

/// Alternative names must be well formed.
fn names(certificate: &Strict, found: &mut Vec<Fault>) {
    for name in certificate.names.iter().flatten().filter(|name| !syntax::is_well_formed(name)) {
        found.push(Fault::BadName { name: name.text(), kind: name.kind() });
    }
}

fn leaf(leaf: &Strict, asking: Asking<'_>, broken: &mut Vec<(Form, &[u8])>) {
    if leaf.extension(oid::NAME_CONSTRAINTS).is_some() {
        broken.push((Form::LeafConstraints, oid::NAME_CONSTRAINTS));
    }
    if asking.purpose != Purpose::Server {
        return;
    }
    match &leaf.purposes {
        None if leaf.extension(oid::EXTENDED_KEY_USAGE).is_none() => {
            broken.push((Form::NoPurposes, oid::EXTENDED_KEY_USAGE));
        }
        Some(listed) if listed.iter().any(|oid| oid == oid::ANY_PURPOSE) => {
            broken.push((Form::AnyPurpose, oid::EXTENDED_KEY_USAGE));
        }
        _ => {}
    }
    if leaf.is_critical(oid::EXTENDED_KEY_USAGE) {
        broken.push((Form::Critical, oid::EXTENDED_KEY_USAGE));
    }
    let Some(names) = &leaf.names else {
        if asking.name.is_none() && leaf.extension(oid::SUBJECT_ALT_NAME).is_none() {
            broken.push((Form::NoSan, oid::SUBJECT_ALT_NAME));
        }
        return;
    };
    if names.iter().any(|name| matches!(name, GeneralName::Dns(dns) if syntax::is_wildcard_of_public_suffix(dns))) {
        broken.push((Form::PublicSuffixWildcard, oid::SUBJECT_ALT_NAME));
    }
    match leaf.subject.common_names.as_slice() {
        [] => {}
        [only] if syntax::is_miswritten(only, names) => broken.push((Form::CommonNameNotInSan, oid::COMMON_NAME)),
        [_] => {}
        _ => broken.push((Form::SeveralCommonNames, oid::COMMON_NAME)),
    }
}

/// What OpenSSL's strict flag adds (check_extensions in crypto/x509/x509_vfy.c, OpenSSL 3.0).
fn openssl_strict(certificate: &Strict, role: Role, broken: &mut Vec<(Form, &[u8])>) {
    let mut rule = |form, oid: &'static [u8], is_broken: bool| {
        if is_broken {
            broken.push((form, oid));
        }
    };
    let ca = is_ca(certificate);
    let signs = certificate.key_usage.is_some_and(|bits| bits & usage::CERT_SIGN != 0);
    let length = certificate.basic_constraints.and_then(|constraints| constraints.path_length);
    rule(Form::Version, &[], certificate.version < 3 && (role != Role::Leaf || !certificate.extensions.is_empty()));
    rule(Form::CertSignMismatch, oid::KEY_USAGE, length.is_some() && (!ca || !signs));
    rule(Form::NotCritical, oid::BASIC_CONSTRAINTS, ca && !certificate.is_critical(oid::BASIC_CONSTRAINTS));
    rule(Form::NoKeyUsage, oid::KEY_USAGE, ca && certificate.key_usage.is_none());
    rule(Form::CertSignMismatch, oid::KEY_USAGE, !ca && signs);
    rule(Form::EmptyIssuer, &[], certificate.issuer.is_empty());
    rule(Form::EmptySubject, &[], certificate.subject.is_empty() && (ca || certificate.names.is_none()));
    let san_critical = certificate.is_critical(oid::SUBJECT_ALT_NAME);
    let must_be_critical = certificate.subject.is_empty() && certificate.names.is_some();
    rule(Form::NotCritical, oid::SUBJECT_ALT_NAME, must_be_critical && !san_critical);
    rule(Form::AlgorithmsDiffer, &[], !certificate.signature.same_inside);
    for never in [oid::AUTHORITY_KEY_ID, oid::SUBJECT_KEY_ID] {
        rule(Form::Critical, never, certificate.is_critical(never));
    }
    if certificate.version == 3 {
        let id = certificate.authority_key.as_ref().and_then(|key| key.key_id.as_ref());
        let must_have = role != Role::Anchor && !certificate.is_self_issued();
        rule(Form::NoAuthorityKeyId, oid::AUTHORITY_KEY_ID, must_have && id.is_none());
        rule(Form::NoSubjectKeyId, oid::SUBJECT_KEY_ID, ca && certificate.subject_key_id.is_none());
    }
}
