//! Whose rules are applied. In: a profile, or the name of a client's TLS stack. Out: [`Rules`].
//!
//! Sources: RFC 5280 and the CA/Browser Forum's requirements for the default; rustls-webpki for `lenient`; for clients what
//! was measured with OpenSSL 3.0, curl 7.88, Python 3.11 to 3.13, Node 20, Go 1.27, GnuTLS 3.7, OpenJDK 17 and rustls 0.23 (docs/path-validation.md).

use std::fmt;
use std::str::FromStr;

use crate::trust::Runtime;

/// Whose rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// RFC 5280 and the web PKI: what a public CA must keep to, and careful clients enforce.
    Strict,
    /// What rustls-webpki accepts.
    Lenient,
    /// What a client's TLS stack accepts.
    Stack(Stack),
}

/// A client's TLS stack. Python has two: since 3.13 its default context is strict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stack {
    /// One of the runtimes; Python up to 3.12.
    Of(Runtime),
    /// Python from 3.13.
    PythonStrict,
}

impl Stack {
    /// Every stack.
    pub fn all() -> impl Iterator<Item = Self> {
        Runtime::ALL.iter().flat_map(|runtime| {
            let strict = (*runtime == Runtime::Python).then_some(Self::PythonStrict);
            std::iter::once(Self::Of(*runtime)).chain(strict)
        })
    }

    /// Its name on the command line and in `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Of(runtime) => runtime.name(),
            Self::PythonStrict => "python-strict",
        }
    }

    /// Whether its rules were measured with the real program rather than read.
    pub const fn is_measured(self) -> bool {
        !matches!(self, Self::Of(Runtime::DotNet | Runtime::Nss))
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Stack {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::all().find(|stack| stack.name() == text).ok_or_else(|| {
            let names: Vec<_> = Self::all().map(Self::name).collect();
            format!("`{text}` is no client; they are {}", names.join(", "))
        })
    }
}

/// Which rules of form are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forms {
    /// None but those without which nothing works.
    None,
    /// OpenSSL's X509_V_FLAG_X509_STRICT.
    OpenSslStrict,
    /// RFC 5280 and CA/B.
    Web,
}

/// What makes an issuer a CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CaRule {
    /// basicConstraints with cA.
    Stated,
    /// The same, or version 1, which cannot state it.
    StatedOrOld,
    /// The same, or keyCertSign without basicConstraints.
    NotDenied,
    /// Nothing.
    Anything,
}

/// How extended key usages are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PurposeRule {
    /// anyExtendedKeyUsage stands for all, on issuers.
    pub(crate) any_on_issuers: bool,
    /// anyExtendedKeyUsage stands for all, on the leaf.
    pub(crate) any_on_leaf: bool,
    /// Issuers are looked at.
    pub(crate) issuers: bool,
}

/// What is looked at on an anchor. What is not looked at is believed because the anchor was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnchorRules {
    pub(crate) validity: bool,
    pub(crate) ca: CaRule,
    pub(crate) cert_sign: bool,
    pub(crate) purposes: bool,
    pub(crate) path_length: bool,
    pub(crate) name_constraints: bool,
    pub(crate) critical_extensions: bool,
    pub(crate) strength: bool,
}

/// The rules in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Names of issuers are compared by their meaning rather than byte for byte.
    pub(crate) names_by_meaning: bool,
    /// An anchor need not be self-signed.
    pub(crate) partial_chains: bool,
    /// A leaf that is an anchor itself is trusted though it is not self-signed.
    pub(crate) any_leaf_as_anchor: bool,
    pub(crate) anchor: AnchorRules,
    pub(crate) leaf_may_be_ca: bool,
    pub(crate) intermediate_ca: CaRule,
    pub(crate) cert_sign: bool,
    /// The leaf's keyUsage must have something for TLS.
    pub(crate) leaf_usage: bool,
    pub(crate) purposes: PurposeRule,
    pub(crate) sha1: bool,
    pub(crate) rsa_bits: u32,
    /// RSA moduli must be of whole bytes, curves P-256, P-384 or P-521, keys of no other kind but Ed25519.
    pub(crate) web_keys: bool,
    /// Version 1 and 2 are refused below the anchor.
    pub(crate) version_3: bool,
    pub(crate) forms: Forms,
    /// The common name speaks when there are no alternative names for hosts.
    pub(crate) common_name: bool,
    /// Self-issued certificates count for path lengths, and their names for constraints.
    pub(crate) self_issued_count: bool,
    /// An issuer whose key identifier is not the one asked for is none.
    pub(crate) key_ids_bind: bool,
    /// An issuer whose serial number is not the one asked for is none.
    pub(crate) serials_bind: bool,
    /// An issuer whose own issuer is not the one asked for is none.
    pub(crate) issuers_bind: bool,
    /// Constraints of DNS names may begin with a dot.
    pub(crate) dotted_constraints: bool,
    pub(crate) policies: bool,
    /// What only rustls-webpki does: few extensions may be critical, constraints of directories, mailboxes and URIs refuse every such
    /// name, an anchor is a name and a key.
    pub(crate) as_webpki: bool,
    /// The leaf's own key must be strong: it signs the handshake.
    pub(crate) leaf_strength: bool,
    /// Most intermediates of a path.
    pub(crate) intermediates: u32,
}

