//! JSON Web Tokens opened. In: a compact serialisation. Out: its header and claims as JSON, its times in words; never the signature,
//! without which a token is of no use to who reads it. Spec: RFC 7515 §3.1 (JWS), RFC 7516 §3.1 (JWE), RFC 7519 §4.1 (claims).

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use sidelight_model::time::Timestamp;

use super::page::Page;
use super::{Attempt, Scene};
use crate::redact::Redactor;

/// Entries of a list in a token that are told on one line.
const MOST_ENTRIES: usize = 8;

/// Whether a text that nobody declared is a token.
pub(super) fn looks_like(text: &str) -> bool {
    let text = text.trim();
    text.starts_with("eyJ") && matches!(text.split('.').count(), 3 | 5) && header(text).is_some()
}

fn header(token: &str) -> Option<String> {
    let json = part(token.split('.').next()?)?;
    serde_json::from_str::<Value>(&json).ok().filter(Value::is_object)?;
    Some(json)
}

fn part(base64: &str) -> Option<String> {
    let bytes = BASE64URL_NOPAD.decode(base64.trim_end_matches('=').as_bytes()).ok()?;
    String::from_utf8(bytes).ok()
}

/// Lays out `text`.
pub(super) fn show(text: &str, scene: &Scene<'_>, page: &mut Page) -> Attempt {
    let token = text.trim();
    let header = header(token).ok_or("it does not begin with the header of a token")?;
    let parts: Vec<&str> = token.split('.').collect();
    page.line("header");
    scene.nested("application/json", "", header.as_bytes(), false, page);
    let [_, claims, signature] = parts[..] else {
        page.line(&format!("{} encrypted parts, not shown", parts.len() - 1));
        return Ok(None);
    };
    let Some(claims) = part(claims) else {
        return Ok(Some("its claims are no base64url text".to_owned()));
    };
    page.line("claims");
    scene.nested("application/json", "", claims.as_bytes(), false, page);
    if let Ok(Value::Object(claims)) = serde_json::from_str(&claims) {
        for (name, words) in [("iat", "issued"), ("nbf", "valid from"), ("exp", "expires")] {
            if let Some(seconds) = claims.get(name).and_then(Value::as_f64) {
                page.line(&format!("{words} {}", moment(seconds)));
            }
        }
    }
    let length = signature.len() * 3 / 4;
    page.line(&if length == 0 { "no signature".to_owned() } else { format!("signature of {length} bytes, not shown") });
    Ok(None)
}

/// What a token in a field says, on one line: algorithm and key, the registered claims, what it gives access to, when it expires.
/// `None` when the value holds no token. Never the signature.
pub fn summary(value: &str, redactor: Redactor) -> Option<String> {
    let token = value.split([' ', ',', ';', '=']).find(|word| looks_like(word))?;
    let mut parts = token.split('.');
    let header: Value = serde_json::from_str(&part(parts.next()?)?).ok()?;
    let claims: Value = serde_json::from_str(&part(parts.next()?)?).ok()?;
    let mut words = Vec::new();
    for (from, name) in
        [(&header, "alg"), (&header, "kid"), (&claims, "iss"), (&claims, "sub"), (&claims, "aud"), (&claims, "scope")]
    {
        match from.get(name) {
            Some(Value::String(text)) if !text.is_empty() => words.push(format!("{name} {text}")),
            Some(Value::Array(all)) => words.push(format!("{name} {}", texts(all).join(" "))),
            _ => {}
        }
    }
    words.extend(claims.get("access").and_then(Value::as_array).map(|all| format!("access {}", access(all))));
    for (name, label) in [("nbf", "valid from"), ("exp", "expires")] {
        words.extend(claims.get(name).and_then(Value::as_f64).map(|seconds| format!("{label} {}", moment(seconds))));
    }
    Some(redactor.text(&words.join(", ")))
}

fn texts(all: &[Value]) -> Vec<&str> {
    all.iter().take(MOST_ENTRIES).filter_map(Value::as_str).collect()
}

/// What a registry's token gives access to, as scopes write it: `repository:library/alpine:pull,push`.
fn access(all: &[Value]) -> String {
    let scope = |it: &Value| {
        let text = |name| it.get(name).and_then(Value::as_str).unwrap_or("?");
        let actions = it.get("actions").and_then(Value::as_array).map(|all| texts(all).join(",")).unwrap_or_default();
        format!("{}:{}:{actions}", text("type"), text("name"))
    };
    match all {
        [] => "to nothing".to_owned(),
        all => all.iter().take(MOST_ENTRIES).map(scope).collect::<Vec<_>>().join(" "),
    }
}

fn moment(seconds: f64) -> String {
    Timestamp::from_secs(seconds as i64).rfc3339().replace(".000000Z", "Z")
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;

    use super::summary;
    use crate::redact::Redactor;
    use crate::views::{ViewOptions, view};

    #[test]
    fn header_and_claims_are_shown_and_the_signature_is_not() {
        let part = |json: &str| BASE64URL_NOPAD.encode(json.as_bytes());
        let claims = part(r#"{"iss":"auth.test","exp":1795372833,"access":[],"password":"hunter2"}"#);
        let token = format!("{}.{claims}.c2lnbmF0dXJl\n", part(r#"{"alg":"ES256","kid":"k1"}"#));
        for content_type in ["application/jwt", "text/plain", ""] {
            let view = view(content_type, "", token.as_bytes(), &ViewOptions::default());
            assert_eq!((view.name, view.problem), ("jwt", None), "{content_type}");
            assert!(view.text.starts_with("header\n  {\n    \"alg\": \"ES256\",\n    \"kid\": \"k1\"\n  }\nclaims\n  {\n    \"iss\": \"auth.test\",\n"));
            assert!(
                view.text.ends_with("  }\nexpires 2026-11-22T18:40:33Z\nsignature of 9 bytes, not shown\n"),
                "{}",
                view.text
            );
            assert!(!view.text.contains("hunter2") && !view.text.contains("c2lnbmF0dXJl"));
        }
        assert_eq!(view("", "", b"eyJ.a.b", &ViewOptions::default()).name, "text");
    }

    #[test]
    fn a_token_in_a_field_is_told_in_one_line() {
        let part = |json: &str| BASE64URL_NOPAD.encode(json.as_bytes());
        let claims = r#"{"iss":"auth.test","sub":"kim","aud":["registry.test"],"exp":1795372833,"access":[{"type":"repository","name":"library/alpine","actions":["pull","push"]}]}"#;
        let token = format!("{}.{}.c2ln", part(r#"{"alg":"ES256","kid":"k1"}"#), part(claims));
        let expected = "alg ES256, kid k1, iss auth.test, sub kim, aud registry.test, access repository:library/alpine:pull,push, expires 2026-11-22T18:40:33Z";
        for value in [format!("Bearer {token}"), format!("sid=1; jwt={token}"), token.clone()] {
            assert_eq!(summary(&value, Redactor::default()).as_deref(), Some(expected), "{value}");
        }
        for value in ["Bearer opaque", "Basic eyJhIjoxfQ==", "eyJ.a.b", ""] {
            assert_eq!(summary(value, Redactor::default()), None, "{value}");
        }
    }
}
