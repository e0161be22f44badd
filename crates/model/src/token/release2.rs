//! The checks of registry 2.6 to 2.8, with its texts. In: a token, what the registry was told. Out: checks in its order: form, issuer,
//! audience, times, whether there is a signature, key, signature, access. Source: measured with 2.8.2 and 2.8.3.

use super::checks::{Answer, Check, CheckName, Setting, access, issuer, signer, times, told};
use super::go::quoted;
use super::{Curve, Generation, Material, Presented, Signed, TokenKey, chain, kid, verify_signature};
use crate::finding::Cause;

pub(super) fn checks(token: &Presented, setting: &Setting<'_>) -> Vec<Check> {
    let mut all = vec![start(setting)];
    if let Some(not) = &token.not_bearer {
        let answer = Answer::without_error("authorization token required");
        all.push(Check::failed(CheckName::Bearer, Cause::TokenMissing, not.words.clone(), None, answer));
        return all;
    }
    all.push(form(token));
    if token.claims_json.is_some() {
        all.extend([issuer(token, setting), audience(token, setting)]);
        all.extend(times(token, setting));
    } else {
        let unread = |name| Check::open(name, "its claims cannot be read");
        all.extend([CheckName::Issuer, CheckName::Audience, CheckName::Expiry, CheckName::NotBefore].map(unread));
    }
    all.extend(key_and_signature(token, setting));
    all.push(if token.claims_json.is_some() {
        access(token, setting)
    } else {
        Check::open(CheckName::Access, "its claims cannot be read")
    });
    all
}

fn start(setting: &Setting<'_>) -> Check {
    let refuse = |words: &str, reason: String| {
        Check::failed(CheckName::Start, Cause::RegistryKeysUnusable, words, Some(reason), Answer::invalid())
    };
    let Some(roots) = setting.roots else {
        let reason = "token auth requires a valid option string: \"rootcertbundle\"".to_owned();
        return refuse("registry 2 knows no JWKS file: without `rootcertbundle` it does not start", reason);
    };
    if roots.is_empty() {
        let reason = "token auth requires at least one token signing root certificate".to_owned();
        return refuse("the bundle holds no PEM certificate: keys alone, or DER, do not count", reason);
    }
    for root in roots {
        match &root.key {
            Ok(TokenKey { material: Material::Ed25519 { .. }, .. }) => {
                let words = format!("{} has an Ed25519 key, with which registry 2 does not start", root.place);
                let reason = "unable to get public key from token auth root certificate: public key type ed25519.PublicKey is not supported";
                return refuse(&words, reason.to_owned());
            }
            Ok(_) => {}
            Err(why) => {
                let words = format!("{}: {why}", root.place);
                return refuse(
                    &words,
                    "unable to parse token auth root certificate: x509: unsupported elliptic curve".to_owned(),
                );
            }
        }
    }
    Check::passed(CheckName::Start, format!("the bundle's {} certificate(s) can be used", roots.len()))
}

fn form(token: &Presented) -> Check {
    match &token.unread_by_2 {
        None => Check::passed(CheckName::Form, "it is a token that registry 2 can read"),
        Some(why) if why.is_empty() => {
            let words = format!("it has {} part(s) instead of three: not a JWT, but an opaque token", token.parts);
            Check::failed(CheckName::Form, Cause::TokenMalformed, words, None, Answer::malformed())
        }
        Some(why) => {
            let reason = format!("error while unmarshalling raw token: {why}");
            Check::failed(CheckName::Form, Cause::TokenMalformed, form_words(why), Some(reason), Answer::malformed())
        }
    }
}

fn form_words(why: &str) -> String {
    if why.contains("array into Go struct field ClaimSet.aud") {
        return "`aud` is a list, which only registry 3 reads: registry 2 wants one string".to_owned();
    }
    if why.contains("string into Go struct field ClaimSet.") {
        return format!("a time is text instead of a number: {why}");
    }
    if why.contains("number") && why.contains("of type int64") {
        return format!("a time is no whole number of seconds: {why}");
    }
    if why.contains("base64") {
        return format!("a part is no base64url: {why}");
    }
    format!("a part is no JSON as it should be: {why}")
}

