//! Java key stores of the type JKS, both ways. In: the bytes of a `cacerts`, or entries. Out: entries and faults, or bytes.
//!
//! Spec: none was published; the layout is that of `sun.security.provider.JavaKeyStore`: `FEEDFEED`, version, count, entries,
//! SHA-1(password in UTF-16BE ‖ "Mighty Aphrodite" ‖ everything before). Text is in Java's modified UTF-8. Certificates are in the
//! clear, so reading them needs no password; it only proves that nobody changed the file. Private keys stay as they are stored,
//! encrypted, and are written back so.

use sha1::{Digest, Sha1};
use sidelight_model::time::Timestamp;

mod append;
mod text;

pub use append::{AppendError, append};

const MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
const MAGIC_JCEKS: [u8; 4] = [0xce, 0xce, 0xce, 0xce];
const TAG_PRIVATE_KEY: u32 = 1;
const TAG_CERTIFICATE: u32 = 2;
const DIGEST_LENGTH: usize = 20;
const X509: &str = "X.509";

/// One entry of a key store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name; Java compares names without case and writes them in lower case.
    pub alias: String,
    /// When it was added, to the millisecond.
    pub created: Timestamp,
    /// What it holds.
    pub kind: EntryKind,
}

/// What an entry holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A trusted certificate.
    Certificate(Certificate),
    /// A private key with its certificates.
    PrivateKey {
        /// `EncryptedPrivateKeyInfo` as stored: encrypted by a scheme of Java's own.
        protected: Vec<u8>,
        /// Its certificates, leaf first.
        chain: Vec<Certificate>,
    },
}

/// A certificate as it is stored. It is not parsed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// `X.509` in practice.
    pub format: String,
    /// DER.
    pub der: Vec<u8>,
}

impl Certificate {
    /// An X.509 certificate.
    pub fn x509(der: impl Into<Vec<u8>>) -> Self {
        Self { format: X509.into(), der: der.into() }
    }
}

/// What is wrong in a key store that could be read nevertheless.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The digest at the end is another: a wrong password, or a changed file.
    #[error("the digest at byte {offset} does not fit: the password is wrong, or the file was changed or damaged")]
    Digest {
        /// Where the digest stands.
        offset: usize,
    },
    /// The file ends before it should; the entries before are sound.
    #[error("the file ends inside {what}, which begins at byte {offset}; {read} of {announced} entries were read")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where it begins.
        offset: usize,
        /// Entries that could be read.
        read: usize,
        /// Entries that the head announces.
        announced: u32,
    },
    /// An entry of a kind that JKS does not have; nothing behind it can be read.
    #[error("entry {number} at byte {offset} is of the unknown kind {tag}; nothing behind it could be read")]
    Tag {
        /// The number found.
        tag: u32,
        /// The entry, counted from 1.
        number: usize,
        /// Where it begins.
        offset: usize,
    },
    /// A name that is not modified UTF-8; its broken parts are replaced by U+FFFD.
    #[error("the text at byte {offset} is not in Java's modified UTF-8")]
    Text {
        /// Where the text begins.
        offset: usize,
    },
    /// Bytes between the last entry and the digest.
    #[error("{length} unknown bytes stand before the digest, at byte {offset}")]
    Trailing {
        /// Where they begin.
        offset: usize,
        /// How many.
        length: usize,
    },
}

/// Why bytes are no key store, or entries cannot become one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It begins with something else.
    #[error("this is no Java key store of the type JKS (it begins with {found:02x?}, not FE ED FE ED){hint}")]
    NotJks {
        /// The first bytes, at most four.
        found: Vec<u8>,
        /// What it probably is.
        hint: &'static str,
    },
    /// A version other than 1 and 2.
    #[error("key store version {0} is unknown; Java writes version 2")]
    Version(u32),
    /// A name is too long to be written.
    #[error("the alias `{0:.40}…` is longer than 65535 bytes")]
    AliasTooLong(String),
    /// Two entries of one name: Java would drop one of them.
    #[error("two entries have the alias `{0}` (Java does not tell upper from lower case)")]
    DuplicateAlias(String),
    /// More than the format can hold.
    #[error("{0} is too large for a Java key store")]
    TooLarge(&'static str),
}

