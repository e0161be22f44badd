//! Cause codes: the first thing that must change for a connection, a pull or a push to work. In: nothing. Out: codes and the party at fault.
//! Source: docs/causes.md, which has a section for every code. Every verb speaks these and no others.

use super::Party;

/// Makes the enum and its facts from one table.
macro_rules! causes {
    ($($(#[$meta:meta])* $name:ident = $code:literal, $party:ident;)*) => {
        /// The first thing that must change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Cause {
            $($(#[$meta])* $name,)*
        }

        impl Cause {
            /// Every cause, those nearest the wire first.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code, as in `--json` and on the command line.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// The party that is at fault unless the evidence says otherwise.
            pub const fn party(self) -> Party {
                match self {
                    $(Self::$name => Party::$party,)*
                }
            }
        }
    };
}

causes! {
    /// The connection works for a conforming client with this trust store, name and time; oddities (order, extra certificates, an expired cross-sign beside a good path) are warnings, not causes.
    Ok = "ok", None;
    /// The name does not resolve.
    DnsFailure = "dns_failure", Network;
    /// TCP is answered with a reset at connect.
    ConnectionRefused = "connection_refused", Network;
    /// TCP connect gets no answer.
    ConnectTimeout = "connect_timeout", Network;
    /// TCP is reset after the ClientHello whatever the ClientHello holds.
    ConnectionReset = "connection_reset", Network;
    /// The peer closes after the ClientHello without an alert.
    ConnectionClosed = "connection_closed", Server;
    /// TCP opens, then nothing answers the ClientHello.
    HandshakeTimeout = "handshake_timeout", Server;
    /// The handshake starts (a ServerHello came) and then stops.
    HandshakeStalledMidway = "handshake_stalled_midway", Server;
    /// Cut only when the ClientHello carries this server name.
    SniFiltered = "sni_filtered", Network;
    /// Cut only when the ClientHello is larger than about one packet (post-quantum key shares).
    LargeClientHelloDropped = "large_client_hello_dropped", Network;
    /// Cut whenever the ClientHello offers TLS 1.3; works when only TLS 1.2 is offered.
    VersionIntolerant = "version_intolerant", Network;
    /// The configured proxy does not answer.
    ProxyUnreachable = "proxy_unreachable", Proxy;
    /// The proxy answers CONNECT with 407.
    ProxyAuthRequired = "proxy_auth_required", Proxy;
    /// The proxy answers CONNECT with another refusal.
    ProxyDenied = "proxy_denied", Proxy;
    /// The certificate comes from an interception CA on the path, not from the server.
    TlsIntercepted = "tls_intercepted", Proxy;
    /// The port speaks HTTP without TLS.
    PlainHttp = "plain_http", Server;
    /// The port speaks a plain protocol that upgrades with STARTTLS.
    StarttlsNeeded = "starttls_needed", Client;
    /// The port answers with something else that is not TLS (the protocol is named if known).
    NotTls = "not_tls", Server;
    /// Only SSL 3, TLS 1.0 or 1.1 is offered.
    ProtocolTooOld = "protocol_too_old", Server;
    /// No acceptable cipher suite in common (RC4, 3DES, NULL, anonymous only).
    CipherMismatch = "cipher_mismatch", Server;
    /// The ephemeral DH group is under 2048 bits.
    WeakDh = "weak_dh", Server;
    /// No application protocol in common.
    AlpnMismatch = "alpn_mismatch", Client;
    /// The right certificate is only given when SNI is sent, and it was not.
    SniNeeded = "sni_needed", Client;
    /// The server refuses the name sent in SNI (unrecognized_name).
    SniUnrecognized = "sni_unrecognized", Server;
    /// The server ends the handshake with internal_error.
    ServerInternalAlert = "server_internal_alert", Server;
    /// A certificate cannot be parsed.
    BadCertificateEncoding = "bad_certificate_encoding", Server;
    /// The handshake is signed by a key other than the certificate's.
    ServerKeyMismatch = "server_key_mismatch", Server;
    /// The certificate message exceeds what clients accept.
    ChainTooLarge = "chain_too_large", Server;
    /// The trust store holds no usable CA certificate.
    TrustStoreEmpty = "trust_store_empty", TrustStore;
    /// The root is trusted, but an issuer between leaf and root was not sent.
    MissingIntermediate = "missing_intermediate", Server;
    /// The leaf is its own issuer and is not trusted.
    SelfSignedLeaf = "self_signed_leaf", Server;
    /// The chain is complete up to a root, which the trust store lacks.
    RootNotTrusted = "root_not_trusted", TrustStore;
    /// The trust store holds a root of that name with another key.
    RootRekeyed = "root_rekeyed", TrustStore;
    /// The only path ends at an expired root.
    RootExpired = "root_expired", TrustStore;
    /// An intermediate has expired.
    IntermediateExpired = "intermediate_expired", Server;
    /// The leaf has expired.
    CertExpired = "cert_expired", Server;
    /// The leaf's validity has not begun.
    CertNotYetValid = "cert_not_yet_valid", Server;
    /// No SAN matches the name asked for.
    HostnameMismatch = "hostname_mismatch", Server;
    /// The name is only in the subject's common name.
    NoSan = "no_san", Server;
    /// The leaf's extended key usage excludes server authentication.
    LeafNotForServer = "leaf_not_for_server", Server;
    /// The leaf is a CA certificate.
    LeafIsCa = "leaf_is_ca", Server;
    /// An issuer in the chain is not a CA.
    IssuerNotCa = "issuer_not_ca", Server;
    /// More intermediates than a path length constraint allows.
    PathLengthExceeded = "path_length_exceeded", Server;
    /// A name lies outside an issuer's name constraints.
    NameConstraintViolation = "name_constraint_violation", Server;
    /// A critical extension that clients do not know.
    UnknownCriticalExtension = "unknown_critical_extension", Server;
    /// A certificate's signature does not verify.
    BadSignature = "bad_signature", Server;
    /// A certificate below the root is signed with MD5 or SHA-1.
    WeakSignature = "weak_signature", Server;
    /// A key is too small (RSA under 2048 bits).
    WeakKey = "weak_key", Server;
    /// A stapled or fetched OCSP answer, or a CRL, says revoked.
    Revoked = "revoked", Server;
    /// The leaf demands a stapled OCSP answer and none came.
    MustStapleMissing = "must_staple_missing", Server;
    /// The server demands a client certificate and none was given.
    ClientCertRequired = "client_cert_required", Client;
    /// The server does not trust the client certificate's issuer.
    ClientCertUntrusted = "client_cert_untrusted", Client;
    /// The client certificate has expired.
    ClientCertExpired = "client_cert_expired", Client;
    /// The client certificate's extended key usage excludes client authentication.
    ClientCertWrongUsage = "client_cert_wrong_usage", Client;
    /// The private key given is not the client certificate's.
    ClientKeyMismatch = "client_key_mismatch", Client;
    /// The request brings no bearer token.
    TokenMissing = "token_missing", Client;
    /// A registry cannot read the token: its form, its encoding, or a type in it.
    TokenMalformed = "token_malformed", Server;
    /// The token's issuer is another than the one that the registry was told.
    TokenWrongIssuer = "token_wrong_issuer", Server;
    /// The token is for another service than the registry.
    TokenWrongAudience = "token_wrong_audience", Server;
    /// The token is no longer good by the registry's clock.
    TokenExpired = "token_expired", Server;
    /// The token is not good yet by the registry's clock.
    TokenNotYetValid = "token_not_yet_valid", Server;
    /// The registry knows no key by the ID that the token names.
    TokenKeyUnknown = "token_key_unknown", Server;
    /// The certificates that the token brings do not lead to the registry's bundle.
    TokenChainUntrusted = "token_chain_untrusted", Server;
    /// The registry does not know the key that the token brings.
    TokenJwkUntrusted = "token_jwk_untrusted", Server;
    /// The token's algorithm does not go with its key, or the registry does not take it.
    TokenAlgorithm = "token_algorithm", Server;
    /// The key that the token names did not sign it, or it is not signed.
    TokenBadSignature = "token_bad_signature", Server;
    /// The token allows less than what is asked for.
    TokenAccessMissing = "token_access_missing", Server;
    /// The registry does not start with the keys that it was given.
    RegistryKeysUnusable = "registry_keys_unusable", Server;
    /// The authority was added to the host, but the daemon works with the roots that it read at its start.
    RootsNotReread = "roots_not_reread", Client;
    /// The client speaks plain HTTP to a port that speaks TLS.
    TlsOnPlainPort = "tls_on_plain_port", Client;
    /// The client's own files for the registry (`certs.d`, `hosts.toml`) cannot be used.
    ClientFilesUnusable = "client_files_unusable", Client;
    /// The registry or its token server wants a login, and the client has none for it.
    LoginMissing = "login_missing", Client;
    /// The login is refused: wrong, or expired.
    LoginRefused = "login_refused", Client;
    /// The program that keeps the client's logins fails or is missing.
    LoginHelperFailed = "login_helper_failed", Client;
    /// A 401 does not say how one can log in.
    ChallengeMissing = "challenge_missing", Server;
    /// The registry names a token server that cannot be asked.
    TokenRealmUnusable = "token_realm_unusable", Server;
    /// The token server gives no token, whoever asks.
    TokenServerFailed = "token_server_failed", Server;
    /// What answers as the token server gives a web page, or JSON without a token.
    TokenAnswerUnusable = "token_answer_unusable", Server;
    /// The registry refuses the token that its own token server gave.
    TokenRefused = "token_refused", Server;
    /// The registry refuses the request, whoever asks.
    AccessDenied = "access_denied", Server;
    /// The repository has no such tag or digest, or does not show it to this login.
    ManifestUnknown = "manifest_unknown", Client;
    /// The registry has no such repository.
    RepositoryUnknown = "repository_unknown", Client;
    /// What answers is no registry, or `/v2/` does not lead to one.
    NotARegistry = "not_a_registry", Server;
    /// A web page comes where a registry should answer.
    WebPageInstead = "web_page_instead", Proxy;
    /// Something before the registry blocks the request with a page of its own.
    RequestBlocked = "request_blocked", Proxy;
    /// The storage that holds the blobs refuses what the registry sent the client for.
    StorageRefused = "storage_refused", Server;
    /// The registry limits how often this address or login may ask.
    RateLimited = "rate_limited", Client;
    /// The registry, or what stands before it, answers with an error of its own.
    RegistryFailed = "registry_failed", Server;
    /// The image is not there for this platform.
    PlatformMissing = "platform_missing", Server;
    /// The transfer of a blob breaks off before its end.
    TransferCut = "transfer_cut", Proxy;
    /// The bytes of a blob are not those that its digest names.
    BlobAltered = "blob_altered", Proxy;
    /// The manifest is not the one that its digest names.
    ManifestAltered = "manifest_altered", Proxy;
    /// The manifest comes without its media type, or with a wrong one.
    MediaTypeWrong = "media_type_wrong", Proxy;
    /// The image has a manifest of the first schema.
    ManifestSchemaOld = "manifest_schema_old", Server;
    /// The manifest names a blob that the registry does not have.
    BlobUnknown = "blob_unknown", Server;
    /// The client is sent round in a circle.
    RedirectLoop = "redirect_loop", Server;
    /// An answer sends the client to an address where it cannot go on.
    LocationWrong = "location_wrong", Server;
    /// The registry does not know the upload that the client goes on with.
    UploadLost = "upload_lost", Server;
    /// Something before the registry takes no layers of this size.
    BodyTooLarge = "body_too_large", Proxy;
    /// The registry refuses a request, and no other cause fits its answer.
    Refused = "request_refused", Server;
    /// The registry does not do what was asked.
    Unsupported = "unsupported", Server;
    /// The registry did not take what was written.
    UploadRefused = "upload_refused", Client;
    /// The client broke off.
    ClientLeft = "client_left", Client;
    /// It stopped, and nothing in the traffic says why.
    Stopped = "stopped", None;
    /// The name of the image cannot be one.
    ImageNameInvalid = "image_name_invalid", Client;
    /// The disk of the host that pulls is full.
    NoSpace = "no_space", Client;
    /// The daemon that should pull cannot be reached.
    DaemonUnreachable = "daemon_unreachable", Client;
    /// The words say only that a pull failed; the reason stands in an earlier line.
    ReasonElsewhere = "reason_elsewhere", None;
}
