//! JSON Web Tokens opened. In: a compact serialisation. Out: its header and claims as JSON, its times in words; never the signature,
//! without which a token is of no use to who reads it. Spec: RFC 7515 §3.1 (JWS), RFC 7516 §3.1 (JWE), RFC 7519 §4.1 (claims).

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use sidelight_model::time::Timestamp;

use super::page::Page;
use super::{Attempt, Scene};

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
                page.line(&format!(
                    "{words} {}",
                    Timestamp::from_secs(seconds as i64).rfc3339().replace(".000000Z", "Z")
                ));
            }
        }
    }
    let length = signature.len() * 3 / 4;
    page.line(&if length == 0 { "no signature".to_owned() } else { format!("signature of {length} bytes, not shown") });
    Ok(None)
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;

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
}
