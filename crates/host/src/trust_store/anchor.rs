//! The certificate that is to be trusted. In: its DER. Out: [`Anchor`], with the names that it has in trust stores.

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
