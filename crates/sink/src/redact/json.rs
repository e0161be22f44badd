//! JSON as text: secrets replaced without a full parser, because bodies are cut at a limit and peers
//! send what is nearly JSON. In: text. Out: text. Everything that is not a secret stays byte for byte (numbers, escapes, order).
//! Spec: RFC 8259.

use sidelight_model::redact::{fingerprint, is_secret_member};

use super::is_hidden;

/// Replaces scalar values of members whose names mean secrets, wherever `"name": value` stands in `text`.
pub(super) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(quote) = rest.find('"') {
        let string = string_at(&rest[quote..]);
        let after = &rest[quote + string.len()..];
        out.push_str(&rest[..quote + string.len()]);
        rest = after;
        let colon = after.trim_start();
        if !colon.starts_with(':') || !is_secret_member(&unescaped(string)) {
            continue;
        }
        let value = colon[1..].trim_start();
        out.push_str(&after[..after.len() - value.len()]);
        rest = hide_value(value, &mut out);
    }
    out + rest
}

/// Writes a fingerprint for a scalar, or for each scalar of an array; returns what follows.
fn hide_value<'t>(value: &'t str, out: &mut String) -> &'t str {
    if !value.starts_with('[') {
        return hide_scalar(value, out);
    }
    let mut rest = value;
    while let Some(first) = rest.chars().next() {
        if first == ']' || first == '{' {
            return rest;
        }
        if matches!(first, '[' | ',') || first.is_whitespace() {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let after = hide_scalar(rest, out);
            if after.len() == rest.len() {
                return rest;
            }
            rest = after;
        }
    }
    rest
}

fn hide_scalar<'t>(value: &'t str, out: &mut String) -> &'t str {
    if value.starts_with('"') {
        let string = string_at(value);
        let inner = string.strip_prefix('"').unwrap_or(string);
        let inner = inner.strip_suffix('"').unwrap_or(inner);
        if inner.is_empty() || is_hidden(inner) {
            out.push_str(string);
        } else {
            out.push_str(&format!("\"{}\"", fingerprint(inner.as_bytes())));
        }
        return &value[string.len()..];
    }
    let end = value.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))).unwrap_or(value.len());
    let scalar = &value[..end];
    if matches!(scalar, "" | "null" | "true" | "false") {
        out.push_str(scalar);
    } else {
        // In quotes, so that it is still JSON.
        out.push_str(&format!("\"{}\"", fingerprint(scalar.as_bytes())));
    }
    &value[end..]
}

/// The string literal at the start of `text`, with its quotes; to the end of the text when it has no closing quote.
fn string_at(text: &str) -> &str {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return &text[..=at],
            _ => {}
        }
    }
    text
}

/// A member's name as a parser reads it: `"pass\u0077ord"` is `password`.
fn unescaped(literal: &str) -> String {
    serde_json::from_str(literal).unwrap_or_else(|_| literal.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hidden(secret: &str) -> String {
        fingerprint(secret.as_bytes())
    }

    #[test]
    fn secret_members_lose_their_values_in_place() {
        for (text, secret) in [
            (r#"{"token":"abc","expires_in":300}"#, "abc"),
            (r#"{ "a" : { "accessToken" : "x\"y" } }"#, r#"x\"y"#),
            (r#"{"pass\u0077ord":"abc"}"#, "abc"),
            (r#"{"n":1,"refresh_token":"cut in the mid"#, "cut in the mid"),
            (r#"{"secret": ["abc", 1"#, "abc"),
        ] {
            let shown = redact(text);
            assert!(!shown.contains(secret) && shown.contains(&hidden(secret)), "{shown}");
        }
        assert_eq!(redact(r#"{"token":1234567,"x":2}"#), format!(r#"{{"token":"{}","x":2}}"#, hidden("1234567")));
        for text in
            [r#"{"code":"UNAUTHORIZED"}"#, r#"{"token":null,"auth":{"user":"u"}}"#, "plain \"token\" talk", "\""]
        {
            assert_eq!(redact(text), text);
        }
        let once = redact(r#"{"auth":{"password":"p1"}}"#);
        assert_eq!(once, format!(r#"{{"auth":{{"password":"{}"}}}}"#, hidden("p1")));
        assert_eq!(redact(&once), once);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[\\[\\]{}\",:\\\\ a-zé\n0-9]{0,80}") {
            redact(&text);
        }
    }
}
