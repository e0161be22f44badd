//! Private keys that sign tokens. In: a file. Out: signatures as JWS has them. Spec: RFC 7518 §3. The cryptography is aws-lc-rs's.

use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self as sig, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RsaEncoding, RsaKeyPair};
use rcgen::{CertificateParams, KeyPair, RsaKeySize, SignatureAlgorithm};
use sidelight_model::redact::Secret;
use sidelight_model::token::{Curve, Material, TokenKey};
use sidelight_wire::key_file;

use crate::exit::Failure;
use crate::render::escape;

/// A key pair.
pub(super) struct Signer {
    /// The public half.
    pub(super) key: TokenKey,
    private: Secret<Vec<u8>>,
}

impl Signer {
    /// The first private key of a file.
    pub(super) fn from_file(path: &Path) -> Result<Self, Failure> {
        let file = path.display().to_string();
        let read = key_file::read(&super::super::read(path)?);
        let problems = read.problems.join("; ");
        let found = read.keys.into_iter().find(|found| found.private.is_some());
        let Some(found) = found else {
            let why = if problems.is_empty() { "it holds no private key" } else { problems.as_str() };
            return Err(Failure::new(escape::line(&format!("{file}: {why}"))));
        };
        let key = found.key.map_err(|why| Failure::new(escape::line(&format!("{file}: {why}"))))?;
        let private = found.private.unwrap_or_else(|| Secret::new(Vec::new()));
        Ok(Self { key, private })
    }

    /// Another key of the same kind, and a certificate that nobody knows.
    pub(super) fn another(like: &TokenKey) -> Result<(Self, Vec<u8>), Failure> {
        let made = match &like.material {
            Material::Rsa { n, .. } => {
                let size = if n.len() > 256 { RsaKeySize::_4096 } else { RsaKeySize::_2048 };
                KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size)
            }
            Material::Ec { curve, .. } => KeyPair::generate_for(method(*curve)),
            Material::Ed25519 { .. } => KeyPair::generate_for(&rcgen::PKCS_ED25519),
        };
        let pair = made.map_err(Failure::new)?;
        let certificate = CertificateParams::new(vec!["nobody.example".to_owned()])
            .and_then(|params| params.self_signed(&pair))
            .map_err(Failure::new)?;
        let key = TokenKey::from_spki(&rcgen::PublicKeyData::subject_public_key_info(&pair)).map_err(Failure::new)?;
        Ok((Self { key, private: Secret::new(pair.serialize_der()) }, certificate.der().to_vec()))
    }

    /// A signature over `data`; in DER where `as_der`, which is wrong in a token.
    pub(super) fn sign(&self, algorithm: &str, data: &[u8], as_der: bool) -> Result<Vec<u8>, Failure> {
        let random = SystemRandom::new();
        let der = self.private.reveal();
        let unusable = |error: &dyn std::fmt::Display| Failure::new(format!("the private key cannot be used: {error}"));
        match &self.key.material {
            Material::Rsa { .. } => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    "RS256" => &sig::RSA_PKCS1_SHA256,
                    "RS384" => &sig::RSA_PKCS1_SHA384,
                    "RS512" => &sig::RSA_PKCS1_SHA512,
                    "PS256" => &sig::RSA_PSS_SHA256,
                    "PS384" => &sig::RSA_PSS_SHA384,
                    "PS512" => &sig::RSA_PSS_SHA512,
                    other => return Err(self.unfit(other)),
                };
                let pair =
                    RsaKeyPair::from_der(der).or_else(|_| RsaKeyPair::from_pkcs8(der)).map_err(|e| unusable(&e))?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, data, &mut signature).map_err(|e| unusable(&e))?;
                Ok(signature)
            }
            Material::Ec { curve, .. } if curve.algorithm() == algorithm => {
                let pair = EcdsaKeyPair::from_private_key_der(ecdsa(*curve, as_der), der).map_err(|e| unusable(&e))?;
                Ok(pair.sign(&random, data).map_err(|e| unusable(&e))?.as_ref().to_vec())
            }
            Material::Ed25519 { .. } if algorithm == "EdDSA" => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|e| unusable(&e))?;
                Ok(pair.sign(data).as_ref().to_vec())
            }
            _ => Err(self.unfit(algorithm)),
        }
    }

    fn unfit(&self, algorithm: &str) -> Failure {
        let (kind, own) = (self.key.kind(), self.key.algorithm());
        Failure::usage(escape::line(&format!("a key of {kind} does not sign with {algorithm}")))
            .hint(format!("its own is {own}"))
    }
}

const fn ecdsa(curve: Curve, as_der: bool) -> &'static EcdsaSigningAlgorithm {
    match (curve, as_der) {
        (Curve::P256, false) => &sig::ECDSA_P256_SHA256_FIXED_SIGNING,
        (Curve::P384, false) => &sig::ECDSA_P384_SHA384_FIXED_SIGNING,
        (Curve::P521, false) => &sig::ECDSA_P521_SHA512_FIXED_SIGNING,
        (Curve::P256, true) => &sig::ECDSA_P256_SHA256_ASN1_SIGNING,
        (Curve::P384, true) => &sig::ECDSA_P384_SHA384_ASN1_SIGNING,
        (Curve::P521, true) => &sig::ECDSA_P521_SHA512_ASN1_SIGNING,
    }
}

fn method(curve: Curve) -> &'static SignatureAlgorithm {
    match curve {
        Curve::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
        Curve::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        Curve::P521 => &rcgen::PKCS_ECDSA_P521_SHA512,
    }
}

/// The certificates of a file in their order, DER.
pub(super) fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let read = key_file::read(&super::super::read(path)?);
    let found: Vec<Vec<u8>> = read.keys.into_iter().filter_map(|found| found.certificate).collect();
    if found.is_empty() {
        return Err(Failure::new(escape::line(&format!("{}: it holds no certificate", path.display()))));
    }
    Ok(found)
}

/// A text that is unlikely to come twice.
pub(super) fn unique_id() -> Result<String, Failure> {
    let mut bytes = [0; 12];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Failure::new("there is no randomness"))?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}
