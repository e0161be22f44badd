//! PEM within other text: string literals of programs and scripts, JSON with `\n`, lines of any length. In: bytes from
//! `-----BEGIN ` on. Out: the block's content, or where the search goes on.

use sidelight_model::trust::KeyFound;

use crate::trust_store;

const BEGIN: &[u8] = b"-----BEGIN ";
const DASHES: &[u8] = b"-----";

/// Longest label.
const MAX_LABEL: usize = 40;

/// Longest block as text.
const MAX_BLOCK: usize = 64 << 10;

/// Most bytes between two pieces of a literal: `" +\n    "`.
const MAX_GAP: usize = 64;

/// What stands there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// It is not complete.
    More,
    /// No block; so many bytes were looked at.
    No(usize),
    /// A block.
    Whole {
        /// Its label.
        label: String,
        /// Its content.
        data: Vec<u8>,
        /// Its length as text.
        length: usize,
    },
}

/// The block at the start of `bytes`.
pub(super) fn block(bytes: &[u8]) -> Block {
    let after = bytes.get(BEGIN.len()..).unwrap_or_default();
    let window = after.get(..MAX_LABEL + DASHES.len()).unwrap_or(after);
    let Some(end) = memchr::memmem::find(window, DASHES) else {
        return if window.len() < MAX_LABEL { Block::More } else { Block::No(BEGIN.len()) };
    };
    let label = window.get(..end).unwrap_or_default();
    if !label.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ' || *byte == b'#') {
        return Block::No(BEGIN.len());
    }
    let start = BEGIN.len() + end + DASHES.len();
    let mut base64 = Vec::new();
    let mut at = start;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match rest {
            [] => return if at > MAX_BLOCK { Block::No(at) } else { Block::More },
            [b'-', ..] => break,
            // An escape of a string literal: `\n`, `\r`, `\/`, or the end of a line.
            [b'\\', b'/', ..] => (at, _) = (at + 2, base64.push(b'/')),
            [b'\\', _, ..] => at += 2,
            [b'\\'] => return Block::More,
            [b'"' | b'\'' | b'`', ..] => match gap(rest) {
                Some(length) => at += length,
                None if rest.len() < MAX_GAP => return Block::More,
                None => return Block::No(at),
            },
            [byte, ..] if byte.is_ascii_whitespace() => at += 1,
            [byte, ..] if byte.is_ascii_alphanumeric() || b"+/=".contains(byte) => {
                base64.push(*byte);
                at += 1;
            }
            _ => return Block::No(at),
        }
        if at > MAX_BLOCK {
            return Block::No(at);
        }
    }
    let closing = [b"-----END ", label, DASHES].concat();
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.len() < closing.len() && closing.starts_with(rest) {
        return Block::More;
    }
    if !rest.starts_with(&closing) {
        return Block::No(at);
    }
    let label = String::from_utf8_lossy(label).into_owned();
    match data_encoding::BASE64.decode(&base64) {
        Ok(data) if !data.is_empty() => Block::Whole { label, data, length: at + closing.len() },
        _ => Block::No(at),
    }
}

/// From a quotation mark to behind the one that opens the next piece of the literal.
fn gap(rest: &[u8]) -> Option<usize> {
    let window = rest.get(1..MAX_GAP).or_else(|| rest.get(1..))?;
    let next = window
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\'' | b'`' | b'-' | b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9'))?;
    // What stands between is white space, `+`, `.`, `,`, `&`, `\`: a letter or dash is the end of the literal or a one of another kind.
    matches!(window.get(next), Some(b'"' | b'\'' | b'`')).then_some(next + 2)
}

/// What is told of a private key that stands in a program.
pub(super) fn private_key(label: &str, data: &[u8]) -> Option<KeyFound> {
    if !label.ends_with("PRIVATE KEY") {
        return None;
    }
    // Texts that only look like a key are common in programs.
    let (form, encrypted) = trust_store::what_key(data)?;
    let public_key = if encrypted { None } else { trust_store::public_half(data) };
    Some(KeyFound { form: form.to_owned(), encrypted, public_key, line: None, alias: None })
}

/// All blocks of a text, with the offset of each.
pub(super) fn blocks(bytes: &[u8]) -> Vec<(usize, String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = bytes.get(at..).and_then(|rest| memchr::memmem::find(rest, BEGIN)).map(|start| at + start) {
        match block(bytes.get(start..).unwrap_or_default()) {
            Block::Whole { label, data, length } => {
                found.push((start, label, data));
                at = start + length;
            }
            Block::No(length) => at = start + length.max(1),
            Block::More => at = start + BEGIN.len(),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_of_many_kinds_are_read() {
        let base64 = "MAMCAQU=";
        let texts = [
            format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n"),
            format!("-----BEGIN CERTIFICATE-----\\n{base64}\\n-----END CERTIFICATE-----\\n\""),
            "-----BEGIN CERTIFICATE-----\\n\" +\n   \"MAMC\\n\" +\n  \"AQU=\\n\" +\n \"-----END CERTIFICATE-----\""
                .to_string(),
            "-----BEGIN CERTIFICATE-----\\n\"\n   \"MAMC\\n\"\n  \"AQU=\\n\"\n \"-----END CERTIFICATE-----\""
                .to_string(),
            "-----BEGIN CERTIFICATE-----\r\n MAMC\r\n AQU=\r\n -----END CERTIFICATE-----".to_owned(),
        ];
        for text in texts {
            let Block::Whole { label, data, .. } = block(text.as_bytes()) else {
                panic!("{text}: {:?}", block(text.as_bytes()))
            };
            assert_eq!((label.as_str(), data.as_slice()), ("CERTIFICATE", &[0x30, 3, 2, 1, 5][..]));
            let end = text.find("-----END").unwrap() + 24;
            for length in BEGIN.len()..end {
                assert_eq!(block(&text.as_bytes()[..length]), Block::More, "{:?}", &text[..length]);
            }
        }
    }

    #[test]
    fn talk_about_pem_is_no_pem() {
        for text in [
            "-----BEGIN %s-----\0",
            "-----BEGIN CERTIFICATE-----\0\0\0",
            "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        ] {
            assert!(matches!(block(text.as_bytes()), Block::No(_)), "{text}");
        }
        assert_eq!(blocks(b"-----BEGIN -----BEGIN -----BEGIN"), []);
    }
}
