//! Files in DER: one certificate, PKCS#7, PKCS#12, a private key. In: bytes that begin with a SEQUENCE. Out: which it is, and its content.

use sidelight_model::trust::{Format, KeyFound};
use sidelight_model::x509::tlv;

use super::{Draft, Place, key, pkcs7, sealed};

/// `None` when it is none of them. Bytes behind the outermost element are a fault, not a reason to refuse.
pub(super) fn read(bytes: &[u8], draft: &mut Draft<'_>) -> Option<Format> {
    if sealed::is(bytes) {
        sealed::read(bytes, draft);
        return Some(Format::Pkcs12);
    }
    let (whole, rest) = tlv::first(bytes)?;
    let format = if pkcs7::is(whole.whole) {
        pkcs7::read(whole.whole, None, draft);
        (!draft.is_empty()).then_some(Format::Pkcs7)?
    } else if let Some((form, encrypted)) = key::what_key(whole.whole) {
        let public_key = if encrypted { None } else { key::public_half(whole.whole) };
        draft.key(KeyFound { form: form.to_owned(), encrypted, public_key, line: None, alias: None });
        Format::Der
    } else {
        draft.certificate(whole.whole, Place { offset: Some(0), ..Place::default() });
        if draft.is_empty() {
            return None;
        }
        Format::Der
    };
    if !rest.iter().all(u8::is_ascii_whitespace) {
        let at = bytes.len() - rest.len();
        draft.fault(format!("{} bytes follow its end, which most readers pass over", rest.len()), None, Some(at));
    }
    Some(format)
}
