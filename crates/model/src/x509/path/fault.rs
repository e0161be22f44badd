//! What can be wrong with a certificate in a path: facts, no words. In: what the checks found. Out: [`Fault`], the [`Check`] that it
//! belongs to, and the [`Cause`] that it is for a connection. Spec: RFC 5280; causes: docs/causes.md.

use super::super::strict::{Digest, KeyKind, Malformed, NameKind};
use crate::finding::Cause;
use crate::time::Timestamp;

/// What is looked at, in the order in which verdicts are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The certificate is DER of the right form.
    Encoding,
    /// Its signature was made by the issuer's key.
    Signature,
    /// The algorithm and key are strong enough.
    Strength,
    /// The time lies within its validity.
    Validity,
    /// An issuer is a CA, a leaf is none.
    BasicConstraints,
    /// Its keyUsage allows what it does.
    KeyUsage,
    /// Its purposes allow what is asked.
    Purpose,
    /// Not more intermediates than allowed.
    PathLength,
    /// Names below a CA lie where it may name.
    NameConstraints,
    /// Every critical extension is understood.
    CriticalExtensions,
    /// Policies.
    Policies,
    /// It speaks for the name asked for.
    Name,
    /// It has not been revoked.
    Revocation,
    /// It keeps to the profile: RFC 5280 and the web PKI's.
    Profile,
}

impl Check {
    /// Every check.
    pub const ALL: &'static [Self] = &[
        Self::Encoding,
        Self::Signature,
        Self::Strength,
        Self::Validity,
        Self::BasicConstraints,
        Self::KeyUsage,
        Self::Purpose,
        Self::PathLength,
        Self::NameConstraints,
        Self::CriticalExtensions,
        Self::Policies,
        Self::Name,
        Self::Revocation,
        Self::Profile,
    ];

    /// Its name in `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encoding => "encoding",
            Self::Signature => "signature",
            Self::Strength => "strength",
            Self::Validity => "validity",
            Self::BasicConstraints => "basic_constraints",
            Self::KeyUsage => "key_usage",
            Self::Purpose => "purpose",
            Self::PathLength => "path_length",
            Self::NameConstraints => "name_constraints",
            Self::CriticalExtensions => "critical_extensions",
            Self::Policies => "policies",
            Self::Name => "name",
            Self::Revocation => "revocation",
            Self::Profile => "profile",
        }
    }
}

/// Whether a name broke a list of what is permitted or of what is excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// It lies in nothing that is permitted.
    NotPermitted,
    /// It lies in what is excluded.
    Excluded,
}

/// Rules of form, each with the place where it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Not version 3 (RFC 5280 §4.1.2.1).
    Version,
    /// The serial number is negative (§4.1.2.2).
    NegativeSerial,
    /// The serial number is zero (§4.1.2.2).
    ZeroSerial,
    /// The serial number has more than 20 bytes (§4.1.2.2).
    LongSerial,
    /// A time in the wrong one of the two forms (§4.1.2.5).
    TimeForm,
    /// The issuer has no name (§4.1.2.4).
    EmptyIssuer,
    /// A CA has no name (§4.1.2.6).
    EmptySubject,
    /// Signature algorithm inside and outside differ (§4.1.1.2).
    AlgorithmsDiffer,
    /// authorityKeyIdentifier is missing or without key identifier (§4.2.1.1).
    NoAuthorityKeyId,
    /// authorityKeyIdentifier of a root with issuer and serial number (CA/B 7.1.2.1.3).
    AuthorityKeyByName,
    /// authorityKeyIdentifier of a self-signed certificate is not its subjectKeyIdentifier (CA/B 7.1.2.1.3).
    KeyIdsDiffer,
    /// subjectKeyIdentifier of a CA is missing (§4.2.1.2).
    NoSubjectKeyId,
    /// An extension is critical that must not be.
    Critical,
    /// An extension is not critical that must be.
    NotCritical,
    /// A CA without keyUsage (§4.2.1.3).
    NoKeyUsage,
    /// keyCertSign without being a CA, or a path length without both (§4.2.1.3, §4.2.1.9).
    CertSignMismatch,
    /// extendedKeyUsage is missing on a leaf (CA/B 7.1.2.7.6).
    NoPurposes,
    /// anyExtendedKeyUsage on a leaf (CA/B 7.1.2.7.10).
    AnyPurpose,
    /// extendedKeyUsage on a root (CA/B 7.1.2.1.2).
    RootPurposes,
    /// Name constraints on a leaf (§4.2.1.10).
    LeafConstraints,
    /// Name constraints that constrain nothing (CA/B 7.1.2.5.2).
    HollowConstraints,
    /// A leaf without subjectAltName (CA/B 7.1.2.7.12).
    NoSan,
    /// The common name is not one of the alternative names, character for character (CA/B 7.1.4.3).
    CommonNameNotInSan,
    /// More than one common name (CA/B 7.1.4.3).
    SeveralCommonNames,
    /// A wildcard right below a public suffix (CA/B 3.2.2.6).
    PublicSuffixWildcard,
}

