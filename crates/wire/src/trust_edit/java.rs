//! Java trust stores, of both formats. In: the bytes of a `cacerts` and its password. Out: its certificates; the store with one more or
//! one less, in the same format.
//! Spec: the formats are those of [`crate::jks`] and [`crate::pkcs12`].

use std::collections::HashSet;

use sidelight_model::time::Timestamp;

use crate::{jks, pkcs12};

/// The password of Java's own stores.
pub const STOREPASS: &str = "changeit";

/// A store's content.
#[derive(Debug)]
pub enum JavaStore {
    /// Java's own format, that of Debian's and of older Java installations.
    Jks(Vec<jks::Entry>),
    /// PKCS#12: that of Java 18 and later, there without a password.
    Pkcs12 {
        /// Name and DER of each.
        certificates: Vec<(String, Vec<u8>)>,
        /// Whether it is encrypted and authenticated.
        protected: bool,
    },
}

impl JavaStore {
    /// Reads a store; the format is told by its first bytes.
    ///
    /// # Errors
    /// When it is of neither format, damaged, of another password, or PKCS#12 with private keys (which could not be written back alike).
    pub fn read(bytes: &[u8], password: &str) -> Result<Self, String> {
        if bytes.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) {
            let (entries, faults) = jks::read(bytes, Some(password)).map_err(|error| error.to_string())?;
            return match faults.first() {
                None => Ok(Self::Jks(entries)),
                Some(fault) => Err(fault.to_string()),
            };
        }
        let contents = pkcs12::read(bytes, password).map_err(|error| error.to_string())?;
        if !contents.identities.is_empty() || contents.certificates.iter().any(|certificate| !certificate.trusted) {
            return Err(
                "it holds private keys or certificates that are not trusted; add the CA with keytool".to_owned()
            );
        }
        let named = contents.certificates.into_iter().enumerate().map(|(index, certificate)| {
            (certificate.alias.unwrap_or_else(|| format!("unnamed-{index}")), certificate.der)
        });
        // A store without a password opens with any.
        let protected = pkcs12::read(bytes, "\u{1} no password of anybody").is_err();
        Ok(Self::Pkcs12 { certificates: named.collect(), protected })
    }

    /// Name and DER of each trusted certificate, for reading only: no password is needed for Java's own format, and keys are passed over.
    ///
    /// # Errors
    /// When it is of neither format, or PKCS#12 that is damaged or of another password.
    pub fn trusted(bytes: &[u8], password: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
        if bytes.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) {
            let (entries, _) = jks::read(bytes, None).map_err(|error| error.to_string())?;
            let named = entries.iter().filter_map(|entry| Some((entry.alias.clone(), trusted(entry)?.to_vec())));
            return Ok(named.collect());
        }
        let contents = pkcs12::read(bytes, password).map_err(|error| error.to_string())?;
        let trusted = contents.certificates.into_iter().filter(|certificate| certificate.trusted).enumerate();
        Ok(trusted.map(|(index, held)| (held.alias.unwrap_or_else(|| format!("unnamed-{index}")), held.der)).collect())
    }

    /// The DER of each trusted certificate.
    pub fn certificates(&self) -> Vec<&[u8]> {
        match self {
            Self::Jks(entries) => entries.iter().filter_map(trusted).collect(),
            Self::Pkcs12 { certificates, .. } => certificates.iter().map(|(_, der)| der.as_slice()).collect(),
        }
    }

    /// Adds a certificate under a name that is not in the store yet.
    pub fn add(&mut self, alias: &str, der: &[u8], now: Timestamp) {
        match self {
            Self::Jks(entries) => {
                let kind = jks::EntryKind::Certificate(jks::Certificate::x509(der));
                entries.push(jks::Entry { alias: alias.to_owned(), created: now, kind });
            }
            Self::Pkcs12 { certificates, .. } => certificates.push((alias.to_owned(), der.to_vec())),
        }
    }

    /// Takes a certificate out, under whatever names it has.
    pub fn remove(&mut self, der: &[u8]) {
        match self {
            Self::Jks(entries) => entries.retain(|entry| trusted(entry) != Some(der)),
            Self::Pkcs12 { certificates, .. } => certificates.retain(|(_, held)| held != der),
        }
    }

    /// The bytes of the store.
    ///
    /// # Errors
    /// When two names are the same, or a certificate cannot be written.
    pub fn write(&self, password: &str) -> Result<Vec<u8>, String> {
        match self {
            Self::Jks(entries) => jks::write(entries, password).map_err(|error| error.to_string()),
            Self::Pkcs12 { certificates, protected } => {
                let named: Vec<(&str, &[u8])> =
                    certificates.iter().map(|(alias, der)| (alias.as_str(), der.as_slice())).collect();
                pkcs12::write_trust_store(&named, protected.then_some(password)).map_err(|error| error.to_string())
            }
        }
    }

    /// Whether two stores hold the same certificates and keys.
    pub fn same_content(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Jks(entries), Self::Jks(others)) => {
                let plain = |entries: &[jks::Entry]| -> HashSet<(String, String)> {
                    entries.iter().map(|entry| (entry.alias.clone(), format!("{:?}", entry.kind))).collect()
                };
                plain(entries) == plain(others)
            }
            (Self::Pkcs12 { certificates, .. }, Self::Pkcs12 { certificates: others, .. }) => {
                certificates.iter().collect::<HashSet<_>>() == others.iter().collect()
            }
            _ => false,
        }
    }
}

fn trusted(entry: &jks::Entry) -> Option<&[u8]> {
    match &entry.kind {
        jks::EntryKind::Certificate(certificate) => Some(&certificate.der),
        jks::EntryKind::PrivateKey { .. } => None,
    }
}
