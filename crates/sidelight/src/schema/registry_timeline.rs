//! What `registry timeline --json` prints. In: blocks. Out: serialisable values; tokens as their header and claims.

use serde::Serialize;
use sidelight_model::registry::seen::{Asks, Claims, Content, Credentials, Digest, Seen, Token};
use sidelight_model::registry::timeline::{Block, Step, Verdict};
use sidelight_model::time::Timestamp;
use sidelight_model::token::Scope;

use crate::render::registry_timeline::Told;

/// The document.
#[derive(Debug, Serialize)]
pub(crate) struct Document<'t> {
    v: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    sources: Vec<Source<'t>>,
}

#[derive(Debug, Serialize)]
struct Source<'t> {
    file: &'t str,
    kind: &'static str,
    caveat: Option<&'static str>,
    blocks: Vec<BlockShape<'t>>,
}

#[derive(Debug, Serialize)]
struct BlockShape<'t> {
    action: &'static str,
    registry: &'t str,
    repository: Option<&'t str>,
    reference: Option<&'t str>,
    client: Client<'t>,
    started: Option<String>,
    duration_ms: Option<f64>,
    bytes: u64,
    steps: Vec<StepShape<'t>>,
    not_fetched: Vec<Part<'t>>,
    verdict: VerdictShape<'t>,
}

#[derive(Debug, Serialize)]
struct Client<'t> {
    name: &'t str,
    version: Option<&'t str>,
    user_agent: &'t str,
    address: Option<String>,
    pid: Option<u32>,
    process: Option<&'t str>,
}

#[derive(Debug, Serialize)]
struct StepShape<'t> {
    step: &'static str,
    reference: Option<&'t str>,
    state: &'static str,
    started: Option<String>,
    duration_ms: Option<f64>,
    bytes: u64,
    bytes_per_second: Option<u64>,
    /// `verified`, `differs`, `not_recorded`, or null.
    digest: Option<&'static str>,
    manifest: Option<ManifestShape<'t>>,
    requests: Vec<RequestShape<'t>>,
}

#[derive(Debug, Serialize)]
struct ManifestShape<'t> {
    media_type: &'t str,
    config: Option<Part<'t>>,
    layers: Vec<Part<'t>>,
    manifests: Vec<Part<'t>>,
    subject: Option<&'t str>,
}

#[derive(Debug, Serialize)]
struct Part<'t> {
    digest: &'t str,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<&'t str>,
}

#[derive(Debug, Serialize)]
struct RequestShape<'t> {
    flow: Option<u64>,
    method: &'t str,
    url: String,
    status: Option<u16>,
    started: Option<String>,
    duration_ms: Option<f64>,
    sent: u64,
    received: u64,
    /// It went to another host than the registry, which redirected there.
    redirected: bool,
    cut: Option<&'t str>,
    credentials: &'t str,
    presented: Option<TokenShape<'t>>,
    challenge: Option<ChallengeShape<'t>>,
    asked: Option<Asked<'t>>,
    granted: Option<Granted<'t>>,
    errors: Vec<ErrorShape<'t>>,
    location: Option<String>,
    range: Option<&'t str>,
    content_range: Option<&'t str>,
    retry_after: Option<&'t str>,
    rate_limit: Vec<[&'t str; 2]>,
    cache: Option<&'t str>,
}

#[derive(Debug, Serialize)]
struct ErrorShape<'t> {
    code: &'t str,
    message: &'t str,
}

#[derive(Debug, Serialize)]
struct ChallengeShape<'t> {
    scheme: &'t str,
    realm: &'t str,
    service: &'t str,
    scope: Vec<String>,
    error: Option<&'t str>,
}

#[derive(Debug, Serialize)]
struct Asked<'t> {
    service: &'t str,
    scope: Vec<String>,
    account: Option<&'t str>,
}

#[derive(Debug, Serialize)]
struct Granted<'t> {
    expires_in: u64,
    refresh_token: bool,
    /// What was asked for and not granted; null where the token cannot be read.
    refused: Option<Vec<String>>,
    token: TokenShape<'t>,
}

