//! Why a registry, token server or storage refused. In: the client's error and what happened before it. Out: a finding with the causes,
//! sentences and fixes of the table of messages. What a network or TLS did is judged elsewhere (`probed`).

use sidelight_engine::registry_client::{Client, Party, Proof, RegistryError, Url};
use sidelight_model::finding::{Cause, Finding};
use sidelight_model::registry::Reference;
use sidelight_model::registry::symptom::{self, Subject, Table};
use sidelight_model::time::{Timestamp, in_words};
use sidelight_model::token::Presented;
use sidelight_wire::registry::parse_challenges;

use super::trail::{Answered, Trail};

/// Registries allow this difference of clocks, in seconds.
const LEEWAY: i64 = 60;

/// What is known where something was refused.
pub(super) struct Scene<'s> {
    pub(super) image: &'s Reference,
    pub(super) client: Option<symptom::Client>,
    pub(super) registry: &'s Client,
    pub(super) trail: &'s Trail,
}

impl Scene<'_> {
    /// The finding for a refusal.
    pub(super) fn judge(&self, error: &RegistryError) -> Finding {
        let last = self.trail.last_answer();
        let cause = match (self.cause(error, last.as_ref()), self.failed_helper()) {
            (Cause::LoginMissing, Some(_)) => Cause::LoginHelperFailed,
            (cause, _) => cause,
        };
        let host = place(error).or_else(|| last.as_ref()?.url.as_ref().map(|url| url.host_header()));
        let mut finding = self.finding(cause, host, "error", &words(error, last.as_ref()));
        if let Some(why) = self.why_refused(cause, last.as_ref()) {
            finding.summary = why;
        }
        if let Some(answer) = &last {
            finding = evidence_of(finding, cause, answer);
        }
        if let Some(problem) = self.failed_helper().filter(|_| cause == Cause::LoginHelperFailed) {
            finding = finding.with_evidence("helper", "the client's file of logins", problem);
        }
        self.evidence_of_token(finding, cause)
    }

    /// The sentence about a refused token, with what is wrong in it.
    fn why_refused(&self, cause: Cause, last: Option<&Answered>) -> Option<String> {
        let (_, token) = self.trail.token()?;
        let (claims, registry) = (&token.claims, &self.image.registry);
        let now = last.and_then(|it| it.field("date")).and_then(http_date).unwrap_or_else(now);
        let utc = |seconds: i64| Timestamp::from_secs(seconds).rfc3339_seconds();
        Some(match cause {
            Cause::TokenWrongAudience => {
                let (service, audience) = (self.service().unwrap_or_default(), claims.audience.join("`, `"));
                format!("{registry} refuses the token: it is for `{audience}`, and the registry is `{service}`")
            }
            Cause::TokenExpired => format!(
                "{registry} refuses the token: it was good until {}, which was {} ago by the registry's clock",
                utc(claims.expires),
                in_words(now.saturating_sub(claims.expires))
            ),
            Cause::TokenNotYetValid => format!(
                "{registry} refuses the token: it is good from {} on, which is in {} by the registry's clock",
                utc(claims.not_before),
                in_words(claims.not_before.saturating_sub(now))
            ),
            Cause::TokenAccessMissing => {
                format!("the token does not allow to pull {}: it grants {}", self.image.name(), granted(&token))
            }
            _ => return None,
        })
    }

    /// Whom the challenge says that tokens are for.
    fn service(&self) -> Option<String> {
        self.trail.challenges()?.iter().find_map(|it| it.param("service").map(str::to_owned))
    }

    /// What a program that keeps logins said instead of one.
    fn failed_helper(&self) -> Option<&str> {
        let problems = self.registry.login_problems();
        problems.iter().map(String::as_str).find(|it| it.contains("credential helper docker-credential-"))
    }

    /// A finding by the table.
    pub(super) fn finding(&self, cause: Cause, host: Option<String>, what: &str, value: &str) -> Finding {
        let subject = self.subject(host);
        let place = subject.host.clone().unwrap_or_else(|| self.image.registry.clone());
        let Some(entry) = Table::builtin().of(cause) else {
            return Finding::new(cause, value.to_owned(), what, place, value.to_owned());
        };
        let finding = Finding::new(cause, subject.sentence(&entry.means), what, place, value.to_owned());
        let next = entry.next.iter().filter(|next| !next.contains("registry check"));
        let next = next.map(|next| ("See more".to_owned(), self.of_this_token(subject.command(next))));
        let fix =
            |(action, how): &(String, String)| (subject.sentence(action), self.of_this_token(subject.command(how)));
        let fixes = entry.fixes.iter().map(fix);
        fixes.chain(next).fold(finding, |finding, (action, how)| finding.with_fix(action, how))
    }

    /// A command of the table about tokens, with what this one says.
    fn of_this_token(&self, command: String) -> String {
        let Some((_, token)) = self.trail.token().filter(|_| command.contains("registry token verify")) else {
            return command;
        };
        // What is no plain word would have to be quoted for a shell.
        let is_word =
            |text: &str| !text.is_empty() && text.chars().all(|it| it.is_ascii_alphanumeric() || "._:/-".contains(it));
        let known = [("ISSUER", token.claims.issuer), ("SERVICE", self.service().unwrap_or_default())];
        known
            .into_iter()
            .filter(|(_, value)| is_word(value))
            .fold(command, |text, (key, value)| text.replace(key, &value))
    }

    /// What the message would be about.
    pub(super) fn subject(&self, host: Option<String>) -> Subject {
        Subject::new(self.image.clone(), host, self.client)
    }

    fn cause(&self, error: &RegistryError, last: Option<&Answered>) -> Cause {
        match error {
            RegistryError::HostFiles(_) | RegistryError::Source { .. } => Cause::ClientFilesUnusable,
            RegistryError::Realm { .. } => Cause::TokenRealmUnusable,
            RegistryError::NoScheme { .. } => Cause::LoginMissing,
            RegistryError::Token { status, why, user, .. } => token(*status, why, user.is_some(), last),
            RegistryError::Denied { .. } => self.denied(last),
            RegistryError::NotFound { url, errors, .. } => not_found(url.path(), errors, last),
            RegistryError::RateLimited { .. } => Cause::RateLimited,
            RegistryError::Status { status, .. } => match (status, last.is_some_and(Answered::is_page)) {
                (300..=399, _) => Cause::LocationWrong,
                (406, true) => Cause::RequestBlocked,
                (413, _) => Cause::BodyTooLarge,
                (429, _) => Cause::RateLimited,
                _ => Cause::RegistryFailed,
            },
            RegistryError::Redirect { .. } => self.redirect(),
            RegistryError::Digest { what, .. } if what.contains("manifest") => Cause::ManifestAltered,
            RegistryError::Digest { .. } => Cause::BlobAltered,
            RegistryError::Broken { url, .. } if url.path().contains("/blobs/") || last.is_none() => Cause::TransferCut,
            RegistryError::Broken { url, .. } => broken(url, last),
            RegistryError::TooLarge { .. } => Cause::WebPageInstead,
            RegistryError::PlainHttp { .. } => Cause::PlainHttp,
            RegistryError::Dial { error, .. } => error.cause(),
            RegistryError::Untrusted { finding, .. } => finding.cause,
            RegistryError::Tls { .. } => Cause::ConnectionClosed,
        }
    }

    /// 401 or 403, all that could be proved notwithstanding.
    fn denied(&self, last: Option<&Answered>) -> Cause {
        let Some(answer) = last else { return Cause::AccessDenied };
        if answer.party == Party::Storage {
            return Cause::StorageRefused;
        }
        if answer.is_page() && answer.status == 403 {
            return Cause::RequestBlocked;
        }
        let challenge = answer.field("www-authenticate").map(parse_challenges).unwrap_or_default();
        let said = challenge.iter().find_map(|challenge| challenge.param("error")).unwrap_or_default().to_owned();
        match (answer.proof, answer.status) {
            (Proof::Bearer, _) if said == "insufficient_scope" => Cause::TokenAccessMissing,
            (Proof::Bearer, 401) => self.of_token(answer).unwrap_or(Cause::TokenRefused),
            (Proof::Bearer, _) if self.lacks_access() => Cause::TokenAccessMissing,
            (Proof::Basic, 401) => Cause::LoginRefused,
            (_, 401) if challenge.is_empty() => Cause::ChallengeMissing,
            (_, 401) => Cause::LoginMissing,
            _ => Cause::AccessDenied,
        }
    }

    /// What can be said of a refused token without the registry's keys.
    fn of_token(&self, answer: &Answered) -> Option<Cause> {
        let (_, token) = self.trail.token()?;
        if token.parts != 3 {
            return None;
        }
        let now = answer.field("date").and_then(http_date).unwrap_or_else(now);
        let service = self.trail.challenges()?.iter().find_map(|it| it.param("service").map(str::to_owned));
        let claims = &token.claims;
        if service.is_some_and(|service| !claims.audience.is_empty() && !claims.audience.contains(&service)) {
            return Some(Cause::TokenWrongAudience);
        }
        if claims.expires != 0 && claims.expires + LEEWAY < now {
            return Some(Cause::TokenExpired);
        }
        if claims.not_before > now + LEEWAY {
            return Some(Cause::TokenNotYetValid);
        }
        self.lacks_access().then_some(Cause::TokenAccessMissing)
    }

    /// Whether the token that was granted allows less than was asked for; an opaque one does not tell.
    fn lacks_access(&self) -> bool {
        let Some((_, token)) = self.trail.token() else { return false };
        let wanted = self.registry.repository();
        let grants = |access: &sidelight_model::token::Access| {
            access.kind == "repository"
                && access.name == wanted
                && access.actions.iter().any(|it| it == "pull" || it == "*")
        };
        token.claims_json.is_some() && !token.claims.access.iter().any(grants)
    }

    fn redirect(&self) -> Cause {
        let all = self.trail.redirects();
        let again = all.iter().enumerate().any(|(n, (_, to))| all.iter().take(n + 1).any(|(from, _)| from == to));
        if again || all.len() >= 5 { Cause::RedirectLoop } else { Cause::LocationWrong }
    }

    fn evidence_of_token(&self, finding: Finding, cause: Cause) -> Finding {
        let concerns = [
            Cause::TokenRefused,
            Cause::TokenWrongAudience,
            Cause::TokenExpired,
            Cause::TokenNotYetValid,
            Cause::TokenAccessMissing,
        ];
        let Some((scope, token)) = self.trail.token().filter(|_| concerns.contains(&cause)) else { return finding };
        let service = self.service().unwrap_or_else(|| "none".to_owned());
        let (header, claims) = (&token.header, &token.claims);
        finding
            .with_evidence("token", "header", format!("alg {}, kid {}", header.alg, header.kid))
            .with_evidence(
                "token",
                "claims",
                format!("iss {}, aud {}, exp {}", claims.issuer, claims.audience.join(" "), claims.expires),
            )
            .with_evidence("challenge", "service", service)
            .with_evidence("access", "asked", scope)
            .with_evidence("access", "granted", granted(&token))
    }
}

