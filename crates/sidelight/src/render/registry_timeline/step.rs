//! A step in words. In: a step. Out: its name, and lines that say what it was and how it went. Escaping is the caller's business.

use sidelight_model::registry::seen::{Asks, Challenge, Claims, Content, Credentials, Digest, Manifest, Seen, Token};
use sidelight_model::registry::timeline::{State, Step, What};
use sidelight_model::time::Timestamp;

use super::super::quantity::{bytes, count};
use super::super::style::Meaning;
use crate::schema::registry_timeline::refused;

/// What a step's state means.
pub(super) fn meaning(step: &Step, is_cause: bool) -> Meaning {
    match step.state {
        State::Failed | State::Cut if is_cause => Meaning::Bad,
        State::Failed | State::Cut => Meaning::Caution,
        State::Challenged | State::Elsewhere => Meaning::Onward,
        State::Done | State::Absent => Meaning::Good,
    }
}

/// Its name in the column.
pub(super) fn name(step: &Step) -> String {
    match &step.what {
        What::Connect => "connection".to_owned(),
        What::Ping if step.state == State::Challenged => "challenge".to_owned(),
        What::Ping => "ping".to_owned(),
        What::Token => "token".to_owned(),
        What::Manifest(_) if is_index(step) => "index".to_owned(),
        What::Manifest(_) => "manifest".to_owned(),
        What::PutManifest(_) => "put".to_owned(),
        What::Config(_) => "config".to_owned(),
        What::Layer(_, number, of) => format!("layer {number}/{of}"),
        What::Blob(_) => "blob".to_owned(),
        What::Look(_) => "blob there?".to_owned(),
        What::Upload(_) => "upload".to_owned(),
        What::Mount(..) => "mount".to_owned(),
        What::Referrers(_) => "referrers".to_owned(),
        What::Tags => "tags".to_owned(),
        What::Catalog => "catalog".to_owned(),
        What::Delete(_) => "delete".to_owned(),
    }
}

fn is_index(step: &Step) -> bool {
    step.manifest().is_some_and(|it| !it.manifests.is_empty())
}

/// What it was and how it went; the first line is the step's own.
pub(super) fn lines(step: &Step) -> Vec<String> {
    let Some(last) = step.last() else { return Vec::new() };
    let mut first = vec![subject(step, last)];
    first.push(answer(last));
    first.extend(amount(step));
    first.extend(verified(step));
    let mut lines = vec![first.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(", ")];
    lines.extend(step.seen.iter().rev().find_map(|it| it.challenge.as_ref()).map(challenge));
    if step.what == What::Token {
        lines.extend(token(last));
    } else if let Some(token) = refused_token(step) {
        lines.push(format!("showed {}", token_in_words(token)));
    }
    lines.extend(step.manifest().map(manifest));
    lines.extend(way(step));
    // A challenge and what is not there yet are no errors, whatever the registry calls them.
    if matches!(step.state, State::Failed | State::Cut) {
        let words = last.errors.iter().take(4).map(|(code, message)| format!("{code} {message}").trim().to_owned());
        lines.extend(words.map(|it| format!("answer: {it}")));
    }
    lines.extend(limits(step));
    lines
}

fn subject(step: &Step, last: &Seen) -> String {
    let short = |digest: &str| {
        let end = digest.find(':').map_or(0, |at| at + 1) + 12;
        digest.get(..end).filter(|_| digest.len() > end).map_or_else(|| digest.to_owned(), |it| format!("{it}…"))
    };
    match &step.what {
        What::Connect => last.place.host.clone(),
        What::Token => format!("{} {}", last.method, last.place),
        What::Ping | What::Tags | What::Catalog => format!("{} {}", last.method, last.place.path),
        What::Mount(digest, from) if from.is_empty() => format!("{} from any repository", short(digest)),
        What::Mount(digest, from) => format!("{} from {from}", short(digest)),
        What::Upload(None) => "of a blob".to_owned(),
        What::Manifest(_) | What::PutManifest(_) => {
            format!("{} {}", last.method, short(step.what.reference().unwrap_or_default()))
        }
        what => short(what.reference().unwrap_or_default()),
    }
}

