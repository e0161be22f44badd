//! Public keys as tokens know them. In: DER of a SubjectPublicKeyInfo. Out: [`TokenKey`] with the numbers that JWK has. Spec: RFC 3279,
//! RFC 5480, RFC 7518 §6, RFC 8037.

use crate::x509::strict::{Curve as Named, KeyKind, PublicKey};
use crate::x509::tlv;

/// Curves of ECDSA keys in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// P-256
    P256,
    /// P-384
    P384,
    /// P-521
    P521,
}

impl Curve {
    /// As in JWK.
    pub const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// Bytes of a coordinate.
    pub const fn octets(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The one signature algorithm that goes with it.
    pub const fn algorithm(self) -> &'static str {
        match self {
            Self::P256 => "ES256",
            Self::P384 => "ES384",
            Self::P521 => "ES512",
        }
    }

    /// The curve of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::P256, Self::P384, Self::P521].into_iter().find(|curve| curve.name() == name)
    }
}

/// The numbers of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Material {
    /// RSA: modulus and exponent, big-endian without leading zeros.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
    /// ECDSA: coordinates, as long as the curve has it.
    Ec {
        /// The curve.
        curve: Curve,
        /// The first coordinate.
        x: Vec<u8>,
        /// The second coordinate.
        y: Vec<u8>,
    },
    /// Ed25519.
    Ed25519 {
        /// The point.
        x: Vec<u8>,
    },
}

/// A public key that tokens can be signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenKey {
    /// DER of the SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// What is in it.
    pub material: Material,
}

impl TokenKey {
    /// Reads a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// When it is none, or of a kind that no registry takes; in words.
    pub fn from_spki(der: &[u8]) -> Result<Self, String> {
        let read = PublicKey::read(der).map_err(|error| format!("it is no public key: {error}"))?;
        let material = match &read.kind {
            KeyKind::Rsa(_) => rsa(&read.bits).ok_or("its RSA numbers cannot be read")?,
            KeyKind::Ec(Named::P256) => point(Curve::P256, &read.bits)?,
            KeyKind::Ec(Named::P384) => point(Curve::P384, &read.bits)?,
            KeyKind::Ec(Named::P521) => point(Curve::P521, &read.bits)?,
            KeyKind::Ed25519 if read.bits.len() == 32 => Material::Ed25519 { x: read.bits.clone() },
            other => return Err(format!("{other}: no registry takes tokens that are signed with it")),
        };
        Ok(Self { spki: der.to_vec(), material })
    }

    /// `RSA 2048`, `EC P-256`, `Ed25519`.
    pub fn kind(&self) -> String {
        match &self.material {
            Material::Rsa { n, .. } => {
                let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
                format!("RSA {bits}")
            }
            Material::Ec { curve, .. } => format!("EC {}", curve.name()),
            Material::Ed25519 { .. } => "Ed25519".to_owned(),
        }
    }

    /// The signature algorithm that is taken for it unless another is asked for.
    pub const fn algorithm(&self) -> &'static str {
        match &self.material {
            Material::Rsa { .. } => "RS256",
            Material::Ec { curve, .. } => curve.algorithm(),
            Material::Ed25519 { .. } => "EdDSA",
        }
    }

    /// What stands in the BIT STRING: RSAPublicKey, or the point.
    pub fn bits(&self) -> Vec<u8> {
        PublicKey::read(&self.spki).map(|read| read.bits).unwrap_or_default()
    }
}

fn rsa(bits: &[u8]) -> Option<Material> {
    let (whole, _) = tlv::first(bits)?;
    let [n, e] = tlv::children(whole.content)[..] else { return None };
    Some(Material::Rsa { n: trimmed(n.content), e: trimmed(e.content) })
}

fn point(curve: Curve, bits: &[u8]) -> Result<Material, String> {
    match bits.split_first() {
        Some((4, both)) if both.len() == 2 * curve.octets() => {
            let (x, y) = both.split_at(curve.octets());
            Ok(Material::Ec { curve, x: x.to_vec(), y: y.to_vec() })
        }
        Some((2 | 3, _)) => Err("its point is compressed, which registries do not read".to_owned()),
        _ => Err(format!("its point is not one of {}", curve.name())),
    }
}

/// Without leading zeros.
pub(super) fn trimmed(number: &[u8]) -> Vec<u8> {
    number.iter().copied().skip_while(|byte| *byte == 0).collect()
}
