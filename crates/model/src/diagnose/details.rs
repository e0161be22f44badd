//! What a certificate says besides its names and dates, as far as a diagnosis needs it. In: a certificate. Out: [`Details`].
//! Spec: RFC 5280 §4.2, RFC 7633 (must-staple).

use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::x509::Certificate;

const TLS_FEATURE: &str = "1.3.6.1.5.5.7.1.24";
/// TLS feature 5: status_request.
const MUST_STAPLE: [u8; 5] = [0x30, 3, 2, 1, 5];

/// Facts of one certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The key for people: `RSA 2048`, `EC P-256`.
    pub key: String,
    /// Bits of an RSA key.
    pub rsa_bits: Option<usize>,
    /// Where OCSP is answered.
    pub ocsp_urls: Vec<String>,
    /// Where revocation lists are.
    pub crl_urls: Vec<String>,
    /// Whether a stapled response is demanded.
    pub must_staple: bool,
    /// The subject of the issuer's own issuer, where the authority key identifier names it (raw).
    pub issuer_of_issuer: Option<Vec<u8>>,
    /// The serial number, raw.
    pub serial: Vec<u8>,
    /// Whether name constraints are in it, and they for people.
    pub name_constraints: Option<String>,
}

impl Details {
    /// Reads them; what cannot be read is as if it were not there.
    pub fn of(certificate: &Certificate) -> Self {
        let Ok((_, cert)) = X509Certificate::from_der(&certificate.der) else { return Self::default() };
        let (key, rsa_bits) = key(&cert);
        let mut found = Self { key, rsa_bits, serial: cert.raw_serial().to_vec(), ..Self::default() };
        for extension in cert.extensions() {
            let oid = extension.oid.to_id_string();
            if oid == TLS_FEATURE {
                found.must_staple = extension.value.windows(3).any(|part| part == &MUST_STAPLE[2..]);
            }
            found.read(extension.parsed_extension());
        }
        found
    }

    fn read(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::AuthorityInfoAccess(access) => {
                let ocsp =
                    access.accessdescs.iter().filter(|it| it.access_method.to_id_string() == "1.3.6.1.5.5.7.48.1");
                self.ocsp_urls.extend(ocsp.filter_map(|it| uri(&it.access_location)));
            }
            ParsedExtension::CRLDistributionPoints(points) => {
                for point in points.points.iter() {
                    if let Some(DistributionPointName::FullName(names)) = &point.distribution_point {
                        self.crl_urls.extend(names.iter().filter_map(uri));
                    }
                }
            }
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                self.issuer_of_issuer = id.authority_cert_issuer.iter().flatten().find_map(|name| match name {
                    GeneralName::DirectoryName(name) => Some(name.as_raw().to_vec()),
                    _ => None,
                });
            }
            ParsedExtension::NameConstraints(constraints) => {
                let list = |trees: &Option<Vec<x509_parser::extensions::GeneralSubtree<'_>>>| {
                    let all: Vec<_> = trees.iter().flatten().map(|tree| tree.base.to_string()).collect();
                    all.join(", ")
                };
                self.name_constraints = Some(format!(
                    "permitted: {}; excluded: {}",
                    list(&constraints.permitted_subtrees),
                    list(&constraints.excluded_subtrees)
                ));
            }
            _ => {}
        }
    }
}

fn uri(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    }
}

fn key(cert: &X509Certificate<'_>) -> (String, Option<usize>) {
    let info = cert.public_key();
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => (format!("RSA {}", key.key_size()), Some(key.key_size())),
        Ok(PublicKey::EC(_)) => {
            let curve =
                info.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok()).map(|oid| oid.to_id_string());
            let name = match curve.as_deref() {
                Some("1.2.840.10045.3.1.7") => "P-256",
                Some("1.3.132.0.34") => "P-384",
                Some("1.3.132.0.35") => "P-521",
                Some("1.3.132.0.10") => "secp256k1",
                Some(other) => return (format!("EC {other}"), None),
                None => "unnamed curve",
            };
            (format!("EC {name}"), None)
        }
        Ok(PublicKey::DSA(_)) => ("DSA".to_owned(), None),
        _ => match info.algorithm.algorithm.to_id_string().as_str() {
            "1.3.101.112" => ("Ed25519".to_owned(), None),
            "1.3.101.113" => ("Ed448".to_owned(), None),
            other => (other.to_owned(), None),
        },
    }
}
