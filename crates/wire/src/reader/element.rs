//! The little of ASN.1 that readers look at before the certificate itself. In: bytes. Out: where the first element ends, whether it is
//! a certificate, which trust settings follow it. Spec: ITU-T X.690; OpenSSL's `X509_CERT_AUX` for the settings.

use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};
use sidelight_model::trust::TrustBits;
use sidelight_model::x509::Certificate;

const SEQUENCE: u8 = 0x30;
const OID: u8 = 0x06;

/// An element: its tag and content, and what follows it.
pub(super) fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, short) = (*bytes.first()?, usize::from(*bytes.get(1)?));
    let (head, length) = if short < 0x80 {
        (2, short)
    } else {
        let count = short & 0x7f;
        if count == 0 || count > 4 {
            return None;
        }
        let length = bytes.get(2..2 + count)?.iter().fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte));
        (2 + count, length)
    };
    let end = head.checked_add(length)?;
    Some((tag, bytes.get(head..end)?, bytes.get(end..)?))
}

/// The first element alone, if it is a SEQUENCE.
pub(super) fn cut(bytes: &[u8]) -> Option<&[u8]> {
    let (tag, _, rest) = split(bytes)?;
    (tag == SEQUENCE).then(|| &bytes[..bytes.len() - rest.len()])
}

/// The certificate at the start of `data`, and what follows it. `known` are certificates that were parsed already.
pub(super) fn certificate<'d>(data: &'d [u8], known: &[&[u8]]) -> Option<(&'d [u8], &'d [u8])> {
    let der = cut(data)?;
    (known.contains(&der) || Certificate::parse(der).is_ok()).then(|| (der, &data[der.len()..]))
}

/// OpenSSL's trust settings behind a certificate: purposes trusted, `[0]` purposes rejected, alias, key identifier, `[1]` anything.
pub(super) fn settings(bytes: &[u8]) -> Option<TrustBits> {
    let (tag, mut content, _) = split(bytes)?;
    if tag != SEQUENCE {
        return None;
    }
    let mut bits = TrustBits::default();
    while !content.is_empty() {
        let (tag, value, rest) = split(content)?;
        match tag {
            SEQUENCE => bits.trusted = Some(identifiers(value)?),
            0xa0 => bits.rejected = identifiers(value)?,
            0x0c | 0x04 | 0xa1 => {}
            _ => return None,
        }
        content = rest;
    }
    Some(bits)
}

fn identifiers(mut list: &[u8]) -> Option<Vec<String>> {
    let mut found = Vec::new();
    while !list.is_empty() {
        let (tag, value, rest) = split(list)?;
        if tag != OID {
            return None;
        }
        found.push(dotted(value)?);
        list = rest;
    }
    Some(found)
}

fn dotted(value: &[u8]) -> Option<String> {
    let mut arcs = Vec::new();
    let mut arc = 0u64;
    for byte in value {
        arc = arc.checked_mul(128)? | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            arcs.push(arc);
            arc = 0;
        }
    }
    let first = *arcs.first()?;
    let root = (first / 40).min(2);
    let rest = arcs[1..].iter().map(|arc| format!(".{arc}"));
    Some(format!("{root}.{}", first - 40 * root) + &rest.collect::<String>())
}

/// Why OpenSSL does not take a certificate with these settings as an anchor for servers.
pub(super) fn refuses_servers(bits: &TrustBits) -> Option<&'static str> {
    const SERVER: &str = "1.3.6.1.5.5.7.3.1";
    const ANY: &str = "2.5.29.37.0";
    let names = |list: &[String]| list.iter().any(|oid| oid == SERVER || oid == ANY);
    if names(&bits.rejected) {
        return Some("its trust settings reject server authentication (OpenSSL's error 28)");
    }
    let trusted = bits.trusted.as_deref()?;
    (!names(trusted))
        .then_some("its trust settings name other purposes than server authentication (OpenSSL's error 28)")
}

/// Whether an unencrypted key under one of the old labels has the parts that its form demands.
pub(super) fn is_private_key(label: &str, data: &[u8]) -> bool {
    let Some((SEQUENCE, mut content, _)) = split(data) else { return false };
    let mut tags = Vec::new();
    while let Some((tag, _, rest)) = split(content) {
        tags.push(tag);
        content = rest;
    }
    match label {
        "RSA PRIVATE KEY" => tags.len() >= 9 && tags.iter().take(9).all(|tag| *tag == 0x02),
        "DSA PRIVATE KEY" => tags.len() == 6 && tags.iter().all(|tag| *tag == 0x02),
        _ => tags.starts_with(&[0x02, 0x04]),
    }
}

/// Base64 without white space: padding where it belongs, superfluous bits at the end allowed, as all readers have it.
static BASE64: LazyLock<Option<Encoding>> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    specification.padding = Some('=');
    specification.check_trailing_bits = false;
    specification.encoding().ok()
});

/// Decodes base64 that holds nothing else; padding within is an error.
pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let padding = memchr::memchr(b'=', text).unwrap_or(text.len());
    if text.len() - padding > 2 {
        return None;
    }
    if text[padding..].iter().any(|byte| *byte != b'=') {
        return None;
    }
    BASE64.as_ref()?.decode(text).ok()
}

/// The same, or with no padding at all where there should be some: what Java and rustls accept, too.
pub(super) fn base64_unpadded(text: &[u8]) -> Option<Vec<u8>> {
    let missing = (4 - text.len() % 4) % 4;
    if missing == 0 || missing == 3 || text.contains(&b'=') {
        return base64(text);
    }
    base64(&[text, &b"=="[..missing]].concat())
}