fn audience(token: &Presented, setting: &Setting<'_>) -> Check {
    let has = if token.claims.audience_is_list { "" } else { token.claims.audience.first().map_or("", String::as_str) };
    if has == setting.service {
        return Check::passed(CheckName::Audience, format!("`aud` is {has}, as the registry's `service`"));
    }
    let all = token.claims.audience.join(", ");
    let words = format!("`aud` is {}, the registry's `service` is {}", told(&all), setting.service);
    let reason = format!("token intended for another audience: {}", quoted(has));
    Check::refused(CheckName::Audience, Cause::TokenWrongAudience, words, reason)
}

fn key_and_signature(token: &Presented, setting: &Setting<'_>) -> Vec<Check> {
    if token.header_json.is_none() {
        let unread = |name| Check::open(name, "its header cannot be read");
        return vec![unread(CheckName::Key), unread(CheckName::Signature)];
    }
    if token.signature.reveal().is_empty() {
        let words = "its third part is empty";
        let unsigned = Check::refused(CheckName::Signature, Cause::TokenBadSignature, words, "token has no signature");
        return vec![unsigned, key(token, setting).0];
    }
    let (check, key) = key(token, setting);
    let signature = match &key {
        Some(key) => signature(token, key),
        None => without_key(token, setting),
    };
    vec![check, signature]
}

/// The signature when the header names no key that is known: whose it is.
pub(super) fn without_key(token: &Presented, setting: &Setting<'_>) -> Check {
    match signer(token, setting) {
        Some((_, place)) => Check::passed(CheckName::Signature, format!("it is signed by {place}")),
        None => {
            Check::open(CheckName::Signature, "it is signed by none of the registry's keys, or not by this algorithm")
        }
    }
}

fn key(token: &Presented, setting: &Setting<'_>) -> (Check, Option<TokenKey>) {
    let header = &token.header;
    if !header.x5c.is_empty() {
        return from_chain(&header.x5c, token, setting, "");
    }
    if header.jwk.is_some() {
        return from_jwk(token, setting);
    }
    if header.kid.is_empty() {
        let words = "its header has no `kid`, `x5c` or `jwk`";
        let check = Check::refused(CheckName::Key, Cause::TokenKeyUnknown, words, "unable to get token signing key");
        return (check, None);
    }
    // Of two certificates with one key the ID is the same, and so is the key.
    let found = setting.bundle().iter().find(|root| {
        root.key.as_ref().is_ok_and(|key| kid::of(Generation::V2, key).is_some_and(|id| id == header.kid))
    });
    match found.and_then(|root| Some((root, root.key.as_ref().ok()?))) {
        Some((root, key)) => {
            let words = format!("`kid` is the libtrust ID of {}", root.place);
            (Check::passed(CheckName::Key, words), Some(key.clone()))
        }
        None => {
            let words = format!("`kid` {} is the libtrust ID of no key in the bundle", header.kid);
            let reason = format!("token signed by untrusted key with ID: {}", quoted(&header.kid));
            (Check::refused(CheckName::Key, Cause::TokenKeyUnknown, words, reason), None)
        }
    }
}

fn from_chain(x5c: &[String], _token: &Presented, setting: &Setting<'_>, before: &str) -> (Check, Option<TokenKey>) {
    let refuse = |why: &str, reason: String| {
        let words = format!("its certificate chain (`x5c`) is not taken: {why}");
        (Check::refused(CheckName::Key, Cause::TokenChainUntrusted, words, format!("{before}{reason}")), None)
    };
    match chain::verify(x5c, setting.bundle(), setting.now) {
        Ok(leaf) => match TokenKey::from_spki(&leaf.key.der) {
            Ok(TokenKey { material: Material::Ed25519 { .. }, .. }) => {
                let why = "public key type ed25519.PublicKey is not supported";
                refuse(why, format!("unable to make libtrust public key from leaf certificate: {why}"))
            }
            Ok(key) => (Check::passed(CheckName::Key, "its `x5c` leads to the bundle"), Some(key)),
            Err(why) => refuse(&why, "unable to parse leaf certificate: x509: unsupported elliptic curve".to_owned()),
        },
        Err(chain::ChainFault::Unread(text)) => refuse(&text, text.clone()),
        Err(fault) => refuse(fault.text(), format!("unable to verify certificate chain: {}", fault.text())),
    }
}

