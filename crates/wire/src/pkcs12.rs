//! PKCS#12 key stores, both ways. In: the bytes of a `.p12` or a Java `cacerts`, or certificates and keys. Out: the other.
//!
//! Spec: RFC 7292; Java's attribute 2.16.840.1.113894.746875.1.1 (trusted key usage), without which Java sees no trusted
//! certificate in a store. Since Java 18 its own `cacerts` is a PKCS#12 store without password, that is neither encrypted nor
//! authenticated: programs open it without giving one, so it must be written back so.

use p12_keystore::{EncryptionAlgorithm, KeyStore, KeyStoreEntry, Pkcs12Archive, PrivateKeyChain};
use sha1::{Digest, Sha1};
use sidelight_model::redact::Secret;

mod plain;
mod rounds;

/// Most rounds of hashing a password that one reading may take, about a second; OpenSSL and Java ask for 2,048 to 10,000 a part, and the
/// largest number that is recommended is 600,000.
pub const MAX_ROUNDS: u64 = 2_000_000;

/// What a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Certificates that belong to no private key, in the order of the file.
    pub certificates: Vec<Certificate>,
    /// Private keys with their certificates.
    pub identities: Vec<Identity>,
}

/// A certificate without private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its name, if it has one.
    pub alias: Option<String>,
    /// DER.
    pub der: Vec<u8>,
    /// Whether Java takes it as trusted (the attribute is there).
    pub trusted: bool,
}

/// A private key with its certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name, if it has one.
    pub alias: Option<String>,
    /// PKCS#8, DER.
    pub key: Secret<Vec<u8>>,
    /// DER, leaf first, as far as issuers are in the store. Empty when no certificate belongs to the key.
    pub chain: Vec<Vec<u8>>,
}

/// Why bytes could not be read as PKCS#12, or values not be written so.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It begins with something else.
    #[error("this is no PKCS#12 store{0}")]
    NotPkcs12(&'static str),
    /// The authentication code does not fit.
    #[error("the password is wrong, or the PKCS#12 store was changed or damaged")]
    Password,
    /// Its password is hashed too often.
    #[error("its password is hashed {0} times, which takes too long: it was not opened")]
    TooSlow(u64),
    /// The structure cannot be read.
    #[error(
        "the PKCS#12 store cannot be read ({0}); if other programs read it, `openssl pkcs12 -in OLD -out ALL.pem` \
         and `openssl pkcs12 -export -in ALL.pem -out NEW` write it anew"
    )]
    Damaged(String),
    /// A certificate is none.
    #[error("`{alias}` is no X.509 certificate in DER: {detail}")]
    Certificate {
        /// Its name in the store.
        alias: String,
        /// What is wrong.
        detail: String,
    },
    /// The private key is not PKCS#8.
    #[error("the private key is not PKCS#8 in DER: {0}")]
    Key(String),
    /// There is no certificate for the key.
    #[error("a private key needs its certificate beside it, and the chain is empty")]
    NoCertificate,
    /// Two entries of one name: Java would drop one of them.
    #[error("two entries have the alias `{0}` (Java does not tell upper from lower case)")]
    DuplicateAlias(String),
    /// The name has characters that the format cannot hold.
    #[error("the alias `{0}` has characters beyond U+FFFF, which PKCS#12 cannot hold")]
    Alias(String),
    /// Encryption failed.
    #[error("the PKCS#12 store could not be made: {0}")]
    Write(String),
}

/// Reads a store. The password is ignored for stores without one.
///
/// # Errors
/// When it is no PKCS#12 in DER, the password is wrong, or one of its certificates or keys cannot be read.
pub fn read(bytes: &[u8], password: &str) -> Result<Contents, Error> {
    match bytes {
        [0x30, ..] => {}
        [0xfe, 0xed, 0xfe, 0xed, ..] => return Err(Error::NotPkcs12(": it is a Java key store of the type JKS")),
        [b'-', b'-', ..] => return Err(Error::NotPkcs12(": it is PEM")),
        [] => return Err(Error::NotPkcs12(": it is empty")),
        _ => return Err(Error::NotPkcs12("")),
    }
    let rounds = rounds::sum(bytes);
    if rounds > MAX_ROUNDS {
        return Err(Error::TooSlow(rounds));
    }
    let archive = Pkcs12Archive::from_pkcs12(bytes, password).map_err(|error| match error {
        p12_keystore::error::Error::MacError(_) => Error::Password,
        other => Error::Damaged(other.to_string()),
    })?;
    let mut used = vec![false; archive.certs.len()];
    let mut contents = Contents::default();
    for bag in &archive.keys {
        let leaf = bag
            .local_key_id
            .as_ref()
            .and_then(|id| archive.certs.iter().position(|found| found.local_key_id.as_deref() == Some(id.as_ref())));
        contents.identities.push(Identity {
            alias: bag.friendly_name.clone(),
            key: Secret::new(bag.key.as_der().to_vec()),
            chain: leaf.map(|leaf| chain(&archive, leaf, &mut used)).unwrap_or_default(),
        });
    }
    for (bag, used) in archive.certs.iter().zip(used) {
        if !used {
            let (alias, trusted) = (bag.friendly_name.clone(), bag.trusted);
            contents.certificates.push(Certificate { alias, der: bag.cert.as_der().to_vec(), trusted });
        }
    }
    Ok(contents)
}