/// One thing that is wrong with a certificate in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An extension's value cannot be read.
    Extension {
        /// Its OID's content.
        oid: Vec<u8>,
        /// What is wrong.
        what: Malformed,
    },
    /// An extension stands there twice.
    DuplicateExtension(Vec<u8>),
    /// A critical extension that nobody here knows.
    UnknownCritical(Vec<u8>),
    /// The issuer's key did not make the signature.
    BadSignature,
    /// The signature algorithm is not known.
    UnknownAlgorithm,
    /// The signature is made with a digest that can be forged.
    WeakSignature(Digest),
    /// The key is too weak, or of a kind that is not allowed.
    WeakKey(KeyKind),
    /// The end of validity has passed.
    Expired(Timestamp),
    /// Validity begins only then.
    NotYetValid(Timestamp),
    /// An issuer that is not a CA.
    NotCa {
        /// Whether it says so, rather than saying nothing.
        denied: bool,
    },
    /// A leaf that is a CA.
    LeafIsCa,
    /// An issuer whose keyUsage lacks keyCertSign.
    NoCertSign,
    /// A leaf whose keyUsage has nothing that TLS needs.
    UsageNotForTls,
    /// extendedKeyUsage does not hold the purpose asked for.
    Purpose {
        /// What it holds instead, dotted.
        listed: Vec<String>,
    },
    /// More intermediates below than pathLenConstraint allows.
    PathLength {
        /// How many are allowed.
        allowed: u32,
        /// How many there are.
        found: u32,
    },
    /// More intermediates than asked for.
    TooDeep {
        /// How many are allowed.
        allowed: u32,
        /// How many there are.
        found: u32,
    },
    /// A name breaks a constraint of an issuer above.
    Constrained {
        /// The name.
        name: String,
        /// Its kind.
        kind: NameKind,
        /// How.
        breach: Breach,
        /// Position of the issuer in the path, counted from the leaf at 0.
        by: usize,
    },
    /// A constraint of this certificate cannot be applied.
    BadConstraint {
        /// The constraint.
        name: String,
        /// Its kind.
        kind: NameKind,
    },
    /// Comparing names with constraints takes more work than anybody does.
    TooManyComparisons,
    /// A name that is not well formed.
    BadName {
        /// The name.
        name: String,
        /// Its kind.
        kind: NameKind,
    },
    /// No name in it is the one asked for.
    NameMismatch {
        /// What was asked for.
        asked: String,
        /// The names in it.
        presented: Vec<String>,
    },
    /// It has no alternative names at all, and was asked for one.
    NoNames {
        /// What was asked for.
        asked: String,
        /// The common name, if there is one.
        common_name: Option<String>,
    },
    /// The issuer's keys differ by their identifiers.
    KeyIdMismatch,
    /// A policy must be valid and none is.
    NoValidPolicy,
    /// A revocation list names it.
    Revoked {
        /// Since when.
        at: Timestamp,
        /// RFC 5280 §5.3.1.
        reason: Option<u32>,
    },
    /// The issuer's revocation list cannot be used.
    RevocationList(ListFault),
    /// A rule of form.
    Form(Form, Vec<u8>),
}

/// Why a revocation list cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListFault {
    /// It cannot be read.
    Unreadable(Malformed),
    /// The issuer's key did not sign it.
    BadSignature,
    /// The issuer may not sign lists (keyUsage without cRLSign).
    NoCrlSign,
    /// crlNumber is missing, critical or malformed.
    Number,
    /// A critical extension that is not known.
    UnknownCritical(Vec<u8>),
    /// It is older than its nextUpdate.
    Stale(Timestamp),
    /// It holds only from then on.
    NotYetValid(Timestamp),
}

impl Fault {
    /// The check that found it.
    pub const fn check(&self) -> Check {
        match self {
            Self::Extension { .. } | Self::DuplicateExtension(_) | Self::BadName { .. } => Check::Encoding,
            Self::UnknownCritical(_) => Check::CriticalExtensions,
            Self::BadSignature | Self::UnknownAlgorithm | Self::KeyIdMismatch => Check::Signature,
            Self::WeakSignature(_) | Self::WeakKey(_) => Check::Strength,
            Self::Expired(_) | Self::NotYetValid(_) => Check::Validity,
            Self::NotCa { .. } | Self::LeafIsCa => Check::BasicConstraints,
            Self::NoCertSign | Self::UsageNotForTls => Check::KeyUsage,
            Self::Purpose { .. } => Check::Purpose,
            Self::PathLength { .. } | Self::TooDeep { .. } => Check::PathLength,
            Self::Constrained { .. } | Self::BadConstraint { .. } | Self::TooManyComparisons => Check::NameConstraints,
            Self::NameMismatch { .. } | Self::NoNames { .. } => Check::Name,
            Self::NoValidPolicy => Check::Policies,
            Self::Revoked { .. } | Self::RevocationList(_) => Check::Revocation,
            Self::Form(..) => Check::Profile,
        }
    }

