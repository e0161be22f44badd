//! PKCS#12 as a trust store. In: bytes. Out: its certificates, opened with the passwords that everybody uses. Spec: RFC 7292.
//!
//! Java takes a certificate as trusted only when its attribute 2.16.840.1.113894.746875.1.1 stands beside it; a store that
//! `openssl pkcs12 -export -nokeys` makes lists no entry there, which is said as a fault.

use sidelight_model::trust::KeyFound;
use sidelight_model::x509::tlv;

use super::{Draft, Place, key};
use crate::der::tag;
use crate::pkcs12::{self, Contents, Error};

/// Java's default, none at all, and the other default that is met (`notasecret` is Google's).
const PASSWORDS: &[&str] = &["changeit", "", "changeme", "password", "notasecret"];

/// 1.2.840.113549.1.7, the arc of the types of content.
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7];

/// Whether it is a PFX: version 3, then a ContentInfo of `data` or `signedData`.
pub(crate) fn is(bytes: &[u8]) -> bool {
    let Some((pfx, _)) = tlv::first(bytes).filter(|(pfx, _)| pfx.tag == tag::SEQUENCE) else { return false };
    let Some((version, rest)) = tlv::first(pfx.content) else { return false };
    let info = tlv::first(rest).and_then(|(info, _)| tlv::first(info.content));
    version.whole == [tag::INTEGER, 1, 3]
        && info.is_some_and(|(kind, _)| kind.tag == tag::OID && kind.content.starts_with(CONTENT_TYPE))
}

pub(super) fn read(bytes: &[u8], draft: &mut Draft<'_>) {
    match open(bytes) {
        Ok(contents) => take(contents, draft),
        Err(Error::Password) => {
            draft.store.locked = true;
            draft.fault("it is under a password of its own, so its certificates are not known".to_owned(), None, None);
        }
        Err(error) => {
            draft.store.locked |= matches!(error, Error::TooSlow(_));
            draft.fault(error.to_string(), None, None);
        }
    }
}

fn open(bytes: &[u8]) -> Result<Contents, Error> {
    let mut last = Error::Password;
    for password in PASSWORDS {
        match pkcs12::read(bytes, password) {
            Ok(contents) => return Ok(contents),
            Err(slow @ Error::TooSlow(_)) => return Err(slow),
            // Another password may do: without a code over the whole, a wrong one shows as damage.
            Err(error) => last = if matches!(last, Error::Password) { error } else { last },
        }
    }
    Err(last)
}

fn take(contents: Contents, draft: &mut Draft<'_>) {
    let untrusted = contents.certificates.iter().filter(|certificate| !certificate.trusted).count();
    if untrusted > 0 && contents.identities.is_empty() {
        let all = contents.certificates.len();
        draft.fault(
            format!(
                "{untrusted} of {all} certificates lack Java's attribute of trust (2.16.840.1.113894.746875.1.1): Java does not see them"
            ),
            None,
            None,
        );
    }
    for certificate in contents.certificates {
        draft.certificate(
            &certificate.der,
            Place { alias: certificate.alias, no_anchor: !certificate.trusted, ..Place::default() },
        );
    }
    for identity in contents.identities {
        let public_key = key::public_half(identity.key.reveal());
        let alias = identity.alias;
        draft.key(KeyFound {
            form: "PKCS#12 key entry".into(),
            encrypted: true,
            public_key,
            line: None,
            alias: alias.clone(),
        });
        for der in identity.chain {
            draft.certificate(&der, Place { alias: alias.clone(), no_anchor: true, ..Place::default() });
        }
    }
}
