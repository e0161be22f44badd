//! Tokens made: correct ones for each generation, and each wrong one. In: who issues what for whom, a key. Out: what is to be signed, and the
//! token once it is. Spec: RFC 7515 §3.1, distribution's token specification.

use data_encoding::BASE64;
use serde_json::{Map, Value, json};
use sidelight_model::token::kid::{self, Form};
use sidelight_model::token::{Access, Generation, Material, TokenKey};

use super::encode;
use crate::jwks;

/// How the header names the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// `kid`
    Kid,
    /// `x5c`: the only way that every generation takes with a bundle.
    X5c,
    /// `jwk`, with the ID in it.
    Jwk,
}

/// What is wrong with a token on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each has its words in BREAKS, which the command line shows")]
pub enum Break {
    KidCertificate,
    KidPkcs1,
    KidPem,
    KidBase64,
    KidUncut,
    KidPadded,
    KidNoColons,
    KidLowerCase,
    KidBrokenBase32,
    KidSha1,
    KidHexText,
    KidOtherScheme,
    KidBasePoint,
    KidUnknown,
    KidMissing,
    Expired,
    ExpMissing,
    ExpText,
    ExpFraction,
    NotYetValid,
    Issuer,
    Audience,
    AudienceMissing,
    AudienceList,
    Access,
    AccessName,
    AccessOneWord,
    Algorithm,
    AlgorithmNone,
    AlgorithmPss,
    Signature,
    SignatureCut,
    SignatureMissing,
    SignatureDer,
    OtherKey,
    X5cUntrusted,
    X5cOrder,
    X5cCut,
    X5cBase64url,
    JwkUnknown,
    JwkKid,
    JwkPrivate,
    Opaque,
    Padding,
    Text,
}

/// Every way to be wrong, its name on the command line, and what it is.
pub const BREAKS: &[(Break, &str, &str)] = &[
    (Break::KidCertificate, "kid-certificate", "libtrust ID of the certificate's DER instead of its public key"),
    (Break::KidPkcs1, "kid-pkcs1", "libtrust ID of the PKCS#1 key (for ECDSA and Ed25519 of the bare point)"),
    (Break::KidPem, "kid-pem", "libtrust ID of the PEM text"),
    (Break::KidBase64, "kid-base64", "libtrust ID of the base64"),
    (Break::KidUncut, "kid-uncut", "the digest is not cut to 240 bits"),
    (Break::KidPadded, "kid-padded", "not cut, with base32's padding"),
    (Break::KidNoColons, "kid-no-colons", "without the colons"),
    (Break::KidLowerCase, "kid-lower-case", "in lower case"),
    (Break::KidBrokenBase32, "kid-broken-base32", "base32 by an encoder with an operator's precedence wrong"),
    (Break::KidSha1, "kid-sha1", "SHA-1 instead of SHA-256"),
    (Break::KidHexText, "kid-hex-text", "base32 of the digest's hex text"),
    (Break::KidOtherScheme, "kid-other-scheme", "RFC 7638 for registry 2, libtrust for registry 3"),
    (Break::KidBasePoint, "kid-base-point", "thumbprint of the curve's base point"),
    (Break::KidUnknown, "kid-unknown", "the right form, of no key at all"),
    (Break::KidMissing, "kid-missing", "no kid, x5c or jwk"),
    (Break::Expired, "expired", "an hour ago"),
    (Break::ExpMissing, "exp-missing", "no exp"),
    (Break::ExpText, "exp-text", "exp is text"),
    (Break::ExpFraction, "exp-fraction", "exp has a fraction"),
    (Break::NotYetValid, "not-yet-valid", "nbf is in an hour"),
    (Break::Issuer, "issuer", "another issuer"),
    (Break::Audience, "audience", "another service"),
    (Break::AudienceMissing, "audience-missing", "no aud"),
    (Break::AudienceList, "audience-list", "aud is a list"),
    (Break::Access, "access", "nothing is allowed"),
    (Break::AccessName, "access-name", "another repository is allowed"),
    (Break::AccessOneWord, "access-one-word", "actions are one text with commas"),
    (Break::Algorithm, "alg", "the name of another algorithm"),
    (Break::AlgorithmNone, "alg-none", "alg is none"),
    (Break::AlgorithmPss, "alg-pss", "alg is PS256"),
    (Break::Signature, "signature", "a bit of the signature is wrong"),
    (Break::SignatureCut, "signature-cut", "the end of the signature is missing"),
    (Break::SignatureMissing, "signature-missing", "no signature"),
    (Break::SignatureDer, "signature-der", "the signature is DER (ECDSA)"),
    (Break::OtherKey, "other-key", "signed by another key under the right ID"),
    (Break::X5cUntrusted, "x5c-untrusted", "x5c of a certificate that nobody knows, signed by its key"),
    (Break::X5cOrder, "x5c-order", "x5c has the issuer first"),
    (Break::X5cCut, "x5c-cut", "x5c lacks its intermediates"),
    (Break::X5cBase64url, "x5c-base64url", "x5c in base64url"),
    (Break::JwkUnknown, "jwk-unknown", "jwk of a key that nobody knows, signed by it"),
    (Break::JwkKid, "jwk-kid", "jwk with a kid that is not its own"),
    (Break::JwkPrivate, "jwk-private", "jwk with a private member (a zero, not the key's)"),
    (Break::Opaque, "opaque", "no JWT at all"),
    (Break::Padding, "padding", "base64 with padding and in the wrong alphabet"),
    (Break::Text, "text", "claims that are no JSON"),
];