fn from_jwk(token: &Presented, setting: &Setting<'_>) -> (Check, Option<TokenKey>) {
    let refuse =
        |words: String, reason: String| (Check::refused(CheckName::Key, Cause::TokenJwkUntrusted, words, reason), None);
    let Some(jwk) = &token.header.jwk else { return refuse(String::new(), String::new()) };
    let key = match (&jwk.unread_by_2, &jwk.key) {
        (Some(why), _) => {
            return refuse(format!("its `jwk` is not read: {why}"), format!("unable to decode raw JWK value: {why}"));
        }
        (None, None) => return refuse("its `jwk` is no key".to_owned(), "unable to decode raw JWK value: ".to_owned()),
        (None, Some(key)) => key,
    };
    let Some(x5c) = &jwk.x5c else {
        let is_known = setting.bundle().iter().any(|root| root.key.as_ref().is_ok_and(|known| known.spki == key.spki));
        if is_known {
            return (
                Check::passed(CheckName::Key, "its `jwk` is the key of a certificate in the bundle"),
                Some(key.clone()),
            );
        }
        let words = "its `jwk` is the key of no certificate in the bundle".to_owned();
        return refuse(words, "untrusted JWK with no certificate chain".to_owned());
    };
    let (check, leaf) = from_chain(x5c, token, setting, "could not verify JWK certificate chain: ");
    match leaf {
        Some(leaf) if leaf.spki != key.spki => {
            let words = "its `jwk` is another key than that of its certificate".to_owned();
            refuse(words, "leaf certificate public key ID does not match JWK key ID".to_owned())
        }
        Some(_) => (check, Some(key.clone())),
        None => (check, None),
    }
}

fn signature(token: &Presented, key: &TokenKey) -> Check {
    let algorithm = token.header.alg.as_str();
    let refuse = |cause, words: String, why: String| {
        Check::refused(CheckName::Signature, cause, words, format!("unable to verify token signature: {why}"))
    };
    let is_rsa = matches!(key.material, Material::Rsa { .. });
    if is_rsa && !matches!(algorithm, "RS256" | "RS384" | "RS512") {
        let words = format!("`alg` is {}; registry 2 takes RS256, RS384 and RS512 for RSA keys", told(algorithm));
        let why =
            format!("unable to verify Signature: RSA Digital Signature Algorithm {} not supported", quoted(algorithm));
        return refuse(Cause::TokenAlgorithm, words, why);
    }
    match verify_signature(key, algorithm, token.signed.reveal().as_bytes(), token.signature.reveal()) {
        Signed::Good => Check::passed(CheckName::Signature, format!("it is signed by that key with {algorithm}")),
        Signed::Bad if is_rsa => {
            let why = format!("invalid {algorithm} signature: crypto/rsa: verification error");
            refuse(Cause::TokenBadSignature, "that key did not sign it".to_owned(), why)
        }
        Signed::Bad => {
            refuse(Cause::TokenBadSignature, "that key did not sign it".to_owned(), "invalid signature".to_owned())
        }
        Signed::Length { is, must } => {
            let der = if token.signature.reveal().first() == Some(&0x30) {
                "; it looks like DER, which JWS does not have"
            } else {
                ": it is cut off"
            };
            let words = format!("its signature has {is} bytes instead of {must}{der}");
            refuse(Cause::TokenBadSignature, words, format!("signature length is {is} octets long, should be {must}"))
        }
        Signed::Algorithm => {
            let curve = match &key.material {
                Material::Ec { curve, .. } => *curve,
                _ => Curve::P256,
            };
            let words = format!("`alg` is {}, its key is one for {}", told(algorithm), curve.algorithm());
            let why = format!(
                "unable to verify signature: EC Public Key with curve {} does not support signature algorithm {}",
                quoted(curve.name()),
                quoted(algorithm)
            );
            refuse(Cause::TokenAlgorithm, words, why)
        }
    }
}