/// Reads a key store. With a password the digest is checked.
///
/// # Errors
/// When it does not begin as a JKS of version 1 or 2. Everything after that is a [`Fault`].
pub fn read(bytes: &[u8], password: Option<&str>) -> Result<(Vec<Entry>, Vec<Fault>), Error> {
    read_as(MAGIC, bytes, password)
}

/// Reads a key store of the type JCEKS, which is laid out as JKS is. A secret key ends the reading: its length is not told.
///
/// # Errors
/// When it does not begin as a JCEKS of version 1 or 2. Everything after that is a [`Fault`].
pub fn read_jceks(bytes: &[u8]) -> Result<(Vec<Entry>, Vec<Fault>), Error> {
    read_as(MAGIC_JCEKS, bytes, None)
}

fn read_as(magic: [u8; 4], bytes: &[u8], password: Option<&str>) -> Result<(Vec<Entry>, Vec<Fault>), Error> {
    let mut reader = Reader { bytes, at: 0, version: 0, faults: Vec::new() };
    let not_jks = || Error::NotJks { found: bytes.iter().take(4).copied().collect(), hint: what_else(bytes) };
    if reader.take(4, "").ok() != Some(&magic[..]) {
        return Err(not_jks());
    }
    reader.version = reader.u32("").map_err(|_| not_jks())?;
    if !matches!(reader.version, 1 | 2) {
        return Err(Error::Version(reader.version));
    }
    let announced = reader.u32("").map_err(|_| not_jks())?;
    let mut entries = Vec::new();
    while entries.len() < announced as usize {
        let start = reader.at;
        match reader.entry() {
            Ok(Ok(entry)) => entries.push(entry),
            Ok(Err(tag)) => {
                reader.faults.push(Fault::Tag { tag, number: entries.len() + 1, offset: start });
                return Ok((entries, reader.faults));
            }
            Err((what, offset)) => {
                reader.faults.push(Fault::Truncated { what, offset, read: entries.len(), announced });
                return Ok((entries, reader.faults));
            }
        }
    }
    reader.check_end(password, &entries, announced);
    Ok((entries, reader.faults))
}

/// Writes a key store of version 2.
///
/// # Errors
/// When two aliases are the same for Java, or something does not fit the format.
pub fn write(entries: &[Entry], password: &str) -> Result<Vec<u8>, Error> {
    let mut seen = std::collections::HashSet::new();
    let mut out = MAGIC.to_vec();
    out.extend(2_u32.to_be_bytes());
    out.extend(length(entries.len(), "the number of entries")?);
    for entry in entries {
        if !seen.insert(entry.alias.to_lowercase()) {
            return Err(Error::DuplicateAlias(entry.alias.clone()));
        }
        let tag = match entry.kind {
            EntryKind::Certificate(_) => TAG_CERTIFICATE,
            EntryKind::PrivateKey { .. } => TAG_PRIVATE_KEY,
        };
        out.extend(tag.to_be_bytes());
        write_text(&mut out, &entry.alias)?;
        out.extend(entry.created.0.div_euclid(1000).to_be_bytes());
        match &entry.kind {
            EntryKind::Certificate(certificate) => write_certificate(&mut out, certificate)?,
            EntryKind::PrivateKey { protected, chain } => {
                out.extend(length(protected.len(), "a private key")?);
                out.extend(protected);
                out.extend(length(chain.len(), "a chain of certificates")?);
                chain.iter().try_for_each(|certificate| write_certificate(&mut out, certificate))?;
            }
        }
    }
    let digest = digest(password, &out);
    out.extend(digest);
    Ok(out)
}

fn what_else(bytes: &[u8]) -> &'static str {
    match bytes {
        [first, second, third, fourth, ..] if [*first, *second, *third, *fourth] == MAGIC_JCEKS => {
            ": it is a JCEKS store; convert it with `keytool -importkeystore -srcstoretype JCEKS -deststoretype PKCS12`"
        }
        [0x30, ..] => ": it may be a PKCS#12 store",
        [b'-', b'-', ..] => ": it may be PEM",
        [] => ": it is empty",
        _ => "",
    }
}

fn digest(password: &str, data: &[u8]) -> [u8; DIGEST_LENGTH] {
    let mut hash = Sha1::new();
    for unit in password.encode_utf16() {
        hash.update(unit.to_be_bytes());
    }
    // Not a joke of ours: the constant is part of the format.
    hash.update(b"Mighty Aphrodite");
    hash.update(data);
    hash.finalize().into()
}