impl Break {
    /// The way of this name.
    pub fn named(name: &str) -> Option<Self> {
        BREAKS.iter().find(|(_, known, _)| *known == name).map(|(it, ..)| *it)
    }

    /// Whether another key must sign.
    pub const fn needs_other_key(self) -> bool {
        matches!(self, Self::OtherKey | Self::X5cUntrusted | Self::JwkUnknown)
    }
}

/// A token to be made.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// For whom.
    pub generation: Generation,
    /// `iss`
    pub issuer: &'a str,
    /// `aud`
    pub service: &'a str,
    /// `sub`
    pub subject: &'a str,
    /// `access`
    pub access: &'a [Access],
    /// `iat` and `nbf`, seconds since 1970.
    pub issued: i64,
    /// Seconds until it expires.
    pub lifetime: i64,
    /// `jti`
    pub id: &'a str,
    /// The key that signs it.
    pub key: &'a TokenKey,
    /// Its certificate and those above it, DER, the key's own first.
    pub chain: &'a [Vec<u8>],
    /// How the key is named.
    pub naming: Naming,
    /// A `kid` instead of the one of `generation`.
    pub kid: Option<&'a str>,
    /// `alg` instead of the key's own.
    pub algorithm: Option<&'a str>,
    /// What is wrong with it.
    pub broken: Option<Break>,
    /// The other key and its certificate, where [`Break::needs_other_key`].
    pub other: Option<(&'a TokenKey, &'a [Vec<u8>])>,
}

/// A token that lacks its signature.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What is to be signed.
    pub signed: String,
    /// The algorithm to sign with; `alg` of the header may say another.
    pub algorithm: String,
    broken: Option<Break>,
}

/// What is to be signed.
///
/// # Errors
/// When an order cannot be kept: a certificate is missing, or the kind of key does not go with it; in words.
pub fn draft(order: &Order<'_>) -> Result<Draft, String> {
    let signer = order.other.filter(|_| order.broken.is_some_and(Break::needs_other_key)).map_or(order.key, |it| it.0);
    let algorithm = match (order.broken, order.algorithm) {
        (Some(Break::AlgorithmPss), _) => "PS256".to_owned(),
        (_, Some(name)) => name.to_owned(),
        _ => signer.algorithm().to_owned(),
    };
    let mut header = Map::new();
    header.insert("typ".to_owned(), json!("JWT"));
    header.insert("alg".to_owned(), json!(told_algorithm(order.broken, &algorithm)));
    name_key(order, &mut header)?;
    let claims = match order.broken {
        Some(Break::Text) => "iss=somebody".to_owned(),
        _ => claims(order).to_string(),
    };
    let (header, claims) = (Value::Object(header).to_string(), claims);
    let signed = match order.broken {
        Some(Break::Padding) => {
            // A `~` and a `?` make letters in which the two alphabets differ.
            let odd = header.replacen('{', "{\"x\":\"~?>~?>\",", 1);
            format!("{}.{}", BASE64.encode(odd.as_bytes()), BASE64.encode(claims.as_bytes()))
        }
        _ => format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes())),
    };
    Ok(Draft { signed, algorithm, broken: order.broken })
}

