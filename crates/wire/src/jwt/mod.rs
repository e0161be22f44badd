//! JSON Web Tokens as registries read them, and as token servers write them. In: a compact serialisation, an `Authorization` field. Out: a
//! [`Presented`] token with what each generation says of its form; [`mint`] writes. Spec: RFC 7515 §3.1, RFC 7519; registry 2 reads with Go's
//! encoding/json and a lenient base64url, registry 3 with go-jose.

mod claims;
mod go_json;
pub mod mint;

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use sidelight_model::redact::Secret;
use sidelight_model::token::go::{self, Alphabet};
use sidelight_model::token::{Header, JwkHeader, NotBearer, Presented};

use crate::jwks;

/// The longest token that is read, in bytes; registries take headers of a megabyte, token servers make some kilobytes.
const LONGEST: usize = 1 << 20;

/// Reads a token. Whatever it is, something comes back.
pub fn read(token: &str) -> Presented {
    let token = token.get(..token.floor_char_boundary(LONGEST)).unwrap_or_default();
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        return unread(token, parts.len());
    };
    let decoded = [header, claims, signature].map(decode_as_2);
    let json = |part: &Result<Vec<u8>, String>| {
        let text = String::from_utf8_lossy(part.as_ref().ok()?).into_owned();
        serde_json::from_str::<Value>(&text).ok().filter(Value::is_object).map(|value| (text, value))
    };
    let (header_read, claims_read) = (json(&decoded[0]), json(&decoded[1]));
    let unread_by_2 = problem_of_2(&decoded);
    let header_value = header_read.as_ref().map(|(_, value)| value);
    let claims_value = claims_read.as_ref().map(|(_, value)| value);
    Presented {
        raw: Secret::new(token.to_owned()),
        not_bearer: None,
        parts: 3,
        signed: Secret::new(format!("{header}.{claims}")),
        signature: Secret::new(decoded[2].clone().unwrap_or_default()),
        header: header_value.map(header_fields).unwrap_or_default(),
        claims: claims_value.map(claims::fields).unwrap_or_default(),
        unread_by_3: problem_of_3([header, claims, signature], header_value),
        claims_unread_by_3: claims_problem_of_3(&decoded[1], claims_value),
        unread_by_2,
        header_json: header_read.map(|(text, _)| text),
        claims_json: claims_read.map(|(text, _)| text),
    }
}

/// Reads the value of an `Authorization` field.
pub fn read_authorization(value: &str) -> Presented {
    let value = value.get(..value.floor_char_boundary(LONGEST)).unwrap_or_default();
    let words: Vec<&str> = value.split(' ').collect();
    match words[..] {
        [scheme, token] if scheme.eq_ignore_ascii_case("bearer") => read(token),
        [scheme, ..] => {
            let mut token = unread(value, 0);
            let is_bearer = scheme.eq_ignore_ascii_case("bearer");
            let said = if is_bearer {
                "`Bearer` is not followed by one blank and one word".to_owned()
            } else {
                format!("its scheme is {}, not Bearer", scheme.escape_debug())
            };
            token.not_bearer = Some(NotBearer { words: said, is_token_to_3: is_bearer && words.len() > 2 });
            token
        }
        [] => unread(value, 0),
    }
}

fn unread(token: &str, parts: usize) -> Presented {
    Presented {
        raw: Secret::new(token.to_owned()),
        not_bearer: None,
        parts,
        signed: Secret::new(String::new()),
        signature: Secret::new(Vec::new()),
        header: Header::default(),
        header_json: None,
        claims: sidelight_model::token::Claims::default(),
        claims_json: None,
        unread_by_2: Some(String::new()),
        unread_by_3: Some(format!("it has {parts} part(s) instead of three: not a JWT, but an opaque token")),
        claims_unread_by_3: None,
    }
}

