//! Tokens that registries are shown. In: their text. Out: `model::registry::seen::Token`: header and claims, never the signature.
//! Nothing is verified. Spec: RFC 7519, RFC 7515, distribution's token specification (`access`).

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use sidelight_model::registry::seen::{Claims, Token};
use sidelight_model::token::Access;

use crate::jwt;

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
        Err(why) => Token { fingerprint, claims: None, unread: Some(why.to_owned()) },
    }
}

fn claims(token: &str) -> Result<Claims, &'static str> {
    if token.len() > MOST_BYTES {
        return Err("it is longer than any that registries take");
    }
    let read = jwt::read(token);
    if read.parts != 3 {
        return Err("it is opaque: only its issuer can read it");
    }
    if read.header_json.is_none() {
        return Err("its header cannot be read");
    }
    if read.claims_json.is_none() {
        return Err("its claims cannot be read");
    }
    let (header, claims) = (read.header, read.claims);
    let text = |text: &str| Some(cut(text)).filter(|it| !it.is_empty());
    let time = |seconds: i64| Some(seconds).filter(|it| *it != 0);
    Ok(Claims {
        algorithm: cut(&header.alg),
        key_id: text(&header.kid),
        certificates: header.x5c.len(),
        brings_key: header.jwk.is_some(),
        issuer: text(&claims.issuer),
        subject: text(&claims.subject),
        audience: claims.audience.iter().take(MOST).map(|it| cut(it)).collect(),
        expires: time(claims.expires),
        not_before: time(claims.not_before),
        issued: time(claims.issued_at),
        access: claims.access.iter().take(MOST).map(access).collect(),
    })
}

/// Bounded, its actions in order: token servers write them in any.
fn access(entry: &Access) -> Access {
    let mut actions: Vec<String> = entry.actions.iter().take(MOST).map(|it| cut(it)).collect();
    actions.sort();
    Access { kind: cut(&entry.kind), name: cut(&entry.name), actions }
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;

    use super::*;

    fn jwt(header: &str, claims: &str) -> String {
        let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        format!("{}.{}.c2ln", part(header), part(claims))
    }

    #[test]
    fn claims_are_read_and_signatures_are_not() {
        let token = jwt(
            r#"{"alg":"ES256","kid":"AAAA:BBBB","x5c":["a","b"]}"#,
            r#"{"iss":"i","sub":"u","aud":"r.test","exp":1800000000,"nbf":1,"access":[{"type":"repository","name":"a/b","actions":["push","pull"]},{"type":1}]}"#,
        );
        let read = read_token(&token);
        let claims = read.claims.clone().unwrap();
        assert_eq!(
            (claims.algorithm.as_str(), claims.certificates, claims.audience.as_slice()),
            ("ES256", 2, &["r.test".to_owned()][..])
        );
        assert_eq!(
            (claims.expires, claims.access[0].to_string()),
            (Some(1_800_000_000), "repository:a/b:pull,push".to_owned())
        );
        assert!(!format!("{read:?}").contains("c2ln"));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (token, part) in
            [("ghcr-opaque", "opaque"), ("a!.b.c", "header"), ("e30.?.c", "claims"), ("Zm9v.e30.c", "header")]
        {
            let read = read_token(token);
            assert!(read.claims.is_none() && read.unread.unwrap().contains(part), "{token}");
        }
        assert!(read_token(&"a".repeat(MOST_BYTES + 1)).claims.is_none());
    }
}