fn token(status: u16, why: &str, with_login: bool, last: Option<&Answered>) -> Cause {
    match status {
        401 if with_login => Cause::LoginRefused,
        401 => Cause::LoginMissing,
        403 if last.is_some_and(Answered::is_page) => Cause::RequestBlocked,
        403 if with_login => Cause::LoginRefused,
        403 => Cause::LoginMissing,
        200..=399 => Cause::TokenAnswerUnusable,
        _ if why.contains("web page") => Cause::TokenAnswerUnusable,
        _ => Cause::TokenServerFailed,
    }
}

fn not_found(path: &str, errors: &[sidelight_wire::registry::ApiError], last: Option<&Answered>) -> Cause {
    let said = |code: &str| errors.iter().any(|error| error.code == code);
    match () {
        () if said("NAME_UNKNOWN") => Cause::RepositoryUnknown,
        () if said("MANIFEST_UNKNOWN") => Cause::ManifestUnknown,
        () if said("BLOB_UNKNOWN") || (path.contains("/blobs/") && !errors.is_empty()) => Cause::BlobUnknown,
        () if last.is_some_and(|answer| answer.party == Party::Storage) || path.contains("/blobs/") => {
            Cause::BlobUnknown
        }
        () if errors.is_empty()
            && last.is_some_and(|answer| answer.field("docker-distribution-api-version").is_none()) =>
        {
            Cause::NotARegistry
        }
        () => Cause::ManifestUnknown,
    }
}

