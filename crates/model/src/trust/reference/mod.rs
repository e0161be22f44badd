//! What the public knows of roots: those that Mozilla trusts for TLS servers now, those it trusted once and why no longer, and
//! certificates that were made to intercept. In: tables that are shipped inside, or a newer one. Out: [`Reference`].
//!
//! `roots.tsv` is made by `make.py` beside it from the releases of certifi; the certificates of the current roots come with
//! the crate `webpki-root-certs`. Dates with [`Root::removed_by`] are brackets: the first release without the root.

mod intruders;
mod table;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use sha2::{Digest as _, Sha256};

pub use intruders::{Intruder, IntruderKind, intruder, intruder_named};

use crate::x509::{Certificate, fingerprint, tlv};

static TABLE: &str = include_str!("roots.tsv");

static BUILTIN: LazyLock<Reference> = LazyLock::new(|| {
    // The table is a part of the program, and a test reads it: what cannot be read is left out.
    let mut reference = Reference::parse(TABLE).unwrap_or_default();
    for der in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        reference.attach(der);
    }
    reference
});

/// One root that Mozilla trusts or trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Lower-case hexadecimal SHA-256 of the certificate.
    pub sha256: String,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub key_sha256: [u8; 32],
    /// The common name, or what stands for it.
    pub name: String,
    /// `YYYY-MM-DD` on which it was first seen in the list.
    pub since: String,
    /// `YYYY-MM-DD` on which it was removed; `None`: it is in the list.
    pub removed: Option<String>,
    /// Whether `removed` is the latest day that it can have been, rather than the day itself.
    pub removed_by: bool,
    /// `YYYY-MM-DD` after which certificates issued below it are not trusted. Bundles of certificates cannot say this.
    pub distrust_after: Option<String>,
    /// Why it was removed, or a limit that Mozilla sets; may be empty.
    pub note: String,
    /// The certificate, for current roots.
    pub certificate: Option<Arc<Certificate>>,
}

impl Root {
    /// Whether Mozilla's list has it now.
    pub fn is_current(&self) -> bool {
        self.removed.is_none()
    }
}

/// A dated list of roots.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    /// `YYYY-MM-DD`: the state of Mozilla's list that it tells.
    pub as_of: String,
    roots: Vec<Root>,
    by_sha256: HashMap<String, usize>,
    by_key: HashMap<[u8; 32], usize>,
}

impl Reference {
    /// The list that is shipped inside.
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// Reads a table as `roots.tsv`.
    ///
    /// # Errors
    /// One line with the number of the line that cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        table::parse(text)
    }

    /// A list of certificates that are taken as all that is trusted on a day (a bundle newer than what is shipped); history and
    /// reasons are those of the list that is shipped.
    ///
    /// # Errors
    /// When one is no certificate.
    pub fn of_certificates<'a>(as_of: &str, certificates: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, String> {
        let mut reference = Self { as_of: as_of.to_owned(), ..Self::default() };
        for der in certificates {
            let certificate = Certificate::parse(der)?;
            let known = Self::builtin().root(&certificate.sha256());
            reference.insert(Root {
                sha256: certificate.sha256(),
                key_sha256: key_hash(&certificate.public_key),
                name: certificate.short_name().to_owned(),
                since: known.map_or_else(|| as_of.to_owned(), |root| root.since.clone()),
                removed: None,
                removed_by: false,
                distrust_after: known.and_then(|root| root.distrust_after.clone()),
                note: String::new(),
                certificate: Some(Arc::new(certificate)),
            });
        }
        for root in Self::builtin().all() {
            if reference.root(&root.sha256).is_none() {
                let removed = root.removed.clone().or_else(|| Some(as_of.to_owned()));
                reference.insert(Root {
                    removed_by: root.removed_by || root.removed.is_none(),
                    removed,
                    ..root.clone()
                });
            }
        }
        Ok(reference)
    }

    /// All roots; the index is what [`Program::known_keys`](super::Program) holds of the list that is shipped.
    pub fn all(&self) -> &[Root] {
        &self.roots
    }

    /// Those that are trusted now.
    pub fn current(&self) -> impl Iterator<Item = &Root> {
        self.roots.iter().filter(|root| root.is_current())
    }

    /// The root with this certificate (lower-case hexadecimal SHA-256).
    pub fn root(&self, sha256: &str) -> Option<&Root> {
        self.by_sha256.get(sha256).and_then(|index| self.roots.get(*index))
    }

    /// The root with this key (DER of the SubjectPublicKeyInfo), the current one of several.
    pub fn root_by_key(&self, public_key: &[u8]) -> Option<&Root> {
        self.by_key.get(&key_hash(public_key)).and_then(|index| self.roots.get(*index))
    }

    /// The index of the root with this key: what stands within the outermost SEQUENCE of its SubjectPublicKeyInfo. That is
    /// all of it that some programs keep.
    pub fn index_by_key_content(&self, content: &[u8]) -> Option<u16> {
        let head: Vec<u8> = match content.len() {
            short @ 0..0x80 => vec![0x30, short.to_le_bytes()[0]],
            middle @ 0x80..0x100 => vec![0x30, 0x81, middle.to_le_bytes()[0]],
            long => {
                let [.., high, low] = long.to_be_bytes();
                vec![0x30, 0x82, high, low]
            }
        };
        let hash: [u8; 32] = Sha256::new().chain_update(&head).chain_update(content).finalize().into();
        self.by_key.get(&hash).and_then(|index| u16::try_from(*index).ok())
    }

    fn insert(&mut self, root: Root) {
        let index = self.roots.len();
        self.by_sha256.insert(root.sha256.clone(), index);
        let known = self.by_key.get(&root.key_sha256).and_then(|known| self.roots.get(*known));
        if known.is_none_or(|known| !known.is_current()) {
            self.by_key.insert(root.key_sha256, index);
        }
        self.roots.push(root);
    }

    /// Puts a certificate to the root that it is.
    fn attach(&mut self, der: &[u8]) {
        let index = self.by_sha256.get(&fingerprint(der)).copied();
        if let Some(root) = index.and_then(|index| self.roots.get_mut(index)) {
            root.certificate = Certificate::parse(der).ok().map(Arc::new);
        }
    }
}

