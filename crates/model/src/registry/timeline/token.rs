//! Why there was no token, or why it was refused. In: the request that failed, and what the block tells of tokens before it. Out: a
//! [`Verdict`]. Source: the checks of distribution 2.8, 3.0 and 3.1, and what clients print for each.

use super::super::seen::{Asks, Challenge, Claims, Content, Credentials, Seen, Token};
use super::judge::flow;
use super::refusal::page;
use super::{Block, Verdict};
use crate::finding::Cause;
use crate::token::Scope;
use crate::trust::quoted;

/// Registries bear with clocks that are apart by so many seconds.
const LEEWAY: i64 = 60;

/// The token server gave no token.
pub(super) fn server(block: &Block, last: &Seen, status: u16) -> Verdict {
    let host = &last.place.host;
    let error = last.errors.first().map(|(code, message)| format!(": {code} {message}")).unwrap_or_default();
    if let Some(title) = page(last) {
        return Verdict::failed(
            Cause::TokenAnswerUnusable,
            format!("{} is to give tokens, and gives a web page: {title}", last.place),
        )
        .with_fix("correct the realm that the registry names", "auth.token.realm of the registry's configuration");
    }
    match status {
        200..=299 => {
            let why = match &last.content {
                Content::Unreadable(why) => why.as_str(),
                _ => "there is no token in it",
            };
            Verdict::failed(Cause::TokenAnswerUnusable, format!("the answer of {} cannot be used: {why}", last.place))
                .with_fix(
                    "correct the realm that the registry names, or the server there",
                    "auth.token.realm of the registry's configuration",
                )
        }
        401 | 403 if last.credentials == Credentials::None => Verdict::failed(
            Cause::LoginMissing,
            format!("{host} gives no token to a client that shows no login{error}"),
        )
        .with_fix("log in; or the image does not exist or is private", format!("docker login {}", block.host))
        .with_note("containerd says `failed to fetch anonymous token` for this"),
        401 | 403 => Verdict::failed(Cause::LoginRefused, format!("{host} refuses the client's login{error}"))
            .with_fix("log in again: the stored login is old or wrong", format!("docker login {}", block.host))
            .with_fix("for public images, forget it", format!("docker logout {}", block.host)),
        404 => Verdict::failed(
            Cause::TokenServerFailed,
            format!("there is nothing at {} where the registry says that tokens are (404)", last.place),
        )
        .with_fix("correct the realm that the registry names", "auth.token.realm of the registry's configuration"),
        _ => Verdict::failed(
            Cause::TokenServerFailed,
            format!("{host} failed with {status} when it was asked for a token{error}"),
        )
        .with_fix("see the token server's own log", format!("its lines of {} {}", last.method, last.place.path)),
    }
}

/// The registry answered 401.
pub(super) fn unauthorized(block: &Block, last: &Seen) -> Verdict {
    let challenge = last.challenge.as_ref();
    match (&last.credentials, challenge) {
        (Credentials::Bearer(token), _) => refused(block, last, token),
        (Credentials::Login, Some(it)) if it.scheme == "basic" => login_refused(block),
        (Credentials::Login, None) => login_refused(block),
        (_, None) => Verdict::failed(
            Cause::ChallengeMissing,
            format!("{} refuses (401) and does not say how one can log in", block.host),
        )
        .with_evidence("field missing", flow(last), "WWW-Authenticate")
        .with_fix(
            "let the proxy before it hand the field on, or switch on authentication",
            "proxy_pass_header WWW-Authenticate; (nginx)",
        ),
        (_, Some(challenge)) if challenge.scheme == "basic" => Verdict::failed(
            Cause::LoginMissing,
            format!("{} wants user and password, and the client showed none", block.host),
        )
        .with_fix("log in", format!("docker login {}", block.host))
        .with_note("docker says `no basic auth credentials` for this"),
        (_, Some(challenge)) if challenge.place.is_none() => Verdict::failed(
            Cause::TokenRealmUnusable,
            format!("{} names no token server that can be asked: realm \"{}\"", block.host, challenge.realm),
        )
        .with_fix(
            "give the registry the address of its token server",
            "auth.token.realm of the registry's configuration",
        ),
        (_, Some(challenge)) => never_asked(block, challenge),
    }
}

fn login_refused(block: &Block) -> Verdict {
    Verdict::failed(Cause::LoginRefused, format!("{} refuses the client's login", block.host))
        .with_fix("log in again: the stored login is old or wrong", format!("docker login {}", block.host))
}