/// The default: RFC 5280 and the web PKI.
const STRICT: Rules = Rules {
    names_by_meaning: true,
    partial_chains: true,
    any_leaf_as_anchor: false,
    anchor: AnchorRules {
        validity: true,
        ca: CaRule::Stated,
        cert_sign: true,
        purposes: true,
        path_length: true,
        name_constraints: true,
        critical_extensions: true,
        strength: true,
    },
    leaf_may_be_ca: false,
    intermediate_ca: CaRule::Stated,
    cert_sign: true,
    leaf_usage: true,
    purposes: PurposeRule { any_on_issuers: true, any_on_leaf: false, issuers: true },
    sha1: false,
    rsa_bits: 2048,
    web_keys: true,
    version_3: true,
    forms: Forms::Web,
    common_name: false,
    self_issued_count: false,
    key_ids_bind: false,
    serials_bind: false,
    issuers_bind: false,
    dotted_constraints: false,
    policies: true,
    as_webpki: false,
    leaf_strength: true,
    intermediates: 30,
};

const WEBPKI: Rules = Rules {
    names_by_meaning: false,
    anchor: AnchorRules {
        validity: false,
        ca: CaRule::Anything,
        cert_sign: false,
        purposes: false,
        path_length: false,
        name_constraints: true,
        critical_extensions: false,
        strength: true,
    },
    cert_sign: false,
    leaf_usage: false,
    purposes: PurposeRule { any_on_issuers: false, any_on_leaf: false, issuers: true },
    web_keys: false,
    forms: Forms::None,
    self_issued_count: true,
    dotted_constraints: true,
    policies: false,
    as_webpki: true,
    leaf_strength: false,
    intermediates: 6,
    ..STRICT
};

const OPENSSL: Rules = Rules {
    partial_chains: false,
    anchor: AnchorRules { ca: CaRule::NotDenied, ..STRICT.anchor },
    leaf_may_be_ca: true,
    purposes: PurposeRule { any_on_issuers: false, any_on_leaf: false, issuers: true },
    web_keys: false,
    version_3: false,
    forms: Forms::None,
    common_name: true,
    key_ids_bind: true,
    serials_bind: true,
    issuers_bind: true,
    dotted_constraints: true,
    policies: false,
    intermediates: 100,
    ..STRICT
};

const GO: Rules = Rules {
    names_by_meaning: false,
    anchor: AnchorRules { ca: CaRule::StatedOrOld, ..OPENSSL.anchor },
    partial_chains: true,
    any_leaf_as_anchor: true,
    leaf_usage: false,
    purposes: PurposeRule { any_on_issuers: true, any_on_leaf: true, issuers: true },
    rsa_bits: 1024,
    common_name: false,
    self_issued_count: true,
    key_ids_bind: false,
    serials_bind: false,
    issuers_bind: false,
    ..OPENSSL
};

const GNUTLS: Rules = Rules {
    partial_chains: true,
    anchor: AnchorRules { purposes: false, ..OPENSSL.anchor },
    purposes: PurposeRule { any_on_issuers: false, any_on_leaf: true, issuers: true },
    rsa_bits: 1024,
    serials_bind: false,
    issuers_bind: false,
    intermediates: 16,
    ..OPENSSL
};

const JAVA: Rules = Rules {
    partial_chains: true,
    any_leaf_as_anchor: true,
    // The anchor is a name and a key with a mark that it is a CA.
    anchor: AnchorRules {
        validity: false,
        ca: CaRule::StatedOrOld,
        purposes: false,
        path_length: false,
        name_constraints: false,
        critical_extensions: false,
        ..OPENSSL.anchor
    },
    purposes: PurposeRule { any_on_issuers: true, any_on_leaf: true, issuers: false },
    sha1: true,
    rsa_bits: 1024,
    key_ids_bind: false,
    issuers_bind: false,
    intermediates: 5,
    ..OPENSSL
};

impl Profile {
    /// Its rules.
    pub const fn rules(self) -> Rules {
        match self {
            Self::Strict => STRICT,
            Self::Lenient => WEBPKI,
            Self::Stack(Stack::PythonStrict) => {
                Rules { partial_chains: true, any_leaf_as_anchor: true, forms: Forms::OpenSslStrict, ..OPENSSL }
            }
            Self::Stack(Stack::Of(runtime)) => of_runtime(runtime),
        }
    }

    /// Its name on the command line and in `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Strict => "default",
            Self::Lenient => "lenient",
            Self::Stack(stack) => stack.name(),
        }
    }
}

const fn of_runtime(runtime: Runtime) -> Rules {
    match runtime {
        Runtime::OpenSsl | Runtime::Python => OPENSSL,
        Runtime::Curl => Rules { partial_chains: true, any_leaf_as_anchor: true, ..OPENSSL },
        // Node sets security level 1: RSA from 1024 bits.
        Runtime::Node => Rules { rsa_bits: 1024, ..OPENSSL },
        Runtime::DotNet => Rules { rsa_bits: 1024, ..OPENSSL },
        Runtime::Go => GO,
        Runtime::GnuTls | Runtime::Git | Runtime::Wget => GNUTLS,
        Runtime::Java => JAVA,
        Runtime::RustNative | Runtime::RustWebpki => Rules { leaf_strength: true, ..WEBPKI },
        Runtime::Nss => Rules { common_name: false, rsa_bits: 1024, key_ids_bind: false, ..GNUTLS },
    }
}
