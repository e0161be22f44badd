//! The closed vocabulary of why a TLS connection does not work, or a registry refuses a token. In: nothing. Out: codes, the party at fault, one line of meaning.
//! Source: docs/causes.md, which has a section for every code.

use super::Party;

/// Names the first thing that must change for a connection to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The connection works for a conforming client with this trust store, name and time; oddities (order, extra certificates, an expired cross-sign beside a good path) are warnings, not causes.
    Ok,
    /// The name does not resolve.
    DnsFailure,
    /// TCP is answered with a reset at connect.
    ConnectionRefused,
    /// TCP connect gets no answer.
    ConnectTimeout,
    /// TCP is reset after the ClientHello whatever the ClientHello holds.
    ConnectionReset,
    /// The peer closes after the ClientHello without an alert.
    ConnectionClosed,
    /// TCP opens, then nothing answers the ClientHello.
    HandshakeTimeout,
    /// The handshake starts (a ServerHello came) and then stops.
    HandshakeStalledMidway,
    /// Cut only when the ClientHello carries this server name.
    SniFiltered,
    /// Cut only when the ClientHello is larger than about one packet (post-quantum key shares).
    LargeClientHelloDropped,
    /// Cut whenever the ClientHello offers TLS 1.3; works when only TLS 1.2 is offered.
    VersionIntolerant,
    /// The configured proxy does not answer.
    ProxyUnreachable,
    /// The proxy answers CONNECT with 407.
    ProxyAuthRequired,
    /// The proxy answers CONNECT with another refusal.
    ProxyDenied,
    /// The certificate comes from an interception CA on the path, not from the server.
    TlsIntercepted,
    /// The port speaks HTTP without TLS.
    PlainHttp,
    /// The port speaks a plain protocol that upgrades with STARTTLS.
    StarttlsNeeded,
    /// The port answers with something else that is not TLS (the protocol is named if known).
    NotTls,
    /// Only SSL 3, TLS 1.0 or 1.1 is offered.
    ProtocolTooOld,
    /// No acceptable cipher suite in common (RC4, 3DES, NULL, anonymous only).
    CipherMismatch,
    /// The ephemeral DH group is under 2048 bits.
    WeakDh,
    /// No application protocol in common.
    AlpnMismatch,
    /// The right certificate is only given when SNI is sent, and it was not.
    SniNeeded,
    /// The server refuses the name sent in SNI (unrecognized_name).
    SniUnrecognized,
    /// The server ends the handshake with internal_error.
    ServerInternalAlert,
    /// A certificate cannot be parsed.
    BadCertificateEncoding,
    /// The handshake is signed by a key other than the certificate's.
    ServerKeyMismatch,
    /// The certificate message exceeds what clients accept.
    ChainTooLarge,
    /// The trust store holds no usable CA certificate.
    TrustStoreEmpty,
    /// The root is trusted, but an issuer between leaf and root was not sent.
    MissingIntermediate,
    /// The leaf is its own issuer and is not trusted.
    SelfSignedLeaf,
    /// The chain is complete up to a root, which the trust store lacks.
    RootNotTrusted,
    /// The trust store holds a root of that name with another key.
    RootRekeyed,
    /// The only path ends at an expired root.
    RootExpired,
    /// An intermediate has expired.
    IntermediateExpired,
    /// The leaf has expired.
    CertExpired,
    /// The leaf's validity has not begun.
    CertNotYetValid,
    /// No SAN matches the name asked for.
    HostnameMismatch,
    /// The name is only in the subject's common name.
    NoSan,
    /// The leaf's extended key usage excludes server authentication.
    LeafNotForServer,
    /// The leaf is a CA certificate.
    LeafIsCa,
    /// An issuer in the chain is not a CA.
    IssuerNotCa,
    /// More intermediates than a path length constraint allows.
    PathLengthExceeded,
    /// A name lies outside an issuer's name constraints.
    NameConstraintViolation,
    /// A critical extension that clients do not know.
    UnknownCriticalExtension,
    /// A certificate's signature does not verify.
    BadSignature,
    /// A certificate below the root is signed with MD5 or SHA-1.
    WeakSignature,
    /// A key is too small (RSA under 2048 bits).
    WeakKey,
    /// A stapled or fetched OCSP answer, or a CRL, says revoked.
    Revoked,
    /// The leaf demands a stapled OCSP answer and none came.
    MustStapleMissing,
    /// The server demands a client certificate and none was given.
    ClientCertRequired,
    /// The server does not trust the client certificate's issuer.
    ClientCertUntrusted,
    /// The client certificate has expired.
    ClientCertExpired,
    /// The client certificate's extended key usage excludes client authentication.
    ClientCertWrongUsage,
    /// The private key given is not the client certificate's.
    ClientKeyMismatch,
    /// The request brings no bearer token.
    TokenMissing,
    /// A registry cannot read the token: its form, its encoding, or a type in it.
    TokenMalformed,
    /// The token's issuer is another than the one that the registry was told.
    TokenWrongIssuer,
    /// The token is for another service than the registry.
    TokenWrongAudience,
    /// The token is no longer good by the registry's clock.
    TokenExpired,
    /// The token is not good yet by the registry's clock.
    TokenNotYetValid,
    /// The registry knows no key by the ID that the token names.
    TokenKeyUnknown,
    /// The certificates that the token brings do not lead to the registry's bundle.
    TokenChainUntrusted,
    /// The registry does not know the key that the token brings.
    TokenJwkUntrusted,
    /// The token's algorithm does not go with its key, or the registry does not take it.
    TokenAlgorithm,
    /// The key that the token names did not sign it, or it is not signed.
    TokenBadSignature,
    /// The token allows less than what is asked for.
    TokenAccessMissing,
    /// The registry does not start with the keys that it was given.
    RegistryKeysUnusable,
}

