//! Secrets in XML and HTML, by the names of elements, attributes and form fields, without a parser, because bodies are cut at a limit.
//! In: text. Out: the same, with each secret replaced by its fingerprint. Spec: XML 1.0 §3.1; HTML §13.1.2.

use sidelight_model::redact::is_secret_member;

use super::hidden;

/// Replaces the text of elements, and the values of attributes, whose names mean secrets; of an input field, by its name.
pub(super) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        if let Some(end) = rest.starts_with("<!--").then(|| rest.find("-->").map_or(rest.len(), |end| end + 3)) {
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        let tag = &rest[..end_of_tag(rest)];
        rest = &rest[tag.len()..];
        push_tag(tag, &mut out);
        let name = tag[1..].split(|c: char| c.is_whitespace() || matches!(c, '>' | '/')).next().unwrap_or_default();
        if is_secret(name) && !tag.ends_with("/>") {
            rest = hide_content(rest, &mut out);
        }
    }
    out + rest
}

/// Whether a name, with or without its namespace, means a secret.
fn is_secret(name: &str) -> bool {
    is_secret_member(name.rsplit(':').next().unwrap_or(name))
}

/// The length of the tag at the start of `text`: to its `>`, which may also stand in an attribute's value.
fn end_of_tag(text: &str) -> usize {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    text.len()
}

/// Writes a fingerprint for the text up to the next tag; returns what follows.
fn hide_content<'t>(text: &'t str, out: &mut String) -> &'t str {
    const CDATA: &str = "<![CDATA[";
    let (open, inner) = text.strip_prefix(CDATA).map_or(("", text), |inner| (CDATA, inner));
    let end = inner.find(if open.is_empty() { "<" } else { "]]>" }).unwrap_or(inner.len());
    let value = inner[..end].trim();
    out.push_str(open);
    if value.is_empty() {
        out.push_str(&inner[..end]);
    } else {
        out.push_str(&hidden(value));
    }
    &inner[end..]
}

/// Writes a tag. The value of an input field is a secret by the field's name, or because it is a password's.
fn push_tag(tag: &str, out: &mut String) {
    let attributes: Vec<Attribute<'_>> = attributes(tag);
    let of = |name: &str| attributes.iter().find(|it| it.name.eq_ignore_ascii_case(name)).map(|it| it.value);
    let is_field = of("name").is_some_and(is_secret) || of("type").is_some_and(|kind| kind == "password");
    let mut done = 0;
    for Attribute { name, value, start } in &attributes {
        let hides = is_secret(name) || is_field && ["value", "content"].iter().any(|it| name.eq_ignore_ascii_case(it));
        if hides && !value.is_empty() {
            out.push_str(&tag[done..*start]);
            out.push_str(&hidden(value));
            done = start + value.len();
        }
    }
    out.push_str(&tag[done..]);
}

struct Attribute<'t> {
    name: &'t str,
    value: &'t str,
    /// Where the value begins in the tag.
    start: usize,
}

fn attributes(tag: &str) -> Vec<Attribute<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(equals) = tag[at..].find('=').map(|equals| at + equals) {
        let before = tag[at..equals].trim_end();
        let name = before.rsplit(|c: char| c.is_whitespace() || matches!(c, '<' | '/' | '"' | '\'')).next();
        let after = &tag[equals + 1..];
        let value_at = equals + 1 + (after.len() - after.trim_start().len());
        let (start, end) = match tag.as_bytes().get(value_at) {
            Some(quote @ (b'"' | b'\'')) => {
                let start = value_at + 1;
                (start, tag[start..].find(char::from(*quote)).map_or(tag.len(), |end| start + end))
            }
            _ => {
                let end = tag[value_at..].find(|c: char| c.is_whitespace() || c == '>').unwrap_or(tag.len() - value_at);
                (value_at, value_at + end)
            }
        };
        found.push(Attribute { name: name.unwrap_or_default(), value: &tag[start..end], start });
        at = end.max(equals + 1);
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_go_and_the_markup_stays() {
        for (text, secret) in [
            ("<a><ns:Password x='1'>hunter2</ns:Password></a>", "hunter2"),
            ("<SecretAccessKey>abc/d</SecretAccessKey>", "abc/d"),
            ("<login user=\"u\" token = 's3cret'/>", "s3cret"),
            ("<Password><![CDATA[a<b]]></Password>", "a<b"),
            ("<input type=hidden name=\"csrf_token\" value=abc>", "abc"),
            ("<input value=\"h>2\" type=\"password\">", "h>2"),
            ("<token>cut in the mid", "cut in the mid"),
        ] {
            assert_eq!(redact(text), text.replace(secret, &hidden(secret)), "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_stays_and_twice_is_once() {
        for text in
            ["<a href=\"/x?y=1\">b</a> < c", "<!-- <token>x</token> --><Token/>", "<token> </token>", "<", "<a b="]
        {
            assert_eq!(redact(text), text);
        }
        let once = redact("<token>abc</token><x password='p'>");
        assert_eq!(redact(&once), once);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[<>/=\"'! a-cé\\[\\]-]{0,60}") {
            redact(&text);
            redact(&format!("<token {text}"));
        }
    }
}
