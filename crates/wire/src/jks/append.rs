//! One more certificate in a key store, everything else untouched. In: the bytes of a JKS or JCEKS. Out: those bytes with an entry more.
//! Spec: as [`crate::jks`]; JCEKS (`CECECECE`) frames its entries and its digest in the same way.

use sidelight_model::time::Timestamp;

use super::{
    Certificate, DIGEST_LENGTH, Error, MAGIC, MAGIC_JCEKS, TAG_CERTIFICATE, digest, what_else, write_certificate,
    write_text,
};

/// Where the number of entries stands.
const COUNT: std::ops::Range<usize> = 8..12;

/// Why a certificate could not be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// It is no key store, or something does not fit the format.
    #[error(transparent)]
    Store(#[from] Error),
    /// Another password, or a damaged file.
    #[error("the password is wrong, or the file was changed or damaged: its digest does not fit")]
    Password,
}

/// Adds a trusted certificate behind the last entry. The alias must not be in the store yet.
///
/// # Errors
/// When it is neither JKS nor JCEKS of version 2, or its digest does not fit the password.
pub fn append(
    bytes: &[u8],
    password: &str,
    alias: &str,
    created: Timestamp,
    der: &[u8],
) -> Result<Vec<u8>, AppendError> {
    let not_jks = || Error::NotJks { found: bytes.iter().take(4).copied().collect(), hint: what_else(bytes) };
    let known = bytes.starts_with(&MAGIC) || bytes.starts_with(&MAGIC_JCEKS);
    let Some((entries, stored)) = bytes.split_last_chunk::<DIGEST_LENGTH>().filter(|_| known) else {
        return Err(not_jks().into());
    };
    let number = |range: std::ops::Range<usize>| -> Option<u32> {
        Some(u32::from_be_bytes(entries.get(range)?.try_into().ok()?))
    };
    let (Some(version), Some(count)) = (number(4..8), number(COUNT)) else { return Err(not_jks().into()) };
    if version != 2 {
        return Err(Error::Version(version).into());
    }
    if digest(password, entries) != *stored {
        return Err(AppendError::Password);
    }
    let more = count.checked_add(1).ok_or(Error::TooLarge("the number of entries"))?;
    let mut out = entries.to_vec();
    out[COUNT].copy_from_slice(&more.to_be_bytes());
    out.extend(TAG_CERTIFICATE.to_be_bytes());
    write_text(&mut out, alias)?;
    out.extend(created.0.div_euclid(1000).to_be_bytes());
    write_certificate(&mut out, &Certificate::x509(der))?;
    let digest = digest(password, &out);
    out.extend(digest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jks::{EntryKind, read, write};

    #[test]
    fn only_the_new_entry_the_count_and_the_digest_change() {
        let empty = write(&[], "changeit").unwrap();
        let one = append(&empty, "changeit", "one", Timestamp::from_secs(1), b"first").unwrap();
        let two = append(&one, "changeit", "two", Timestamp::from_secs(2), b"second").unwrap();
        let (entries, faults) = read(&two, Some("changeit")).unwrap();
        assert!(faults.is_empty(), "{faults:?}");
        let held: Vec<_> = entries.iter().map(|entry| (entry.alias.as_str(), entry.kind.clone())).collect();
        let kind = |der: &[u8]| EntryKind::Certificate(Certificate::x509(der));
        assert_eq!(held, [("one", kind(b"first")), ("two", kind(b"second"))]);
        assert_eq!(write(&entries, "changeit").unwrap(), two, "as if written at once");
        assert_eq!(two[12..one.len() - 20], one[12..one.len() - 20]);
    }

    #[test]
    fn a_wrong_password_and_what_is_no_store_are_refused() {
        let store = write(&[], "changeit").unwrap();
        assert_eq!(append(&store, "other", "a", Timestamp(0), b"x"), Err(AppendError::Password));
        for bytes in [&b""[..], b"\xfe\xed\xfe\xed", b"-----BEGIN", &[0; 64]] {
            assert!(append(bytes, "", "a", Timestamp(0), b"x").is_err(), "{bytes:?}");
        }
    }
}