impl Cause {
    /// Every cause, those nearest the wire first.
    pub const ALL: &'static [Self] = &[
        Self::Ok,
        Self::DnsFailure,
        Self::ConnectionRefused,
        Self::ConnectTimeout,
        Self::ConnectionReset,
        Self::ConnectionClosed,
        Self::HandshakeTimeout,
        Self::HandshakeStalledMidway,
        Self::SniFiltered,
        Self::LargeClientHelloDropped,
        Self::VersionIntolerant,
        Self::ProxyUnreachable,
        Self::ProxyAuthRequired,
        Self::ProxyDenied,
        Self::TlsIntercepted,
        Self::PlainHttp,
        Self::StarttlsNeeded,
        Self::NotTls,
        Self::ProtocolTooOld,
        Self::CipherMismatch,
        Self::WeakDh,
        Self::AlpnMismatch,
        Self::SniNeeded,
        Self::SniUnrecognized,
        Self::ServerInternalAlert,
        Self::BadCertificateEncoding,
        Self::ServerKeyMismatch,
        Self::ChainTooLarge,
        Self::TrustStoreEmpty,
        Self::MissingIntermediate,
        Self::SelfSignedLeaf,
        Self::RootNotTrusted,
        Self::RootRekeyed,
        Self::RootExpired,
        Self::IntermediateExpired,
        Self::CertExpired,
        Self::CertNotYetValid,
        Self::HostnameMismatch,
        Self::NoSan,
        Self::LeafNotForServer,
        Self::LeafIsCa,
        Self::IssuerNotCa,
        Self::PathLengthExceeded,
        Self::NameConstraintViolation,
        Self::UnknownCriticalExtension,
        Self::BadSignature,
        Self::WeakSignature,
        Self::WeakKey,
        Self::Revoked,
        Self::MustStapleMissing,
        Self::ClientCertRequired,
        Self::ClientCertUntrusted,
        Self::ClientCertExpired,
        Self::ClientCertWrongUsage,
        Self::ClientKeyMismatch,
        Self::TokenMissing,
        Self::TokenMalformed,
        Self::TokenWrongIssuer,
        Self::TokenWrongAudience,
        Self::TokenExpired,
        Self::TokenNotYetValid,
        Self::TokenKeyUnknown,
        Self::TokenChainUntrusted,
        Self::TokenJwkUntrusted,
        Self::TokenAlgorithm,
        Self::TokenBadSignature,
        Self::TokenAccessMissing,
        Self::RegistryKeysUnusable,
    ];

    /// The code, as in `--json` and on the command line.
    pub const fn code(self) -> &'static str {
        self.facts().0
    }

    /// The party that is at fault unless the evidence says otherwise.
    pub const fn party(self) -> Party {
        self.facts().1
    }

    const fn facts(self) -> (&'static str, Party) {
        match self {
            Self::Ok => ("ok", Party::None),
            Self::DnsFailure => ("dns_failure", Party::Network),
            Self::ConnectionRefused => ("connection_refused", Party::Network),
            Self::ConnectTimeout => ("connect_timeout", Party::Network),
            Self::ConnectionReset => ("connection_reset", Party::Network),
            Self::ConnectionClosed => ("connection_closed", Party::Server),
            Self::HandshakeTimeout => ("handshake_timeout", Party::Server),
            Self::HandshakeStalledMidway => ("handshake_stalled_midway", Party::Server),
            Self::SniFiltered => ("sni_filtered", Party::Network),
            Self::LargeClientHelloDropped => ("large_client_hello_dropped", Party::Network),
            Self::VersionIntolerant => ("version_intolerant", Party::Network),
            Self::ProxyUnreachable => ("proxy_unreachable", Party::Proxy),
            Self::ProxyAuthRequired => ("proxy_auth_required", Party::Proxy),
            Self::ProxyDenied => ("proxy_denied", Party::Proxy),
            Self::TlsIntercepted => ("tls_intercepted", Party::Proxy),
            Self::PlainHttp => ("plain_http", Party::Server),
            Self::StarttlsNeeded => ("starttls_needed", Party::Client),
            Self::NotTls => ("not_tls", Party::Server),
            Self::ProtocolTooOld => ("protocol_too_old", Party::Server),
            Self::CipherMismatch => ("cipher_mismatch", Party::Server),
            Self::WeakDh => ("weak_dh", Party::Server),
            Self::AlpnMismatch => ("alpn_mismatch", Party::Client),
            Self::SniNeeded => ("sni_needed", Party::Client),
            Self::SniUnrecognized => ("sni_unrecognized", Party::Server),
            Self::ServerInternalAlert => ("server_internal_alert", Party::Server),
            Self::BadCertificateEncoding => ("bad_certificate_encoding", Party::Server),
            Self::ServerKeyMismatch => ("server_key_mismatch", Party::Server),
            Self::ChainTooLarge => ("chain_too_large", Party::Server),
            Self::TrustStoreEmpty => ("trust_store_empty", Party::TrustStore),
            Self::MissingIntermediate => ("missing_intermediate", Party::Server),
            Self::SelfSignedLeaf => ("self_signed_leaf", Party::Server),
            Self::RootNotTrusted => ("root_not_trusted", Party::TrustStore),
            Self::RootRekeyed => ("root_rekeyed", Party::TrustStore),
            Self::RootExpired => ("root_expired", Party::TrustStore),
            Self::IntermediateExpired => ("intermediate_expired", Party::Server),
            Self::CertExpired => ("cert_expired", Party::Server),
            Self::CertNotYetValid => ("cert_not_yet_valid", Party::Server),
            Self::HostnameMismatch => ("hostname_mismatch", Party::Server),
            Self::NoSan => ("no_san", Party::Server),
            Self::LeafNotForServer => ("leaf_not_for_server", Party::Server),
            Self::LeafIsCa => ("leaf_is_ca", Party::Server),
            Self::IssuerNotCa => ("issuer_not_ca", Party::Server),
            Self::PathLengthExceeded => ("path_length_exceeded", Party::Server),
            Self::NameConstraintViolation => ("name_constraint_violation", Party::Server),
            Self::UnknownCriticalExtension => ("unknown_critical_extension", Party::Server),
            Self::BadSignature => ("bad_signature", Party::Server),
            Self::WeakSignature => ("weak_signature", Party::Server),
            Self::WeakKey => ("weak_key", Party::Server),
            Self::Revoked => ("revoked", Party::Server),
            Self::MustStapleMissing => ("must_staple_missing", Party::Server),
            Self::ClientCertRequired => ("client_cert_required", Party::Client),
            Self::ClientCertUntrusted => ("client_cert_untrusted", Party::Client),
            Self::ClientCertExpired => ("client_cert_expired", Party::Client),
            Self::ClientCertWrongUsage => ("client_cert_wrong_usage", Party::Client),
            Self::ClientKeyMismatch => ("client_key_mismatch", Party::Client),
            of_tokens => of_tokens.token_facts(),
        }
    }

    /// Those of registries' tokens.
    const fn token_facts(self) -> (&'static str, Party) {
        match self {
            Self::TokenMissing => ("token_missing", Party::Client),
            Self::TokenMalformed => ("token_malformed", Party::Server),
            Self::TokenWrongIssuer => ("token_wrong_issuer", Party::Server),
            Self::TokenWrongAudience => ("token_wrong_audience", Party::Server),
            Self::TokenExpired => ("token_expired", Party::Server),
            Self::TokenNotYetValid => ("token_not_yet_valid", Party::Server),
            Self::TokenKeyUnknown => ("token_key_unknown", Party::Server),
            Self::TokenChainUntrusted => ("token_chain_untrusted", Party::Server),
            Self::TokenJwkUntrusted => ("token_jwk_untrusted", Party::Server),
            Self::TokenAlgorithm => ("token_algorithm", Party::Server),
            Self::TokenBadSignature => ("token_bad_signature", Party::Server),
            Self::TokenAccessMissing => ("token_access_missing", Party::Server),
            Self::RegistryKeysUnusable => ("registry_keys_unusable", Party::Server),
            // Every other has its facts above.
            _ => ("ok", Party::None),
        }
    }
}