/// The certificates from `leaf` up to the last whose issuer is in the archive; each is taken once.
fn chain(archive: &Pkcs12Archive, leaf: usize, used: &mut [bool]) -> Vec<Vec<u8>> {
    let mut chain = Vec::new();
    let mut next = Some(leaf);
    while let Some((index, bag)) = next.and_then(|index| archive.certs.get(index).map(|bag| (index, bag))) {
        if let Some(slot) = used.get_mut(index) {
            *slot = true;
        }
        chain.push(bag.cert.as_der().to_vec());
        next = archive
            .certs
            .iter()
            .zip(used.iter())
            .position(|(other, used)| !used && !other.trusted && other.cert.subject() == bag.cert.issuer());
    }
    chain
}

/// Writes certificates as a store of trusted ones, which Java, OpenSSL and others read. Without a password it is neither
/// encrypted nor authenticated, as Java's own `cacerts` is since version 18.
///
/// # Errors
/// When an alias comes twice or cannot be written, or something is no certificate.
pub fn write_trust_store(certificates: &[(&str, &[u8])], password: Option<&str>) -> Result<Vec<u8>, Error> {
    let mut store = KeyStore::new();
    let mut seen = std::collections::HashSet::new();
    for (alias, der) in certificates {
        check_alias(alias)?;
        if !seen.insert(alias.to_lowercase()) {
            return Err(Error::DuplicateAlias((*alias).into()));
        }
        store.add_entry(alias, KeyStoreEntry::Certificate(certificate(alias, der)?));
    }
    match password {
        Some(password) => encrypt(&store, password),
        None => Ok(plain::trust_store(certificates)),
    }
}

/// Writes a private key with its certificates, leaf first.
///
/// # Errors
/// When the chain is empty, or key, certificates or alias cannot be written.
pub fn write_identity(alias: &str, chain: &[&[u8]], key_pkcs8: &[u8], password: &str) -> Result<Vec<u8>, Error> {
    check_alias(alias)?;
    let leaf = chain.first().ok_or(Error::NoCertificate)?;
    // What OpenSSL uses, too: any value would do that is the same for key and certificate.
    let key_id = Sha1::digest(leaf).to_vec();
    let key = p12_keystore::PrivateKey::from_der(key_pkcs8).map_err(|error| Error::Key(error.to_string()))?;
    let certificates = chain.iter().map(|der| certificate(alias, der)).collect::<Result<Vec<_>, _>>()?;
    let mut store = KeyStore::new();
    let entry = PrivateKeyChain::new(key_id, key, certificates);
    store.add_entry(alias, KeyStoreEntry::PrivateKeyChain(entry));
    encrypt(&store, password)
}

fn check_alias(alias: &str) -> Result<(), Error> {
    if alias.chars().all(|character| u32::from(character) <= 0xffff) { Ok(()) } else { Err(Error::Alias(alias.into())) }
}

fn certificate(alias: &str, der: &[u8]) -> Result<p12_keystore::Certificate, Error> {
    p12_keystore::Certificate::from_der(der)
        .map_err(|error| Error::Certificate { alias: alias.into(), detail: error.to_string() })
}

fn encrypt(store: &KeyStore, password: &str) -> Result<Vec<u8>, Error> {
    store
        .writer(password)
        .encryption_algorithm(EncryptionAlgorithm::PbeWithHmacSha256AndAes256)
        .write()
        .map_err(|error| Error::Write(error.to_string()))
}
