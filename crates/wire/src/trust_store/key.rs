//! Private keys, of which nothing but the public half is ever kept. In: DER. Out: which form it is in, and the
//! SubjectPublicKeyInfo. Spec: RFC 5958 (PKCS#8), RFC 8017 A.1.2 (RSA), RFC 5915 (EC), RFC 8410 (Ed25519), openssh PROTOCOL.key.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use sidelight_model::x509::tlv::{self, Element};

use crate::der::{self, tag};

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// The arc of PKCS#5 and of PKCS#12's encryption schemes: 1.2.840.113549.1.
const PKCS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1];
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_1: u8 = 0xa1;

/// The form of a private key, and whether it is encrypted; `None` for anything else.
pub fn what_key(bytes: &[u8]) -> Option<(&'static str, bool)> {
    let parts = parts(bytes)?;
    match parts.as_slice() {
        [version, algorithm, key, ..]
            if version.tag == tag::INTEGER && algorithm.tag == tag::SEQUENCE && key.tag == tag::OCTET_STRING =>
        {
            Some(("PKCS#8", false))
        }
        // Version and eight numbers.
        [first, .., last] if parts.len() == 9 && first.content == [0] && last.tag == tag::INTEGER => {
            parts.iter().all(|part| part.tag == tag::INTEGER).then_some(("RSA PRIVATE KEY", false))
        }
        [version, key, rest @ ..]
            if version.tag == tag::INTEGER && version.content == [1] && key.tag == tag::OCTET_STRING =>
        {
            rest.iter().all(|part| matches!(part.tag, CONTEXT_0 | CONTEXT_1)).then_some(("EC PRIVATE KEY", false))
        }
        [scheme, sealed] if scheme.tag == tag::SEQUENCE && sealed.tag == tag::OCTET_STRING => {
            let (kind, _) = tlv::first(scheme.content)?;
            let is_encryption = kind.content.starts_with(PKCS) && matches!(kind.content.get(7), Some(5 | 12));
            is_encryption.then_some(("PKCS#8", true))
        }
        _ => None,
    }
}

/// The SubjectPublicKeyInfo of a private key in the clear, where it can be computed.
pub fn public_half(bytes: &[u8]) -> Option<Vec<u8>> {
    let parts = parts(bytes)?;
    match what_key(bytes)? {
        ("PKCS#8", false) => {
            let [_, algorithm, key, ..] = parts.as_slice() else { return None };
            let (kind, _) = tlv::first(algorithm.content)?;
            match kind.content {
                RSA => public_half(key.content),
                EC => elliptic(bytes),
                ED25519 => edwards(key.content),
                _ => None,
            }
        }
        ("RSA PRIVATE KEY", _) => {
            let [_, modulus, exponent, ..] = parts.as_slice() else { return None };
            let numbers = der::sequence(&[modulus.whole, exponent.whole]);
            let algorithm = der::sequence(&[&der::element(tag::OID, RSA), &der::element(tag::NULL, &[])]);
            Some(der::sequence(&[&algorithm, &der::bit_string(&numbers)]))
        }
        ("EC PRIVATE KEY", _) => elliptic(bytes),
        _ => None,
    }
}

/// Whether an `OPENSSH PRIVATE KEY` is under a password.
pub(super) fn is_encrypted_openssh(data: &[u8]) -> bool {
    data.strip_prefix(b"openssh-key-v1\0").is_some_and(|rest| !rest.starts_with(b"\0\0\0\x04none"))
}

fn parts(bytes: &[u8]) -> Option<Vec<Element<'_>>> {
    let (whole, _) = tlv::first(bytes).filter(|(whole, _)| whole.tag == tag::SEQUENCE)?;
    Some(tlv::children(whole.content))
}

fn elliptic(bytes: &[u8]) -> Option<Vec<u8>> {
    let (whole, _) = tlv::first(bytes)?;
    let curves = [&ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING, &ECDSA_P521_SHA512_ASN1_SIGNING];
    let pair = curves.iter().find_map(|curve| EcdsaKeyPair::from_private_key_der(curve, whole.whole).ok())?;
    Some(pair.public_key().as_der().ok()?.as_ref().to_vec())
}

fn edwards(key: &[u8]) -> Option<Vec<u8>> {
    let (seed, _) = tlv::first(key).filter(|(seed, _)| seed.tag == tag::OCTET_STRING)?;
    let pair = Ed25519KeyPair::from_seed_unchecked(seed.content).ok()?;
    let algorithm = der::sequence(&[&der::element(tag::OID, ED25519)]);
    Some(der::sequence(&[&algorithm, &der::bit_string(pair.public_key().as_ref())]))
}