#[derive(Debug, Serialize)]
struct TokenShape<'t> {
    /// First 32 bits of its SHA-256.
    fingerprint: &'t str,
    unread: Option<&'t str>,
    #[serde(flatten)]
    claims: Option<ClaimsShape<'t>>,
}

#[derive(Debug, Serialize)]
struct ClaimsShape<'t> {
    alg: &'t str,
    kid: Option<&'t str>,
    x5c: usize,
    jwk: bool,
    iss: Option<&'t str>,
    sub: Option<&'t str>,
    aud: &'t [String],
    exp: Option<i64>,
    nbf: Option<i64>,
    iat: Option<i64>,
    access: Vec<String>,
}

#[derive(Debug, Serialize)]
struct VerdictShape<'t> {
    outcome: &'static str,
    cause: &'static str,
    fault: &'static str,
    summary: &'t str,
    /// Index into `steps`.
    step: Option<usize>,
    evidence: Vec<Evidence<'t>>,
    fix: Vec<Fix<'t>>,
    notes: &'t [String],
}

#[derive(Debug, Serialize)]
struct Evidence<'t> {
    what: &'t str,
    #[serde(rename = "where")]
    place: &'t str,
    value: &'t str,
}

#[derive(Debug, Serialize)]
struct Fix<'t> {
    #[serde(rename = "do")]
    action: &'t str,
    how: &'t str,
}

impl<'t> Document<'t> {
    /// The document of what was told.
    pub(crate) fn new(told: &'t [Told]) -> Self {
        let source = |it: &'t Told| Source {
            file: &it.name,
            kind: it.kind,
            caveat: it.caveat,
            blocks: it.blocks.iter().map(block).collect(),
        };
        Self { v: 1, kind: "registry_timeline", sources: told.iter().map(source).collect() }
    }
}

/// One block as a line of JSON Lines, as `registry watch` prints them.
#[derive(Debug, Serialize)]
pub(crate) struct BlockLine<'t> {
    v: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    block: BlockShape<'t>,
}

impl<'t> BlockLine<'t> {
    /// The line of a block.
    pub(crate) fn new(it: &'t Block) -> Self {
        Self { v: 1, kind: "registry_block", block: block(it) }
    }
}

fn block(it: &Block) -> BlockShape<'_> {
    let (started, duration_ms) = span(it.span());
    BlockShape {
        action: it.action.name(),
        registry: &it.host,
        repository: it.repository.as_deref(),
        reference: it.reference.as_deref(),
        client: Client {
            name: &it.program.name,
            version: it.program.version.as_deref(),
            user_agent: &it.caller.agent,
            address: it.caller.address.map(|it| it.to_string()),
            pid: it.caller.process.as_ref().map(|it| it.0),
            process: it.caller.process.as_ref().map(|it| it.1.as_str()),
        },
        started,
        duration_ms,
        bytes: it.steps.iter().map(Step::bytes).fold(0, u64::saturating_add),
        steps: it.steps.iter().map(step).collect(),
        not_fetched: it.not_fetched().into_iter().map(part).collect(),
        verdict: verdict(&it.verdict),
    }
}

fn span(span: Option<(Timestamp, Timestamp)>) -> (Option<String>, Option<f64>) {
    let millis = |(start, end): (Timestamp, Timestamp)| end.since(start).as_micros() as f64 / 1000.0;
    (span.map(|it| it.0.rfc3339()), span.map(millis))
}

fn step(it: &Step) -> StepShape<'_> {
    let (started, duration_ms) = span(it.span());
    StepShape {
        step: it.what.name(),
        reference: it.what.reference(),
        state: it.state.name(),
        started,
        duration_ms,
        bytes: it.bytes(),
        bytes_per_second: it.speed(),
        digest: match it.digest() {
            Digest::NotCompared => None,
            Digest::Holds => Some("verified"),
            Digest::Differs { .. } => Some("differs"),
            Digest::NotRecorded => Some("not_recorded"),
        },
        manifest: it.manifest().map(|it| ManifestShape {
            media_type: &it.media_type,
            config: it.config.as_ref().map(part),
            layers: it.layers.iter().map(part).collect(),
            manifests: it.manifests.iter().map(part).collect(),
            subject: it.subject.as_deref(),
        }),
        requests: it.seen.iter().map(request).collect(),
    }
}

