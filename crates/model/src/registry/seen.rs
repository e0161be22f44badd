//! One request of a registry's conversation, as far as a recording tells it. In: what `wire::registry` read from an exchange.
//! Out: values that [`super::timeline`] puts in order. Secrets are not among them: tokens come as their claims.

use std::net::IpAddr;

use crate::finding::Finding;
use crate::time::Timestamp;
use crate::token::{Access, Scope};

/// One request and its answer; or a connection on which none was seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The number of the flow in its recording.
    pub flow: Option<u64>,
    /// Who asked.
    pub caller: Caller,
    /// Whom, by which path.
    pub place: Place,
    /// The method.
    pub method: String,
    /// What for.
    pub asks: Asks,
    /// When the request began, its answer began, and it ended; `None` where the source tells no times.
    pub start: Option<Timestamp>,
    /// See `start`.
    pub answered: Option<Timestamp>,
    /// See `start`.
    pub end: Option<Timestamp>,
    /// The status of the answer, if one came.
    pub status: Option<u16>,
    /// How it broke off, in words, if it did.
    pub cut: Option<String>,
    /// Bytes of content sent and received.
    pub sent: u64,
    /// See `sent`.
    pub received: u64,
    /// `Content-Length` of the answer.
    pub announced: Option<u64>,
    /// What the request showed for itself.
    pub credentials: Credentials,
    /// What the answer asks for.
    pub challenge: Option<Challenge>,
    /// The registry's errors: code and message.
    pub errors: Vec<(String, String)>,
    /// What the answer's content is.
    pub content: Content,
    /// Whether content and digest agree.
    pub digest: Digest,
    /// What the fields of the answer say besides.
    pub says: Says,
    /// What was found about a connection that failed.
    pub finding: Option<Box<Finding>>,
    /// What its source does not tell: a log, headers alone.
    pub partial: bool,
}

/// Who asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Caller {
    /// Where it connected from.
    pub address: Option<IpAddr>,
    /// The local program: process ID and name.
    pub process: Option<(u32, String)>,
    /// The user agent.
    pub agent: String,
}

/// A URL without its query: that may hold signatures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// `http` or `https`.
    pub scheme: String,
    /// Host, with the port unless it is the scheme's own; lower-case.
    pub host: String,
    /// Path.
    pub path: String,
}

impl Place {
    /// The place without its scheme: some captures do not tell whether there was TLS.
    #[must_use]
    pub fn site(&self) -> Self {
        Self { scheme: String::new(), ..self.clone() }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.host, self.path)
    }
}

/// What a request is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Asks {
    /// `GET /v2/`.
    Ping,
    /// A token.
    Token {
        /// For which service.
        service: String,
        /// For what.
        scopes: Vec<Scope>,
        /// For which account.
        account: Option<String>,
    },
    /// To read (or put, or delete) a manifest.
    Manifest {
        /// Repository.
        repository: String,
        /// Tag or digest.
        reference: String,
    },
    /// To read (or delete, or look for) a blob.
    Blob {
        /// Repository.
        repository: String,
        /// Its digest.
        digest: String,
    },
    /// To begin an upload; or to upload at once, or to mount.
    UploadStart {
        /// Repository.
        repository: String,
        /// The digest, where it is all one request, or a mount.
        digest: Option<String>,
        /// The repository to mount from.
        from: Option<String>,
    },
    /// A chunk of an upload.
    UploadChunk {
        /// Repository.
        repository: String,
    },
    /// To end an upload.
    UploadEnd {
        /// Repository.
        repository: String,
        /// The digest of the whole.
        digest: String,
    },
    /// How far an upload is, or to give it up.
    UploadState {
        /// Repository.
        repository: String,
    },
    /// What refers to a manifest.
    Referrers {
        /// Repository.
        repository: String,
        /// The manifest's digest.
        digest: String,
    },
    /// The tags.
    Tags {
        /// Repository.
        repository: String,
    },
    /// The repositories.
    Catalog,
    /// Where a registry redirected to; the path names what.
    Redirected,
    /// A connection without any request.
    #[default]
    Connection,
}

impl Asks {
    /// The repository, where it is about one.
    pub fn repository(&self) -> Option<&str> {
        match self {
            Self::Manifest { repository, .. }
            | Self::Blob { repository, .. }
            | Self::UploadStart { repository, .. }
            | Self::UploadChunk { repository }
            | Self::UploadEnd { repository, .. }
            | Self::UploadState { repository }
            | Self::Referrers { repository, .. }
            | Self::Tags { repository } => Some(repository),
            Self::Token { scopes, .. } => {
                let repositories = || scopes.iter().filter(|it| it.kind.starts_with("repository"));
                let wanted = repositories().find(|it| it.actions.iter().any(|action| action != "pull"));
                wanted.or_else(|| repositories().next()).map(|it| it.name.as_str())
            }
            Self::Ping | Self::Catalog | Self::Redirected | Self::Connection => None,
        }
    }
}