/// An answer that is no manifest, or none at all.
fn broken(url: &sidelight_engine::registry_client::Url, last: Option<&Answered>) -> Cause {
    let whole = last.is_some_and(|answer| answer.url.as_ref() == Some(url) && answer.status == 200);
    match last {
        Some(answer) if answer.is_page() => Cause::WebPageInstead,
        Some(answer)
            if answer.field("content-type").is_some_and(|kind| kind.contains("docker.distribution.manifest.v1")) =>
        {
            Cause::ManifestSchemaOld
        }
        _ if whole => Cause::MediaTypeWrong,
        _ => Cause::ConnectionClosed,
    }
}

/// The host of an error.
fn place(error: &RegistryError) -> Option<String> {
    Some(match error {
        RegistryError::Dial { at, .. }
        | RegistryError::Tls { at, .. }
        | RegistryError::PlainHttp { at }
        | RegistryError::Untrusted { at, .. } => at.to_string().trim_end_matches(":443").to_owned(),
        RegistryError::Token { realm, .. } => realm.host_header(),
        RegistryError::NoScheme { url, .. }
        | RegistryError::Denied { url, .. }
        | RegistryError::NotFound { url, .. }
        | RegistryError::RateLimited { url, .. }
        | RegistryError::Status { url, .. }
        | RegistryError::TooLarge { url, .. }
        | RegistryError::Broken { url, .. } => url.host_header(),
        RegistryError::Redirect { from, .. } => from.host_header(),
        _ => return None,
    })
}

