//! JSON, each member and element on a line of its own. In: text. Out: the same tokens, with other white space between them:
//! order, repeated names, numbers and escapes stay as they were sent. Several documents may follow each other (JSON Lines,
//! RFC 7464 sequences), and the last may be cut anywhere. Spec: RFC 8259.

use serde::de::IgnoredAny;

use super::page::Page;
use super::{Attempt, Scene};

/// Whether a text that nobody declared is JSON: an object or array, as far as it goes.
pub(super) fn looks_like(text: &str) -> bool {
    let start = text.trim_start();
    match start.as_bytes() {
        [b'{', rest @ ..] if matches!(rest.trim_ascii_start().first(), Some(b'"' | b'}') | None) => {}
        [b'[', ..] => {}
        _ => return false,
    }
    matches!(check(start), Ok(()) | Err(Flaw::Cut))
}

/// Lays out `text`.
pub(super) fn show(text: &str, scene: &Scene<'_>, page: &mut Page) -> Attempt {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let problem = match check(text) {
        Ok(()) => None,
        Err(Flaw::Cut) if scene.cut => None,
        Err(Flaw::Cut) => Some("the JSON ends before its last value does".to_owned()),
        Err(Flaw::Bad(why)) => return Err(format!("it is not: {why}")),
    };
    lay_out(&scene.redactor().body("application/json", text), page);
    Ok(problem)
}

/// What keeps a text from being JSON.
enum Flaw {
    /// It ends too early.
    Cut,
    /// Something in it does not belong there.
    Bad(String),
}

fn check(text: &str) -> Result<(), Flaw> {
    // Record separators of JSON text sequences stand where white space may.
    let spaced;
    let text = if text.contains('\u{1e}') {
        spaced = text.replace('\u{1e}', " ");
        &spaced
    } else {
        text
    };
    for document in serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>() {
        if let Err(error) = document {
            return Err(if error.is_eof() { Flaw::Cut } else { Flaw::Bad(error.to_string()) });
        }
    }
    Ok(())
}

/// Lays out JSON in which the redactor may have put fingerprints where values were.
fn lay_out(text: &str, page: &mut Page) {
    let base = page.indent();
    let mut layout = Layout { page, line: String::new(), base, depth: 0, level: 0 };
    let mut rest = text;
    while !layout.page.is_full() {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{1e}']);
        let Some(token) = token(rest) else { break };
        let after = &rest[token.len()..];
        layout.put(token, after);
        rest = after;
    }
    layout.end_line();
    page.set_indent(base);
}

/// The token at the beginning of `text`: a string, a punctuation mark, a fingerprint, or a number or word.
fn token(text: &str) -> Option<&str> {
    let first = text.chars().next()?;
    let end = match first {
        '"' => string_end(text),
        '‹' => text.find('›').map_or(text.len(), |at| at + '›'.len_utf8()),
        '{' | '}' | '[' | ']' | ',' | ':' => 1,
        _ => text
            .find(|c: char| matches!(c, '"' | '{' | '}' | '[' | ']' | ',' | ':') || c.is_ascii_whitespace())
            .unwrap_or(text.len()),
    };
    text.get(..end.max(first.len_utf8()))
}

/// Where the string at the beginning of `text` ends, its quotes included; the end of the text when it is cut.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

struct Layout<'p> {
    page: &'p mut Page,
    line: String,
    /// Level of the page at which the document begins.
    base: usize,
    /// Objects and arrays that are open.
    depth: usize,
    /// Level of `line`.
    level: usize,
}

