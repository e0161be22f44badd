//! Key IDs. In: a key. Out: its ID by every scheme, and the one that each release of the registry looks up; what an ID by itself tells,
//! and which mistake made it ([`matching`]). Spec: libtrust, RFC 7638, RFC 8037 §2; the quirks were measured.

mod forms;
mod matching;
mod shape;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use sha2::{Digest as _, Sha256};

use super::key::trimmed;
use super::{Curve, Generation, Material, TokenKey};

pub use forms::Form;
pub use matching::{Match, Spelling, find, spell};
pub use shape::{broken_base32, shape};

/// What 3.0.0 computes for every key of a curve: the thumbprint of the curve's base point (distribution#4683).
pub const BASE_POINT_IDS: &[(Curve, &str)] = &[
    (Curve::P256, "xx0BcA-wMohw8atYDJOe6peGModklG2wRHBlXHMvl0M"),
    (Curve::P384, "-W6Wzot_wuerYbKBVKfGEks3iY2EALna-hBqObnPuJE"),
    (Curve::P521, "67t2ktf21o_Z2-ygUyR0zriEF9PMHtlT1l4q9rGSYOM"),
];

/// libtrust's ID: SHA-256 of the SubjectPublicKeyInfo, cut to 240 bits, base32 in groups of four.
pub fn libtrust(key: &TokenKey) -> String {
    libtrust_of(&key.spki)
}

/// libtrust's ID as if `bytes` were the SubjectPublicKeyInfo.
pub(crate) fn libtrust_of(bytes: &[u8]) -> String {
    grouped(&BASE32_NOPAD.encode(&Sha256::digest(bytes)[..30]))
}

/// The thumbprint of RFC 7638, with SHA-256.
pub fn rfc7638(key: &TokenKey) -> String {
    thumbprint(&canonical_jwk(key))
}

/// What `generation` looks up for a certificate in its bundle. `None` when it knows such a key by no ID.
pub fn of(generation: Generation, key: &TokenKey) -> Option<String> {
    match (generation, &key.material) {
        (Generation::V2, Material::Ed25519 { .. }) | (Generation::V3_0, Material::Ed25519 { .. }) => None,
        (Generation::V2, _) => Some(libtrust(key)),
        (Generation::V3_0, Material::Ec { curve, .. }) => {
            BASE_POINT_IDS.iter().find(|(known, _)| known == curve).map(|(_, id)| (*id).to_owned())
        }
        (Generation::V3_1, Material::Ec { .. }) => Some(unpadded(key)),
        _ => Some(rfc7638(key)),
    }
}

/// The thumbprint as 3.1 computes it for ECDSA keys: coordinates lose their leading zeros. For others that of RFC 7638.
pub fn unpadded(key: &TokenKey) -> String {
    match &key.material {
        Material::Ec { curve, x, y } => thumbprint(&ec_jwk(*curve, &trimmed(x), &trimmed(y))),
        _ => rfc7638(key),
    }
}

/// The members that RFC 7638 wants, sorted, without blanks.
pub fn canonical_jwk(key: &TokenKey) -> String {
    match &key.material {
        Material::Rsa { n, e } => {
            format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, BASE64URL_NOPAD.encode(e), BASE64URL_NOPAD.encode(n))
        }
        Material::Ec { curve, x, y } => ec_jwk(*curve, x, y),
        Material::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, BASE64URL_NOPAD.encode(x)),
    }
}

fn ec_jwk(curve: Curve, x: &[u8], y: &[u8]) -> String {
    let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
    format!(r#"{{"crv":"{}","kty":"EC","x":"{x}","y":"{y}"}}"#, curve.name())
}

pub(crate) fn thumbprint(json: &str) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(json.as_bytes()))
}

/// In groups of four.
pub(super) fn grouped(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(":")
}
