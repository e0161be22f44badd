//! Asking for the status of a certificate. In: the certificate and its issuer, in DER. Out: an OCSP request. Spec: RFC 6960 §4.1.1.

use sha1::{Digest as _, Sha1};
use sidelight_model::x509::{Certificate, tlv};

use crate::der::{self, tag};

/// `1.3.14.3.2.26`: the identifier that every responder understands; nothing rests on its strength here.
const SHA1: &[u64] = &[1, 3, 14, 3, 2, 26];

/// A request for one certificate. `None`: one of the two cannot be read.
pub fn request(certificate: &[u8], issuer: &[u8]) -> Option<Vec<u8>> {
    let issuer = Certificate::parse(issuer).ok()?;
    let serial = serial(certificate)?;
    // SubjectPublicKeyInfo { algorithm, BIT STRING }: the key is hashed without the count of unused bits.
    let (info, _) = tlv::first(&issuer.public_key)?;
    let bits = tlv::children(info.content).into_iter().nth(1)?;
    let key = bits.content.get(1..)?;
    let hash = |bytes: &[u8]| der::element(tag::OCTET_STRING, &Sha1::digest(bytes));
    let algorithm = der::sequence(&[&der::oid(SHA1), &der::element(tag::NULL, &[])]);
    let id = der::sequence(&[&algorithm, &hash(&issuer.subject_der), &hash(key), &serial]);
    let list = der::sequence(&[&der::sequence(&[&id])]);
    Some(der::sequence(&[&der::sequence(&[&list])]))
}

/// The serial number as an element.
fn serial(certificate: &[u8]) -> Option<Vec<u8>> {
    let (outer, _) = tlv::first(certificate)?;
    let (body, _) = tlv::first(outer.content)?;
    tlv::children(body.content).into_iter().find(|part| part.tag == tag::INTEGER).map(|part| part.whole.to_vec())
}