/// The status and how it broke off.
fn answer(last: &Seen) -> String {
    let status = match (last.status, &last.asks) {
        (Some(status), _) => status.to_string(),
        (None, Asks::Connection) => match &last.finding {
            Some(finding) => format!("failed: {}", finding.cause.code()),
            None => "failed".to_owned(),
        },
        (None, _) => "no answer".to_owned(),
    };
    match (&last.cut, &last.asks) {
        (Some(cut), asks) if *asks != Asks::Connection => format!("{status}, broken off: {cut}"),
        _ => status,
    }
}

fn amount(step: &Step) -> Option<String> {
    let has_bytes = matches!(
        step.what,
        What::Manifest(_) | What::PutManifest(_) | What::Config(_) | What::Layer(..) | What::Blob(_) | What::Upload(_)
    );
    let total = step.bytes();
    if !has_bytes || total == 0 {
        return None;
    }
    let speed = step.speed().map(|it| format!(" at {}/s", bytes(it))).unwrap_or_default();
    Some(format!("{}{speed}", bytes(total)))
}

fn verified(step: &Step) -> Option<String> {
    match step.digest() {
        Digest::NotCompared => None,
        Digest::Holds => Some("digest verified".to_owned()),
        Digest::Differs { .. } => Some("DIGEST DIFFERS".to_owned()),
        Digest::NotRecorded => Some("digest not verified: not recorded whole".to_owned()),
    }
}

fn challenge(it: &Challenge) -> String {
    if it.scheme != "bearer" {
        return format!(
            "asks for {} of \"{}\"",
            if it.scheme == "basic" { "user and password" } else { &it.scheme },
            it.realm
        );
    }
    let mut text = format!("asks for a token of {} for \"{}\"", it.realm, it.service);
    if !it.scopes.is_empty() {
        text = format!("{text}, {}", words(&it.scopes));
    }
    if let Some(error) = &it.error {
        text = format!("{text}, error {error}");
    }
    text
}

