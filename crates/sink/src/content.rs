//! Bodies made readable. In: header fields and the kept bytes of a body. Out: [`Content`]: its media type, its text where it is
//! text, and what stood in the way. Spec: RFC 9110 §8 (representation data).

use std::borrow::Cow;

use sidelight_model::flow::{Body, Header};
use sidelight_wire::content_coding;

/// What a body turned out to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// `type/subtype` in lower case; empty when none was given.
    pub media_type: String,
    /// Content codings that were undone, outermost first: `gzip`, `br` …
    pub codings: Vec<String>,
    /// The decoded text, when it is text.
    pub text: Option<String>,
    /// The decoded bytes, when it is no text.
    pub bytes: Vec<u8>,
    /// There is more of it than is here.
    pub cut: bool,
    /// Why decoding stopped early, in words.
    pub problem: Option<String>,
}

impl Content {
    /// Reads the kept part of `body`, and at most `limit` bytes of what it decodes to.
    pub fn read(headers: &[Header], body: &Body, limit: usize) -> Self {
        let media = Media::of(headers);
        let Undone { bytes, codings, cut, problem } = Undone::read(headers, body, limit);
        let is_still_coded = !codings.is_empty() && body.kept.starts_with(&bytes);
        let text = if is_still_coded { None } else { as_text(&bytes, &media, cut).map(Cow::into_owned) };
        let bytes = if text.is_some() { Vec::new() } else { bytes };
        Self { media_type: media.name, codings, text, bytes, cut, problem }
    }
}

/// What a body is without its content codings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// The content, as far as the codings could be undone.
    pub bytes: Vec<u8>,
    /// The codings, outermost first.
    pub codings: Vec<String>,
    /// There is more of it than is here.
    pub cut: bool,
    /// Why decoding stopped early, in words.
    pub problem: Option<String>,
}

impl Undone {
    /// Decodes the kept part of `body`, at most `limit` bytes of content.
    pub fn read(headers: &[Header], body: &Body, limit: usize) -> Self {
        let field = joined(headers, "content-encoding");
        let (bytes, oddities) = content_coding::decode(&field, &body.kept, limit);
        let cut = (body.kept.len() as u64) < body.length || bytes.len() >= limit;
        // What was cut here cannot be undone to its end; that is no fault of the service.
        let problem = oddities.into_iter().next().map(|oddity| oddity.detail).filter(|_| !cut);
        Self { bytes, codings: codings(&field), cut, problem }
    }
}

/// The media type of a body, as its head has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Media {
    /// `type/subtype` in lower case; empty when none was given.
    name: String,
    latin1: bool,
}

impl Media {
    /// The media type that the field Content-Type gives.
    pub(crate) fn of(headers: &[Header]) -> Self {
        let field = Header::find(headers, "content-type").unwrap_or_default().to_ascii_lowercase();
        let name = field.split(';').next().unwrap_or_default().trim().to_owned();
        Self { name, latin1: field.contains("charset=iso-8859-1") }
    }

    /// `type/subtype` in lower case; empty when none was given.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether each byte of it is a character (ISO 8859-1).
    pub(crate) const fn is_latin1(&self) -> bool {
        self.latin1
    }

    /// Whether bodies of this type are text.
    pub(crate) fn is_textual(&self) -> bool {
        is_textual(&self.name)
    }

    /// Whether the type says nothing about the body.
    pub(crate) fn is_unspecific(&self) -> bool {
        matches!(self.name.as_str(), "" | "application/octet-stream" | "binary/octet-stream" | "application/unknown")
    }

    /// Whether bodies of this type have neither text nor tokens in them.
    pub(crate) fn is_picture_or_sound(&self) -> bool {
        ["image/", "audio/", "video/", "font/"].iter().any(|kind| self.name.starts_with(kind)) && !self.is_textual()
    }
}

/// The values of a list field over all its lines (RFC 9110 §5.3).
pub(crate) fn joined(headers: &[Header], name: &str) -> String {
    let lines = headers.iter().filter(|header| header.is(name)).map(|header| String::from_utf8_lossy(&header.value));
    lines.collect::<Vec<_>>().join(",")
}

/// The codings that a Content-Encoding field lists, outermost first. `identity` is none.
fn codings(field: &str) -> Vec<String> {
    let names = field.split(',').map(|coding| coding.trim().to_ascii_lowercase());
    let mut codings: Vec<String> = names.filter(|coding| !coding.is_empty() && coding != "identity").collect();
    codings.reverse();
    codings
}