/// What a request shows for itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// User and password; a refresh token or the like in the content.
    Login,
    /// A token; boxed, for it is large.
    Bearer(Box<Token>),
    /// Something else, by the name of its scheme.
    Other(String),
    /// The source does not tell.
    Unknown,
}

/// A token without its signature.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Token {
    /// The first 32 bits of its SHA-256: the same token has the same.
    pub fingerprint: String,
    /// Its header and claims, unless nobody but the issuer can read it.
    pub claims: Option<Claims>,
    /// Why it has none: `opaque`, `redacted in this capture`, …
    pub unread: Option<String>,
}

/// What a JWT says. Spec: RFC 7519, distribution's token specification.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims {
    /// `alg`.
    pub algorithm: String,
    /// `kid`.
    pub key_id: Option<String>,
    /// Number of certificates in `x5c`.
    pub certificates: usize,
    /// Whether there is a `jwk`.
    pub brings_key: bool,
    /// `iss`.
    pub issuer: Option<String>,
    /// `sub`.
    pub subject: Option<String>,
    /// `aud`.
    pub audience: Vec<String>,
    /// `exp`, seconds since 1970.
    pub expires: Option<i64>,
    /// `nbf`.
    pub not_before: Option<i64>,
    /// `iat`.
    pub issued: Option<i64>,
    /// `access`.
    pub access: Vec<Access>,
}

/// What an answer asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// `bearer`, `basic` …
    pub scheme: String,
    /// Where tokens are.
    pub realm: String,
    /// The same as a place, where it is a URL.
    pub place: Option<Place>,
    /// For whom.
    pub service: String,
    /// For what.
    pub scopes: Vec<Scope>,
    /// `invalid_token`, `insufficient_scope`.
    pub error: Option<String>,
}

/// What the content of an answer (or of a manifest that is put) is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Content {
    /// Nothing that tells anything.
    #[default]
    Other,
    /// An image's manifest, or an index.
    Manifest(Manifest),
    /// What a token server grants.
    Grant {
        /// The token.
        token: Box<Token>,
        /// Seconds it is good for, as the server says.
        expires_in: u64,
        /// There is one for further tokens, too.
        refresh: bool,
    },
    /// What should be a token, or a manifest, but cannot be read as one; why.
    Unreadable(String),
    /// A web page.
    Page {
        /// What its title says.
        title: String,
    },
}

/// What is in a manifest or index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Its media type.
    pub media_type: String,
    /// The configuration of an image.
    pub config: Option<Descriptor>,
    /// Its layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// The manifests of an index.
    pub manifests: Vec<Descriptor>,
    /// What it is about: the digest of another manifest.
    pub subject: Option<String>,
}

/// A part of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// Digest.
    pub digest: String,
    /// Bytes.
    pub size: u64,
    /// `linux/amd64`, of an index.
    pub platform: Option<String>,
}

/// Whether content has the digest that it should have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Digest {
    /// There is no digest or no content to compare.
    #[default]
    NotCompared,
    /// It has.
    Holds,
    /// It has not.
    Differs {
        /// In the URL, or in the field Docker-Content-Digest.
        expected: String,
        /// Of what passed.
        found: String,
    },
    /// The content was not recorded whole.
    NotRecorded,
}

/// What the fields of an answer say besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Says {
    /// `Location`, absolute, without its query.
    pub location: Option<Place>,
    /// `Docker-Content-Digest`.
    pub digest: Option<String>,
    /// `Range` of the request, or `Content-Range` of a chunk that is sent.
    pub asked_range: Option<String>,
    /// `Content-Range` of the answer, or how far an upload is (`Range`).
    pub range: Option<String>,
    /// `RateLimit-*` and `docker-ratelimit-source`, as `name: value`.
    pub rate_limit: Vec<(String, String)>,
    /// `Retry-After`.
    pub retry_after: Option<String>,
    /// What a cache on the way says: `X-Cache: HIT`, `Age: 12`.
    pub cache: Option<String>,
    /// `Server`, `Via`.
    pub server: Option<String>,
    /// Whether the answer names the API's version: registries do.
    pub names_api: bool,
    /// Media type of the answer.
    pub media_type: String,
    /// Upstream registry, where the request was sent to a mirror of it (`?ns=`).
    pub namespace: Option<String>,
}

impl Seen {
    /// Whether the answer is a success.
    pub fn is_ok(&self) -> bool {
        self.cut.is_none() && self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Whether it only reads.
    pub fn is_read(&self) -> bool {
        matches!(&*self.method, "GET" | "HEAD")
    }

    /// Whether this answer sends the client elsewhere.
    pub fn is_redirect(&self) -> bool {
        matches!(self.status, Some(301 | 302 | 303 | 307 | 308)) && self.says.location.is_some()
    }

    /// Whether the answer refuses for want of credentials, before any were shown.
    pub fn is_challenged(&self) -> bool {
        self.status == Some(401)
            && matches!(self.credentials, Credentials::None | Credentials::Unknown)
            && !matches!(self.asks, Asks::Token { .. })
    }
}
