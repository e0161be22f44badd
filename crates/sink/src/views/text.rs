//! Text as text. In: bytes and the charset that is declared for them. Out: characters, secrets replaced, line by line.
//! Spec: WHATWG Encoding (labels of UTF-8, UTF-16 and Latin-1; the others are rare enough to be shown as what they are not).

use std::borrow::Cow;

use super::page::Page;
use super::{Attempt, Scene, kind};

/// Lays out `bytes` as the text that they are.
pub(super) fn show(bytes: &[u8], scene: &Scene<'_>, page: &mut Page) -> Attempt {
    let (text, problem) = decode(bytes, kind::parameter(scene.content_type, "charset").as_deref(), scene.cut);
    if is_binary(&text) {
        return Err("it is no text".to_owned());
    }
    write(&text, scene, page);
    Ok(problem)
}

/// Lays out any bytes as text; what is none in them becomes U+FFFD.
pub(super) fn show_lossy(bytes: &[u8], scene: &Scene<'_>, page: &mut Page) -> Option<String> {
    let (text, problem) = decode(bytes, kind::parameter(scene.content_type, "charset").as_deref(), scene.cut);
    write(&text, scene, page);
    problem
}

fn write(text: &str, scene: &Scene<'_>, page: &mut Page) {
    page.lines(&redacted(text, &kind::essence(scene.content_type), scene));
}

/// `text` of this media type without its secrets.
pub(super) fn redacted(text: &str, media_type: &str, scene: &Scene<'_>) -> String {
    scene.redactor().body(media_type, text)
}

/// The bytes as text, and what is wrong with them. What is cut may end inside of a character.
pub(super) fn decode<'b>(bytes: &'b [u8], charset: Option<&str>, cut: bool) -> (Cow<'b, str>, Option<String>) {
    let charset = charset.unwrap_or_default().to_ascii_lowercase();
    match (bytes, charset.as_str()) {
        ([0xff, 0xfe, rest @ ..], _) => (utf16(rest, u16::from_le_bytes), None),
        ([0xfe, 0xff, rest @ ..], _) => (utf16(rest, u16::from_be_bytes), None),
        (_, "utf-16" | "utf-16le") => (utf16(bytes, u16::from_le_bytes), None),
        (_, "utf-16be") => (utf16(bytes, u16::from_be_bytes), None),
        (_, "iso-8859-1" | "latin1" | "windows-1252") => {
            (Cow::Owned(bytes.iter().map(|b| char::from(*b)).collect()), None)
        }
        _ => utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes), cut),
    }
}

fn utf8(bytes: &[u8], cut: bool) -> (Cow<'_, str>, Option<String>) {
    let wrong = match std::str::from_utf8(bytes) {
        Ok(text) => return (Cow::Borrowed(text), None),
        Err(wrong) => wrong,
    };
    let sound = std::str::from_utf8(&bytes[..wrong.valid_up_to()]).unwrap_or_default();
    if cut && wrong.error_len().is_none() {
        return (Cow::Borrowed(sound), None);
    }
    (String::from_utf8_lossy(bytes), Some(format!("it is not UTF-8 at byte {}", wrong.valid_up_to())))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Cow<'_, str> {
    let units = bytes.as_chunks().0.iter().map(|pair| unit(*pair));
    Cow::Owned(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

/// Bytes that are text without doubt: UTF-8 in which nothing controls a terminal.
pub(super) fn plain(bytes: &[u8], cut: bool) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(wrong) if cut && wrong.error_len().is_none() => std::str::from_utf8(&bytes[..wrong.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let reads = !text.is_empty() && text.chars().all(|c| !c.is_control() || is_space(c));
    reads.then_some(text)
}

const fn is_space(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\t' | '\x0c')
}

/// Whether what was to be text has a NUL in it, or more than a tenth of what no text has. Escapes of terminals are text.
fn is_binary(text: &str) -> bool {
    let odd = |c: &char| *c == char::REPLACEMENT_CHARACTER || c.is_control() && !is_space(*c) && *c != '\x1b';
    let strange = text.chars().filter(odd).count();
    text.contains('\0') || strange * 10 > text.chars().count()
}

#[cfg(test)]
mod tests {
    use crate::redact::Redactor;
    use crate::views::{View, ViewOptions, view};

    fn shown(content_type: &str, bytes: &[u8], cut: bool) -> View {
        view(content_type, "", bytes, &ViewOptions { cut, ..ViewOptions::default() })
    }

    #[test]
    fn charsets_and_cuts() {
        for (content_type, bytes, text) in [
            ("text/plain", &b"n\xc3\xa9\r\nb"[..], "né\nb\n"),
            ("text/plain; charset=\"ISO-8859-1\"", b"\xe9", "é\n"),
            ("text/plain", b"\xff\xfeA\0\xe9\0", "Aé\n"),
            ("text/plain;charset=utf-16be", b"\0A\0\xe9", "Aé\n"),
            ("", b"\xef\xbb\xbfplain", "plain\n"),
        ] {
            assert_eq!(shown(content_type, bytes, false).text, text, "{content_type}");
        }
        assert_eq!(shown("text/plain", b"n\xc3", true), View { problem: None, ..shown("text/plain", b"n", false) });
        let broken = shown("text/plain", b"a sentence with \xff in it", false);
        assert_eq!((broken.name, broken.problem.as_deref()), ("text", Some("it is not UTF-8 at byte 16")));
    }

    #[test]
    fn bytes_that_are_no_text_are_dumped() {
        let binary = shown("text/plain", b"ab\0\x01\x02", false);
        assert_eq!((binary.name, binary.problem.as_deref()), ("hex", Some("declared as text, but it is no text")));
        assert_eq!(shown("", b"a\x01", false).name, "hex");
    }

    #[test]
    fn secrets_go_unless_revealed() {
        let text = b"see https://a.test/?access_token=s3cret";
        assert!(!shown("text/plain", text, false).text.contains("s3cret"));
        let reveal = ViewOptions { redactor: Redactor::new(true), ..ViewOptions::default() };
        assert!(view("text/plain", "", text, &reveal).text.contains("s3cret"));
    }
}
