//! Private keys in text, which are never shown. In: text with PEM in it, also inside of JSON strings. Out: the same without keys.
//! Spec: RFC 7468.

use std::borrow::Cow;

/// What stands in place of a key.
const HIDDEN: &str = "‹private key, never shown›";

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const LABEL: &str = "PRIVATE KEY-----";
/// `ENCRYPTED `, `RSA `, `OPENSSH `: what may stand between.
const LONGEST_KIND: usize = 24;

/// Replaces each private key; one that was cut, to the end of the text.
pub(super) fn hide(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    let mut looked = 0;
    while let Some(begin) = rest[looked..].find(BEGIN).map(|at| looked + at) {
        let Some(inside) = after_label(&rest[begin + BEGIN.len()..]) else {
            looked = begin + BEGIN.len();
            continue;
        };
        out.push_str(&rest[..begin]);
        out.push_str(HIDDEN);
        rest = inside.find(END).and_then(|end| after_label(&inside[end + END.len()..])).unwrap_or_default();
        looked = 0;
    }
    if out.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(out + rest) }
}

/// What follows the label of a private key.
fn after_label(text: &str) -> Option<&str> {
    // No further than the label can stand: texts may hold any number of beginnings.
    let near = &text[..text.floor_char_boundary(LONGEST_KIND + LABEL.len())];
    let at = near.find(LABEL)?;
    Some(&text[at + LABEL.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_and_certificates_stay() {
        let pem = |kind: &str| format!("-----BEGIN {kind}-----\nc2VjcmV0\n-----END {kind}-----\n");
        let text = pem("CERTIFICATE") + &pem("EC PRIVATE KEY") + &pem("PRIVATE KEY") + "after";
        assert_eq!(hide(&text), pem("CERTIFICATE") + HIDDEN + "\n" + HIDDEN + "\nafter");
        let json = r#"{"key":"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n","n":1}"#;
        assert_eq!(hide(json), format!(r#"{{"key":"{HIDDEN}\n","n":1}}"#));
        let cut = "x -----BEGIN OPENSSH PRIVATE KEY-----\nc2Vj";
        assert_eq!(hide(cut), format!("x {HIDDEN}"));
        assert_eq!(hide(&pem("CERTIFICATE")), pem("CERTIFICATE"));
        assert_eq!(hide("-----BEGIN -----BEGIN "), "-----BEGIN -----BEGIN ");
    }
}
