//! The name that OpenSSL looks a root up by in a folder. In: a subject's DER. Out: eight hexadecimal digits.
//! Source: OpenSSL's `X509_NAME_hash_ex` and `x509_name_canon` (crypto/x509/x509_cmp.c, x_name.c); agrees with `openssl x509 -hash`.

use sha1::{Digest, Sha1};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTF8_STRING: u8 = 0x0c;

/// The hash, as in `HHHHHHHH.0`; none when the DER is no name.
pub fn subject_hash(subject_der: &[u8]) -> Option<String> {
    let (tag, name, []) = element(subject_der)? else { return None };
    if tag != SEQUENCE {
        return None;
    }
    // The sets one after the other, without the sequence around them.
    let mut canonical = Vec::new();
    for (tag, set) in elements(name)? {
        if tag != SET {
            return None;
        }
        let mut attributes = elements(set)?
            .into_iter()
            .map(|(_, attribute)| canonical_attribute(attribute))
            .collect::<Option<Vec<_>>>()?;
        attributes.sort();
        canonical.extend(encoded(SET, &attributes.concat()));
    }
    let digest = Sha1::digest(&canonical);
    let first = u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]);
    Some(format!("{first:08x}"))
}

/// Type and value, the value as lower-case UTF-8 with single spaces if it is text.
fn canonical_attribute(attribute: &[u8]) -> Option<Vec<u8>> {
    let parts = elements(attribute)?;
    let [(oid_tag, oid), (tag, value)] = parts[..] else { return None };
    let value = match text(tag, value) {
        Some(text) => encoded(UTF8_STRING, canonical_text(&text).as_bytes()),
        None => encoded(tag, value),
    };
    Some(encoded(SEQUENCE, &[encoded(oid_tag, oid), value].concat()))
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

/// All elements that follow each other.
pub(super) fn elements(mut der: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while !der.is_empty() {
        let (tag, content, rest) = element(der)?;
        found.push((tag, content));
        der = rest;
    }
    Some(found)
}

/// Tag, content and what follows. Lengths of up to three bytes: a name is small.
pub(super) fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn encoded(tag: u8, content: &[u8]) -> Vec<u8> {
    sidelight_wire::der::element(tag, content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidelight_model::x509::Certificate;
    use sidelight_wire::pem;
    use std::process::Command;

    /// What OpenSSL says of every root of this machine.
    #[test]
    fn agrees_with_openssl() {
        let bundle = std::fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap();
        let (blocks, _) = pem::read(&bundle);
        let folder = tempfile::tempdir().unwrap();
        let mut script = String::new();
        for (index, block) in blocks.iter().enumerate() {
            std::fs::write(folder.path().join(index.to_string()), &block.data).unwrap();
            script.push_str(&format!("openssl x509 -inform DER -noout -hash -in {index}\n"));
        }
        let output = Command::new("sh").args(["-ec", &script]).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let theirs: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        let ours: Vec<String> = blocks
            .iter()
            .map(|block| subject_hash(&Certificate::parse(&block.data).unwrap().subject_der).unwrap())
            .collect();
        assert!(ours.len() > 50);
        assert_eq!(ours, theirs);
    }

    #[test]
    fn what_is_no_name_has_no_hash() {
        for der in [&b""[..], b"\x30", b"\x30\x05ab", b"\x31\x00", b"\x30\x02\x30\x00", b"\x30\x84\x00\x00\x00\x00"] {
            assert_eq!(subject_hash(der), None, "{der:?}");
        }
        assert_eq!(canonical_text("  Two \t Words "), "two words");
    }
}
