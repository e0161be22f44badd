//! A PKCS#12 trust store that is neither encrypted nor authenticated. In: names and certificates in DER. Out: DER.
//! Spec: RFC 7292 §4 (PFX, AuthenticatedSafe, SafeBag). The attribute is Java's: `anyExtendedKeyUsage` means trusted for everything.

use crate::der::{self, tag};

const BMP_STRING: u8 = 0x1e;
/// `data` of PKCS#7.
const DATA: &[u64] = &[1, 2, 840, 113_549, 1, 7, 1];
const CERT_BAG: &[u64] = &[1, 2, 840, 113_549, 1, 12, 10, 1, 3];
const X509_CERTIFICATE: &[u64] = &[1, 2, 840, 113_549, 1, 9, 22, 1];
const FRIENDLY_NAME: &[u64] = &[1, 2, 840, 113_549, 1, 9, 20];
/// Java's own.
const TRUSTED_KEY_USAGE: &[u64] = &[2, 16, 840, 1, 113_894, 746_875, 1, 1];
const ANY_EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37, 0];

/// The store; each certificate is marked as trusted.
pub(super) fn trust_store(certificates: &[(&str, &[u8])]) -> Vec<u8> {
    let bags: Vec<Vec<u8>> = certificates.iter().map(|(alias, der)| bag(alias, der)).collect();
    let safe = data(&der::element(tag::SEQUENCE, &bags.concat()));
    let authenticated_safe = der::sequence(&[&safe]);
    der::sequence(&[&der::unsigned(&[3]), &data(&authenticated_safe)])
}

/// `ContentInfo` of the type `data`.
fn data(content: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::oid(DATA), &der::context(0, &der::element(tag::OCTET_STRING, content))])
}

fn bag(alias: &str, certificate: &[u8]) -> Vec<u8> {
    let octets = der::context(0, &der::element(tag::OCTET_STRING, certificate));
    let certificate = der::context(0, &der::sequence(&[&der::oid(X509_CERTIFICATE), &octets]));
    let name: Vec<u8> = alias.encode_utf16().flat_map(u16::to_be_bytes).collect();
    // DER orders the members of a SET by their bytes.
    let mut attributes = [
        attribute(FRIENDLY_NAME, &der::element(BMP_STRING, &name)),
        attribute(TRUSTED_KEY_USAGE, &der::oid(ANY_EXTENDED_KEY_USAGE)),
    ];
    attributes.sort();
    der::sequence(&[&der::oid(CERT_BAG), &certificate, &der::element(tag::SET, &attributes.concat())])
}

fn attribute(kind: &[u64], value: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::oid(kind), &der::element(tag::SET, value)])
}
