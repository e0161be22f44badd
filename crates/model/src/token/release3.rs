//! The checks of registry 3.0.0 and 3.1, with their texts. In: a token, what the registry was told. Out: checks in their order: form, key,
//! signature, types of claims, issuer, audience, times, access. Source: measured with 3.0.0 and 3.1.1.

use super::checks::{Answer, Check, CheckName, Setting, access, issuer, times, told};
use super::go::quoted;
use super::release2::without_key;
use super::{Generation, Presented, Signed, TokenKey, chain, kid, verify_signature};
use crate::finding::Cause;

/// What go-jose says of any signature that is not good.
const BAD_SIGNATURE: &str = "go-jose/go-jose: error in cryptographic primitive";

/// Why nothing is said of the claims of what is no token.
const UNREAD: &str = "its claims cannot be read";

/// Algorithms that are taken unless `signingalgorithms` says otherwise. HS256 is among them, and no key of a registry fits it.
const ALGORITHMS: &[&str] = &[
    "EdDSA", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512",
];

pub(super) fn checks(generation: Generation, token: &Presented, setting: &Setting<'_>) -> Vec<Check> {
    let mut all = vec![start(setting)];
    match &token.not_bearer {
        Some(not) if !not.is_token_to_3 => {
            let answer = Answer::without_error("authorization token required");
            all.push(Check::failed(CheckName::Bearer, Cause::TokenMissing, not.words.clone(), None, answer));
            return all;
        }
        Some(not) => {
            all.push(Check::failed(
                CheckName::Form,
                Cause::TokenMalformed,
                not.words.clone(),
                None,
                Answer::malformed(),
            ));
            return all;
        }
        None => {}
    }
    all.push(form(token));
    if token.header_json.is_some() {
        let (check, key) = key(generation, token, setting);
        all.push(check);
        all.push(key.map_or_else(|| without_key(token, setting), |key| signature(token, &key)));
    } else {
        all.extend([CheckName::Key, CheckName::Signature].map(|name| Check::open(name, "its header cannot be read")));
    }
    all.push(claim_types(token));
    if token.claims_json.is_some() {
        all.extend([issuer(token, setting), audience(token, setting)]);
        all.extend(times(token, setting));
        all.push(access(token, setting));
    } else {
        let rest = [CheckName::Issuer, CheckName::Audience, CheckName::Expiry, CheckName::NotBefore, CheckName::Access];
        all.extend(rest.map(|name| Check::open(name, UNREAD)));
    }
    all
}

fn start(setting: &Setting<'_>) -> Check {
    if setting.bundle().is_empty() && setting.keys().is_empty() {
        let words = "neither the bundle nor the JWKS file holds a key (a single JWK counts as none)";
        let reason = "token auth requires at least one token signing key".to_owned();
        return Check::failed(CheckName::Start, Cause::RegistryKeysUnusable, words, Some(reason), Answer::invalid());
    }
    if let Some((root, why)) = setting.bundle().iter().find_map(|root| Some((root, root.key.as_ref().err()?))) {
        let words = format!("{}: {why}", root.place);
        let reason = "unable to parse token auth root certificate: x509: unsupported elliptic curve".to_owned();
        return Check::failed(CheckName::Start, Cause::RegistryKeysUnusable, words, Some(reason), Answer::invalid());
    }
    Check::passed(CheckName::Start, "there are keys")
}

fn form(token: &Presented) -> Check {
    let refuse =
        |words: String| Check::failed(CheckName::Form, Cause::TokenMalformed, words, None, Answer::malformed());
    if let Some(why) = &token.unread_by_3 {
        return refuse(why.clone());
    }
    let algorithm = token.header.alg.as_str();
    if !ALGORITHMS.contains(&algorithm) {
        let words = format!("`alg` is {}, which registry 3 does not take", told(algorithm));
        return Check { cause: Cause::TokenAlgorithm, ..refuse(words) };
    }
    Check::passed(CheckName::Form, "it is a token that registry 3 can read")
}