fn told_algorithm(broken: Option<Break>, algorithm: &str) -> &str {
    match (broken, algorithm) {
        (Some(Break::AlgorithmNone), _) => "none",
        (Some(Break::Algorithm), "RS256") => "ES256",
        (Some(Break::Algorithm), _) => "RS256",
        _ => algorithm,
    }
}

fn name_key(order: &Order<'_>, header: &mut Map<String, Value>) -> Result<(), String> {
    use Break as B;
    let base64 = |chain: &[Vec<u8>]| chain.iter().map(|der| BASE64.encode(der)).collect::<Vec<_>>();
    let chain = |needed: usize| match order.chain {
        chain if chain.len() >= needed => Ok(chain),
        _ => Err(format!(
            "{needed} certificate(s) are needed for that: the key's own first, then its issuers (--cert FILE)"
        )),
    };
    let x5c = match (order.broken, order.naming) {
        (Some(B::X5cUntrusted), _) => Some(base64(order.other.map(|it| it.1).unwrap_or_default())),
        (Some(B::X5cOrder), _) => Some(base64(chain(2)?).into_iter().rev().collect()),
        (Some(B::X5cCut), _) => Some(base64(&chain(2)?[..1])),
        (Some(B::X5cBase64url), _) => Some(
            base64(chain(1)?).iter().map(|text| text.replace('+', "-").replace('/', "_").replace('=', "")).collect(),
        ),
        (Some(B::KidMissing), _) => None,
        (_, Naming::X5c) => Some(base64(chain(1)?)),
        _ => None,
    };
    if let Some(x5c) = x5c {
        header.insert("x5c".to_owned(), json!(x5c));
        return Ok(());
    }
    let jwk = match (order.broken, order.naming) {
        (Some(B::JwkUnknown), _) => order.other.map(|(key, _)| jwks::write_key(key, &kid::libtrust(key))),
        (Some(B::JwkKid), _) => Some(jwks::write_key(order.key, "another")),
        (Some(B::JwkPrivate), _) => {
            let mut jwk = jwks::write_key(order.key, &right_id(order)?);
            // That a key is private is told by the member alone; the token must not carry the real one.
            jwk["d"] = json!("AA");
            Some(jwk)
        }
        (None, Naming::Jwk) => Some(jwks::write_key(order.key, &right_id(order)?)),
        _ => None,
    };
    if let Some(jwk) = jwk {
        header.insert("jwk".to_owned(), jwk);
    } else if order.broken != Some(B::KidMissing) {
        header.insert("kid".to_owned(), json!(key_id(order)?));
    }
    Ok(())
}

fn right_id(order: &Order<'_>) -> Result<String, String> {
    if let Some(id) = order.kid {
        return Ok(id.to_owned());
    }
    kid::of(order.generation, order.key).ok_or_else(|| {
        let (title, kind) = (order.generation.title(), order.key.kind());
        format!("registry {title} looks {kind} keys up by no ID; --x5c sends the certificate, --kid another ID")
    })
}

