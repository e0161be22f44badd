//! A certificate with the fields that decisions need. In: DER. Out: [`Certificate`]. Spec: RFC 5280 §4.

use std::net::IpAddr;

use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

use super::tlv::{children, first};
use crate::time::Timestamp;

/// The parts of a certificate that sidelight judges, copies and shows. Raw parts are DER as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The whole certificate.
    pub der: Vec<u8>,
    /// Subject for people: `CN=registry.test, O=Example`.
    pub subject: String,
    /// Issuer for people.
    pub issuer: String,
    /// Subject, raw.
    pub subject_der: Vec<u8>,
    /// Issuer, raw.
    pub issuer_der: Vec<u8>,
    /// The subject's organisation names.
    pub organizations: Vec<String>,
    /// The issuer's organisation names.
    pub issuer_organizations: Vec<String>,
    /// The subject's last common name.
    pub common_name: Option<String>,
    /// SubjectPublicKeyInfo, raw.
    pub public_key: Vec<u8>,
    /// First moment of validity.
    pub not_before: Timestamp,
    /// Last moment of validity.
    pub not_after: Timestamp,
    /// Subject alternative names in order.
    pub sans: Vec<San>,
    /// The elements of the SAN extension, raw and in order.
    pub sans_der: Vec<Vec<u8>>,
    /// basicConstraints CA; `None` without the extension.
    pub is_ca: Option<bool>,
    /// Arcs of the extended key usages in dotted form; `None` without the extension.
    pub purposes: Option<Vec<String>>,
    /// Key identifier of the subject.
    pub subject_key_id: Option<Vec<u8>>,
    /// Key identifier of the issuer.
    pub authority_key_id: Option<Vec<u8>>,
    /// Whether it names its issuer's certificate by that one's issuer or serial number, too.
    pub names_issuer_certificate: bool,
    /// The serial number as found: two's complement, big-endian.
    pub serial: Vec<u8>,
    /// Netscape's comment.
    pub comment: Option<String>,
    /// Where the issuer's certificate can be had (AIA caIssuers).
    pub issuer_urls: Vec<String>,
}

/// A subject alternative name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum San {
    /// dNSName.
    Dns(String),
    /// iPAddress.
    Ip(IpAddr),
    /// Any other kind, for people.
    Other(String),
}

impl Certificate {
    /// Reads a certificate. Oddities in extensions are passed over: what cannot be read is as if it were not there.
    ///
    /// # Errors
    /// When the DER is not a certificate; the words say what the parser stumbled over.
    pub fn parse(der: &[u8]) -> Result<Self, String> {
        let (_, cert) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        let (sans, sans_der) = names_of(&cert);
        let mut parsed = Self {
            der: der.to_vec(),
            subject: cert.subject().to_string(),
            issuer: cert.issuer().to_string(),
            subject_der: cert.subject().as_raw().to_vec(),
            issuer_der: cert.issuer().as_raw().to_vec(),
            organizations: organizations_of(cert.subject()),
            issuer_organizations: organizations_of(cert.issuer()),
            common_name: cert.subject().iter_common_name().filter_map(|v| v.as_str().ok()).last().map(str::to_owned),
            public_key: cert.public_key().raw.to_vec(),
            not_before: Timestamp::from_secs(cert.validity().not_before.timestamp()),
            not_after: Timestamp::from_secs(cert.validity().not_after.timestamp()),
            sans,
            sans_der,
            is_ca: cert.basic_constraints().ok().flatten().map(|found| found.value.ca),
            purposes: purposes_of(&cert),
            subject_key_id: None,
            authority_key_id: None,
            names_issuer_certificate: false,
            serial: cert.raw_serial().to_vec(),
            comment: None,
            issuer_urls: Vec::new(),
        };
        parsed.read_identifiers(&cert);
        Ok(parsed)
    }

