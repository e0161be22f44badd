//! HTML forms: a line a field, decoded. In: `a=1&b=2`. Out: `a: 1`. Values that are JSON themselves are laid out beneath.
//! Spec: WHATWG URL §5 (application/x-www-form-urlencoded).

use super::page::Page;
use super::{Scene, json, quoted};

/// Widest column of names.
const WIDEST_NAME: usize = 32;

/// Shortest value that is laid out when it is JSON.
const SHORTEST_JSON: usize = 40;

/// Whether a text that nobody declared is a form: names without white space, each with a value.
pub(super) fn looks_like(text: &str) -> bool {
    let text = text.trim_end();
    let is_part =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'%' | b'+' | b'-' | b'_' | b'.' | b'*' | b'[' | b']');
    text.contains('&')
        && text.split('&').all(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or_default();
            !name.is_empty()
                && name.bytes().all(is_part)
                && value.bytes().all(|b| is_part(b) || b"!~'()/:,@".contains(&b))
        })
}

/// Lays out `text`.
pub(super) fn show(text: &str, scene: &Scene<'_>, page: &mut Page) {
    let pairs: Vec<(String, &str)> = text
        .trim_end()
        .split('&')
        .take(scene.options.limit_lines.saturating_add(1))
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (printable(&decoded(name)), value))
        .collect();
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default().min(WIDEST_NAME);
    for (name, value) in &pairs {
        let label = format!("{name}:{}", " ".repeat(width.saturating_sub(name.chars().count())));
        let value = scene.redactor().member(name, &decoded(value));
        if value.len() >= SHORTEST_JSON && scene.may_nest() && json::looks_like(&value) {
            page.line(label.trim_end());
            scene.nested("application/json", "", value.as_bytes(), false, page);
        } else {
            page.line(format!("{label} {}", printable(&value)).trim_end());
        }
    }
}

/// Names and values that are one line without white space at its ends stand as they are; others are quoted.
pub(super) fn printable(text: &str) -> String {
    let plain = text.trim() == text && !text.starts_with('"') && !text.chars().any(char::is_control);
    if plain { text.to_owned() } else { quoted(text) }
}

/// Percent-decoded, with `+` for a space; bytes that are not UTF-8 become U+FFFD.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let code = match (first, after) {
            (b'%', [high, low, ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                Some(digit(*high) << 4 | digit(*low))
            }
            _ => None,
        };
        out.push(code.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&out).into_owned()
}

const fn digit(hex: u8) -> u8 {
    match hex {
        b'0'..=b'9' => hex - b'0',
        _ => (hex | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use crate::views::{ViewOptions, view};

    fn shown(content_type: &str, text: &str) -> (&'static str, String) {
        let view = view(content_type, "", text.as_bytes(), &ViewOptions::default());
        (view.name, view.text)
    }

    #[test]
    fn fields_are_decoded_one_a_line() {
        let form = "grant_type=urn%3Aietf%3Aparams&scope=a+b&note=%22x%0ay&=v&flag&bad=%zz%4";
        let expected = "grant_type: urn:ietf:params\nscope:      a b\nnote:       \"\\\"x\\ny\"\n:           v\nflag:\nbad:        %zz%4\n";
        assert_eq!(shown("application/x-www-form-urlencoded", form), ("form", expected.to_owned()));
        assert_eq!(shown("", "a=1&b=x%20y").0, "form");
        assert_eq!(shown("", "if a=1 & b=2").0, "text");
    }

    #[test]
    fn secrets_and_json_in_values() {
        let form =
            "user=kim&pass%77ord=hunter2&data=%7B%22token%22%3A%22s3cret%22%2C%22why%22%3A%22because+it+is%22%7D";
        let (_, text) = shown("application/x-www-form-urlencoded", form);
        assert!(!text.contains("hunter2") && !text.contains("s3cret"), "{text}");
        assert!(
            text.contains("data:\n  {\n    \"token\": \"‹redacted sha256:") && text.contains("because it is"),
            "{text}"
        );
    }
}
