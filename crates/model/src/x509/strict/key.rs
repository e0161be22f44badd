//! Public keys and signature algorithms. In: DER of SubjectPublicKeyInfo and AlgorithmIdentifier. Out: [`PublicKey`], [`SignatureAlgorithm`].
//! Spec: RFC 3279, RFC 4055, RFC 5480, RFC 8410.

use super::der::{INTEGER, Malformed, OID, Reader, Result, SEQUENCE, integer, only, whole_bits};
use super::oid;

/// What kind of key, and how strong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with a modulus of so many bits.
    Rsa(u32),
    /// ECDSA on a named curve.
    Ec(Curve),
    /// An elliptic curve written out, not named.
    EcExplicit,
    /// Ed25519.
    Ed25519,
    /// DSA.
    Dsa,
    /// Any other algorithm.
    Other(Vec<u8>),
}

/// Named curves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Curve {
    /// P-192.
    P192,
    /// P-224.
    P224,
    /// P-256.
    P256,
    /// P-384.
    P384,
    /// P-521.
    P521,
    /// Any other.
    Other(Vec<u8>),
}

impl std::fmt::Display for KeyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
            Self::Ec(Curve::P192) => f.write_str("ECDSA P-192"),
            Self::Ec(Curve::P224) => f.write_str("ECDSA P-224"),
            Self::Ec(Curve::P256) => f.write_str("ECDSA P-256"),
            Self::Ec(Curve::P384) => f.write_str("ECDSA P-384"),
            Self::Ec(Curve::P521) => f.write_str("ECDSA P-521"),
            Self::Ec(Curve::Other(oid)) => write!(f, "ECDSA on curve {}", super::der::dotted(oid)),
            Self::EcExplicit => f.write_str("ECDSA on a curve that is written out"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Dsa => f.write_str("DSA"),
            Self::Other(oid) => write!(f, "algorithm {}", super::der::dotted(oid)),
        }
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// SubjectPublicKeyInfo, raw.
    pub der: Vec<u8>,
    /// Which kind.
    pub kind: KeyKind,
    /// The key itself: RSAPublicKey, or the point.
    pub(crate) bits: Vec<u8>,
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// When the DER is not that of a public key.
    pub fn read(der: &[u8]) -> Result<Self> {
        let mut reader = Reader(only(der, SEQUENCE)?.content);
        let mut algorithm = Reader(reader.expect(SEQUENCE)?.content);
        let bits = whole_bits(reader.expect(super::der::BIT_STRING)?.content)?;
        reader.end()?;
        let name = algorithm.expect(OID)?.content;
        let kind = match name {
            oid::RSA => KeyKind::Rsa(rsa_bits(bits)?),
            oid::EC if algorithm.peek() == Some(OID) => KeyKind::Ec(curve(algorithm.expect(OID)?.content)),
            oid::EC => KeyKind::EcExplicit,
            oid::ED25519 => KeyKind::Ed25519,
            oid::DSA => KeyKind::Dsa,
            other => KeyKind::Other(other.to_vec()),
        };
        Ok(Self { der: der.to_vec(), kind, bits: bits.to_vec() })
    }
}

fn curve(oid: &[u8]) -> Curve {
    match oid {
        oid::P192 => Curve::P192,
        oid::P224 => Curve::P224,
        oid::P256 => Curve::P256,
        oid::P384 => Curve::P384,
        oid::P521 => Curve::P521,
        other => Curve::Other(other.to_vec()),
    }
}

fn rsa_bits(key: &[u8]) -> Result<u32> {
    let mut reader = Reader(only(key, SEQUENCE)?.content);
    let modulus = integer(reader.expect(INTEGER)?.content)?;
    let exponent = integer(reader.expect(INTEGER)?.content)?;
    reader.end()?;
    if modulus[0] & 0x80 != 0 || exponent[0] & 0x80 != 0 {
        return Err(Malformed("an RSA key holds a negative number"));
    }
    let digits = if modulus[0] == 0 { &modulus[1..] } else { modulus };
    let bits = digits.first().map_or(0, |first| digits.len() * 8 - first.leading_zeros() as usize);
    Ok(u32::try_from(bits).unwrap_or(u32::MAX))
}

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// RSA PKCS#1 v1.5.
    RsaPkcs1(Digest),
    /// RSA-PSS with MGF1 and a salt as long as the digest.
    RsaPss(Digest),
    /// ECDSA.
    Ecdsa(Digest),
    /// Ed25519.
    Ed25519,
    /// One that is not known here.
    Unknown,
}