fn never_asked(block: &Block, challenge: &Challenge) -> Verdict {
    let host = challenge.place.as_ref().map_or("", |it| it.host.as_str());
    let mut verdict = Verdict::failed(
        Cause::Stopped,
        format!("the client was sent to {} for a token, and no request for one was recorded", challenge.realm),
    )
    .with_fix("see whether the client can reach the token server", format!("sidelight diagnose {host}"));
    if host != block.host {
        verdict = verdict.with_note(format!("{host} is another host: is it among those that are recorded?"));
    }
    verdict
}

/// What registries log of a token that they refuse, and the cause of it.
const LOGGED: &[(&str, Cause)] = &[
    ("from untrusted issuer", Cause::TokenWrongIssuer),
    ("for another audience", Cause::TokenWrongAudience),
    ("not to be used after", Cause::TokenExpired),
    ("not to be used before", Cause::TokenNotYetValid),
    ("untrusted key with ID", Cause::TokenKeyUnknown),
    ("unable to verify token signature", Cause::TokenBadSignature),
    ("cryptographic primitive", Cause::TokenBadSignature),
    ("insufficient scope", Cause::TokenAccessMissing),
    ("malformed token", Cause::TokenMalformed),
    ("unmarshalling raw token", Cause::TokenMalformed),
];

/// The registry did not take a token, and its log says why.
fn logged(block: &Block, last: &Seen) -> Option<Verdict> {
    let (_, reason) = last.errors.first().filter(|_| last.partial)?;
    let cause = LOGGED.iter().find(|(words, _)| reason.contains(words)).map_or(Cause::TokenRefused, |it| it.1);
    let verdict = Verdict::failed(cause, format!("{} refuses the token: {reason}", block.host));
    Some(verdict.with_fix(
        "compare token and registry: which release checks what, and what it says",
        format!("sidelight registry token verify --roots BUNDLE {}", quoted(reason)),
    ))
}

/// The registry did not take a token.
fn refused(block: &Block, last: &Seen, token: &Token) -> Verdict {
    if let Some(verdict) = logged(block, last) {
        return verdict;
    }
    let challenge = last.challenge.clone().unwrap_or_default();
    let wanted = wanted(block, &challenge);
    let Some(claims) = &token.claims else {
        let why = token.unread.as_deref().unwrap_or("it cannot be read");
        let is_scope = challenge.error.as_deref() == Some("insufficient_scope");
        let (cause, what) = if is_scope {
            (Cause::TokenAccessMissing, "allows too little")
        } else {
            (Cause::TokenRefused, "is refused")
        };
        return Verdict::failed(cause, format!("the token {what}, and what is in it is not known: {why}"))
            .with_evidence("error", flow(last), challenge.error.unwrap_or_else(|| "none is named".to_owned()));
    };
    let verdict = reason(block, last, &challenge, claims, &wanted);
    let verdict = facts(verdict, last, &challenge, claims);
    verdict.with_fix("let each registry release say what it checks", verification(last, &challenge, &wanted))
}

/// The command that judges the token. The issuer is what the registry's configuration has, which may not be the token's.
fn verification(last: &Seen, challenge: &Challenge, wanted: &[Scope]) -> String {
    let service = if challenge.service.is_empty() { "SERVICE".to_owned() } else { quoted(&challenge.service) };
    match last.flow {
        // The challenge, which is in the same flow, tells the rest.
        Some(flow) if !challenge.service.is_empty() => {
            format!("sidelight registry token verify --flow {flow} --roots BUNDLE --issuer ISSUER")
        }
        Some(flow) => {
            format!("sidelight registry token verify --flow {flow} --roots BUNDLE --issuer ISSUER --service {service}")
        }
        None => {
            let scope = wanted.first().map(|it| format!(" --scope {}", quoted(&it.to_string()))).unwrap_or_default();
            format!("sidelight registry token verify - --roots BUNDLE --issuer ISSUER --service {service}{scope}")
        }
    }
}

/// What the registry needs: as its challenge says, else as it was asked for.
fn wanted(block: &Block, challenge: &Challenge) -> Vec<Scope> {
    if !challenge.scopes.is_empty() {
        return challenge.scopes.clone();
    }
    let asked = block.steps.iter().flat_map(|it| &it.seen).rev().find_map(|it| match &it.asks {
        Asks::Token { scopes, .. } => Some(scopes.clone()),
        _ => None,
    });
    asked.unwrap_or_default()
}