/// SHA-256 of a SubjectPublicKeyInfo.
pub fn key_hash(public_key: &[u8]) -> [u8; 32] {
    let whole = tlv::first(public_key).map_or(public_key, |(element, _)| element.whole);
    Sha256::digest(whole).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_that_is_shipped_is_whole() {
        let parsed = Reference::parse(TABLE).unwrap();
        let builtin = Reference::builtin();
        assert_eq!(parsed.all().len(), builtin.all().len());
        assert!(builtin.current().count() >= 110, "{}", builtin.current().count());
        assert!(builtin.all().len() - builtin.current().count() >= 150);
        let without: Vec<_> =
            builtin.current().filter(|root| root.certificate.is_none()).map(|root| &root.name).collect();
        assert!(without.is_empty(), "no certificate of {without:?}");
    }

    #[test]
    fn roots_are_found_by_certificate_and_by_key() {
        let builtin = Reference::builtin();
        for root in builtin.current() {
            let certificate = root.certificate.as_ref().unwrap();
            assert_eq!(builtin.root(&certificate.sha256()), Some(root));
            let by_key = builtin.root_by_key(&certificate.public_key).unwrap();
            assert_eq!(by_key.key_sha256, root.key_sha256);
            let (key, _) = tlv::first(&certificate.public_key).unwrap();
            let index = builtin.index_by_key_content(key.content).unwrap();
            assert_eq!(builtin.all()[usize::from(index)].key_sha256, root.key_sha256);
        }
        assert_eq!(builtin.root_by_key(b"no key"), None);
    }

    #[test]
    fn what_was_removed_has_its_date_and_reason() {
        let builtin = Reference::builtin();
        let named = |name: &str| builtin.all().iter().find(|root| root.name == name).unwrap();
        let removed = |name: &str| named(name).removed.as_deref();
        assert_eq!(removed("DigiCert Global Root CA"), Some("2026-04-13"));
        assert_eq!(removed("GlobalSign Root CA"), Some("2025-04-28"));
        assert_eq!(removed("ePKI Root Certification Authority"), Some("2026-07-20"));
        assert_eq!(removed("ISRG Root X1"), None);
        assert_eq!(removed("DigiCert Global Root G2"), None);
        let entrust = named("Entrust Root Certification Authority - G2");
        assert_eq!(entrust.distrust_after.as_deref(), Some("2024-11-30"));
        assert!(!entrust.removed_by && entrust.note.contains("2024-11-30"));
        assert!(named("TrustCor RootCert CA-1").removed_by);
    }

    #[test]
    fn a_bundle_can_replace_the_list() {
        let isrg = Reference::builtin().all().iter().find(|root| root.name == "ISRG Root X1").unwrap();
        let der = isrg.certificate.as_ref().unwrap().der.clone();
        let newer = Reference::of_certificates("2027-01-01", [der.as_slice()]).unwrap();
        assert_eq!(newer.current().count(), 1);
        assert_eq!(newer.all().len(), Reference::builtin().all().len());
        let x2 = newer.all().iter().find(|root| root.name == "ISRG Root X2").unwrap();
        assert_eq!((x2.removed.as_deref(), x2.removed_by), (Some("2027-01-01"), true));
    }
}