/// Digests in signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Digest {
    /// MD5: forgeable.
    Md5,
    /// SHA-1: forgeable.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Digest {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }
}

impl SignatureAlgorithm {
    /// The digest, where the algorithm takes one.
    pub const fn digest(self) -> Option<Digest> {
        match self {
            Self::RsaPkcs1(digest) | Self::RsaPss(digest) | Self::Ecdsa(digest) => Some(digest),
            Self::Ed25519 | Self::Unknown => None,
        }
    }

    /// Reads an AlgorithmIdentifier.
    pub(super) fn read(der: &[u8]) -> Result<Self> {
        let mut reader = Reader(only(der, SEQUENCE)?.content);
        let name = reader.expect(OID)?.content;
        Ok(match name {
            oid::MD5_RSA => Self::RsaPkcs1(Digest::Md5),
            oid::SHA1_RSA => Self::RsaPkcs1(Digest::Sha1),
            oid::SHA256_RSA => Self::RsaPkcs1(Digest::Sha256),
            oid::SHA384_RSA => Self::RsaPkcs1(Digest::Sha384),
            oid::SHA512_RSA => Self::RsaPkcs1(Digest::Sha512),
            oid::RSA_PSS => pss(reader).unwrap_or(Self::Unknown),
            oid::ECDSA_SHA1 => Self::Ecdsa(Digest::Sha1),
            oid::ECDSA_SHA224 => Self::Ecdsa(Digest::Sha224),
            oid::ECDSA_SHA256 => Self::Ecdsa(Digest::Sha256),
            oid::ECDSA_SHA384 => Self::Ecdsa(Digest::Sha384),
            oid::ECDSA_SHA512 => Self::Ecdsa(Digest::Sha512),
            oid::ED25519 => Self::Ed25519,
            _ => Self::Unknown,
        })
    }
}

/// The parameters of RSA-PSS: digest, MGF1 with the same digest, salt of the digest's length (RFC 4055 §3.1).
fn pss(mut reader: Reader<'_>) -> Result<SignatureAlgorithm> {
    let mut parameters = Reader(reader.expect(SEQUENCE)?.content);
    let digest = parameters.optional(0xa0)?.map_or(Ok(Digest::Sha1), |hash| digest(hash.content))?;
    let mask = match parameters.optional(0xa1)? {
        None => Digest::Sha1,
        Some(mask) => {
            let mut mask = Reader(only(mask.content, SEQUENCE)?.content);
            if mask.expect(OID)?.content != oid::MGF1 {
                return Err(Malformed("RSA-PSS has another mask than MGF1"));
            }
            self::digest(mask.expect(SEQUENCE)?.whole)?
        }
    };
    let salt = match parameters.optional(0xa2)? {
        None => 20,
        Some(salt) => super::der::number(only(salt.content, INTEGER)?.content)?,
    };
    let expected = match digest {
        Digest::Sha256 => 32,
        Digest::Sha384 => 48,
        Digest::Sha512 => 64,
        Digest::Md5 | Digest::Sha1 | Digest::Sha224 => 20,
    };
    if mask == digest && salt == expected {
        Ok(SignatureAlgorithm::RsaPss(digest))
    } else {
        Ok(SignatureAlgorithm::Unknown)
    }
}

fn digest(algorithm: &[u8]) -> Result<Digest> {
    match Reader(only(algorithm, SEQUENCE)?.content).expect(OID)?.content {
        oid::SHA1 => Ok(Digest::Sha1),
        oid::SHA256 => Ok(Digest::Sha256),
        oid::SHA384 => Ok(Digest::Sha384),
        oid::SHA512 => Ok(Digest::Sha512),
        _ => Err(Malformed("RSA-PSS has an unknown digest")),
    }
}
