//! The certificate that is to be trusted. In: its DER. Out: [`Anchor`], with the names that it has in trust stores.

use sidelight_model::x509::{Certificate, subject_hash, subject_hash_old};

use super::names::{attributes, element, elements};
use crate::pem;

/// Why something cannot be an anchor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// It is no certificate.
    #[error("it is no certificate: {0}")]
    NoCertificate(String),
    /// It is a certificate, but not of a CA, and no client would accept it as the root of another.
    #[error("{0} is not the certificate of a CA (basicConstraints CA is not set)")]
    NoCa(String),
}

/// A CA certificate and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Its fields.
    pub certificate: Certificate,
    /// SHA-256 of the DER, lower-case hexadecimal.
    pub sha256: String,
    /// Its file's name without extension, nickname and alias; it ends with the first eight digits of the SHA-256.
    pub name: String,
    /// The name by which OpenSSL finds it in a folder.
    pub subject_hash: String,
}

/// Characters of the subject that are taken into a file's name.
const NAME: usize = 48;

impl Anchor {
    /// Reads the certificate of a CA, to be called `sidelight-` and the first digits of its SHA-256.
    ///
    /// # Errors
    /// When it is no certificate, or not one of a CA, which no client would accept as a root.
    pub fn new(der: &[u8]) -> Result<Self, AnchorError> {
        let anchor = Self::any(der)?;
        if anchor.certificate.is_ca != Some(true) {
            return Err(AnchorError::NoCa(anchor.certificate.subject));
        }
        let name = format!("sidelight-{}", &anchor.sha256[..8]);
        Ok(Self { name, ..anchor })
    }

    /// Reads any certificate, to be called after its subject.
    ///
    /// # Errors
    /// When it is no certificate.
    pub fn any(der: &[u8]) -> Result<Self, AnchorError> {
        let certificate = Certificate::parse(der).map_err(AnchorError::NoCertificate)?;
        let subject_hash = subject_hash(&certificate.subject_der)
            .ok_or_else(|| AnchorError::NoCertificate("its subject cannot be read".to_owned()))?;
        let sha256 = certificate.sha256();
        let name = format!("{}-{}", slug(certificate.short_name()), &sha256[..8]);
        Ok(Self { certificate, sha256, name, subject_hash })
    }

    /// DER.
    pub fn der(&self) -> &[u8] {
        &self.certificate.der
    }

    /// PEM, 64 columns, with a final newline.
    pub fn pem(&self) -> String {
        pem::write("CERTIFICATE", self.der())
    }

    /// The kind and size of its key for people, as in `ECDSA P-256` or `RSA 2048`.
    pub fn key(&self) -> String {
        key_kind(&self.certificate.public_key).unwrap_or_else(|| "of a kind that sidelight does not know".to_owned())
    }

    /// Whether a PEM file holds this certificate, with trust settings behind it or without.
    pub fn is_in(&self, bundle: &[u8]) -> bool {
        pem::read(bundle).0.iter().any(|block| block.is_certificate() && block.data.starts_with(self.der()))
    }

    /// The name that p11-kit gives it: the first common name, organisational unit or organisation of the subject.
    pub(super) fn label(&self) -> Option<String> {
        let attributes = attributes(&self.certificate.subject_der)?;
        // id-at-commonName, id-at-organizationalUnitName, id-at-organizationName
        let kinds: [&[u8]; 3] = [&[0x55, 4, 3], &[0x55, 4, 11], &[0x55, 4, 10]];
        kinds.iter().find_map(|kind| attributes.iter().find(|(oid, _)| oid == kind).map(|(_, text)| text.clone()))
    }

    /// The names by which OpenSSL finds it in a folder: today's, and that of versions before 1.0.
    pub fn hashes(&self) -> [String; 2] {
        [self.subject_hash.clone(), self.old_subject_hash()]
    }

    /// The name by which OpenSSL before 1.0 found it in a folder; p11-kit still links it.
    pub(super) fn old_subject_hash(&self) -> String {
        subject_hash_old(&self.certificate.subject_der)
    }
}

/// Text as a file's name that needs no quoting anywhere: other characters become `_`.
fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
    let name: String = text.chars().take(NAME).map(plain).collect();
    let name = name.trim_matches(['_', '.', '-']);
    if name.is_empty() { "certificate".to_owned() } else { name.to_owned() }
}

/// Reads a SubjectPublicKeyInfo (RFC 5280 §4.1): algorithm and, for RSA, the length of the modulus.
fn key_kind(public_key: &[u8]) -> Option<String> {
    let (_, info, _) = element(public_key)?;
    let (_, algorithm, rest) = element(info)?;
    let (_, bits, _) = element(rest)?;
    let [(_, kind), parameters @ ..] = &elements(algorithm)?[..] else { return None };
    let curve = parameters.first().map(|(_, curve)| *curve);
    Some(match (*kind, curve) {
        ([0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1], _) => {
            // The bit string's first byte counts its unused bits; a modulus begins with a zero byte when its first bit is set.
            let (_, key, _) = element(bits.get(1..)?)?;
            let (_, modulus, _) = element(key)?;
            let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
            format!("RSA {}", modulus.len() * 8 - usize::try_from(modulus.first()?.leading_zeros()).ok()?)
        }
        ([0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1], Some([0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7])) => {
            "ECDSA P-256".to_owned()
        }
        ([0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1], Some([0x2b, 0x81, 4, 0, 34])) => "ECDSA P-384".to_owned(),
        ([0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1], Some([0x2b, 0x81, 4, 0, 35])) => "ECDSA P-521".to_owned(),
        ([0x2b, 0x65, 0x70], _) => "Ed25519".to_owned(),
        _ => return None,
    })
}
