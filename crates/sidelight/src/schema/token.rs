//! What `registry token verify --json` and `decode --json` print. In: verdicts with their findings, a token. Out: serialisable values; never a
//! signature, never a private member of a key.

use serde::Serialize;
use serde_json::{Value, json};
use sidelight_model::finding;
use sidelight_model::token::{Check, Presented, State, Verdict, kid};
use sidelight_sink::redact::Redactor;
use sidelight_sink::schema::Finding;

/// The verdict of one generation, and what follows from it.
#[derive(Debug)]
pub(crate) struct Judged {
    /// What the release does.
    pub(crate) verdict: Verdict,
    /// What that means, and what to do.
    pub(crate) finding: finding::Finding,
}

#[derive(Debug, Serialize)]
struct Document {
    v: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    registry: &'static str,
    result: &'static str,
    status: Option<u16>,
    error: Option<&'static str>,
    log: Vec<String>,
    checks: Vec<Checked>,
    #[serde(flatten)]
    finding: Finding,
}

#[derive(Debug, Serialize)]
struct Checked {
    check: &'static str,
    state: &'static str,
    words: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
}

/// One document a verdict.
///
/// # Errors
/// Those of serialisation, which do not come.
pub(crate) fn verdict(judged: &Judged) -> serde_json::Result<Value> {
    let verdict = &judged.verdict;
    serde_json::to_value(Document {
        v: 1,
        kind: "token-verify",
        registry: verdict.generation.name(),
        result: if verdict.is_accepted() { "accept" } else { "reject" },
        status: verdict.status(),
        error: verdict.error(),
        log: verdict.log().iter().map(ToString::to_string).collect(),
        checks: verdict.checks.iter().map(checked).collect(),
        finding: Finding::new(&judged.finding, Redactor::default()),
    })
}

/// The word for how a check went.
pub(crate) const fn state(state: State) -> &'static str {
    match state {
        State::Passed => "passed",
        State::Failed => "failed",
        State::Open => "open",
    }
}

fn checked(check: &Check) -> Checked {
    Checked {
        check: check.name.name(),
        state: state(check.state),
        words: check.words.clone(),
        cause: (check.state == State::Failed).then(|| check.cause.code()),
    }
}

/// Members of private keys (RFC 7518 §6).
const PRIVATE: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// JSON of a header or of claims, without private members of keys.
pub(crate) fn shown(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    if let Some(Value::Object(jwk)) = value.get_mut("jwk") {
        for (name, member) in jwk.iter_mut() {
            if PRIVATE.contains(&name.as_str()) {
                let secret = member.as_str().map_or_else(|| member.to_string(), ToOwned::to_owned);
                *member = json!(sidelight_model::redact::fingerprint(secret.as_bytes()));
            }
        }
    }
    value
}

/// A token decoded.
pub(crate) fn decoded(token: &Presented) -> Value {
    let time = |seconds: i64| {
        (seconds != 0)
            .then(|| sidelight_model::token::go::moment(seconds).replace(" +0000 UTC", "Z").replacen(' ', "T", 1))
    };
    json!({
        "v": 1,
        "type": "token",
        "header": token.header_json.as_deref().map(shown),
        "claims": token.claims_json.as_deref().map(shown),
        "signature_bytes": token.signature.reveal().len(),
        "kid_shape": if token.header.kid.is_empty() { Vec::new() } else { kid::shape(&token.header.kid) },
        "issued": time(token.claims.issued_at),
        "not_before": time(token.claims.not_before),
        "expires": time(token.claims.expires),
        "access": token.claims.access.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "unread_by_2": token.unread_by_2,
        "unread_by_3": token.unread_by_3.clone().or_else(|| token.claims_unread_by_3.clone()),
    })
}