fn words<T: ToString>(list: &[T]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// What was asked for and what was granted.
fn token(last: &Seen) -> Vec<String> {
    let Asks::Token { service, scopes, account } = &last.asks else { return Vec::new() };
    let with = match (&last.credentials, account) {
        (Credentials::Login, Some(account)) => format!("with the login of {account}"),
        (Credentials::Login, None) => "with a login".to_owned(),
        (Credentials::None, _) => "without a login".to_owned(),
        _ => "with or without a login, that is not told".to_owned(),
    };
    let scope = if scopes.is_empty() { "no scope".to_owned() } else { words(scopes) };
    let mut lines = vec![format!("asked for {scope} on \"{service}\" {with}")];
    match &last.content {
        Content::Grant { token, expires_in, refresh } => {
            lines.push(granted(scopes, token, *expires_in, *refresh));
            lines.push(token_in_words(token));
        }
        Content::Unreadable(why) => lines.push(format!("no token: {why}")),
        Content::Page { title } => lines.push(format!("no token, but a web page: {title}")),
        _ => {}
    }
    lines
}

fn granted(asked: &[sidelight_model::token::Scope], token: &Token, expires_in: u64, refresh: bool) -> String {
    let life = if expires_in > 0 { format!(", good for {expires_in} s") } else { String::new() };
    let more = if refresh { ", with one for further tokens" } else { "" };
    let what = match &token.claims {
        Some(claims) if claims.access.is_empty() => "granted nothing".to_owned(),
        Some(claims) => format!("granted {}", words(&claims.access)),
        None => "granted a token".to_owned(),
    };
    let refused = token.claims.as_ref().map(|claims| refused(asked, claims)).unwrap_or_default();
    let refused = if refused.is_empty() { String::new() } else { format!(", NOT {}", refused.join(" ")) };
    format!("{what}{refused}{life}{more}")
}

fn token_in_words(token: &Token) -> String {
    match (&token.claims, &token.unread) {
        (Some(claims), _) => format!("token {}: {}", token.fingerprint, claims_in_words(claims)),
        (None, why) => {
            format!("token {}: {}", token.fingerprint, why.as_deref().unwrap_or("not read")).replace(" :", ":")
        }
    }
}

fn claims_in_words(claims: &Claims) -> String {
    let mut parts = vec![claims.algorithm.clone()];
    let mut add = |name: &str, value: &Option<String>| parts.extend(value.as_ref().map(|it| format!("{name} {it}")));
    add("kid", &claims.key_id);
    add("iss", &claims.issuer);
    add("sub", &claims.subject);
    let audience = (!claims.audience.is_empty()).then(|| claims.audience.join(" "));
    add("aud", &audience);
    let time = |seconds: Option<i64>| seconds.map(|it| Timestamp::from_secs(it).rfc3339_seconds());
    add("nbf", &time(claims.not_before));
    add("exp", &time(claims.expires));
    if claims.certificates > 0 {
        parts.push(format!("x5c of {}", count(claims.certificates as u64, "certificate")));
    }
    if claims.brings_key {
        parts.push("with a jwk".to_owned());
    }
    parts.join(", ")
}

/// The token that the last request showed, when it was refused.
fn refused_token(step: &Step) -> Option<&Token> {
    let last = step.last().filter(|it| matches!(it.status, Some(401 | 403)))?;
    match &last.credentials {
        Credentials::Bearer(token) => Some(token),
        _ => None,
    }
}

fn manifest(it: &Manifest) -> String {
    if !it.manifests.is_empty() {
        let platforms: Vec<&str> = it.manifests.iter().filter_map(|it| it.platform.as_deref()).take(12).collect();
        return format!("index of {}: {}", count(it.manifests.len() as u64, "manifest"), platforms.join(", "));
    }
    let total: u64 = it.layers.iter().map(|it| it.size).fold(0, u64::saturating_add);
    let about = it.subject.as_ref().map(|it| format!(", about {it}")).unwrap_or_default();
    format!("image of {}, {}{about}", count(it.layers.len() as u64, "layer"), bytes(total))
}

/// How it came: retries, ranges, chunks, storage, caches.
fn way(step: &Step) -> Vec<String> {
    let mut lines = Vec::new();
    if let What::Upload(_) = step.what {
        lines.extend(chunks(step));
    } else if step.seen.iter().filter(|it| !it.is_redirect()).count() > 1 {
        let tries: Vec<String> = step.seen.iter().map(attempt).collect();
        lines.push(tries.join(", then "));
    }
    if let Some(storage) = step.storage() {
        lines.push(format!("from storage at {}", storage.place.host));
    } else if step.state == State::Elsewhere
        && let Some(location) = step.last().and_then(|it| it.says.location.as_ref())
    {
        lines.push(format!("sent on to {}", location.host));
    }
    lines.extend(
        step.seen.iter().find_map(|it| it.says.cache.clone()).map(|it| format!("a cache on the way says {it}")),
    );
    lines
}

fn attempt(it: &Seen) -> String {
    let range = it.says.asked_range.as_ref().map(|it| format!(" of {it}")).unwrap_or_default();
    let answer = it.status.map_or_else(|| "no answer".to_owned(), |it| it.to_string());
    let got = match (it.received, it.announced) {
        (received, Some(announced)) if it.method != "HEAD" && received < announced => {
            format!(" ({received} of {announced} bytes)")
        }
        _ => String::new(),
    };
    format!("{}{range} {answer}{got}", it.method)
}

fn chunks(step: &Step) -> Vec<String> {
    let parts = step.seen.iter().filter(|it| matches!(it.asks, Asks::UploadChunk { .. }));
    let parts: Vec<String> = parts.map(|it| bytes(it.sent)).collect();
    let tries: Vec<String> = step
        .seen
        .iter()
        .map(|it| format!("{} {}", it.method, it.status.map_or_else(|| "no answer".to_owned(), |it| it.to_string())))
        .collect();
    let mut lines = vec![tries.join(", ")];
    if parts.len() > 1 {
        lines.push(format!("in {} chunks: {}", parts.len(), parts.join(", ")));
    }
    lines
}

fn limits(step: &Step) -> Option<String> {
    let last = step.last()?;
    let mut parts: Vec<String> = last.says.rate_limit.iter().map(|(name, value)| format!("{name} {value}")).collect();
    parts.extend(last.says.retry_after.as_ref().map(|it| format!("retry-after {it}")));
    (!parts.is_empty()).then(|| parts.join(", "))
}
