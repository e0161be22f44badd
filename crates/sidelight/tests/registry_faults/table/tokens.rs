//! Challenges, logins, token servers and tokens.

use std::time::{SystemTime, UNIX_EPOCH};

use sidelight_testkit::registry::{Reply, good, refusal, reply};

use super::{html, json};
use crate::ground::Ground;
use crate::row::{Row, Tool};

const SAME_WORDS: &str =
    "clients print `unauthorized: authentication required` for every token that is refused, whatever is wrong with it";
const PULL: &str = r#"{"type":"repository","name":"team/app","actions":["pull"]}"#;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs()
}

/// A token with these claims, which nobody signed.
fn token(audience: &str, from: u64, until: u64, access: &str) -> Reply {
    let part = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
    let claims = format!(r#"{{"iss":"i","aud":"{audience}","nbf":{from},"exp":{until},"access":[{access}]}}"#);
    json(&format!(r#"{{"token":"{}.{}.c2ln"}}"#, part(r#"{"alg":"ES256","kid":"AAAA:BBBB"}"#), part(&claims)))
}

/// A registry with tokens; once one is brought, `after` says what is wrong with it.
pub(super) fn with_tokens(
    ground: &Ground,
    name: &'static str,
    cause: &'static str,
    token: Reply,
    after: Option<&'static str>,
) -> Row {
    Row::answering(ground, name, cause, move |asked| {
        if asked.path == "/token" {
            return token.clone();
        }
        let scope = if asked.path == "/v2/" { "" } else { r#",scope="repository:team/app:pull""# };
        let challenge = format!(r#"Bearer realm="https://{}/token",service="svc"{scope}"#, asked.host);
        let denied = |more: &str| {
            refusal(401, "UNAUTHORIZED", "authentication required")
                .with("www-authenticate", &format!("{challenge}{more}"))
        };
        match (&asked.proof, after) {
            (None, _) => denied(""),
            (Some(_), Some(error)) => denied(&format!(r#",error="{error}""#)),
            (Some(_), None) => good(asked),
        }
    })
}

/// Every request is refused with this challenge.
fn challenging(ground: &Ground, name: &'static str, cause: &'static str, challenge: &str) -> Row {
    let answer = refusal(401, "UNAUTHORIZED", "authentication required").with("www-authenticate", challenge);
    Row::answering(ground, name, cause, move |_| answer.clone())
}

pub(super) fn rows(ground: &Ground) -> Vec<Row> {
    let mut rows = challenges(ground);
    rows.extend(token_servers(ground));
    rows.extend(refused(ground));
    rows
}

fn challenges(ground: &Ground) -> Vec<Row> {
    let nowhere = format!(r#"Bearer realm="https://auth.test:{}/token",service="svc""#, crate::ports::unheard());
    let helper = challenging(ground, "helper is missing", "login_helper_failed", r#"Basic realm="r""#);
    let logins = format!(r#"{{"credHelpers":{{"{}":"nosuch"}}}}"#, helper.host());
    vec![
        Row::answering(ground, "401 without challenge", "challenge_missing", |_| {
            refusal(401, "UNAUTHORIZED", "who are you")
        })
        .among("the words are those of a login that is missing"),
        challenging(ground, "realm is a path", "token_realm_unusable", r#"Bearer realm="/token",service="svc""#),
        challenging(ground, "realm is missing", "token_realm_unusable", r#"Bearer service="svc""#),
        challenging(ground, "token server is down", "connection_refused", &nowhere),
        challenging(ground, "Basic, no login", "login_missing", r#"Basic realm="r""#),
        challenging(ground, "Basic, login refused", "login_refused", r#"Basic realm="r""#)
            .with_login()
            .among("skopeo prints the same with and without a login"),
        helper.with_logins(logins).unrecorded("the client asks nothing: it fails before"),
    ]
}

fn token_servers(ground: &Ground) -> Vec<Row> {
    let row = |name, cause, token| with_tokens(ground, name, cause, token, None);
    vec![
        row("token server: 403, no login", "login_missing", refusal(403, "DENIED", "denied")),
        row("token server: 401, no login", "login_missing", refusal(401, "UNAUTHORIZED", "no"))
            .among("podman says `invalid username/password` even where it sent none"),
        row(
            "token server: 401, login",
            "login_refused",
            refusal(401, "UNAUTHORIZED", "incorrect username or password"),
        )
        .with_login(),
        row("token server: 500", "token_server_failed", reply(500, &[], "oops")),
        row("token server: 404", "token_server_failed", reply(404, &[("content-type", "text/plain")], "404")),
        row("token server: a page", "token_answer_unusable", html(200)),
        with_tokens(
            ground,
            "token server: no token in JSON",
            "token_answer_unusable",
            json("{}"),
            Some("invalid_token"),
        )
        .unsaid("skopeo goes on with an empty token; its words are those of a token that is refused"),
        row("token server: 429", "rate_limited", refusal(429, "TOOMANYREQUESTS", "slow down").with("retry-after", "0")),
    ]
}

fn refused(ground: &Ground) -> Vec<Row> {
    let now = now();
    let row = |name, cause, token| with_tokens(ground, name, cause, token, Some("invalid_token"));
    let right = || token("svc", now - 5, now + 300, PULL);
    vec![
        row("opaque token refused", "token_refused", json(r#"{"token":"opaque"}"#)),
        row("right token refused", "token_refused", right()),
        row("right token refused, podman", "token_refused", right()).by(Tool::Podman),
        row("token for another", "token_wrong_audience", token("other", now - 5, now + 300, PULL)).among(SAME_WORDS),
        row("token expired", "token_expired", token("svc", 1000, 2000, PULL)).among(SAME_WORDS),
        row("token not yet valid", "token_not_yet_valid", token("svc", now + 4000, now + 8000, PULL)).among(SAME_WORDS),
        with_tokens(
            ground,
            "token without access",
            "token_access_missing",
            token("svc", now - 5, now + 300, ""),
            Some("insufficient_scope"),
        ),
    ]
}