fn length(length: usize, what: &'static str) -> Result<[u8; 4], Error> {
    i32::try_from(length).map(i32::to_be_bytes).map_err(|_| Error::TooLarge(what))
}

fn write_text(out: &mut Vec<u8>, value: &str) -> Result<(), Error> {
    let encoded = text::encode(value);
    let length = u16::try_from(encoded.len()).map_err(|_| Error::AliasTooLong(value.into()))?;
    out.extend(length.to_be_bytes());
    out.extend(encoded);
    Ok(())
}

fn write_certificate(out: &mut Vec<u8>, certificate: &Certificate) -> Result<(), Error> {
    write_text(out, &certificate.format)?;
    out.extend(length(certificate.der.len(), "a certificate")?);
    out.extend(&certificate.der);
    Ok(())
}

/// What was being read when the bytes ended, and where it begins.
type Ended = (&'static str, usize);

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    version: u32,
    faults: Vec<Fault>,
}

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize, what: &'static str) -> Result<&'b [u8], Ended> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..count)).ok_or((what, self.at))?;
        self.at += count;
        Ok(taken)
    }

    fn u16(&mut self, what: &'static str) -> Result<u16, Ended> {
        Ok(self.take(2, what)?.iter().fold(0, |number, byte| number << 8 | u16::from(*byte)))
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, Ended> {
        Ok(self.take(4, what)?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn counted(&mut self, what: &'static str) -> Result<Vec<u8>, Ended> {
        let length = self.u32(what)?;
        Ok(self.take(usize::try_from(length).unwrap_or(usize::MAX), what)?.to_vec())
    }

    fn text(&mut self, what: &'static str) -> Result<String, Ended> {
        let length = usize::from(self.u16(what)?);
        let offset = self.at;
        let (value, sound) = text::decode(self.take(length, what)?);
        if !sound {
            self.faults.push(Fault::Text { offset });
        }
        Ok(value)
    }

    /// The next entry; the inner error is an unknown tag.
    fn entry(&mut self) -> Result<Result<Entry, u32>, Ended> {
        let tag = self.u32("an entry")?;
        if !matches!(tag, TAG_CERTIFICATE | TAG_PRIVATE_KEY) {
            return Ok(Err(tag));
        }
        let alias = self.text("an alias")?;
        let millis = self.take(8, "a date")?.iter().fold(0, |number: i64, byte| number << 8 | i64::from(*byte));
        let kind = if tag == TAG_CERTIFICATE {
            EntryKind::Certificate(self.certificate()?)
        } else {
            let protected = self.counted("a private key")?;
            let count = self.u32("a chain of certificates")?;
            let mut chain = Vec::new();
            for _ in 0..count {
                chain.push(self.certificate()?);
            }
            EntryKind::PrivateKey { protected, chain }
        };
        // Dates that do not fit are 290,000 years away; they become the last that does.
        let created = Timestamp(millis.clamp(i64::MIN / 1000, i64::MAX / 1000) * 1000);
        Ok(Ok(Entry { alias, created, kind }))
    }

    fn certificate(&mut self) -> Result<Certificate, Ended> {
        // Version 1 knew one format only and did not write it.
        let format = if self.version == 1 { X509.to_owned() } else { self.text("the format of a certificate")? };
        Ok(Certificate { format, der: self.counted("a certificate")? })
    }

    fn check_end(&mut self, password: Option<&str>, entries: &[Entry], announced: u32) {
        let rest = self.bytes.len() - self.at;
        let Some(length) = rest.checked_sub(DIGEST_LENGTH) else {
            let read = entries.len();
            self.faults.push(Fault::Truncated { what: "the digest", offset: self.at, read, announced });
            return;
        };
        if length > 0 {
            self.faults.push(Fault::Trailing { offset: self.at, length });
        }
        let offset = self.at + length;
        let (data, stored) = self.bytes.split_at_checked(offset).unwrap_or_default();
        if password.is_some_and(|password| digest(password, data) != stored) {
            self.faults.push(Fault::Digest { offset });
        }
    }
}

#[cfg(test)]
#[path = "jks_tests.rs"]
mod tests;
