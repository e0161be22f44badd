//! Signatures of tokens. In: a key, an algorithm's name, what is signed, the signature. Out: whether the key made it, or why that cannot be.
//! Spec: RFC 7518 §3, RFC 8037 §3.1. The cryptography is aws-lc-rs's; nothing here is random or keeps state.

use aws_lc_rs::signature::{self as sig, UnparsedPublicKey, VerificationAlgorithm};

use super::{Curve, Material, TokenKey};

/// What a key says of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// It made it.
    Good,
    /// It did not.
    Bad,
    /// A signature of that key has another length, in bytes.
    Length {
        /// How long it is.
        is: usize,
        /// How long it must be.
        must: usize,
    },
    /// The algorithm is not one for such keys.
    Algorithm,
}

/// Whether `key` made `signature` over `data` with the algorithm of that name.
pub fn verify(key: &TokenKey, algorithm: &str, data: &[u8], signature: &[u8]) -> Signed {
    if let Material::Ec { curve, .. } = &key.material {
        if curve.algorithm() != algorithm {
            return Signed::Algorithm;
        }
        let must = 2 * curve.octets();
        if signature.len() != must {
            return Signed::Length { is: signature.len(), must };
        }
    }
    let Some(method) = method(key, algorithm) else { return Signed::Algorithm };
    let is_good = UnparsedPublicKey::new(method, key.bits()).verify(data, signature).is_ok();
    if is_good { Signed::Good } else { Signed::Bad }
}

fn method(key: &TokenKey, algorithm: &str) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (&key.material, algorithm) {
        (Material::Rsa { .. }, "RS256") => &sig::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        (Material::Rsa { .. }, "RS384") => &sig::RSA_PKCS1_2048_8192_SHA384,
        (Material::Rsa { .. }, "RS512") => &sig::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        (Material::Rsa { .. }, "PS256") => &sig::RSA_PSS_2048_8192_SHA256,
        (Material::Rsa { .. }, "PS384") => &sig::RSA_PSS_2048_8192_SHA384,
        (Material::Rsa { .. }, "PS512") => &sig::RSA_PSS_2048_8192_SHA512,
        (Material::Ec { curve: Curve::P256, .. }, "ES256") => &sig::ECDSA_P256_SHA256_FIXED,
        (Material::Ec { curve: Curve::P384, .. }, "ES384") => &sig::ECDSA_P384_SHA384_FIXED,
        (Material::Ec { curve: Curve::P521, .. }, "ES512") => &sig::ECDSA_P521_SHA512_FIXED,
        (Material::Ed25519 { .. }, "EdDSA") => &sig::ED25519,
        _ => return None,
    })
}
