//! Writing X.509 certificates. In: the fields, raw where they are copied from another certificate, and a way to sign.
//! Out: DER. Spec: RFC 5280.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::der::{self, tag};
use sidelight_model::time::Timestamp;

/// An extension ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Arcs of its OID.
    pub oid: &'static [u64],
    /// Whether those who do not know it must refuse the certificate.
    pub critical: bool,
    /// DER of its value.
    pub value: Vec<u8>,
}

/// A certificate to be signed.
#[derive(Clone, Debug)]
pub struct ToBeSigned<'a> {
    /// Big-endian magnitude, at most 20 bytes (RFC 5280 §4.1.2.2).
    pub serial: &'a [u8],
    /// DER of the issuer's Name.
    pub issuer: &'a [u8],
    /// DER of the subject's Name.
    pub subject: &'a [u8],
    /// First moment of validity.
    pub not_before: Timestamp,
    /// Last moment of validity.
    pub not_after: Timestamp,
    /// DER of the SubjectPublicKeyInfo.
    pub public_key: &'a [u8],
    /// In the order in which they are written.
    pub extensions: Vec<Extension>,
}

impl ToBeSigned<'_> {
    /// DER of the TBSCertificate: what the issuer signs. `algorithm` is the DER of the signature's AlgorithmIdentifier.
    pub fn encode(&self, algorithm: &[u8]) -> Vec<u8> {
        let extensions: Vec<u8> = self.extensions.iter().flat_map(Extension::encode).collect();
        der::sequence(&[
            &der::context(0, &der::unsigned(&[2])),
            &der::unsigned(self.serial),
            algorithm,
            self.issuer,
            &der::sequence(&[&der::time(self.not_before), &der::time(self.not_after)]),
            self.subject,
            self.public_key,
            &der::context(3, &der::element(tag::SEQUENCE, &extensions)),
        ])
    }

    /// DER of the whole certificate.
    ///
    /// # Errors
    /// Those of `sign`, which is given the TBSCertificate.
    pub fn sign<E>(&self, algorithm: &[u8], sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
        let body = self.encode(algorithm);
        let signature = sign(&body)?;
        Ok(der::sequence(&[&body, algorithm, &der::bit_string(&signature)]))
    }
}

impl Extension {
    fn encode(&self) -> Vec<u8> {
        let critical = if self.critical { der::element(tag::BOOLEAN, &[0xff]) } else { Vec::new() };
        der::sequence(&[&der::oid(self.oid), &critical, &der::element(tag::OCTET_STRING, &self.value)])
    }

    /// Critical BasicConstraints.
    pub fn basic_constraints(is_ca: bool, path_length: Option<u8>) -> Self {
        let ca = if is_ca { der::element(tag::BOOLEAN, &[0xff]) } else { Vec::new() };
        let length = path_length.map(|length| der::unsigned(&[length])).unwrap_or_default();
        Self { oid: &[2, 5, 29, 19], critical: true, value: der::sequence(&[&ca, &length]) }
    }

    /// Critical KeyUsage; bits as in RFC 5280 §4.2.1.3 (0 digitalSignature, 2 keyEncipherment, 5 keyCertSign, 6 cRLSign).
    pub fn key_usage(bits: &[u8]) -> Self {
        Self { oid: &[2, 5, 29, 15], critical: true, value: der::named_bits(bits) }
    }

    /// SubjectKeyIdentifier.
    pub fn subject_key_id(id: &[u8]) -> Self {
        Self { oid: &[2, 5, 29, 14], critical: false, value: der::element(tag::OCTET_STRING, id) }
    }

    /// AuthorityKeyIdentifier.
    pub fn authority_key_id(id: &[u8]) -> Self {
        Self { oid: &[2, 5, 29, 35], critical: false, value: der::sequence(&[&der::implicit(0, id)]) }
    }

    /// AuthorityKeyIdentifier that names the issuer's certificate, too, by the DER of its issuer's Name and its serial number (magnitude).
    pub fn authority_certificate(id: &[u8], issuer: &[u8], serial: &[u8]) -> Self {
        let issuer = der::context(1, &der::context(4, issuer));
        let serial = der::unsigned(serial);
        // The number's tag is replaced: [2] IMPLICIT.
        let serial = [&[0x82], &serial[1..]].concat();
        Self { oid: &[2, 5, 29, 35], critical: false, value: der::sequence(&[&der::implicit(0, id), &issuer, &serial]) }
    }

