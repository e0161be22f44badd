//! The names that OpenSSL looks a root up by in a folder. In: a subject's DER. Out: eight hexadecimal digits.
//! Source: OpenSSL's `X509_NAME_hash_ex`, `x509_name_canon` and `X509_NAME_hash_old` (crypto/x509/x509_cmp.c, x_name.c);
//! agrees with `openssl x509 -hash` and `-subject_hash_old`.

use md5::Md5;
use sha1::{Digest, Sha1};

use super::tlv::{Element, first};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTF8_STRING: u8 = 0x0c;

/// The hash, as in `HHHHHHHH.0`; none when the DER is no name.
pub fn subject_hash(subject_der: &[u8]) -> Option<String> {
    let (name, []) = first(subject_der)? else { return None };
    if name.tag != SEQUENCE {
        return None;
    }
    // The sets one after the other, without the sequence around them.
    let mut canonical = Vec::new();
    for set in elements(name.content)? {
        if set.tag != SET {
            return None;
        }
        let mut attributes = elements(set.content)?
            .into_iter()
            .map(|attribute| canonical_attribute(attribute.content))
            .collect::<Option<Vec<_>>>()?;
        attributes.sort();
        canonical.extend(encoded(SET, &attributes.concat()));
    }
    Some(shown(&Sha1::digest(&canonical)))
}

/// The hash that OpenSSL before 1.0 used: some tools still make links by both.
pub fn subject_hash_old(subject_der: &[u8]) -> String {
    shown(&Md5::digest(subject_der))
}

fn shown(digest: &[u8]) -> String {
    let number = digest.iter().take(4).rev().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
    format!("{number:08x}")
}

/// Type and value, the value as lower-case UTF-8 with single spaces if it is text.
fn canonical_attribute(attribute: &[u8]) -> Option<Vec<u8>> {
    let parts = elements(attribute)?;
    let [oid, value] = parts[..] else { return None };
    let value = match text(value.tag, value.content) {
        Some(text) => encoded(UTF8_STRING, canonical_text(&text).as_bytes()),
        None => value.whole.to_vec(),
    };
    Some(encoded(SEQUENCE, &[oid.whole.to_vec(), value].concat()))
}

/// ASCII is folded and its white space squeezed; other characters stay as they are.
fn canonical_text(text: &str) -> String {
    let words: Vec<String> = text
        .split(|c: char| c.is_ascii_whitespace() || c == '\u{b}')
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join(" ")
}

/// The text of a string type; none of other types, which count byte for byte.
fn text(tag: u8, value: &[u8]) -> Option<String> {
    match tag {
        // UTF8String
        UTF8_STRING => String::from_utf8(value.to_vec()).ok(),
        // PrintableString, T61String (read as Latin-1), IA5String, VisibleString
        0x13 | 0x14 | 0x16 | 0x1a => Some(value.iter().map(|byte| char::from(*byte)).collect()),
        // BMPString
        0x1e => {
            let units: Vec<u16> = value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).ok()
        }
        // UniversalString
        0x1c => value
            .chunks_exact(4)
            .map(|four| char::from_u32(u32::from_be_bytes([four[0], four[1], four[2], four[3]])))
            .collect(),
        _ => None,
    }
}

/// All elements that follow each other; none when what is left is no element.
fn elements(mut der: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut found = Vec::new();
    while !der.is_empty() {
        let (element, rest) = first(der)?;
        found.push(element);
        der = rest;
    }
    Some(found)
}

/// An element in DER. A name is small: four bytes of length are more than enough.
fn encoded(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let digits: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            out.push(0x80 | u8::try_from(digits.len()).unwrap_or(8));
            out.extend(digits);
        }
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_has_no_hash() {
        for der in [&b""[..], b"\x30", b"\x30\x05ab", b"\x31\x00", b"\x30\x02\x30\x00", b"\x30\x85\x00\x00\x00\x00\x00"]
        {
            assert_eq!(subject_hash(der), None, "{der:?}");
        }
        assert_eq!(canonical_text("  Two \t Words "), "two words");
        assert_eq!(encoded(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
    }
}
