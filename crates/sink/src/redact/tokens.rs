//! Secrets that are known by their look. In: bytes. Out: where JSON Web Tokens and the tokens of well-known services stand in them.
//! Spec: RFC 7519; the prefixes are those that services document for secret scanning.

use std::ops::Range;

/// A JSON Web Token begins with base64url of `{"`.
const JWT: &[u8] = b"eyJ";
/// Shorter ones are words.
const SHORTEST_JWT: usize = 20;

/// What tokens of services begin with, and the bytes that they have at the least.
const PREFIXES: &[(&[u8], usize)] = &[
    (b"AIza", 39),
    (b"SG.", 40),
    (b"dckr_oat_", 24),
    (b"dckr_pat_", 24),
    (b"dop_v1_", 64),
    (b"gho_", 36),
    (b"ghp_", 36),
    (b"ghr_", 36),
    (b"ghs_", 36),
    (b"ghu_", 36),
    (b"github_pat_", 40),
    (b"glpat-", 20),
    (b"hvb.", 24),
    (b"hvs.", 24),
    (b"npm_", 36),
    (b"pypi-", 40),
    (b"rk_live_", 24),
    (b"sk-ant-", 32),
    (b"sk_live_", 24),
    (b"xoxb-", 20),
    (b"xoxp-", 20),
    (b"ya29.", 24),
];

/// Where the first token at or after `from` stands.
pub(super) fn find(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let mut at = from;
    let mut inside = from.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(|byte| is_part(*byte));
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let is_jwt = rest.starts_with(JWT);
        let shortest = match PREFIXES.iter().find(|(prefix, _)| rest.starts_with(prefix)) {
            Some((_, shortest)) if !inside => Some(*shortest),
            _ => is_jwt.then_some(SHORTEST_JWT),
        };
        let Some(shortest) = shortest else {
            inside = is_part(rest[0]);
            at += 1;
            continue;
        };
        let length = rest.iter().position(|byte| !is_part(*byte)).unwrap_or(rest.len());
        if length >= shortest && (!is_jwt || rest[..length].contains(&b'.')) {
            return Some(at..at + length);
        }
        at += length;
        inside = true;
    }
    None
}

/// Bytes that tokens are made of.
pub(super) const fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_by_their_look() {
        for (text, token) in [
            ("x/eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln/y", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"),
            ("t: glpat-abcdefghij0123456789;", "glpat-abcdefghij0123456789"),
            ("\0\x12ghp_0123456789abcdefghijABCDEFGHIJ012345\x18", "ghp_0123456789abcdefghijABCDEFGHIJ012345"),
        ] {
            let range = find(text.as_bytes(), 0).expect(text);
            assert_eq!(&text[range], token);
        }
    }

    #[test]
    fn words_are_no_tokens() {
        for text in
            ["eyJ is how they begin", "eyJeyJeyJeyJeyJeyJeyJeyJ", "xglpat-abcdefghij0123456789", "npm_config", ""]
        {
            assert_eq!(find(text.as_bytes(), 0), None, "{text}");
        }
    }
}
