//! Signatures, each verified once. In: what is signed, the signature, a key. Out: whether the key made it; at most so many are tried.
//! Spec: RFC 5280 §4.1.1.3. The cryptography is aws-lc-rs's.

use std::collections::HashMap;

use aws_lc_rs::signature::{self as sig, UnparsedPublicKey, VerificationAlgorithm};

use super::super::strict::{Curve, Digest, KeyKind, PublicKey, Signature, SignatureAlgorithm, Strict};

/// Signatures that are verified for one question at the most: an attack can make each cost a millisecond.
const MOST: usize = 1_000;

/// Results so far.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    known: HashMap<(usize, usize), bool>,
    spent: usize,
}

impl Signatures {
    /// Whether `key` made the signature on `child`; the numbers are those of certificate and key, for the memory. `None`: too much work.
    pub(super) fn is_signed(&mut self, child: (usize, &Strict), key: (usize, &PublicKey)) -> Option<bool> {
        if let Some(known) = self.known.get(&(child.0, key.0)) {
            return Some(*known);
        }
        if self.is_exhausted() {
            return None;
        }
        self.spent += 1;
        let good = verify(child.1.signed_part(), &child.1.signature, key.1);
        self.known.insert((child.0, key.0), good);
        Some(good)
    }

    /// The same memory, with as many new ones as at first.
    pub(super) fn renewed(self) -> Self {
        Self { known: self.known, spent: 0 }
    }

    /// Whether no more are verified.
    const fn is_exhausted(&self) -> bool {
        self.spent >= MOST
    }
}

/// Whether `key` made `signature` over `data`.
pub(crate) fn verify(data: &[u8], signature: &Signature, key: &PublicKey) -> bool {
    algorithm(signature.algorithm, &key.kind)
        .is_some_and(|algorithm| UnparsedPublicKey::new(algorithm, &key.bits).verify(data, &signature.value).is_ok())
}

fn algorithm(made: SignatureAlgorithm, key: &KeyKind) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (made, key) {
        (SignatureAlgorithm::RsaPkcs1(Digest::Sha1), KeyKind::Rsa(_)) => {
            &sig::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY
        }
        (SignatureAlgorithm::RsaPkcs1(Digest::Sha256), KeyKind::Rsa(_)) => {
            &sig::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY
        }
        (SignatureAlgorithm::RsaPkcs1(Digest::Sha384), KeyKind::Rsa(_)) => &sig::RSA_PKCS1_2048_8192_SHA384,
        (SignatureAlgorithm::RsaPkcs1(Digest::Sha512), KeyKind::Rsa(_)) => {
            &sig::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY
        }
        (SignatureAlgorithm::RsaPss(Digest::Sha256), KeyKind::Rsa(_)) => &sig::RSA_PSS_2048_8192_SHA256,
        (SignatureAlgorithm::RsaPss(Digest::Sha384), KeyKind::Rsa(_)) => &sig::RSA_PSS_2048_8192_SHA384,
        (SignatureAlgorithm::RsaPss(Digest::Sha512), KeyKind::Rsa(_)) => &sig::RSA_PSS_2048_8192_SHA512,
        (SignatureAlgorithm::Ecdsa(digest), KeyKind::Ec(curve)) => ecdsa(digest, curve)?,
        (SignatureAlgorithm::Ed25519, KeyKind::Ed25519) => &sig::ED25519,
        _ => return None,
    })
}

fn ecdsa(digest: Digest, curve: &Curve) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match (curve, digest) {
        (Curve::P256, Digest::Sha1) => &sig::ECDSA_P256_SHA1_ASN1,
        (Curve::P256, Digest::Sha256) => &sig::ECDSA_P256_SHA256_ASN1,
        (Curve::P256, Digest::Sha384) => &sig::ECDSA_P256_SHA384_ASN1,
        (Curve::P256, Digest::Sha512) => &sig::ECDSA_P256_SHA512_ASN1,
        (Curve::P384, Digest::Sha256) => &sig::ECDSA_P384_SHA256_ASN1,
        (Curve::P384, Digest::Sha384) => &sig::ECDSA_P384_SHA384_ASN1,
        (Curve::P384, Digest::Sha512) => &sig::ECDSA_P384_SHA512_ASN1,
        (Curve::P521, Digest::Sha1) => &sig::ECDSA_P521_SHA1_ASN1,
        (Curve::P521, Digest::Sha224) => &sig::ECDSA_P521_SHA224_ASN1,
        (Curve::P521, Digest::Sha256) => &sig::ECDSA_P521_SHA256_ASN1,
        (Curve::P521, Digest::Sha384) => &sig::ECDSA_P521_SHA384_ASN1,
        (Curve::P521, Digest::Sha512) => &sig::ECDSA_P521_SHA512_ASN1,
        _ => return None,
    })
}