fn key_id(order: &Order<'_>) -> Result<String, String> {
    use Break as B;
    let key = order.key;
    let forms = Form::of(key, order.chain.first().map(Vec::as_slice));
    let form = |name: &str| {
        let found = forms.iter().find(|form| form.name.starts_with(name));
        found.map(|form| form.bytes.reveal().clone()).ok_or_else(|| format!("{name} is needed for that (--cert FILE)"))
    };
    let spelled = |spelling| kid::spell(&key.spki, spelling);
    Ok(match order.broken {
        Some(B::KidCertificate) => kid::spell(&form("the certificate's DER")?, kid::Spelling::Right),
        Some(B::KidPkcs1) => kid::spell(&key.bits(), kid::Spelling::Right),
        Some(B::KidPem) => kid::spell(&form("the PEM text of the public key")?, kid::Spelling::Right),
        Some(B::KidBase64) => kid::spell(&form("the base64 of the public key")?, kid::Spelling::Right),
        Some(B::KidUncut) => spelled(kid::Spelling::Uncut),
        Some(B::KidPadded) => spelled(kid::Spelling::Padded),
        Some(B::KidNoColons) => kid::libtrust(key).replace(':', ""),
        Some(B::KidLowerCase) => kid::libtrust(key).to_ascii_lowercase(),
        Some(B::KidBrokenBase32) => spelled(kid::Spelling::BrokenBase32),
        Some(B::KidSha1) => spelled(kid::Spelling::Sha1),
        Some(B::KidHexText) => spelled(kid::Spelling::HexText),
        Some(B::KidOtherScheme) if order.generation == Generation::V2 => kid::rfc7638(key),
        Some(B::KidOtherScheme) => kid::libtrust(key),
        Some(B::KidBasePoint) => match &key.material {
            Material::Ec { .. } => kid::of(Generation::V3_0, key).unwrap_or_default(),
            _ => return Err("only ECDSA keys have a base point".to_owned()),
        },
        Some(B::KidUnknown) => kid::spell(b"nobody", kid::Spelling::Right),
        _ => right_id(order)?,
    })
}

fn claims(order: &Order<'_>) -> Value {
    use Break as B;
    let (mut begins, mut expires) = (order.issued, order.issued.saturating_add(order.lifetime));
    match order.broken {
        Some(B::Expired) => (begins, expires) = (order.issued - 7_200, order.issued - 3_600),
        Some(B::NotYetValid) => (begins, expires) = (order.issued + 3_600, order.issued + 7_200),
        _ => {}
    }
    let entry = |access: &Access| match order.broken {
        Some(B::AccessName) => {
            json!({"type": access.kind, "name": format!("another/{}", access.name), "actions": access.actions})
        }
        Some(B::AccessOneWord) => {
            json!({"type": access.kind, "name": access.name, "actions": [access.actions.join(",")]})
        }
        _ => json!({"type": access.kind, "name": access.name, "actions": access.actions}),
    };
    let access: Vec<Value> = match order.broken {
        Some(B::Access) => Vec::new(),
        _ => order.access.iter().map(entry).collect(),
    };
    let issuer = if order.broken == Some(B::Issuer) { "another issuer" } else { order.issuer };
    let mut claims = json!({
        "iss": issuer, "sub": order.subject, "aud": order.service, "exp": expires, "nbf": begins, "iat": begins,
        "jti": order.id, "access": access,
    });
    match order.broken {
        Some(B::Audience) => claims["aud"] = json!("another service"),
        Some(B::AudienceList) => claims["aud"] = json!([order.service]),
        Some(B::AudienceMissing) => drop(claims.as_object_mut().and_then(|it| it.shift_remove("aud"))),
        Some(B::ExpMissing) => drop(claims.as_object_mut().and_then(|it| it.shift_remove("exp"))),
        Some(B::ExpText) => claims["exp"] = json!(expires.to_string()),
        Some(B::ExpFraction) => claims["exp"] = json!(expires as f64 + 0.5),
        _ => {}
    }
    claims
}

impl Draft {
    /// The token. `signature` is as JWS has it; for [`Break::SignatureDer`] it is given in DER.
    pub fn finish(self, signature: &[u8]) -> String {
        let mut signature = signature.to_vec();
        match self.broken {
            Some(Break::Opaque) => return "ghp_0123456789abcdefghijklmnopqrstuvwxyz".to_owned(),
            Some(Break::Signature) => signature.last_mut().into_iter().for_each(|byte| *byte ^= 1),
            Some(Break::SignatureCut) => signature.truncate(signature.len().saturating_sub(3)),
            Some(Break::SignatureMissing) => signature.clear(),
            _ => {}
        }
        format!("{}.{}", self.signed, encode(&signature))
    }

    /// Whether the signature must be given in DER.
    pub fn wants_der(&self) -> bool {
        self.broken == Some(Break::SignatureDer)
    }
}
