//! OpenSSL's TRUSTED CERTIFICATE. In: the content of a block. Out: the certificate, and the settings behind it.
//! Spec: `X509_CERT_AUX` of OpenSSL: SEQUENCE { trust SEQUENCE OF OID, reject [0] SEQUENCE OF OID, alias UTF8String, keyid }.

use sidelight_model::trust::TrustBits;
use sidelight_model::x509::tlv::{self, dotted};

use crate::der::tag;

const REJECT: u8 = 0xa0;

/// The certificate, its settings (`None` when there are none) and its alias.
pub(super) fn split(data: &[u8]) -> (&[u8], Option<TrustBits>, Option<String>) {
    let Some((certificate, rest)) = tlv::first(data) else { return (data, None, None) };
    let Some((aux, _)) = tlv::first(rest).filter(|(element, _)| element.tag == tag::SEQUENCE) else {
        return (certificate.whole, None, None);
    };
    let mut bits = TrustBits::default();
    let mut alias = None;
    for element in tlv::children(aux.content) {
        match element.tag {
            tag::SEQUENCE => bits.trusted = Some(purposes(element.content)),
            REJECT => bits.rejected = purposes(element.content),
            tag::UTF8_STRING => alias = Some(String::from_utf8_lossy(element.content).into_owned()),
            _ => {}
        }
    }
    (certificate.whole, Some(bits), alias)
}

fn purposes(content: &[u8]) -> Vec<String> {
    tlv::children(content).iter().filter(|e| e.tag == tag::OID).filter_map(|e| dotted(e.content)).collect()
}