/// The bytes as text, when the media type says that they are, or says nothing and they read as such.
fn as_text<'b>(bytes: &'b [u8], media: &Media, cut: bool) -> Option<Cow<'b, str>> {
    if media.latin1 && media.is_textual() {
        return Some(Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect()));
    }
    let whole = match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        // The cut may have gone through a character.
        Err(wrong) if cut && wrong.error_len().is_none() => std::str::from_utf8(&bytes[..wrong.valid_up_to()]).ok(),
        Err(_) => None,
    };
    match whole {
        _ if media.is_textual() => Some(whole.map_or_else(|| String::from_utf8_lossy(bytes), Cow::Borrowed)),
        Some(text) if media.is_unspecific() && !text.is_empty() => {
            let reads = text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
            reads.then_some(Cow::Borrowed(text))
        }
        _ => None,
    }
}

fn is_textual(media_type: &str) -> bool {
    let (kind, subtype) = media_type.split_once('/').unwrap_or((media_type, ""));
    let known = ["json", "xml", "javascript", "x-www-form-urlencoded", "graphql", "yaml", "x-yaml", "toml", "x-ndjson"];
    kind == "text"
        || media_type == "multipart/form-data"
        || kind == "application" && known.contains(&subtype)
        || ["+json", "+xml", "+yaml", "-jws"].iter().any(|ending| subtype.ends_with(ending))
        || subtype == "vnd.docker.distribution.manifest.v1+prettyjws"
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// "hello, hello, hello" and a line end.
    const GZIP: &[u8] = &[
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 203, 72, 205, 201, 201, 215, 81, 200, 64, 162, 184, 0, 231, 66, 110, 82, 20,
        0, 0, 0,
    ];

    #[test]
    fn codings_are_undone_and_faults_of_the_service_are_told() {
        let headers = [Header::new("content-type", "text/plain"), Header::new("content-encoding", "gzip")];
        let read = |kept: &[u8], length, limit| {
            let body = Body { length, kept: Bytes::copy_from_slice(kept), sha256: None, wire_length: length };
            Content::read(&headers, &body, limit)
        };
        let whole = read(GZIP, 30, 99);
        assert_eq!((whole.text.as_deref(), whole.cut, whole.problem), (Some("hello, hello, hello\n"), false, None));
        let limited = read(GZIP, 30, 5);
        assert_eq!((limited.text.as_deref(), limited.cut, limited.problem), (Some("hello"), true, None));
        let kept_in_part = read(&GZIP[..20], 30, 99);
        assert_eq!((kept_in_part.cut, kept_in_part.problem), (true, None));
        let cut_by_peer = read(&GZIP[..20], 20, 99);
        assert!(cut_by_peer.problem.is_some_and(|words| words.contains("ends before")));
        let nonsense = read(b"plain after all", 15, 99);
        assert_eq!((nonsense.text, nonsense.bytes.as_slice()), (None, &b"plain after all"[..]));
        assert!(nonsense.problem.is_some());
    }

    fn read(media: &str, kept: &[u8], length: u64, limit: usize) -> Content {
        let body = Body { length, kept: Bytes::copy_from_slice(kept), sha256: None, wire_length: length };
        Content::read(&[Header::new("Content-Type", media)], &body, limit)
    }

    #[test]
    fn text_by_type_and_by_look() {
        assert_eq!(read("application/problem+json; x=y", b"{}", 2, 99).text.as_deref(), Some("{}"));
        assert_eq!(read("Text/HTML; Charset=ISO-8859-1", b"\xe9", 1, 99).text.as_deref(), Some("é"));
        assert_eq!(read("text/plain", b"a\xff", 2, 99).text.as_deref(), Some("a\u{fffd}"));
        assert_eq!(read("", "né".as_bytes(), 3, 99).text.as_deref(), Some("né"));
        assert_eq!(read("", b"a\0", 2, 99).text, None);
        assert_eq!(read("image/png", b"text", 4, 99).bytes, b"text");
    }

    #[test]
    fn a_cut_is_told_and_may_go_through_a_character() {
        let cut = read("text/plain", b"n\xc3", 9, 99);
        assert_eq!((cut.text.as_deref(), cut.cut), (Some("n"), true));
        assert_eq!(read("text/plain", b"abcdef", 6, 3).text.as_deref(), Some("abc"));
        assert!(!read("text/plain", b"abc", 3, 99).cut);
    }

    #[test]
    fn codings_are_listed_outermost_first() {
        assert_eq!(codings("gzip, identity,BR"), ["br", "gzip"]);
    }
}
