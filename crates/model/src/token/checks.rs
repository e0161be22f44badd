//! The checks of a token, in the order of each release. In: a token, what the registry was told, the time. Out: [`Verdict`]: what that release
//! answers and logs, and every check, also those that it does not reach.

use super::{Generation, Presented, Scope, TokenKey, release2, release3};
use crate::finding::Cause;
use crate::time::Timestamp;

/// What registries allow clocks to differ, in seconds (since 2.6).
pub const LEEWAY: i64 = 60;

/// A certificate of the bundle.
#[derive(Clone, Debug)]
pub struct Root {
    /// DER.
    pub der: Vec<u8>,
    /// Its key, or why no token can be signed with it.
    pub key: Result<TokenKey, String>,
    /// Where it stands, for people.
    pub place: String,
}

/// What a registry was told.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// `issuer`
    pub issuer: &'a str,
    /// `service`
    pub service: &'a str,
    /// `rootcertbundle`; `None` when there is none.
    pub roots: Option<&'a [Root]>,
    /// `jwks`: key IDs and keys; `None` when there is none.
    pub jwks: Option<&'a [(String, TokenKey)]>,
    /// What the request needs; empty for `/v2/` alone.
    pub scope: &'a [Scope],
    /// The registry's clock.
    pub now: Timestamp,
}

impl Setting<'_> {
    /// The bundle, empty when there is none.
    pub(super) fn bundle(&self) -> &[Root] {
        self.roots.unwrap_or_default()
    }

    /// The keys of the JWKS, none when there is none.
    pub(super) fn keys(&self) -> &[(String, TokenKey)] {
        self.jwks.unwrap_or_default()
    }
}

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckName {
    /// Whether the registry starts at all with its keys.
    Start,
    /// Whether the request brings a token.
    Bearer,
    /// Parts, base64, JSON, types.
    Form,
    /// `iss`
    Issuer,
    /// `aud`
    Audience,
    /// `exp`
    Expiry,
    /// `nbf`
    NotBefore,
    /// Which key: x5c, jwk, kid.
    Key,
    /// The signature, and its algorithm.
    Signature,
    /// Types of claims, where a release looks at them late.
    ClaimTypes,
    /// `access`
    Access,
}

impl CheckName {
    /// As in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Bearer => "bearer",
            Self::Form => "form",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expiry => "expiry",
            Self::NotBefore => "not_before",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::ClaimTypes => "claim_types",
            Self::Access => "access",
        }
    }
}

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should.
    Passed,
    /// Not.
    Failed,
    /// It cannot be made: what it looks at cannot be read.
    Open,
}

/// What a release answers when a check fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `error=` in the challenge.
    pub error: Option<&'static str>,
    /// What stands behind `error authorizing context: ` in the warning.
    pub warning: String,
}

impl Answer {
    pub(super) fn invalid() -> Self {
        Self { error: Some("invalid_token"), warning: "invalid token".to_owned() }
    }

    pub(super) fn malformed() -> Self {
        Self { error: Some("invalid_token"), warning: "malformed token".to_owned() }
    }

    /// Texts for which no `error=` is sent.
    pub(super) fn without_error(warning: impl Into<String>) -> Self {
        Self { error: None, warning: warning.into() }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Which.
    pub name: CheckName,
    /// How it went.
    pub state: State,
    /// In words, whatever the state.
    pub words: String,
    /// The cause that it would be.
    pub cause: Cause,
    /// The reason in the registry's log, if that release writes one.
    pub reason: Option<String>,
    /// What is answered.
    pub answer: Answer,
}

impl Check {
    pub(super) fn passed(name: CheckName, words: impl Into<String>) -> Self {
        Self {
            name,
            state: State::Passed,
            words: words.into(),
            cause: Cause::Ok,
            reason: None,
            answer: Answer::invalid(),
        }
    }

    pub(super) fn open(name: CheckName, words: impl Into<String>) -> Self {
        Self { state: State::Open, ..Self::passed(name, words) }
    }

    pub(super) fn failed(
        name: CheckName,
        cause: Cause,
        words: impl Into<String>,
        reason: Option<String>,
        answer: Answer,
    ) -> Self {
        Self { name, state: State::Failed, words: words.into(), cause, reason, answer }
    }

    /// A failure with a reason in the log and `invalid_token`.
    pub(super) fn refused(name: CheckName, cause: Cause, words: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::failed(name, cause, words, Some(reason.into()), Answer::invalid())
    }
}

/// A line of a registry's log, without its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// `info`, `warning`, `fatal`.
    pub level: &'static str,
    /// The message.
    pub message: String,
}

impl std::fmt::Display for LogLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "level={} msg={}", self.level, super::go::quoted(&self.message))
    }
}

/// What one generation says of a token.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Whose verdict.
    pub generation: Generation,
    /// Every check, in that release's order.
    pub checks: Vec<Check>,
}

impl Verdict {
    /// The check that decides: the first that failed, or that could not be made because of what failed before.
    pub fn decisive(&self) -> Option<&Check> {
        self.checks.iter().find(|check| check.state == State::Failed)
    }

    /// Whether the token is let in.
    pub fn is_accepted(&self) -> bool {
        self.decisive().is_none()
    }

