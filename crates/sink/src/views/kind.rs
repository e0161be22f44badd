//! What content is. In: its declared type, the ending of its path, its bytes. Out: a [`Kind`].
//! Spec: RFC 9110 §8.3 (Content-Type), RFC 6838 §4.2.8 (structured suffixes), WHATWG MIME Sniffing §6 (first bytes).

use super::{form, json, text};

/// Kinds of content that can be laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    Form,
    Multipart,
    Text,
    Hex,
}

impl Kind {
    /// One word for programs and headings.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Form => "form",
            Self::Multipart => "multipart",
            Self::Text => "text",
            Self::Hex => "hex",
        }
    }

    /// As in `declared as JSON`.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Form => "a form",
            Self::Multipart => "multipart",
            Self::Text => "text",
            Self::Hex => "bytes",
        }
    }
}

/// `type/subtype` of a Content-Type value, in lower case.
pub(super) fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A parameter of a Content-Type value, without its quotes.
pub(super) fn parameter(content_type: &str, name: &str) -> Option<String> {
    let mut parameters = content_type.split(';').skip(1);
    let (_, value) = parameters
        .find_map(|parameter| parameter.split_once('=').filter(|(key, _)| key.trim().eq_ignore_ascii_case(name)))?;
    let value = value.trim();
    let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    Some(bare.to_owned())
}

/// What the declared type says, or, when it says nothing, the ending of the path.
pub(super) fn declared(content_type: &str, path: &str) -> Option<Kind> {
    let essence = essence(content_type);
    match essence.as_str() {
        "" | "application/octet-stream" | "binary/octet-stream" | "application/unknown" => by_ending(path),
        essence => by_type(essence),
    }
}

fn by_type(essence: &str) -> Option<Kind> {
    let (kind, subtype) = essence.split_once('/')?;
    match (kind, subtype) {
        (_, "json" | "x-ndjson" | "ndjson" | "jsonl" | "jsonlines" | "json-seq" | "x-json") => Some(Kind::Json),
        _ if subtype.ends_with("+json") || subtype.ends_with("jws") => Some(Kind::Json),
        ("application", "x-www-form-urlencoded") => Some(Kind::Form),
        ("multipart", _) => Some(Kind::Multipart),
        ("text", _) => Some(Kind::Text),
        _ => None,
    }
}

fn by_ending(path: &str) -> Option<Kind> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    match ending.to_ascii_lowercase().as_str() {
        "json" | "ndjson" | "jsonl" | "har" => Some(Kind::Json),
        _ => None,
    }
}

/// What the bytes look like.
pub(super) fn by_look(bytes: &[u8], cut: bool) -> Kind {
    let Some(text) = text::plain(bytes, cut) else { return Kind::Hex };
    if json::looks_like(text) {
        return Kind::Json;
    }
    if form::looks_like(text) {
        return Kind::Form;
    }
    Kind::Text
}