    /// Netscape's comment, which nobody acts on. ASCII.
    pub fn comment(text: &str) -> Self {
        let value = der::element(tag::IA5_STRING, text.as_bytes());
        Self { oid: &[2, 16, 840, 1, 113_730, 1, 13], critical: false, value }
    }

    /// SubjectAltName of encoded GeneralName elements.
    pub fn subject_alt_name(names: &[Vec<u8>], critical: bool) -> Self {
        Self { oid: &[2, 5, 29, 17], critical, value: der::element(tag::SEQUENCE, &names.concat()) }
    }

    /// ExtendedKeyUsage of encoded OIDs.
    pub fn extended_key_usage(purposes: &[Vec<u8>]) -> Self {
        Self { oid: &[2, 5, 29, 37], critical: false, value: der::element(tag::SEQUENCE, &purposes.concat()) }
    }

    /// Critical NameConstraints: these names with everything below them, and these ranges of addresses (base, prefix length).
    /// A kind of name of which nothing is permitted is excluded altogether: without that, RFC 5280 §4.2.1.10 would leave it free.
    pub fn permitted_names(names: &[String], ranges: &[(IpAddr, u8)]) -> Self {
        let subtree = |name: Vec<u8>| der::sequence(&[&name]);
        let mut permitted: Vec<u8> = names.iter().flat_map(|name| subtree(dns_name(name))).collect();
        permitted.extend(ranges.iter().flat_map(|(base, bits)| subtree(range(*base, *bits))));
        let mut excluded = Vec::new();
        if names.is_empty() {
            excluded.extend(subtree(dns_name("")));
        }
        for everything in [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)] {
            if !ranges.iter().any(|(base, _)| base.is_ipv4() == everything.is_ipv4()) {
                excluded.extend(subtree(range(everything, 0)));
            }
        }
        let excluded = if excluded.is_empty() { Vec::new() } else { der::context(1, &excluded) };
        Self { oid: &[2, 5, 29, 30], critical: true, value: der::sequence(&[&der::context(0, &permitted), &excluded]) }
    }
}

/// GeneralName iPAddress of a range: the base with the bits beyond the prefix cleared, then the mask.
fn range(base: IpAddr, bits: u8) -> Vec<u8> {
    let octets = match base {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let mask = |index: usize| match usize::from(bits).saturating_sub(index * 8) {
        0 => 0u8,
        left @ 1..=7 => !(0xff >> left),
        _ => 0xff,
    };
    let cleared = octets.iter().enumerate().map(|(index, octet)| octet & mask(index));
    let content: Vec<u8> = cleared.chain((0..octets.len()).map(mask)).collect();
    der::implicit(7, &content)
}

/// DER of a Name of single-valued RDNs, each (attribute arcs, UTF-8 text).
pub fn name(attributes: &[(&[u64], &str)]) -> Vec<u8> {
    let rdns: Vec<u8> = attributes
        .iter()
        .flat_map(|(kind, text)| {
            let pair = der::sequence(&[&der::oid(kind), &der::element(tag::UTF8_STRING, text.as_bytes())]);
            der::element(tag::SET, &pair)
        })
        .collect();
    der::element(tag::SEQUENCE, &rdns)
}

/// GeneralName dNSName.
pub fn dns_name(name: &str) -> Vec<u8> {
    der::implicit(2, name.as_bytes())
}

/// GeneralName iPAddress.
pub fn ip_address(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => der::implicit(7, &v4.octets()),
        IpAddr::V6(v6) => der::implicit(7, &v6.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_permitted_of_a_kind_is_excluded() {
        let ranges = [("10.1.2.3".parse().unwrap(), 12)];
        let constraint = Extension::permitted_names(&[], &ranges).value;
        let range = [0x30, 0x0a, 0x87, 8, 10, 0, 0, 0, 255, 240, 0, 0];
        let every_name = [0x30, 2, 0x82, 0];
        let every_v6 = [&[0x30, 0x22, 0x87, 32][..], &[0; 32]].concat();
        let expected =
            der::sequence(&[&der::context(0, &range), &der::context(1, &[&every_name[..], &every_v6].concat())]);
        assert_eq!(constraint, expected);
    }
}