/// What the last answer was, and who says he gave it.
fn evidence_of(finding: Finding, cause: Cause, answer: &Answered) -> Finding {
    let place = answer.url.as_ref().map(Url::host_header).unwrap_or_default();
    let proof = match answer.proof {
        Proof::Nobody => "asked as nobody",
        Proof::Basic => "asked with a login",
        Proof::Bearer => "asked with a token",
        Proof::Refresh => "asked with an identity token",
    };
    let told = [
        "content-type",
        "www-authenticate",
        "server",
        "via",
        "retry-after",
        "ratelimit-remaining",
        "docker-ratelimit-source",
        "location",
        "date",
    ];
    let mut finding = finding.with_evidence("answer", place.clone(), format!("{}, {proof}", answer.status));
    // The time matters where times are compared, the type where something else answers.
    let of_times = [Cause::TokenExpired, Cause::TokenNotYetValid, Cause::StorageRefused].contains(&cause);
    let matters = |name: &&str| match *name {
        "date" => of_times,
        "content-type" => answer.proof != Proof::Bearer || answer.status != 401,
        _ => true,
    };
    for name in told.into_iter().filter(matters) {
        if let Some(value) = answer.field(name) {
            // A signed address is a secret in its query.
            let value = if name == "location" { value.split('?').next().unwrap_or_default() } else { value };
            finding = finding.with_evidence("field", place.clone(), format!("{name}: {value}"));
        }
    }
    finding
}

/// What the registry client says of an error; whether a login was used matters less than that a token was.
pub(super) fn words(error: &RegistryError, last: Option<&Answered>) -> String {
    match error {
        RegistryError::Denied { url, status, .. } if last.is_some_and(|it| it.proof == Proof::Bearer) => {
            format!("{url}: {status} although a token was shown")
        }
        _ => error.to_string(),
    }
}

/// What a token allows, as scopes.
fn granted(token: &Presented) -> String {
    let access: Vec<String> =
        token.claims.access.iter().map(|it| format!("{}:{}:{}", it.kind, it.name, it.actions.join(","))).collect();
    if access.is_empty() { "nothing".to_owned() } else { access.join(" ") }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().and_then(|it| i64::try_from(it.as_secs()).ok()).unwrap_or_default()
}

/// Seconds since 1970 of a `Date` field (RFC 9110 §5.6.7).
fn http_date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp().as_second())
}