fn key(generation: Generation, token: &Presented, setting: &Setting<'_>) -> (Check, Option<TokenKey>) {
    let header = &token.header;
    let refuse = |cause, words: String, why: &str| {
        (Check::refused(CheckName::Key, cause, words, format!("failed to verify token: {why}")), None)
    };
    if !header.x5c.is_empty() {
        return match chain::verify(&header.x5c, setting.bundle(), setting.now) {
            Ok(leaf) => match TokenKey::from_spki(&leaf.key.der) {
                Ok(key) => (Check::passed(CheckName::Key, "its `x5c` leads to the bundle"), Some(key)),
                Err(why) => refuse(Cause::TokenChainUntrusted, why.clone(), &why),
            },
            Err(fault) => {
                let no_bundle = if setting.bundle().is_empty() {
                    " (there is no bundle; `x5c` is looked at first, whatever the JWKS holds)"
                } else {
                    ""
                };
                let words = format!("its certificate chain (`x5c`) is not taken: {}{no_bundle}", fault.text());
                refuse(Cause::TokenChainUntrusted, words, fault.text())
            }
        };
    }
    if let Some(jwk) = &header.jwk {
        if let Some(x5c) = &jwk.x5c {
            return match chain::verify(x5c, setting.bundle(), setting.now)
                .map(|leaf| TokenKey::from_spki(&leaf.key.der))
            {
                Ok(Ok(key)) => {
                    (Check::passed(CheckName::Key, "its `jwk` has certificates that lead to the bundle"), Some(key))
                }
                Ok(Err(why)) => refuse(Cause::TokenJwkUntrusted, why.clone(), &why),
                Err(fault) => refuse(
                    Cause::TokenJwkUntrusted,
                    format!("the certificates of its `jwk` are not taken: {}", fault.text()),
                    fault.text(),
                ),
            };
        }
        let id = jwk.kid.clone().unwrap_or_default();
        return match known(generation, &id, setting) {
            Some((key, place)) => {
                (Check::passed(CheckName::Key, format!("its `jwk` has the `kid` of {place}")), Some(key))
            }
            None => refuse(
                Cause::TokenJwkUntrusted,
                format!("its `jwk` has the `kid` {}, which the registry does not know", told(&id)),
                "untrusted JWK with no certificate chain",
            ),
        };
    }
    if header.kid.is_empty() {
        return refuse(Cause::TokenKeyUnknown, "its header has no `kid`, `x5c` or `jwk`".to_owned(), "invalid token");
    }
    match known(generation, &header.kid, setting) {
        Some((key, place)) => (Check::passed(CheckName::Key, format!("`kid` is that of {place}")), Some(key)),
        None => refuse(
            Cause::TokenKeyUnknown,
            format!("`kid` {} is that of no key which the registry knows", header.kid),
            &format!("token signed by untrusted key with ID: {}", quoted(&header.kid)),
        ),
    }
}

/// The key that a release has under this ID: of the JWKS, else the last certificate of the bundle, for later ones take its place.
fn known(generation: Generation, id: &str, setting: &Setting<'_>) -> Option<(TokenKey, String)> {
    let listed = setting.keys().iter().rev().find(|(known, _)| known == id);
    if let Some((id, key)) = listed {
        return Some((key.clone(), format!("the JWKS key {id}")));
    }
    let last = setting.bundle().iter().rev().find_map(|root| {
        let key = root.key.as_ref().ok()?;
        (kid::of(generation, key).as_deref() == Some(id)).then_some((root, key))
    });
    last.map(|(root, key)| (key.clone(), root.place.clone()))
}

fn signature(token: &Presented, key: &TokenKey) -> Check {
    let algorithm = token.header.alg.as_str();
    let refuse = |cause, words: String| {
        Check::failed(CheckName::Signature, cause, words, None, Answer::without_error(BAD_SIGNATURE))
    };
    let signature = token.signature.reveal();
    match verify_signature(key, algorithm, token.signed.reveal().as_bytes(), signature) {
        Signed::Good => Check::passed(CheckName::Signature, format!("it is signed by that key with {algorithm}")),
        Signed::Bad if signature.is_empty() => refuse(Cause::TokenBadSignature, "its third part is empty".to_owned()),
        Signed::Bad => refuse(Cause::TokenBadSignature, "that key did not sign it".to_owned()),
        Signed::Length { is, must } => {
            refuse(Cause::TokenBadSignature, format!("its signature has {is} bytes instead of {must}"))
        }
        Signed::Algorithm => {
            let words = format!("`alg` is {}, its key is {}, for {}", told(algorithm), key.kind(), key.algorithm());
            refuse(Cause::TokenAlgorithm, words)
        }
    }
}

fn claim_types(token: &Presented) -> Check {
    match &token.claims_unread_by_3 {
        None if token.claims_json.is_none() => Check::open(CheckName::ClaimTypes, UNREAD),
        None => Check::passed(CheckName::ClaimTypes, "its claims have the types that they should"),
        Some(why) => {
            let answer = Answer::without_error(why.clone());
            let words = format!("its claims cannot be read: {why}");
            Check::failed(CheckName::ClaimTypes, Cause::TokenMalformed, words, None, answer)
        }
    }
}

fn audience(token: &Presented, setting: &Setting<'_>) -> Check {
    let all = &token.claims.audience;
    if all.iter().any(|one| one == setting.service) {
        return Check::passed(
            CheckName::Audience,
            format!("`aud` names {}, the registry's `service`", setting.service),
        );
    }
    let words = format!("`aud` is {}, the registry's `service` is {}", told(&all.join(", ")), setting.service);
    let reason = format!("token intended for another audience: [{}]", all.join(" "));
    Check::refused(CheckName::Audience, Cause::TokenWrongAudience, words, reason)
}