/// A part as registry 2 decodes it: it adds the padding that is missing.
fn decode_as_2(part: &str) -> Result<Vec<u8>, String> {
    let padding = match part.len() % 4 {
        0 => "",
        2 => "==",
        3 => "=",
        _ => return Err("illegal base64url string".to_owned()),
    };
    go::base64(format!("{part}{padding}").as_bytes(), Alphabet::Url, true)
        .map_err(|at| format!("illegal base64 data at input byte {at}"))
}

fn problem_of_2(decoded: &[Result<Vec<u8>, String>; 3]) -> Option<String> {
    let named = decoded.iter().zip(["header", "claims", "signature"]);
    let undecoded = named.filter_map(|(part, name)| Some(format!("unable to decode {name}: {}", part.as_ref().err()?)));
    if let Some(problem) = undecoded.into_iter().next() {
        return Some(problem);
    }
    let [Ok(header), Ok(claims), _] = decoded else { return None };
    go_json::problem(header, &go_json::HEADER).or_else(|| go_json::problem(claims, &go_json::CLAIMS))
}

/// Why go-jose does not read it; it says nothing.
fn problem_of_3(parts: [&str; 3], header: Option<&Value>) -> Option<String> {
    for (part, name) in parts.into_iter().zip(["header", "claims", "signature"]) {
        if go::base64(part.as_bytes(), Alphabet::Url, false).is_err() {
            return Some(format!("its {name} is no base64url without padding"));
        }
    }
    let Some(header) = header else { return Some("its header is no JSON object".to_owned()) };
    for name in ["alg", "kid", "typ"] {
        if header.get(name).is_some_and(|value| !value.is_string() && !value.is_null()) {
            return Some(format!("`{name}` of its header is no text"));
        }
    }
    if let Some(x5c) = header.get("x5c") {
        let texts = x5c.as_array().map(|all| all.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        let Some(Some(texts)) = texts else { return Some("its `x5c` is no list of texts".to_owned()) };
        let is_certificate = |text: &&str| {
            let der = go::base64(text.as_bytes(), Alphabet::Standard, true).ok();
            der.is_some_and(|der| sidelight_model::x509::strict::Strict::read(&der).is_ok())
        };
        if !texts.iter().all(is_certificate) {
            return Some("its `x5c` holds something that is no certificate in plain base64".to_owned());
        }
    }
    match header.get("jwk").map(jwk_header) {
        Some(jwk) if jwk.is_private => Some("its `jwk` is a private key".to_owned()),
        Some(JwkHeader { key: None, .. }) => Some("its `jwk` is no key".to_owned()),
        _ => None,
    }
}

fn claims_problem_of_3(decoded: &Result<Vec<u8>, String>, claims: Option<&Value>) -> Option<String> {
    let bytes = decoded.as_ref().ok()?;
    match go_json::syntax(bytes) {
        Some(problem) => Some(problem),
        None => claims.map_or_else(
            || go_json::problem(bytes, &go_json::CLAIMS_OF_3),
            |_| go_json::problem(bytes, &go_json::CLAIMS_OF_3),
        ),
    }
}

fn header_fields(header: &Value) -> Header {
    let text = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let x5c = header.get("x5c").and_then(Value::as_array);
    Header {
        alg: text("alg"),
        typ: text("typ"),
        kid: text("kid"),
        x5c: x5c.into_iter().flatten().take(32).filter_map(|it| Some(it.as_str()?.to_owned())).collect(),
        jwk: header.get("jwk").filter(|jwk| !jwk.is_null()).map(jwk_header),
    }
}

fn jwk_header(jwk: &Value) -> JwkHeader {
    let listed = jwk.get("x5c").and_then(Value::as_array);
    let x5c = listed.map(|all| all.iter().take(32).filter_map(|it| Some(it.as_str()?.to_owned())).collect());
    JwkHeader {
        kid: jwk.get("kid").and_then(Value::as_str).map(ToOwned::to_owned),
        key: jwks::public_key(jwk).ok(),
        x5c,
        is_private: jwk.get("d").is_some(),
        unread_by_2: jwks::problem_of_2(jwk),
    }
}

/// base64url without padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

#[cfg(test)]
mod tests;
