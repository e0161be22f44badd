//! Why a pull, push or login failed. In: nothing. Out: codes and the party at fault. The codes are those of `registry check`,
//! `registry explain` and `registry token verify`; a connection that failed has the code of its own finding.

use crate::finding::Party;

/// Makes the enum and its facts from one table.
macro_rules! causes {
    ($($(#[$meta:meta])* $name:ident = $code:literal, $party:ident;)*) => {
        /// The first thing that must change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Cause {
            $($(#[$meta])* $name,)*
        }

        impl Cause {
            /// Every cause.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code, as in `--json`.
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
    /// The repository has no such tag or digest, or does not show it to this login.
    ManifestUnknown = "manifest_unknown", Client;
    /// The registry has no such repository.
    RepositoryUnknown = "repository_unknown", Client;
    /// The registry does not have a blob that a manifest names.
    BlobUnknown = "blob_unknown", Server;
    /// The registry or its token server wants a login, and the client showed none.
    LoginMissing = "login_missing", Client;
    /// The login is refused: wrong, or expired.
    LoginRefused = "login_refused", Client;
    /// The token allows less than what is asked for.
    TokenAccessMissing = "token_access_missing", Server;
    /// The registry refuses the token; what is in it does not tell why.
    TokenRefused = "token_refused", Server;
    /// The token was no longer good.
    TokenExpired = "token_expired", Server;
    /// The token was not good yet.
    TokenNotYetValid = "token_not_yet_valid", Server;
    /// The token is for another service.
    TokenWrongAudience = "token_wrong_audience", Server;
    /// The token's issuer is another than the one that the registry was told.
    TokenWrongIssuer = "token_wrong_issuer", Server;
    /// The registry knows no key by the ID that the token names.
    TokenKeyUnknown = "token_key_unknown", Server;
    /// The key that the token names did not sign it.
    TokenBadSignature = "token_bad_signature", Server;
    /// The registry cannot read the token.
    TokenMalformed = "token_malformed", Server;
    /// The registry refuses the request, whoever asks.
    AccessDenied = "access_denied", Server;
    /// The token server gives no token, whoever asks.
    TokenServerFailed = "token_server_failed", Server;
    /// What answers as the token server gives a web page, or JSON without a token.
    TokenAnswerUnusable = "token_answer_unusable", Server;
    /// A 401 does not say how one can log in.
    ChallengeMissing = "challenge_missing", Server;
    /// The registry names a token server that cannot be asked.
    TokenRealmUnusable = "token_realm_unusable", Server;
    /// The registry limits how often this address or login may ask.
    RateLimited = "rate_limited", Client;
    /// The bytes of a blob are not those that its digest names.
    BlobAltered = "blob_altered", Proxy;
    /// The manifest is not the one that its digest names.
    ManifestAltered = "manifest_altered", Proxy;
    /// The transfer breaks off before its end.
    TransferCut = "transfer_cut", Proxy;
    /// The storage that holds the blobs refuses what the registry sent the client for.
    StorageRefused = "storage_refused", Server;
    /// A web page comes where a registry should answer.
    WebPageInstead = "web_page_instead", Proxy;
    /// Something before the registry blocks the request with a page of its own.
    RequestBlocked = "request_blocked", Proxy;
    /// What answers is no registry, or `/v2/` does not lead to one.
    NotARegistry = "not_a_registry", Server;
    /// The registry, or what stands before it, answers with an error of its own.
    RegistryFailed = "registry_failed", Server;
    /// A proxy on the way refuses.
    ProxyDenied = "proxy_denied", Proxy;
    /// A proxy on the way wants a login.
    ProxyAuthRequired = "proxy_auth_required", Proxy;
    /// The manifest comes without its media type, or with a wrong one.
    MediaTypeWrong = "media_type_wrong", Proxy;
    /// The image is not there for the client's platform.
    PlatformMissing = "platform_missing", Server;
    /// The registry does not know the upload that the client goes on with.
    UploadLost = "upload_lost", Server;
    /// Something before the registry takes no layers of this size.
    BodyTooLarge = "body_too_large", Proxy;
    /// The registry did not take what was written.
    UploadRefused = "upload_refused", Client;
    /// The client is sent round in a circle.
    RedirectLoop = "redirect_loop", Server;
    /// An answer sends the client to an address where it cannot go on.
    LocationWrong = "location_wrong", Server;
    /// The registry does not do what was asked.
    Unsupported = "unsupported", Server;
    /// The client broke off.
    ClientLeft = "client_left", Client;
    /// It stopped, and nothing in the traffic says why.
    Stopped = "stopped", None;
    /// Another refusal.
    Refused = "refused", Server;
}