fn reason(block: &Block, last: &Seen, challenge: &Challenge, claims: &Claims, wanted: &[Scope]) -> Verdict {
    let host = &block.host;
    let at = last.start.map(crate::time::Timestamp::as_secs);
    if challenge.error.as_deref() == Some("insufficient_scope") {
        return too_little(block, last, claims, wanted);
    }
    if let (Some(at), Some(expires)) = (at, claims.expires)
        && at > expires.saturating_add(LEEWAY)
    {
        return Verdict::failed(
            Cause::TokenExpired,
            format!(
                "{host} refuses the token: it was good until {} and was shown {} s later",
                utc(expires),
                at.saturating_sub(expires)
            ),
        )
        .with_fix("set the clocks right, of the token server first", "timedatectl")
        .with_fix("let tokens last longer than a pull takes", "the token server's time of expiry");
    }
    if let (Some(at), Some(begins)) = (at, claims.not_before)
        && at < begins.saturating_sub(LEEWAY)
    {
        return Verdict::failed(
            Cause::TokenNotYetValid,
            format!(
                "{host} refuses the token: it is good from {} on and was shown {} s before",
                utc(begins),
                begins.saturating_sub(at)
            ),
        )
        .with_fix("set the clocks right, of the token server first", "timedatectl");
    }
    if !challenge.service.is_empty() && !claims.audience.contains(&challenge.service) {
        let audience = if claims.audience.is_empty() {
            "nobody".to_owned()
        } else {
            format!("\"{}\"", claims.audience.join("\", \""))
        };
        return Verdict::failed(
            Cause::TokenWrongAudience,
            format!("{host} refuses the token: it is for {audience}, and the registry is \"{}\"", challenge.service),
        )
        .with_fix(
            "let the token server put the service that it is asked for into `aud`, or name the registry as it does",
            "auth.token.service of the registry's configuration",
        );
    }
    let missing: Vec<String> =
        wanted.iter().filter(|it| !it.missing(&claims.access).is_empty()).map(ToString::to_string).collect();
    if challenge.error.is_none() && !missing.is_empty() {
        return too_little(block, last, claims, wanted);
    }
    Verdict::failed(Cause::TokenRefused, format!("{host} refuses the token that {} gave", issuer(claims)))
        .with_note("its times and its audience are right: what is left is the issuer, the key (kid, x5c) or the signature")
        .with_note("registry 2 prints the reason at level info in the line before `error authorizing context`; registry 3 names no error for a bad signature")
        .with_fix("compare the key ID with that of the registry's bundle", "sidelight registry key-id BUNDLE --match KID")
}

fn too_little(block: &Block, last: &Seen, claims: &Claims, wanted: &[Scope]) -> Verdict {
    let granted = &claims.access;
    let lacks: Vec<String> = wanted
        .iter()
        .filter_map(|it| {
            let missing = it.missing(granted);
            (!missing.is_empty()).then(|| format!("{} on {}", missing.join(" and "), it.name))
        })
        .collect();
    let what = if lacks.is_empty() { "what is asked for".to_owned() } else { lacks.join(", ") };
    let given: Vec<String> = granted.iter().map(ToString::to_string).collect();
    let given = if given.is_empty() { "nothing".to_owned() } else { given.join(" ") };
    Verdict::failed(Cause::TokenAccessMissing, format!("the token does not allow {what}"))
        .with_evidence("granted", flow(last), given)
        .with_evidence("needed", flow(last), wanted.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        .with_fix(
            "give the login the right, or check the name",
            format!("docker login {}; the name is {}", block.host, block.image()),
        )
        .with_note("docker says `pull access denied … may require 'docker login'` for this")
}

fn facts(verdict: Verdict, last: &Seen, challenge: &Challenge, claims: &Claims) -> Verdict {
    let error = challenge.error.as_deref().unwrap_or("none is named");
    let key = match (&claims.key_id, claims.certificates, claims.brings_key) {
        (Some(id), _, _) => format!("{} kid {id}", claims.algorithm),
        (None, 0, false) => format!("{}; no kid, x5c or jwk", claims.algorithm),
        (None, 0, true) => format!("{}; brings its own key (jwk)", claims.algorithm),
        (None, number, _) => format!("{}; brings {number} certificates (x5c)", claims.algorithm),
    };
    verdict
        .with_evidence("error", flow(last), error)
        .with_evidence("key", "the token", key)
        .with_evidence("issuer", "the token", claims.issuer.as_deref().unwrap_or("none"))
        .with_evidence("audience", "the token", claims.audience.join(", "))
}

fn issuer(claims: &Claims) -> String {
    claims.issuer.as_ref().map_or_else(|| "its server".to_owned(), |it| format!("\"{it}\""))
}

fn utc(seconds: i64) -> String {
    crate::time::Timestamp::from_secs(seconds).rfc3339_seconds()
}