    /// What else would fail, were the first mended.
    pub fn others(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.state == State::Failed).skip(1)
    }

    /// The status; `None` when the registry does not start.
    pub fn status(&self) -> Option<u16> {
        match self.decisive() {
            None => Some(200),
            Some(check) if check.name == CheckName::Start => None,
            Some(_) => Some(401),
        }
    }

    /// `error=` of the challenge.
    pub fn error(&self) -> Option<&'static str> {
        self.decisive().filter(|check| check.name != CheckName::Start).and_then(|check| check.answer.error)
    }

    /// What the registry writes into its log at level info.
    pub fn log(&self) -> Vec<LogLine> {
        let Some(check) = self.decisive() else { return Vec::new() };
        if check.name == CheckName::Start {
            let message = check.reason.clone().unwrap_or_default();
            return vec![LogLine {
                level: "fatal",
                message: format!("unable to configure authorization (token): {message}"),
            }];
        }
        let reason = check.reason.clone().map(|message| LogLine { level: "info", message });
        let warning = format!("error authorizing context: {}", check.answer.warning);
        reason.into_iter().chain([LogLine { level: "warning", message: warning }]).collect()
    }
}

/// What `generation` says of `token`.
pub fn judge(generation: Generation, token: &Presented, setting: &Setting<'_>) -> Verdict {
    let checks = match generation {
        Generation::V2 => release2::checks(token, setting),
        later => release3::checks(later, token, setting),
    };
    Verdict { generation, checks }
}

/// Who signed it, whatever its header says: the certificate or key of the registry's whose signature it is.
pub fn signer<'s>(token: &Presented, setting: &'s Setting<'_>) -> Option<(&'s TokenKey, String)> {
    let roots = setting.bundle().iter().filter_map(|root| Some((root.key.as_ref().ok()?, root.place.clone())));
    let keys = setting.keys().iter().map(|(id, key)| (key, format!("the JWKS key {id}")));
    roots.chain(keys).take(256).find(|(key, _)| {
        let signed = token.signed.reveal().as_bytes();
        super::verify_signature(key, &token.header.alg, signed, token.signature.reveal()) == super::Signed::Good
    })
}

/// The issuer, the same in every release.
pub(super) fn issuer(token: &Presented, setting: &Setting<'_>) -> Check {
    let has = &token.claims.issuer;
    if has == setting.issuer {
        return Check::passed(CheckName::Issuer, format!("`iss` is {has}, as the registry's `issuer`"));
    }
    let words = format!("`iss` is {}, the registry's `issuer` is {}", told(has), told(setting.issuer));
    let reason = format!("token from untrusted issuer: {}", super::go::quoted(has));
    Check::refused(CheckName::Issuer, Cause::TokenWrongIssuer, words, reason)
}

/// Expiry and beginning, the same in every release.
pub(super) fn times(token: &Presented, setting: &Setting<'_>) -> [Check; 2] {
    let (expires, begins) = (token.claims.expires, token.claims.not_before);
    let (last, first) = (expires.saturating_add(LEEWAY), begins.saturating_sub(LEEWAY));
    let now = super::go::now(setting.now);
    let seconds = setting.now.as_secs();
    let is_past = seconds > last || (seconds == last && setting.now > Timestamp::from_secs(last));
    let end = if is_past {
        let words = if expires == 0 {
            "it has no `exp`, which counts as 1970".to_owned()
        } else {
            format!("it expired {} ago, at {}", span(seconds.saturating_sub(expires)), short(expires))
        };
        let reason = format!("token not to be used after {} - currently {now}", super::go::moment(last));
        Check::refused(CheckName::Expiry, Cause::TokenExpired, words, reason)
    } else if expires > 100_000_000_000 {
        Check::passed(
            CheckName::Expiry,
            format!("`exp` is {expires}: milliseconds, most likely, and so hardly ever over"),
        )
    } else {
        Check::passed(CheckName::Expiry, format!("it is good until {}, and {LEEWAY} s more", short(expires)))
    };
    let begin = if seconds < first {
        let words =
            format!("it is good in {} at the earliest, from {}", span(begins.saturating_sub(seconds)), short(begins));
        let reason = format!("token not to be used before {} - currently {now}", super::go::moment(first));
        Check::refused(CheckName::NotBefore, Cause::TokenNotYetValid, words, reason)
    } else {
        Check::passed(
            CheckName::NotBefore,
            if begins == 0 { "it has no `nbf`".to_owned() } else { format!("it is good since {}", short(begins)) },
        )
    };
    [end, begin]
}

/// Access, the same in every release.
pub(super) fn access(token: &Presented, setting: &Setting<'_>) -> Check {
    if setting.scope.is_empty() {
        return Check::passed(CheckName::Access, "nothing but a token that is good is asked for");
    }
    let lacking: Vec<String> = setting
        .scope
        .iter()
        .map(|scope| (scope, scope.missing(&token.claims.access)))
        .filter(|(_, missing)| !missing.is_empty())
        .map(|(scope, missing)| format!("{}:{}:{}", scope.kind, scope.name, missing.join(",")))
        .collect();
    if lacking.is_empty() {
        return Check::passed(CheckName::Access, "it allows what is asked for");
    }
    let has: Vec<String> = token.claims.access.iter().take(8).map(ToString::to_string).collect();
    let has = if has.is_empty() { "nothing".to_owned() } else { has.join(" ") };
    let oauth = token.claims.scope.as_ref().map_or("", |_| "; its `scope` is not looked at");
    let words = format!("{} is asked for and not allowed; it allows {has}{oauth}", lacking.join(" "));
    let answer = Answer { error: Some("insufficient_scope"), warning: "insufficient scope".to_owned() };
    Check::failed(CheckName::Access, Cause::TokenAccessMissing, words, None, answer)
}

/// A value, or that there is none.
pub(super) fn told(text: &str) -> String {
    if text.is_empty() { "missing".to_owned() } else { text.to_owned() }
}

/// A moment, to the second.
fn short(seconds: i64) -> String {
    super::go::moment(seconds).replace(" +0000 UTC", "Z").replacen(' ', "T", 1)
}

/// A span in its largest unit that fits.
fn span(seconds: i64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