    fn read_identifiers(&mut self, cert: &X509Certificate<'_>) {
        use x509_parser::extensions::ParsedExtension as Known;
        for extension in cert.extensions() {
            match extension.parsed_extension() {
                Known::SubjectKeyIdentifier(id) => self.subject_key_id = Some(id.0.to_vec()),
                Known::AuthorityKeyIdentifier(id) => {
                    self.authority_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                    self.names_issuer_certificate =
                        id.authority_cert_serial.is_some() || id.authority_cert_issuer.is_some();
                }
                Known::NsCertComment(comment) => self.comment = Some((*comment).to_owned()),
                Known::AuthorityInfoAccess(access) => {
                    let issuers =
                        access.accessdescs.iter().filter(|d| d.access_method.to_id_string() == "1.3.6.1.5.5.7.48.2");
                    self.issuer_urls.extend(issuers.filter_map(|description| match &description.access_location {
                        GeneralName::URI(uri) => Some((*uri).to_owned()),
                        _ => None,
                    }));
                }
                _ => {}
            }
        }
    }

    /// Lower-case hexadecimal SHA-256 of the DER.
    pub fn sha256(&self) -> String {
        fingerprint(&self.der)
    }

    /// Whether subject and issuer are the same name.
    pub fn is_self_issued(&self) -> bool {
        self.subject_der == self.issuer_der
    }

    /// Whether `issuer`'s key made the signature on this certificate.
    pub fn is_signed_by(&self, issuer_public_key: &[u8]) -> bool {
        let Ok((_, cert)) = X509Certificate::from_der(&self.der) else { return false };
        let Ok((_, key)) = x509_parser::x509::SubjectPublicKeyInfo::from_der(issuer_public_key) else { return false };
        cert.verify_signature(Some(&key)).is_ok()
    }

    /// Whether it is its own issuer, name and key.
    pub fn is_self_signed(&self) -> bool {
        self.is_self_issued() && self.is_signed_by(&self.public_key)
    }

    /// The common name, else the whole subject.
    pub fn short_name(&self) -> &str {
        self.common_name.as_deref().unwrap_or(&self.subject)
    }
}

/// Lower-case hexadecimal SHA-256 of `der`.
pub fn fingerprint(der: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(der))
}

fn organizations_of(name: &X509Name<'_>) -> Vec<String> {
    name.iter_organization().filter_map(|value| value.as_str().ok()).map(str::to_owned).collect()
}

fn purposes_of(cert: &X509Certificate<'_>) -> Option<Vec<String>> {
    let usage = cert.extended_key_usage().ok().flatten()?.value;
    let flags = [
        (usage.any, "2.5.29.37.0"),
        (usage.server_auth, "1.3.6.1.5.5.7.3.1"),
        (usage.client_auth, "1.3.6.1.5.5.7.3.2"),
        (usage.code_signing, "1.3.6.1.5.5.7.3.3"),
        (usage.email_protection, "1.3.6.1.5.5.7.3.4"),
        (usage.time_stamping, "1.3.6.1.5.5.7.3.8"),
        (usage.ocsp_signing, "1.3.6.1.5.5.7.3.9"),
    ];
    let known = flags.into_iter().filter(|(set, _)| *set).map(|(_, oid)| oid.to_owned());
    Some(known.chain(usage.other.iter().map(|oid| oid.to_id_string())).collect())
}

fn names_of(cert: &X509Certificate<'_>) -> (Vec<San>, Vec<Vec<u8>>) {
    let Some(extension) = cert.extensions().iter().find(|extension| extension.oid.to_id_string() == "2.5.29.17") else {
        return (Vec::new(), Vec::new());
    };
    let raw = first(extension.value)
        .map(|(list, _)| children(list.content).iter().map(|name| name.whole.to_vec()).collect())
        .unwrap_or_default();
    let x509_parser::extensions::ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() else {
        return (Vec::new(), raw);
    };
    let sans = names.general_names.iter().map(|name| match name {
        GeneralName::DNSName(name) => San::Dns((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => San::Ip(IpAddr::from(<[u8; 4]>::try_from(*bytes).unwrap_or_default())),
            16 => San::Ip(IpAddr::from(<[u8; 16]>::try_from(*bytes).unwrap_or_default())),
            _ => San::Other(format!("IP address of {} bytes", bytes.len())),
        },
        other => San::Other(other.to_string()),
    });
    (sans.collect(), raw)
}