fn part(it: &sidelight_model::registry::seen::Descriptor) -> Part<'_> {
    Part { digest: &it.digest, size: it.size, platform: it.platform.as_deref() }
}

fn request(it: &Seen) -> RequestShape<'_> {
    let (started, duration_ms) = span(it.start.zip(it.end));
    let credentials = match &it.credentials {
        Credentials::None => "none",
        Credentials::Login => "login",
        Credentials::Bearer(_) => "token",
        Credentials::Other(scheme) => scheme,
        Credentials::Unknown => "unknown",
    };
    RequestShape {
        flow: it.flow,
        method: &it.method,
        url: it.place.to_string(),
        status: it.status,
        started,
        duration_ms,
        sent: it.sent,
        received: it.received,
        redirected: it.asks == Asks::Redirected,
        cut: it.cut.as_deref(),
        credentials,
        presented: match &it.credentials {
            Credentials::Bearer(it) => Some(token(it)),
            _ => None,
        },
        challenge: it.challenge.as_ref().map(|it| ChallengeShape {
            scheme: &it.scheme,
            realm: &it.realm,
            service: &it.service,
            scope: words(&it.scopes),
            error: it.error.as_deref(),
        }),
        asked: match &it.asks {
            Asks::Token { service, scopes, account } => {
                Some(Asked { service, scope: words(scopes), account: account.as_deref() })
            }
            _ => None,
        },
        granted: granted(it),
        errors: it.errors.iter().map(|(code, message)| ErrorShape { code, message }).collect(),
        location: it.says.location.as_ref().map(ToString::to_string),
        range: it.says.asked_range.as_deref(),
        content_range: it.says.range.as_deref(),
        retry_after: it.says.retry_after.as_deref(),
        rate_limit: it.says.rate_limit.iter().map(|(name, value)| [name.as_str(), value.as_str()]).collect(),
        cache: it.says.cache.as_deref(),
    }
}

fn granted(it: &Seen) -> Option<Granted<'_>> {
    let Content::Grant { token: granted, expires_in, refresh } = &it.content else { return None };
    let asked = match &it.asks {
        Asks::Token { scopes, .. } => scopes.as_slice(),
        _ => &[],
    };
    let refused = granted.claims.as_ref().map(|claims| refused(asked, claims));
    Some(Granted { expires_in: *expires_in, refresh_token: *refresh, refused, token: token(granted) })
}

/// What of `asked` the token does not allow.
pub(crate) fn refused(asked: &[Scope], claims: &Claims) -> Vec<String> {
    let missing = asked.iter().filter_map(|scope| {
        let missing = scope.missing(&claims.access);
        (!missing.is_empty()).then(|| format!("{}:{}:{}", scope.kind, scope.name, missing.join(",")))
    });
    missing.collect()
}

fn token(it: &Token) -> TokenShape<'_> {
    TokenShape { fingerprint: &it.fingerprint, unread: it.unread.as_deref(), claims: it.claims.as_ref().map(claims) }
}

fn claims(it: &Claims) -> ClaimsShape<'_> {
    ClaimsShape {
        alg: &it.algorithm,
        kid: it.key_id.as_deref(),
        x5c: it.certificates,
        jwk: it.brings_key,
        iss: it.issuer.as_deref(),
        sub: it.subject.as_deref(),
        aud: &it.audience,
        exp: it.expires,
        nbf: it.not_before,
        iat: it.issued,
        access: words(&it.access),
    }
}

fn words<T: ToString>(list: &[T]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn verdict(it: &Verdict) -> VerdictShape<'_> {
    let evidence = it.evidence.iter().map(|it| Evidence { what: &it.what, place: &it.place, value: &it.value });
    VerdictShape {
        outcome: it.outcome.name(),
        cause: it.cause.code(),
        fault: it.fault.name(),
        summary: &it.summary,
        step: it.step,
        evidence: evidence.collect(),
        fix: it.fixes.iter().map(|it| Fix { action: &it.action, how: &it.how }).collect(),
        notes: &it.notes,
    }
}
