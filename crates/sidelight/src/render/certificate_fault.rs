//! Faults of certificates in words. In: a [`Fault`]. Out: what is wrong, as the rest of a sentence about the certificate; without a
//! full stop, unescaped. Rules of form name the place where they are written.

use sidelight_model::x509::path::{Breach, Fault, Form, ListFault};
use sidelight_model::x509::strict::dotted;

/// Names of a leaf that are told.
const MOST_NAMES: usize = 6;

/// What is wrong.
pub(crate) fn words(fault: &Fault) -> String {
    match fault {
        Fault::Extension { oid, what } => format!("its extension {} is malformed: {what}", extension(oid)),
        Fault::DuplicateExtension(oid) => format!("its extension {} is there twice", extension(oid)),
        Fault::UnknownCritical(oid) => format!("its critical extension {} is not known", extension(oid)),
        Fault::BadSignature => "its signature was not made by its issuer's key".to_owned(),
        Fault::UnknownAlgorithm => "its signature algorithm is not known".to_owned(),
        Fault::WeakSignature(digest) => format!("its signature uses {}, which can be forged", digest.name()),
        Fault::WeakKey(kind) => format!("its key ({kind}) is not allowed: too weak, or of a kind that is not taken"),
        Fault::Expired(until) => format!("it expired on {}", until.rfc3339_seconds()),
        Fault::NotYetValid(from) => format!("it is valid only from {} on", from.rfc3339_seconds()),
        Fault::NotCa { denied: true } => "it issued a certificate, but says that it is no CA".to_owned(),
        Fault::NotCa { denied: false } => "it issued a certificate, but does not say that it is a CA".to_owned(),
        Fault::LeafIsCa => "it is a CA certificate, and used as a server's or client's".to_owned(),
        Fault::NoCertSign => "it issued a certificate, but its keyUsage lacks keyCertSign".to_owned(),
        Fault::UsageNotForTls => "its keyUsage has nothing that TLS needs (digitalSignature)".to_owned(),
        Fault::Purpose { listed } => {
            let listed: Vec<_> = listed.iter().map(|oid| purpose(oid)).collect();
            format!("its extended key usage allows {} only", listed.join(", "))
        }
        Fault::PathLength { allowed, found } => {
            format!("it allows {allowed} intermediates below it, and there are {found}")
        }
        Fault::TooDeep { allowed, found } => format!("there are {found} intermediates, and {allowed} are allowed"),
        Fault::Constrained { name, kind, breach, by } => {
            let how = match breach {
                Breach::NotPermitted => "outside what",
                Breach::Excluded => "within what",
            };
            let does = if *breach == Breach::Excluded { "excludes" } else { "permits" };
            format!("its {} name `{name}` lies {how} the issuer {by} above the leaf {does}", kind.word())
        }
        Fault::BadConstraint { name, kind } => format!("its {} name constraint `{name}` is malformed", kind.word()),
        Fault::TooManyComparisons => "checking its name constraints would take more work than clients do".to_owned(),
        Fault::BadName { name, kind } => format!("its {} name `{name}` is malformed", kind.word()),
        Fault::NameMismatch { asked, presented } => format!("it is not for {asked}, but for {}", names(presented)),
        Fault::NoNames { asked, common_name: Some(name) } => {
            format!("it is not for {asked}: it has no alternative names, only the common name `{name}`")
        }
        Fault::NoNames { asked, common_name: None } => format!("it is not for {asked}: it names no host"),
        Fault::KeyIdMismatch => "its key identifier is not the one that its issuer gave".to_owned(),
        Fault::NoValidPolicy => "a certificate policy must be valid here, and none is".to_owned(),
        Fault::Revoked { at, reason } => {
            let reason = reason.map(|reason| format!(" ({})", revocation_reason(reason))).unwrap_or_default();
            format!("it was revoked on {}{reason}", at.rfc3339_seconds())
        }
        Fault::RevocationList(fault) => format!("the revocation list of its issuer cannot be used: {}", list(fault)),
        Fault::Form(rule, oid) => form(*rule, oid),
    }
}

