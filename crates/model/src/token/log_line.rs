//! Lines of registries' logs about tokens. In: text, as it was pasted: logrus as text or JSON, with whatever stands before it. Out: which check
//! refused, in which releases, and the value it names. Source: the messages of 2.x, 3.0 and 3.1.

use super::{CheckName, Generation};
use crate::finding::Cause;

/// What a line tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The message, unquoted.
    pub message: String,
    /// The check that refused.
    pub check: CheckName,
    /// What that means.
    pub cause: Cause,
    /// The releases that write it so.
    pub generations: Vec<Generation>,
    /// What the line names: a key ID, an issuer, an audience.
    pub value: Option<String>,
}

const V2: &[Generation] = &[Generation::V2];
const V3: &[Generation] = &[Generation::V3_0, Generation::V3_1];
const ALL: &[Generation] = Generation::ALL;

/// What a message begins with or holds; the more exact before the less.
const MESSAGES: &[(&str, CheckName, Cause, &[Generation])] = &[
    ("failed to verify token: token signed by untrusted key with ID: ", CheckName::Key, Cause::TokenKeyUnknown, V3),
    ("token signed by untrusted key with ID: ", CheckName::Key, Cause::TokenKeyUnknown, V2),
    ("failed to verify token: invalid token", CheckName::Key, Cause::TokenKeyUnknown, V3),
    ("unable to get token signing key", CheckName::Key, Cause::TokenKeyUnknown, V2),
    ("failed to verify token: untrusted JWK with no certificate chain", CheckName::Key, Cause::TokenJwkUntrusted, V3),
    ("untrusted JWK with no certificate chain", CheckName::Key, Cause::TokenJwkUntrusted, V2),
    ("unable to decode raw JWK value: ", CheckName::Key, Cause::TokenJwkUntrusted, V2),
    ("could not verify JWK certificate chain: ", CheckName::Key, Cause::TokenJwkUntrusted, V2),
    ("leaf certificate public key ID does not match JWK key ID", CheckName::Key, Cause::TokenJwkUntrusted, V2),
    ("failed to verify token: x509: ", CheckName::Key, Cause::TokenChainUntrusted, V3),
    ("unable to verify certificate chain: ", CheckName::Key, Cause::TokenChainUntrusted, V2),
    ("unable to decode leaf certificate: ", CheckName::Key, Cause::TokenChainUntrusted, V2),
    ("unable to parse leaf certificate: ", CheckName::Key, Cause::TokenChainUntrusted, V2),
    ("unable to decode intermediate certificate: ", CheckName::Key, Cause::TokenChainUntrusted, V2),
    ("unable to parse intermediate certificate: ", CheckName::Key, Cause::TokenChainUntrusted, V2),
    ("does not support signature algorithm ", CheckName::Signature, Cause::TokenAlgorithm, V2),
    ("RSA Digital Signature Algorithm ", CheckName::Signature, Cause::TokenAlgorithm, V2),
    ("unable to verify token signature: ", CheckName::Signature, Cause::TokenBadSignature, V2),
    ("go-jose/go-jose: error in cryptographic primitive", CheckName::Signature, Cause::TokenBadSignature, V3),
    ("token has no signature", CheckName::Signature, Cause::TokenBadSignature, V2),
    ("token from untrusted issuer: ", CheckName::Issuer, Cause::TokenWrongIssuer, ALL),
    ("token intended for another audience: ", CheckName::Audience, Cause::TokenWrongAudience, ALL),
    ("token not to be used after ", CheckName::Expiry, Cause::TokenExpired, ALL),
    ("token not to be used before ", CheckName::NotBefore, Cause::TokenNotYetValid, ALL),
    ("error while unmarshalling raw token: ", CheckName::Form, Cause::TokenMalformed, V2),
    ("error authorizing context: malformed token", CheckName::Form, Cause::TokenMalformed, ALL),
    ("error authorizing context: json: ", CheckName::ClaimTypes, Cause::TokenMalformed, V3),
    ("error authorizing context: authorization token required", CheckName::Bearer, Cause::TokenMissing, ALL),
    ("error authorizing context: insufficient scope", CheckName::Access, Cause::TokenAccessMissing, ALL),
    ("token auth requires ", CheckName::Start, Cause::RegistryKeysUnusable, ALL),
    ("token auth root certificate", CheckName::Start, Cause::RegistryKeysUnusable, ALL),
];

