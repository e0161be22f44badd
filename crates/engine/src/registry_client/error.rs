//! Why a registry did not do what it was asked for. In: what happened. Out: [`RegistryError`], with the place, the status and the
//! registry's own words in it; never a secret.

use std::fmt::Write as _;

use sidelight_model::finding::Finding;
use sidelight_model::flow::Authority;
use sidelight_wire::registry::ApiError;

use super::Url;
use crate::dial::DialError;
use crate::tls::ServiceError;

/// Why something failed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The place cannot be reached.
    #[error("{at} cannot be reached: {error}")]
    Dial {
        /// The place.
        at: Authority,
        /// Why.
        #[source]
        error: DialError,
    },
    /// No TLS with it.
    #[error("no TLS with {at}: {error}")]
    Tls {
        /// The place.
        at: Authority,
        /// Why.
        #[source]
        error: ServiceError,
    },
    /// It speaks plain HTTP, which is not allowed there.
    #[error("{at} answers in plain HTTP, not in TLS")]
    PlainHttp {
        /// The place.
        at: Authority,
    },
    /// Its certificate cannot be trusted.
    #[error("{}", finding.summary)]
    Untrusted {
        /// The place.
        at: Authority,
        /// Why, and what helps.
        finding: Box<Finding>,
    },
    /// Files in `certs.d` cannot be used.
    #[error("{0}")]
    HostFiles(String),
    /// It wants to know who asks, in no way that is known here.
    #[error("{url} demands a login, by {schemes}")]
    NoScheme {
        /// What was asked for.
        url: Url,
        /// The ways that it names.
        schemes: String,
    },
    /// The token server gave no token.
    #[error("the token server {realm} {}", token_words(*.status, .why, .user.as_deref()))]
    Token {
        /// The token server.
        realm: Url,
        /// Its status.
        status: u16,
        /// What it says, or what is wrong with its answer.
        why: String,
        /// As whom it was asked; `None`: as nobody.
        user: Option<String>,
    },
    /// The address of the token server cannot be used.
    #[error("the registry names the token server `{}`, which is not asked: {why}", .realm.escape_debug())]
    Realm {
        /// As it was written.
        realm: String,
        /// Why not.
        why: String,
    },
    /// It answered 401 or 403, all that could be proved notwithstanding.
    #[error("{url}: {}{}", if *.with_login { "access is denied" } else { "access is denied without a login" }, said(.status, .errors))]
    Denied {
        /// What was asked for.
        url: Url,
        /// The status.
        status: u16,
        /// Whether a login was used.
        with_login: bool,
        /// Its words.
        errors: Vec<ApiError>,
    },
    /// It has no such thing.
    #[error("{url}: not found{}", said(.status, .errors))]
    NotFound {
        /// What was asked for.
        url: Url,
        /// The status.
        status: u16,
        /// Its words.
        errors: Vec<ApiError>,
    },
    /// Too many requests.
    #[error("{} limits how often it may be asked{}{}", .url.authority.host, said(&429, .errors), again(*.retry_after))]
    RateLimited {
        /// What was asked for.
        url: Url,
        /// Seconds to wait, as it says.
        retry_after: Option<u64>,
        /// Its words.
        errors: Vec<ApiError>,
    },
    /// Any other answer than what was asked for.
    #[error("{url}: unexpected answer {status}{}{}", said(.status, .errors), began(.body))]
    Status {
        /// What was asked for.
        url: Url,
        /// The status.
        status: u16,
        /// Its words.
        errors: Vec<ApiError>,
        /// The beginning of the body, where it holds no such words.
        body: String,
    },
    /// A redirect is not followed.
    #[error("{from} leads elsewhere, which is not followed: {why}")]
    Redirect {
        /// Where it was answered.
        from: Url,
        /// Why not.
        why: String,
    },
    /// The bytes are not those that were asked for.
    #[error("{what}: its bytes have the digest {got}, not {expected}: they were changed on the way or in the registry")]
    Digest {
        /// What was asked for.
        what: String,
        /// The digest that it should have.
        expected: String,
        /// The digest that it has.
        got: String,
    },
    /// More than may be sent.
    #[error("{url}: its answer is larger than {limit} bytes, which nothing of its kind is")]
    TooLarge {
        /// What was asked for.
        url: Url,
        /// The limit.
        limit: usize,
    },
    /// The conversation broke.
    #[error("{url}: {why}")]
    Broken {
        /// What was asked for.
        url: Url,
        /// Why.
        why: String,
    },
    /// What is to be sent cannot be read.
    #[error("{what}: {why}")]
    Source {
        /// What it is.
        what: String,
        /// Why not.
        why: String,
    },
}

/// The registry's own words, in brackets.
fn said(status: &u16, errors: &[ApiError]) -> String {
    let mut text = format!(" ({status}");
    for error in errors {
        let _ = match (error.code.is_empty(), error.message.is_empty()) {
            (_, true) => write!(text, " {}", error.code),
            (true, false) => write!(text, " {}", error.message),
            (false, false) => write!(text, " {}: {}", error.code, error.message),
        };
    }
    text.push(')');
    text
}

fn began(body: &str) -> String {
    if body.is_empty() { String::new() } else { format!(": `{body}`") }
}

fn again(seconds: Option<u64>) -> String {
    seconds.map_or(String::new(), |seconds| format!("; it may be asked again in {seconds} s"))
}

fn token_words(status: u16, why: &str, user: Option<&str>) -> String {
    match (status, user) {
        (401 | 403, Some(user)) => format!("refuses the login of `{}` ({status} {why})", user.escape_debug()),
        (401 | 403, None) => format!("gives no token without a login ({status} {why})"),
        (200..=299, _) => format!("gave no token: {why}"),
        _ => format!("gave no token ({status} {why})"),
    }
}

impl RegistryError {
    /// The status of the answer, where there was one.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Token { status, .. }
            | Self::Denied { status, .. }
            | Self::NotFound { status, .. }
            | Self::Status { status, .. } => Some(*status),
            Self::RateLimited { .. } => Some(429),
            _ => None,
        }
    }

    /// Whether asking again may help: the conversation broke, or the server is ill.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Broken { .. } => true,
            Self::Status { status, .. } => matches!(status, 500 | 502 | 503 | 504),
            _ => false,
        }
    }
}
