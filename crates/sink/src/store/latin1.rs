//! Bytes as text that loses nothing. In: bytes of a head. Out: each byte as the character of that number (ISO 8859-1), and back.
//!
//! ASCII reads as itself, and a JSON or SQL tool can search it. A character above U+00FF cannot have come from here.

use std::borrow::Cow;

/// The text of `bytes`.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(ascii) if bytes.is_ascii() => Cow::Borrowed(ascii),
        _ => Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()),
    }
}

/// The bytes of `text`; a character that is no byte becomes `?`, which only a file that others wrote can hold.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    if text.is_ascii() {
        return text.as_bytes().to_vec();
    }
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(super::bytes(&super::text(&all)), all);
        assert_eq!(super::text(b"plain"), "plain");
    }
}