impl Layout<'_> {
    /// Adds a token; `after` is what follows it.
    fn put(&mut self, token: &str, after: &str) {
        match token {
            "{" | "[" => {
                self.push(token);
                self.depth += 1;
                if !after.trim_ascii_start().starts_with(['}', ']']) {
                    self.end_line();
                }
            }
            "}" | "]" => {
                self.depth = self.depth.saturating_sub(1);
                // Empty ones stay on the line where they begin.
                if !self.line.ends_with(['{', '[']) {
                    self.end_line();
                }
                self.push(token);
            }
            "," => {
                self.push(",");
                self.end_line();
            }
            ":" => self.push(": "),
            value => self.push(value),
        }
        // Outside of everything, each value is a document of its own.
        if self.depth == 0 {
            self.end_line();
        }
    }

    fn push(&mut self, token: &str) {
        if self.line.is_empty() {
            self.level = self.depth;
        }
        self.line.push_str(token);
    }

    fn end_line(&mut self) {
        if !self.line.is_empty() {
            self.page.set_indent(self.base + self.level);
            self.page.line(self.line.trim_end());
            self.line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::redact::Redactor;
    use crate::views::{View, ViewOptions, view};

    fn shown(text: &str, cut: bool) -> View {
        let options = ViewOptions { redactor: Redactor::new(true), cut, ..ViewOptions::default() };
        view("application/json", "", text.as_bytes(), &options)
    }

    #[test]
    fn tokens_stay_as_they_are() {
        let text = r#"{"b":1.0e5,"a":[{},[ ],"x: {\u00e9}",true],"a":123456789012345678901234567890,"c":{"d":null}}"#;
        let expected = "{\n  \"b\": 1.0e5,\n  \"a\": [\n    {},\n    [],\n    \"x: {\\u00e9}\",\n    true\n  ],\n  \"a\": 123456789012345678901234567890,\n  \"c\": {\n    \"d\": null\n  }\n}\n";
        assert_eq!(shown(text, false).text, expected);
        assert_eq!(
            shown("{\"a\":1}\n{\"a\":2}\n3\n\"x\"", false).text,
            "{\n  \"a\": 1\n}\n{\n  \"a\": 2\n}\n3\n\"x\"\n"
        );
        assert_eq!(shown("\u{1e}{}\n\u{1e}[]\n", false).text, "{}\n[]\n");
    }

    #[test]
    fn what_is_cut_is_laid_out_and_what_is_none_is_not() {
        let cut = shown(r#"{"a":[1,"cut of"#, true);
        assert_eq!((cut.text.as_str(), cut.problem), ("{\n  \"a\": [\n    1,\n    \"cut of\n", None));
        let broken = shown(r#"{"a":[1,"cut of"#, false);
        assert!(broken.problem.is_some_and(|words| words.contains("ends before")));
        let other = shown("no json\n {a b}", false);
        assert_eq!((other.name, other.text.as_str()), ("text", "no json\n {a b}\n"));
        assert!(other.problem.unwrap().contains("line 1 column 2"));
    }

    #[test]
    fn secrets_go_and_their_fingerprints_stay_whole() {
        let text = r#"{"token":123456789,"x":["y"],"password":"hunter2"}"#;
        let shown = view("application/json", "", text.as_bytes(), &ViewOptions::default()).text;
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].contains("‹redacted sha256:") && lines[1].ends_with(','), "{shown}");
        assert!(serde_json::from_str::<serde_json::Value>(&shown).is_ok(), "{shown}");
        assert!(!shown.contains("hunter2") && lines.len() == 7, "{shown}");
    }

    /// Any JSON value, with names that repeat and numbers that no float holds.
    fn json() -> impl Strategy<Value = String> {
        let scalar = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            "-?[1-9][0-9]{0,40}(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?",
            any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        ];
        scalar.prop_recursive(6, 64, 5, |inner| {
            let member = ("[a-c]", inner.clone()).prop_map(|(name, value)| format!("\"{name}\" :{value}"));
            prop_oneof![
                proptest::collection::vec(inner, 0..5).prop_map(|all| format!("[ {}]", all.join(" ,"))),
                proptest::collection::vec(member, 0..5).prop_map(|all| format!("{{{} }}", all.join(",\n"))),
            ]
        })
    }

    fn without_space(text: &str) -> String {
        let mut out = String::new();
        let mut rest = text.trim_ascii_start();
        while let Some(token) = super::token(rest) {
            out.push_str(token);
            rest = rest[token.len()..].trim_ascii_start();
        }
        out
    }

    proptest! {
        #[test]
        fn layout_changes_white_space_alone(text in json()) {
            let shown = shown(&text, false);
            prop_assert_eq!(shown.name, "json");
            prop_assert_eq!(shown.problem, None);
            prop_assert_eq!(shown.left_out, None);
            prop_assert_eq!(without_space(&shown.text), without_space(&text));
            let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
            prop_assert_eq!(value(&shown.text), value(&text));
        }

        #[test]
        fn a_cut_anywhere_loses_nothing(text in json(), at: prop::sample::Index) {
            let at = text.floor_char_boundary(at.index(text.len() + 1));
            let shown = shown(&text[..at], true);
            if shown.name == "json" {
                let (shown, sent) = (without_space(&shown.text), without_space(&text[..at]));
                prop_assert_eq!(shown.trim_end(), sent.trim_end());
            }
        }
    }
}
