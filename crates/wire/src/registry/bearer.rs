//! Tokens that registries are shown. In: their text. Out: `model::registry::seen::Token`: header and claims, never the signature.
//! Nothing is verified. Spec: RFC 7519, RFC 7515, distribution's token specification (`access`).

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sidelight_model::registry::Scope;
use sidelight_model::registry::seen::{Claims, Token};

/// The most bytes of a token that are read.
const MOST_BYTES: usize = 64 << 10;
/// The most entries of a list in it.
const MOST: usize = 64;
/// The most characters of a text in it.
const LONGEST: usize = 512;

/// Reads a token.
pub fn read_token(token: &str) -> Token {
    if token.contains("redacted") {
        return Token { unread: Some("it is redacted in this capture".to_owned()), ..Token::default() };
    }
    let fingerprint = HEXLOWER.encode(&Sha256::digest(token.as_bytes())[..4]);
    match claims(token) {
        Ok(claims) => Token { fingerprint, claims: Some(claims), unread: None },
        Err(why) => Token { fingerprint, claims: None, unread: Some(why) },
    }
}

fn claims(token: &str) -> Result<Claims, String> {
    if token.len() > MOST_BYTES {
        return Err(format!("it is longer than {MOST_BYTES} bytes"));
    }
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, _] = parts[..] else { return Err("it is opaque: only its issuer can read it".to_owned()) };
    let json = |part: &str, what: &str| {
        let bytes = BASE64URL_NOPAD
            .decode(part.trim_end_matches('=').as_bytes())
            .map_err(|_| format!("its {what} is no base64url"))?;
        serde_json::from_slice::<Value>(&bytes).map_err(|_| format!("its {what} is no JSON"))
    };
    let (header, payload) = (json(header, "header")?, json(payload, "claims")?);
    let whole = |name: &str| payload.get(name).and_then(|it| it.as_i64().or_else(|| it.as_f64().map(|it| it as i64)));
    let audience = match payload.get("aud") {
        Some(Value::Array(list)) => list.iter().take(MOST).filter_map(Value::as_str).map(cut).collect(),
        Some(Value::String(one)) => vec![cut(one)],
        _ => Vec::new(),
    };
    let access = payload.get("access").and_then(Value::as_array);
    Ok(Claims {
        algorithm: text(&header, "alg").unwrap_or_default(),
        key_id: text(&header, "kid"),
        certificates: header.get("x5c").and_then(Value::as_array).map_or(0, Vec::len),
        brings_key: header.get("jwk").is_some(),
        issuer: text(&payload, "iss"),
        subject: text(&payload, "sub"),
        audience,
        expires: whole("exp"),
        not_before: whole("nbf"),
        issued: whole("iat"),
        access: access.map(|list| list.iter().take(MOST).filter_map(scope).collect()),
    })
}

fn scope(value: &Value) -> Option<Scope> {
    let actions = value.get("actions").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let actions = actions.iter().take(MOST).filter_map(Value::as_str).map(cut).collect();
    Some(Scope { kind: text(value, "type")?, name: text(value, "name")?, actions })
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(header: &str, claims: &str) -> String {
        let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        format!("{}.{}.c2ln", part(header), part(claims))
    }

    #[test]
    fn claims_are_read_and_signatures_are_not() {
        let token = jwt(
            r#"{"alg":"ES256","kid":"AAAA:BBBB","x5c":["a","b"]}"#,
            r#"{"iss":"i","sub":"u","aud":"r.test","exp":1800000000.5,"nbf":1,"access":[{"type":"repository","name":"a/b","actions":["push","pull"]},{"type":1}]}"#,
        );
        let read = read_token(&token);
        let claims = read.claims.clone().unwrap();
        assert_eq!(
            (claims.algorithm.as_str(), claims.certificates, claims.audience.as_slice()),
            ("ES256", 2, &["r.test".to_owned()][..])
        );
        assert_eq!(
            (claims.expires, claims.access.unwrap()[0].to_string()),
            (Some(1_800_000_000), "repository:a/b:pull,push".to_owned())
        );
        assert!(!format!("{read:?}").contains("c2ln"));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (token, part) in
            [("ghcr-opaque", "opaque"), ("a!.b.c", "header"), ("e30.?.c", "claims"), ("Zm9v.e30.c", "no JSON")]
        {
            let read = read_token(token);
            assert!(read.claims.is_none() && read.unread.unwrap().contains(part), "{token}");
        }
        assert!(read_token(&"a".repeat(MOST_BYTES + 1)).claims.is_none());
    }
}
