//! The certificate that is to be trusted. In: its DER. Out: [`Anchor`], with the names that it has in trust stores.

use super::subject_hash::{element, elements};
use super::{TrustStoreError, subject_hash};
use sidelight_model::x509::Certificate;
use sidelight_wire::pem;

/// A CA certificate and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Its fields.
    pub certificate: Certificate,
    /// SHA-256 of the DER, lower-case hexadecimal.
    pub sha256: String,
    /// `sidelight-` and the first eight digits of the SHA-256: its file's name, nickname and alias.
    pub name: String,
    /// The name by which OpenSSL finds it in a folder.
    pub subject_hash: String,
}

impl Anchor {
    /// Reads a CA certificate.
    ///
    /// # Errors
    /// When it is no certificate, or not one of a CA, which no client would accept as a root.
    pub fn new(der: &[u8]) -> Result<Self, TrustStoreError> {
        let certificate = Certificate::parse(der).map_err(TrustStoreError::Certificate)?;
        if certificate.is_ca != Some(true) {
            let why =
                format!("{} is not the certificate of a CA (basicConstraints CA is not set)", certificate.subject);
            return Err(TrustStoreError::Certificate(why));
        }
        let subject_hash = subject_hash(&certificate.subject_der)
            .ok_or_else(|| TrustStoreError::Certificate("its subject cannot be read".to_owned()))?;
        let sha256 = certificate.sha256();
        let name = format!("sidelight-{}", &sha256[..8]);
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

    /// The bytes of a PEM file and this certificate at their end.
    pub(super) fn appended_to(&self, bundle: &[u8]) -> Vec<u8> {
        let mut whole = bundle.to_vec();
        if !whole.is_empty() && !whole.ends_with(b"\n") {
            whole.push(b'\n');
        }
        whole.extend_from_slice(self.pem().as_bytes());
        whole
    }

    /// Whether a PEM file holds this certificate.
    pub(super) fn is_in(&self, bundle: &[u8]) -> bool {
        pem::read(bundle).0.iter().any(|block| block.is_certificate() && block.data == self.der())
    }
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
