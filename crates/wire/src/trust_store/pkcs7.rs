//! PKCS#7 bundles. In: DER of a ContentInfo. Out: the certificates of its SignedData; signatures are not looked at. Spec: RFC 2315 §9.1.

use sidelight_model::x509::tlv;

use super::{Draft, Place};
use crate::der::tag;

/// 1.2.840.113549.1.7.2, signedData.
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];

const CONTEXT_0: u8 = 0xa0;

/// Whether the bytes are a ContentInfo of signedData.
pub(super) fn is(bytes: &[u8]) -> bool {
    content(bytes).is_some()
}

/// The content of the SignedData.
fn content(bytes: &[u8]) -> Option<&[u8]> {
    let (info, _) = tlv::first(bytes).filter(|(info, _)| info.tag == tag::SEQUENCE)?;
    let (kind, rest) = tlv::first(info.content)?;
    if kind.tag != tag::OID || kind.content != SIGNED_DATA {
        return None;
    }
    let (explicit, _) = tlv::first(rest).filter(|(element, _)| element.tag == CONTEXT_0)?;
    let (signed, _) = tlv::first(explicit.content)?;
    Some(signed.content)
}

/// Takes its certificates.
pub(super) fn read(bytes: &[u8], line: Option<usize>, draft: &mut Draft<'_>) {
    let Some(signed) = content(bytes) else {
        draft.fault("the PKCS#7 block holds no signed data".to_owned(), line, None);
        return;
    };
    let certificates = tlv::children(signed).into_iter().find(|element| element.tag == CONTEXT_0);
    for certificate in certificates.map(|set| tlv::children(set.content)).unwrap_or_default() {
        if certificate.tag == tag::SEQUENCE {
            draft.certificate(certificate.whole, Place { line, ..Place::default() });
        }
    }
}