fn names(presented: &[String]) -> String {
    let shown = presented.iter().take(MOST_NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    match presented.len().saturating_sub(MOST_NAMES) {
        0 if shown.is_empty() => "no name that could be compared".to_owned(),
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn list(fault: &ListFault) -> String {
    match fault {
        ListFault::Unreadable(what) => format!("it is none: {what}"),
        ListFault::BadSignature => "the issuer's key did not sign it".to_owned(),
        ListFault::NoCrlSign => "the issuer's keyUsage lacks cRLSign".to_owned(),
        ListFault::Number => "its crlNumber is missing, critical or malformed (RFC 5280 §5.2.3)".to_owned(),
        ListFault::UnknownCritical(oid) => format!("its critical extension {} is not known", dotted(oid)),
        ListFault::Stale(until) => format!("the next one was due on {}", until.rfc3339_seconds()),
        ListFault::NotYetValid(from) => format!("it holds only from {} on", from.rfc3339_seconds()),
    }
}

fn form(form: Form, oid: &[u8]) -> String {
    let extension = extension(oid);
    match form {
        Form::Version => "it is not of version 3 (RFC 5280 §4.1.2.1)".to_owned(),
        Form::NegativeSerial => "its serial number is negative (RFC 5280 §4.1.2.2)".to_owned(),
        Form::ZeroSerial => "its serial number is zero (RFC 5280 §4.1.2.2)".to_owned(),
        Form::LongSerial => "its serial number is longer than 20 bytes (RFC 5280 §4.1.2.2)".to_owned(),
        Form::TimeForm => "a time in it is in the wrong form for its year (RFC 5280 §4.1.2.5)".to_owned(),
        Form::EmptyIssuer => "its issuer has no name (RFC 5280 §4.1.2.4)".to_owned(),
        Form::EmptySubject => "it has no subject, which a CA must have (RFC 5280 §4.1.2.6)".to_owned(),
        Form::AlgorithmsDiffer => "it names two signature algorithms (RFC 5280 §4.1.1.2)".to_owned(),
        Form::NoAuthorityKeyId => "it lacks an authority key identifier (RFC 5280 §4.2.1.1)".to_owned(),
        Form::AuthorityKeyByName => "it names its issuer's key by name and number (CA/B 7.1.2.1.3)".to_owned(),
        Form::KeyIdsDiffer => "it signed itself, and its two key identifiers differ (CA/B 7.1.2.1.3)".to_owned(),
        Form::NoSubjectKeyId => "it lacks a subject key identifier (RFC 5280 §4.2.1.2)".to_owned(),
        Form::Critical => format!("its extension {extension} is critical and must not be (RFC 5280 §4.2)"),
        Form::NotCritical => format!("its extension {extension} must be critical (RFC 5280 §4.2)"),
        Form::NoKeyUsage => "it is a CA without keyUsage (RFC 5280 §4.2.1.3)".to_owned(),
        Form::CertSignMismatch => {
            "its keyUsage and basicConstraints contradict each other (RFC 5280 §4.2.1.9)".to_owned()
        }
        Form::NoPurposes => "it lacks an extended key usage (CA/B 7.1.2.7.6)".to_owned(),
        Form::AnyPurpose => "it is for any purpose (CA/B 7.1.2.7.10)".to_owned(),
        Form::RootPurposes => "it is a root with an extended key usage (CA/B 7.1.2.1.2)".to_owned(),
        Form::LeafConstraints => "it has name constraints without being a CA (RFC 5280 §4.2.1.10)".to_owned(),
        Form::HollowConstraints => "its name constraints constrain nothing (CA/B 7.1.2.5.2)".to_owned(),
        Form::NoSan => "it has no alternative names (CA/B 7.1.2.7.12)".to_owned(),
        Form::CommonNameNotInSan => {
            "its common name is not, character for character, one of its alternative names (CA/B 7.1.4.3)".to_owned()
        }
        Form::SeveralCommonNames => "it has more than one common name (CA/B 7.1.4.3)".to_owned(),
        Form::PublicSuffixWildcard => {
            "its wildcard speaks for everybody below a public suffix (CA/B 3.2.2.6)".to_owned()
        }
    }
}

fn extension(oid: &[u8]) -> String {
    let number = dotted(oid);
    let name = match number.as_str() {
        "2.5.29.14" => "subjectKeyIdentifier",
        "2.5.29.15" => "keyUsage",
        "2.5.29.17" => "subjectAltName",
        "2.5.29.19" => "basicConstraints",
        "2.5.29.30" => "nameConstraints",
        "2.5.29.31" => "cRLDistributionPoints",
        "2.5.29.32" => "certificatePolicies",
        "2.5.29.33" => "policyMappings",
        "2.5.29.35" => "authorityKeyIdentifier",
        "2.5.29.36" => "policyConstraints",
        "2.5.29.37" => "extKeyUsage",
        "2.5.29.54" => "inhibitAnyPolicy",
        "1.3.6.1.5.5.7.1.1" => "authorityInfoAccess",
        "1.3.6.1.5.5.7.1.11" => "subjectInfoAccess",
        "1.3.6.1.5.5.7.1.24" => "tlsFeature",
        "1.3.6.1.4.1.11129.2.4.3" => "precertificate poison",
        _ => return number,
    };
    format!("{name} ({number})")
}

fn purpose(oid: &str) -> &str {
    match oid {
        "2.5.29.37.0" => "anyExtendedKeyUsage",
        "1.3.6.1.5.5.7.3.1" => "serverAuth",
        "1.3.6.1.5.5.7.3.2" => "clientAuth",
        "1.3.6.1.5.5.7.3.3" => "codeSigning",
        "1.3.6.1.5.5.7.3.4" => "emailProtection",
        "1.3.6.1.5.5.7.3.8" => "timeStamping",
        "1.3.6.1.5.5.7.3.9" => "OCSPSigning",
        other => other,
    }
}

const fn revocation_reason(number: u32) -> &'static str {
    match number {
        1 => "key compromise",
        2 => "CA compromise",
        3 => "affiliation changed",
        4 => "superseded",
        5 => "cessation of operation",
        6 => "on hold",
        9 => "privilege withdrawn",
        10 => "attribute authority compromise",
        _ => "unspecified",
    }
}
