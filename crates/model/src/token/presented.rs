//! A token as it was presented. In: what `wire::jwt` read. Out: header, claims, and what each generation says of its form. The signature and
//! the whole text are secrets; header and claims are not.

use super::{Access, TokenKey};
use crate::redact::Secret;

/// A token.
#[derive(Clone, Debug)]
pub struct Presented {
    /// The whole text.
    pub raw: Secret<String>,
    /// What the `Authorization` field holds instead of `Bearer`, one blank and a token, if it was given and is not so.
    pub not_bearer: Option<NotBearer>,
    /// How many parts dots make of it.
    pub parts: usize,
    /// What is signed: header, dot, claims, as they came.
    pub signed: Secret<String>,
    /// The signature; empty when it is missing or cannot be decoded.
    pub signature: Secret<Vec<u8>>,
    /// The header, as far as it can be read.
    pub header: Header,
    /// The header's JSON, if it is some.
    pub header_json: Option<String>,
    /// The claims, as far as they can be read.
    pub claims: Claims,
    /// The claims' JSON, if it is some.
    pub claims_json: Option<String>,
    /// Why registry 2 does not read it: what stands in its log behind `error while unmarshalling raw token: `. Empty: it logs nothing.
    pub unread_by_2: Option<String>,
    /// Why registry 3 does not read it; it logs no reason.
    pub unread_by_3: Option<String>,
    /// What registry 3 says of the claims once the signature is found good.
    pub claims_unread_by_3: Option<String>,
}

/// Why an `Authorization` field brings no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotBearer {
    /// In words.
    pub words: String,
    /// Whether registry 3 takes it for a token all the same, one that it cannot read.
    pub is_token_to_3: bool,
}

/// A header, with what is missing left empty.
#[derive(Clone, Debug, Default)]
pub struct Header {
    /// `alg`
    pub alg: String,
    /// `typ`
    pub typ: String,
    /// `kid`
    pub kid: String,
    /// `x5c`
    pub x5c: Vec<String>,
    /// `jwk`
    pub jwk: Option<JwkHeader>,
}

/// A key that the token brings along.
#[derive(Clone, Debug)]
pub struct JwkHeader {
    /// Its own `kid`.
    pub kid: Option<String>,
    /// The key.
    pub key: Option<TokenKey>,
    /// Its certificates.
    pub x5c: Option<Vec<String>>,
    /// Whether it is a private key: a secret in every token.
    pub is_private: bool,
    /// Why registry 2 does not read it, as in its log.
    pub unread_by_2: Option<String>,
}

/// Claims, with what is missing left empty or zero as registries do.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// `iss`
    pub issuer: String,
    /// `sub`
    pub subject: String,
    /// `aud`
    pub audience: Vec<String>,
    /// Whether `aud` is a list.
    pub audience_is_list: bool,
    /// `exp`, seconds since 1970; 0 when it is missing.
    pub expires: i64,
    /// `nbf`
    pub not_before: i64,
    /// `iat`
    pub issued_at: i64,
    /// `jti`
    pub id: String,
    /// `access`
    pub access: Vec<Access>,
    /// `scope`: OAuth's, which no registry looks at.
    pub scope: Option<String>,
}