    /// Its name in `--json` and batch answers.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Extension { .. } => "malformed_extension",
            Self::DuplicateExtension(_) => "duplicate_extension",
            Self::UnknownCritical(_) => "unknown_critical_extension",
            Self::BadSignature => "bad_signature",
            Self::UnknownAlgorithm => "unknown_signature_algorithm",
            Self::WeakSignature(_) => "weak_signature",
            Self::WeakKey(_) => "weak_key",
            Self::Expired(_) => "expired",
            Self::NotYetValid(_) => "not_yet_valid",
            Self::NotCa { .. } => "issuer_not_ca",
            Self::LeafIsCa => "leaf_is_ca",
            Self::NoCertSign => "no_key_cert_sign",
            Self::UsageNotForTls => "key_usage_not_for_tls",
            Self::Purpose { .. } => "wrong_purpose",
            Self::PathLength { .. } => "path_length_exceeded",
            Self::TooDeep { .. } => "max_depth_exceeded",
            Self::Constrained { .. } => "name_constraint_violation",
            Self::BadConstraint { .. } => "unusable_name_constraint",
            Self::TooManyComparisons => "name_constraints_too_large",
            Self::BadName { .. } => "malformed_name",
            Self::NameMismatch { .. } => "name_mismatch",
            Self::NoNames { .. } => "no_san",
            Self::KeyIdMismatch => "key_identifier_mismatch",
            Self::NoValidPolicy => "no_valid_policy",
            Self::Revoked { .. } => "revoked",
            Self::RevocationList(_) => "unusable_revocation_list",
            Self::Form(form, _) => form.code(),
        }
    }

    /// The cause of a connection's failure that it is, for a certificate at this position (0 is the leaf; `is_anchor` at the top).
    pub const fn cause(&self, position: usize, is_anchor: bool) -> Cause {
        match self {
            Self::UnknownCritical(_) => Cause::UnknownCriticalExtension,
            Self::BadSignature | Self::UnknownAlgorithm | Self::KeyIdMismatch => Cause::BadSignature,
            Self::WeakSignature(_) => Cause::WeakSignature,
            Self::WeakKey(_) => Cause::WeakKey,
            Self::Expired(_) | Self::NotYetValid(_) if is_anchor && position > 0 => Cause::RootExpired,
            Self::Expired(_) | Self::NotYetValid(_) if position > 0 => Cause::IntermediateExpired,
            Self::Expired(_) => Cause::CertExpired,
            Self::NotYetValid(_) => Cause::CertNotYetValid,
            Self::NotCa { .. } | Self::NoCertSign => Cause::IssuerNotCa,
            Self::LeafIsCa => Cause::LeafIsCa,
            Self::Purpose { .. } | Self::UsageNotForTls => Cause::LeafNotForServer,
            Self::Form(Form::NoPurposes | Form::AnyPurpose, _) => Cause::LeafNotForServer,
            Self::PathLength { .. } | Self::TooDeep { .. } => Cause::PathLengthExceeded,
            Self::Constrained { .. } | Self::BadConstraint { .. } | Self::TooManyComparisons => {
                Cause::NameConstraintViolation
            }
            Self::NameMismatch { .. } => Cause::HostnameMismatch,
            Self::NoNames { .. } | Self::Form(Form::NoSan, _) => Cause::NoSan,
            Self::Revoked { .. } | Self::RevocationList(_) => Cause::Revoked,
            Self::Extension { .. }
            | Self::DuplicateExtension(_)
            | Self::BadName { .. }
            | Self::NoValidPolicy
            | Self::Form(..) => Cause::BadCertificateEncoding,
        }
    }
}

impl Form {
    const fn code(self) -> &'static str {
        match self {
            Self::Version => "not_version_3",
            Self::NegativeSerial => "negative_serial",
            Self::ZeroSerial => "zero_serial",
            Self::LongSerial => "long_serial",
            Self::TimeForm => "time_form",
            Self::EmptyIssuer => "empty_issuer",
            Self::EmptySubject => "empty_subject",
            Self::AlgorithmsDiffer => "signature_algorithms_differ",
            Self::NoAuthorityKeyId => "no_authority_key_id",
            Self::AuthorityKeyByName => "authority_key_by_name",
            Self::KeyIdsDiffer => "key_ids_differ",
            Self::NoSubjectKeyId => "no_subject_key_id",
            Self::Critical => "critical_against_the_rules",
            Self::NotCritical => "not_critical_against_the_rules",
            Self::NoKeyUsage => "no_key_usage",
            Self::CertSignMismatch => "key_cert_sign_mismatch",
            Self::NoPurposes => "no_extended_key_usage",
            Self::AnyPurpose => "any_extended_key_usage",
            Self::RootPurposes => "extended_key_usage_on_root",
            Self::LeafConstraints => "name_constraints_on_leaf",
            Self::HollowConstraints => "hollow_name_constraints",
            Self::NoSan => "no_san",
            Self::CommonNameNotInSan => "common_name_not_in_san",
            Self::SeveralCommonNames => "several_common_names",
            Self::PublicSuffixWildcard => "public_suffix_wildcard",
        }
    }
}
