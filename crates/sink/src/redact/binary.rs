//! Secrets in bytes that are no text: protobuf, MessagePack, archives. In: bytes. Out: as many bytes, with tokens overwritten, so
//! that lengths in the format stay right. What has no known look (a password in a protobuf string) cannot be found and stays.

use std::ops::Range;

use sidelight_model::redact::sha256_hex;

use super::tokens;

/// The shortest credential after `Bearer` that is overwritten; shorter ones are words.
const SHORTEST: usize = 8;

/// Overwrites JSON Web Tokens, tokens of well-known services, and what follows `Bearer`. `None`: there are none.
pub(super) fn mask(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens::find(bytes, at) {
        at = token.end;
        found.push(token);
    }
    found.extend(bearers(bytes));
    if found.is_empty() {
        return None;
    }
    let mut masked = bytes.to_vec();
    for range in found {
        let filler = format!("redacted-sha256:{}", &sha256_hex(&bytes[range.clone()])[..8]);
        let filler = filler.bytes().chain(std::iter::repeat(b'*'));
        masked[range].iter_mut().zip(filler).for_each(|(byte, filler)| *byte = filler);
    }
    Some(masked)
}

/// Where credentials stand after `Bearer `, whatever its case.
fn bearers(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    const SCHEME: &[u8] = b"bearer ";
    let starts = bytes.windows(SCHEME.len()).enumerate().filter(|(_, it)| it.eq_ignore_ascii_case(SCHEME));
    starts.filter_map(|(at, _)| {
        let start = at + SCHEME.len();
        let length = bytes[start..].iter().take_while(|byte| tokens::is_part(**byte) || b"~+/=".contains(byte)).count();
        let is_challenge = bytes[start..start + length].contains(&b'=') && bytes.get(start + length) == Some(&b'"');
        (length >= SHORTEST && !is_challenge).then_some(start..start + length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_overwritten_in_place() {
        let jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln";
        let mut protobuf = vec![0x0a, u8::try_from(jwt.len()).unwrap()];
        protobuf.extend_from_slice(jwt.as_bytes());
        protobuf.extend_from_slice(b"\x12\x13bEARER 0123456789ab\xff");
        let masked = mask(&protobuf).unwrap();
        assert_eq!(masked.len(), protobuf.len());
        let shown = String::from_utf8_lossy(&masked);
        assert!(shown.starts_with("\n\u{28}redacted-sha256:") || shown.contains("redacted-sha256:"), "{shown}");
        assert!(!shown.contains("eyJ") && !shown.contains("0123456789ab"), "{shown}");
        assert_eq!(masked.last(), Some(&0xff));
        assert_eq!(mask(b"\0\x01Bearer realm=\"x\" and Bearer x"), None);
    }
}
