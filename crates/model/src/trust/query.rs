//! Which certificate is meant. In: what a user wrote, or a certificate. Out: [`Query`], which says whether a certificate is it.

use aws_lc_rs::digest;
use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};

use super::reference::key_hash;
use crate::x509::Certificate;

/// Fewest hexadecimal digits that are taken as the start of a fingerprint; fewer are a word like any other.
const FEWEST_DIGITS: usize = 8;

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// A part of the subject, without regard to case.
    Text(String),
    /// SHA-256 of the certificate or of its public key (SubjectPublicKeyInfo), or the start of either; lower-case hexadecimal.
    Sha256(String),
    /// 20 bytes: SHA-1 of the certificate, or its subject key identifier; lower-case hexadecimal.
    Sha1OrKeyId(String),
    /// The start of a fingerprint or key identifier of any length.
    Digits(String),
    /// A certificate.
    Certificate(Box<Certificate>),
}

/// How a certificate relates to what is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    /// It is it.
    Same,
    /// It has the same key, and is another certificate: a cross-sign, or a renewal.
    SameKey,
    /// It has the same name, and another key.
    SameName,
}

impl Query {
    /// Reads what a user wrote: hexadecimal with or without colons, a pin as curl writes it (`sha256//…=`), or text.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        if let Some(hash) = pin(text) {
            return Self::Sha256(HEXLOWER.encode(&hash));
        }
        let bare = ["sha256:", "sha1:", "SHA256:", "SHA1:"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let digits: String = bare.unwrap_or(text).chars().filter(|c| !matches!(c, ':' | ' ')).collect();
        let is_hex = digits.len() >= FEWEST_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        // Words such as `facade` are no fingerprint; eight digits without any figure are hardly one.
        if !is_hex || !digits.bytes().any(|byte| byte.is_ascii_digit()) {
            return Self::Text(text.to_lowercase());
        }
        let digits = digits.to_ascii_lowercase();
        match digits.len() {
            64 => Self::Sha256(digits),
            40 => Self::Sha1OrKeyId(digits),
            _ => Self::Digits(digits),
        }
    }

    /// Whether `certificate` is what is looked for, or akin to it.
    pub fn relation(&self, certificate: &Certificate) -> Option<Relation> {
        let is_it = match self {
            Self::Text(text) => {
                certificate.subject.to_lowercase().contains(text)
                    || certificate.common_name.as_ref().is_some_and(|name| name.to_lowercase().contains(text))
            }
            Self::Sha256(hash) => certificate.sha256() == *hash || key_sha256(certificate) == *hash,
            Self::Sha1OrKeyId(hash) => sha1(certificate) == *hash || key_id(certificate).as_ref() == Some(hash),
            Self::Digits(digits) => {
                let starts = |hash: &str| hash.starts_with(digits.as_str());
                starts(&certificate.sha256())
                    || starts(&sha1(certificate))
                    || starts(&key_sha256(certificate))
                    || key_id(certificate).is_some_and(|id| starts(&id))
            }
            Self::Certificate(wanted) => return relation(wanted, certificate),
        };
        is_it.then_some(Relation::Same)
    }
}

/// How `other` relates to `wanted`.
pub fn relation(wanted: &Certificate, other: &Certificate) -> Option<Relation> {
    if wanted.der == other.der {
        Some(Relation::Same)
    } else if wanted.public_key == other.public_key {
        Some(Relation::SameKey)
    } else if wanted.subject_der == other.subject_der {
        Some(Relation::SameName)
    } else {
        None
    }
}

/// Lower-case hexadecimal SHA-1 of the DER.
pub fn sha1(certificate: &Certificate) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate.der).as_ref())
}

/// Lower-case hexadecimal SHA-256 of the SubjectPublicKeyInfo.
pub fn key_sha256(certificate: &Certificate) -> String {
    HEXLOWER.encode(&key_hash(&certificate.public_key))
}

fn key_id(certificate: &Certificate) -> Option<String> {
    certificate.subject_key_id.as_ref().map(|id| HEXLOWER.encode(id))
}

/// The hash of a pin: `sha256//BASE64`, or 44 characters of base64 that end with `=`.
fn pin(text: &str) -> Option<Vec<u8>> {
    let base64 = text.strip_prefix("sha256//").unwrap_or(text);
    if base64.len() != 44 || HEXLOWER_PERMISSIVE.decode(base64.as_bytes()).is_ok() {
        return None;
    }
    BASE64.decode(base64.as_bytes()).ok().filter(|hash| hash.len() == 32)
}

#[cfg(test)]
mod tests {
    use super::super::reference::Reference;
    use super::*;

    #[test]
    fn one_root_is_found_by_every_name_it_has() {
        let root = Reference::builtin().all().iter().find(|root| root.name == "ISRG Root X1").unwrap();
        let certificate = root.certificate.as_ref().unwrap();
        let other = Reference::builtin().all().iter().find(|root| root.name == "ISRG Root X2").unwrap();
        let sha256 = certificate.sha256();
        let colons = |hex: &str| {
            let pairs: Vec<&str> = (0..hex.len() / 2).map(|n| &hex[2 * n..2 * n + 2]).collect();
            pairs.join(":").to_uppercase()
        };
        let key_id = HEXLOWER.encode(certificate.subject_key_id.as_ref().unwrap());
        let queries = [
            "isrg root x1".to_owned(),
            "CN=ISRG Root X1".to_owned(),
            sha256.clone(),
            colons(&sha256),
            format!("sha256:{sha256}"),
            sha256[..12].to_owned(),
            sha1(certificate),
            colons(&sha1(certificate)),
            colons(&key_id),
            key_sha256(certificate),
            BASE64.encode(&key_hash(&certificate.public_key)),
            format!("sha256//{}", BASE64.encode(&key_hash(&certificate.public_key))),
        ];
        for text in queries {
            let query = Query::parse(&text);
            assert_eq!(query.relation(certificate), Some(Relation::Same), "{text}: {query:?}");
            assert_eq!(query.relation(other.certificate.as_ref().unwrap()), None, "{text}: {query:?}");
        }
        assert_eq!(Query::parse("Facade"), Query::Text("facade".into()));
        assert_eq!(Query::parse("Root CA 2022"), Query::Text("root ca 2022".into()));
    }
}
