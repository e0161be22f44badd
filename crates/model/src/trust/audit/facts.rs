//! What the checks need to know of a certificate beyond what others ask of it. In: a certificate. Out: [`Facts`].
//! Spec: RFC 5280 §4.2; FIPS 186-5 for keys; CVE-2017-15361 for the test of ROCA.

use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::x509::Certificate;

/// Facts of one certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The version as people count it: 1, 2, 3.
    pub(super) version: u32,
    /// Whether basicConstraints is critical; `None` without it.
    pub(super) basic_critical: Option<bool>,
    /// Whether keyUsage allows to sign certificates; `None` without keyUsage.
    pub(super) cert_sign: Option<bool>,
    /// Whether there are name constraints.
    pub(super) constrained: bool,
    /// What kind of key.
    pub(super) key: Key,
}

/// A public key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Key {
    /// RSA: bits, the public exponent where it fits, the modulus.
    Rsa { bits: usize, exponent: Option<u64>, modulus: Vec<u8> },
    /// On a curve: its object identifier.
    Ec(String),
    /// DSA.
    Dsa,
    /// Anything else; its algorithm.
    Other(String),
    /// It cannot be read.
    #[default]
    Unread,
}

impl Facts {
    pub(super) fn of(certificate: &Certificate) -> Self {
        let Ok((_, cert)) = X509Certificate::from_der(&certificate.der) else { return Self::default() };
        let basic =
            cert.extensions().iter().find(|it| matches!(it.parsed_extension(), ParsedExtension::BasicConstraints(_)));
        Self {
            version: cert.version().0 + 1,
            basic_critical: basic.map(|it| it.critical),
            cert_sign: cert.key_usage().ok().flatten().map(|usage| usage.value.key_cert_sign()),
            constrained: cert.name_constraints().is_ok_and(|found| found.is_some()),
            key: Key::of(&cert),
        }
    }
}

impl Key {
    fn of(cert: &X509Certificate<'_>) -> Self {
        let info = cert.public_key();
        match info.parsed() {
            Ok(PublicKey::RSA(rsa)) => {
                let modulus: Vec<u8> = rsa.modulus.iter().copied().skip_while(|byte| *byte == 0).collect();
                let leading = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
                Self::Rsa { bits: (modulus.len() * 8).saturating_sub(leading), exponent: number(rsa.exponent), modulus }
            }
            Ok(PublicKey::EC(_)) => {
                let curve = info.algorithm.parameters.as_ref().and_then(|found| found.as_oid().ok());
                Self::Ec(curve.map_or_else(|| "explicit parameters".to_owned(), |oid| oid.to_id_string()))
            }
            Ok(PublicKey::DSA(_)) => Self::Dsa,
            Ok(_) => Self::Other(info.algorithm.algorithm.to_id_string()),
            Err(_) => Self::Unread,
        }
    }
}

fn number(bytes: &[u8]) -> Option<u64> {
    let digits: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    (digits.len() <= 8).then(|| digits.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

/// Primes of the test for ROCA.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether a modulus has the mark of the Infineon library (ROCA): modulo each small prime it is a power of 65537.
/// A sound modulus passes by chance once in 2^28.
pub(super) fn is_roca(modulus: &[u8]) -> bool {
    !modulus.is_empty() && PRIMES.iter().all(|prime| is_power(remainder(modulus, *prime), *prime))
}

fn remainder(number: &[u8], by: u32) -> u32 {
    number.iter().fold(0, |sum, byte| (sum << 8 | u32::from(*byte)) % by)
}

/// Whether `wanted` is a power of 65537 modulo `prime`.
fn is_power(wanted: u32, prime: u32) -> bool {
    let base = 65_537 % prime;
    let mut power = 1 % prime;
    (0..prime).any(|_| {
        power = power * base % prime;
        power == wanted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 65537^k modulo the product of all the primes would be a ROCA prime's form; the number 65537 itself has its mark.
    #[test]
    fn the_mark_of_roca() {
        assert!(is_roca(&[1, 0, 1]));
        assert!(is_roca(&[1]));
        // 65537^2 = 0x100020001
        assert!(is_roca(&[1, 0, 2, 0, 1]));
        assert!(!is_roca(&[1, 0, 3]));
        assert!(!is_roca(&[]));
    }

    #[test]
    fn exponents_are_read() {
        assert_eq!(number(&[0, 1, 0, 1]), Some(65_537));
        assert_eq!(number(&[1; 9]), None);
    }
}
