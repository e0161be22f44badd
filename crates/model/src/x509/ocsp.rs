//! Stapled OCSP responses. In: DER, the certificate and its issuer. Out: whether it says "revoked" with authority.
//! Spec: RFC 6960 §4.2.

use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use super::Certificate;
use super::tlv::{Element, children, first};
use crate::time::Timestamp;

/// OIDs, encoded content.
const BASIC: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 48, 1, 1];

/// Whether the response says that `certificate` is good, and `issuer`, or a responder that it appointed, signed it.
pub fn ocsp_says_good(response: &[u8], certificate: &Certificate, issuer: &Certificate) -> bool {
    statuses(response, certificate, issuer).is_some_and(|all| all.contains(&Status::Good))
}

/// When `certificate` was revoked, if the response says so and `issuer`, or a responder that it appointed, signed it.
pub fn revoked_at(response: &[u8], certificate: &Certificate, issuer: &Certificate) -> Option<Timestamp> {
    statuses(response, certificate, issuer)?.into_iter().find_map(|status| match status {
        Status::Revoked(at) => Some(at),
        Status::Good => None,
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Good,
    Revoked(Timestamp),
}

/// What a response that is signed with authority says of the certificate's serial number.
fn statuses(response: &[u8], certificate: &Certificate, issuer: &Certificate) -> Option<Vec<Status>> {
    let basic = basic_response(response)?;
    let [data, algorithm, signature, rest @ ..] = basic.as_slice() else { return None };
    if !signed_with_authority(data, algorithm, signature, rest.first(), issuer) {
        return None;
    }
    let (_, parsed) = X509Certificate::from_der(&certificate.der).ok()?;
    let responses = children(data.content)
        .into_iter()
        .filter(|part| part.tag == 0x30)
        .find(|part| children(part.content).first().is_some_and(|single| single.tag == 0x30))?;
    Some(children(responses.content).iter().filter_map(|single| status(single, parsed.raw_serial())).collect())
}

fn basic_response(response: &[u8]) -> Option<Vec<Element<'_>>> {
    let (outer, _) = first(response)?;
    let parts = children(outer.content);
    let [status, wrapped, ..] = parts.as_slice() else { return None };
    if status.content != [0] || wrapped.tag != 0xa0 {
        return None;
    }
    let (inner, _) = first(wrapped.content)?;
    let parts = children(inner.content);
    let [kind, octets, ..] = parts.as_slice() else { return None };
    if kind.content != BASIC {
        return None;
    }
    let (basic, _) = first(octets.content)?;
    Some(children(basic.content))
}

/// What a single response says, if it is about this serial.
fn status(single: &Element<'_>, serial: &[u8]) -> Option<Status> {
    let parts = children(single.content);
    let [id, status, ..] = parts.as_slice() else { return None };
    if children(id.content).get(3).is_none_or(|number| number.content != serial) {
        return None;
    }
    match status.tag {
        0x80 => Some(Status::Good),
        0xa1 => generalized_time(first(status.content)?.0.content).map(Status::Revoked),
        _ => None,
    }
}

/// `YYYYMMDDHHMMSSZ`.
fn generalized_time(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i8>().ok();
    let year: i16 = text.get(0..4)?.parse().ok()?;
    let moment =
        jiff::civil::DateTime::new(year, part(4, 6)?, part(6, 8)?, part(8, 10)?, part(10, 12)?, part(12, 14)?, 0)
            .ok()?;
    let zoned = moment.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp::from_secs(zoned.timestamp().as_second()))
}

fn signed_with_authority(
    data: &Element<'_>,
    algorithm: &Element<'_>,
    signature: &Element<'_>,
    certificates: Option<&Element<'_>>,
    issuer: &Certificate,
) -> bool {
    let signed_by = |key: &[u8]| verifies(key, algorithm.whole, signature.content, data.whole);
    if signed_by(&issuer.public_key) {
        return true;
    }
    let Some((list, _)) = certificates.filter(|part| part.tag == 0xa0).and_then(|part| first(part.content)) else {
        return false;
    };
    children(list.content).iter().filter_map(|der| Certificate::parse(der.whole).ok()).any(|responder| {
        let appointed =
            responder.purposes.as_ref().is_some_and(|list| list.iter().any(|oid| oid == "1.3.6.1.5.5.7.3.9"));
        appointed
            && responder.issuer_der == issuer.subject_der
            && responder.is_signed_by(&issuer.public_key)
            && signed_by(&responder.public_key)
    })
}

fn verifies(key: &[u8], algorithm: &[u8], signature: &[u8], data: &[u8]) -> bool {
    let Ok((_, key)) = SubjectPublicKeyInfo::from_der(key) else { return false };
    let Ok((_, algorithm)) = AlgorithmIdentifier::from_der(algorithm) else { return false };
    let Some((0, bits)) = signature.split_first().map(|(unused, bits)| (*unused, bits)) else { return false };
    let bits = x509_parser::der_parser::asn1_rs::BitString::new(0, bits);
    x509_parser::verify::verify_signature(&key, &algorithm, &bits, data).is_ok()
}
