//! Java's modified UTF-8. In: text, or its bytes. Out: the other. Spec: `java.io.DataInput`, "Modified UTF-8".
//!
//! It is UTF-8 of UTF-16: characters beyond U+FFFF are two surrogates of three bytes each, and U+0000 is `C0 80`.

/// The bytes of `text`.
pub(super) fn encode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        let [low, middle, high] = [unit & 0x3f, unit >> 6 & 0x3f, unit >> 12].map(|bits| bits.to_le_bytes()[0]);
        match unit {
            0x0001..=0x007f => out.push(low | middle << 6),
            0x0000 | 0x0080..=0x07ff => out.extend([0xc0 | (unit >> 6).to_le_bytes()[0], 0x80 | low]),
            _ => out.extend([0xe0 | high, 0x80 | middle, 0x80 | low]),
        }
    }
    out
}

/// The text of `bytes`, and whether they were sound; what is not becomes U+FFFD.
pub(super) fn decode(bytes: &[u8]) -> (String, bool) {
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut sound = true;
    while let [first, after @ ..] = rest {
        let (unit, taken) = match (*first, after) {
            (0x00..=0x7f, _) => (u16::from(*first), 1),
            (0xc0..=0xdf, [second @ 0x80..=0xbf, ..]) => (u16::from(first & 0x1f) << 6 | u16::from(second & 0x3f), 2),
            (0xe0..=0xef, [second @ 0x80..=0xbf, third @ 0x80..=0xbf, ..]) => {
                (u16::from(first & 0x0f) << 12 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f), 3)
            }
            _ => {
                sound = false;
                (0xfffd, 1)
            }
        };
        units.push(unit);
        rest = rest.get(taken..).unwrap_or_default();
    }
    let text = char::decode_utf16(units)
        .map(|unit| {
            sound &= unit.is_ok();
            unit.unwrap_or(char::REPLACEMENT_CHARACTER)
        })
        .collect();
    (text, sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_differs_from_utf8_where_java_does() {
        for text in ["", "debian:isrg_root_x1.pem", "Gül\0ş ü€", "😀"] {
            assert_eq!(decode(&encode(text)), (text.to_owned(), true));
        }
        assert_eq!(encode("a\0"), [b'a', 0xc0, 0x80]);
        assert_eq!(encode("é€"), "é€".as_bytes());
        assert_eq!(encode("😀"), [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]);
    }

    #[test]
    fn broken_bytes_are_replaced_and_told() {
        assert_eq!(decode(b"a\xffb"), ("a\u{fffd}b".to_owned(), false));
        assert_eq!(decode(&[0xed, 0xa0, 0xbd]), ("\u{fffd}".to_owned(), false));
        assert_eq!(decode(&[b'a', 0xe2, 0x82]).0, "a\u{fffd}\u{fffd}");
    }
}