/// What a line, or several of one refusal, tells about a token. `None` when nothing in it does.
pub fn read_log_line(text: &str) -> Option<Refusal> {
    let text = text.get(..text.floor_char_boundary(16_384)).unwrap_or_default();
    let messages: Vec<String> = text.lines().take(64).map(message).collect();
    MESSAGES.iter().find_map(|(begin, check, cause, generations)| {
        let (message, rest) = messages.iter().find_map(|message| Some((message, message.split_once(begin)?.1)))?;
        let generations = match check {
            // 3.x prints a list, 2.x a quoted string.
            CheckName::Audience if rest.starts_with('[') => V3,
            CheckName::Audience => V2,
            _ => generations,
        };
        Some(Refusal {
            message: message.clone(),
            check: *check,
            cause: *cause,
            generations: generations.to_vec(),
            value: value(rest, begin),
        })
    })
}

/// The message of a line: the field `msg` of logrus, else the line.
fn message(line: &str) -> String {
    for begin in ["msg=\"", "\"msg\":\"", "\"msg\": \""] {
        if let Some((_, rest)) = line.split_once(begin) {
            return unquoted(rest);
        }
    }
    line.trim().to_owned()
}

/// A quoted text up to its closing quote.
fn unquoted(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => match letters.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}

/// What is named behind the beginning of a message that ends with a colon.
fn value(rest: &str, begin: &str) -> Option<String> {
    if !begin.ends_with(": ") {
        return None;
    }
    let rest = rest.trim();
    // Where the quotes of a message inside a message were pasted with their backslashes, they are taken off.
    let bare = rest.trim_start_matches(['\\', '"', '[']);
    let end = bare.find(['"', '\\', ']']).unwrap_or(bare.len());
    let quoted = bare.len() < rest.len();
    Some(if quoted { bare[..end].to_owned() } else { rest.to_owned() }).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_are_pasted() {
        let lines = [
            "time=\"2026-11-30T09:32:36Z\" level=info msg=\"token signed by untrusted key with ID: \\\"PYYO:TEWU\\\"\" go.version=go1.19.8",
            "token signed by untrusted key with ID: \"PYYO:TEWU\"",
            "registry_1 | {\"level\":\"info\",\"msg\":\"token signed by untrusted key with ID: \\\"PYYO:TEWU\\\"\",\"time\":\"x\"}",
            "… token signed by untrusted key with ID: \\\"PYYO:TEWU\\\"",
        ];
        for line in lines {
            let told = read_log_line(line).unwrap();
            assert_eq!((told.check, told.value.as_deref()), (CheckName::Key, Some("PYYO:TEWU")), "{line}");
            assert_eq!(told.generations, [Generation::V2], "{line}");
        }
        let three =
            read_log_line("INFO[0101] failed to verify token: token signed by untrusted key with ID: \"x\"").unwrap();
        assert_eq!(three.generations, [Generation::V3_0, Generation::V3_1]);
        let both = "level=info msg=\"token from untrusted issuer: \\\"a\\\"\"\nlevel=warning msg=\"error authorizing context: invalid token\"";
        let told = read_log_line(both).unwrap();
        assert_eq!((told.cause, told.value.as_deref()), (Cause::TokenWrongIssuer, Some("a")));
        let list = read_log_line("token intended for another audience: [a b]").unwrap();
        assert_eq!((list.generations.len(), list.value.as_deref()), (2, Some("a b")));
        assert_eq!(read_log_line("level=warning msg=\"error authorizing context: invalid token\""), None);
        assert_eq!(read_log_line(""), None);
    }
}
