//! Secrets in bodies and messages, replaced where they stand. In: kept bytes with their media type and content codings. Out: bytes of
//! the same kind without secrets, coded as they were; or nothing, when there was no secret in them.

use bytes::Bytes;
use sidelight_model::flow::{Body, Header};
use sidelight_wire::content_coding;

use super::{Redactor, binary};
use crate::content::{self, Media};

/// Bytes that are looked at after content codings are undone; what a coding hides beyond them is left out of the copy.
const MOST: usize = 16 << 20;

/// A copy of `body` without secrets. Its lengths are those of the copy, a coded one is coded again, and the digest, by which the
/// secret could be guessed, is gone. `None`: nothing had to be replaced.
pub(super) fn redact(redactor: Redactor, headers: &[Header], body: &Body) -> Option<Body> {
    let media = Media::of(headers);
    let codings = content::joined(headers, "content-encoding");
    let (content, _) = content_coding::decode(&codings, &body.kept, MOST);
    let hides_more = content.len() >= MOST;
    let redacted = match without_secrets(redactor, &media, &content) {
        Some(redacted) => redacted,
        None if hides_more => content.clone(),
        None => return None,
    };
    // What could not be undone was looked at as it is, and goes back as it is.
    let was_coded = content.as_slice() != &body.kept[..body.kept.len().min(MOST)];
    let coded = if was_coded { content_coding::encode(&codings, &redacted) } else { Some(redacted) };
    let kept = Bytes::from(coded.unwrap_or_default());
    let missing = body.length.saturating_sub(body.kept.len() as u64).max(u64::from(hides_more));
    let length = kept.len() as u64 + missing;
    let framing = body.wire_length.saturating_sub(body.length);
    Some(Body { length, kept, sha256: None, wire_length: length + framing })
}

/// The same bytes without secrets, when there are some in them.
fn without_secrets(redactor: Redactor, media: &Media, content: &[u8]) -> Option<Vec<u8>> {
    let valid = std::str::from_utf8(content);
    if media.is_textual() || media.is_unspecific() && valid.is_ok() {
        let is_form = media.name() == "application/x-www-form-urlencoded";
        return match valid {
            Ok(text) => changed(text, redactor.body(media.name(), text))
                .map(|text| if is_form { for_url(&text).into_bytes() } else { text.into_bytes() }),
            // Each byte a character: what is not touched comes back as it was.
            Err(_) => {
                let text: String = content.iter().map(|byte| char::from(*byte)).collect();
                changed(&text, redactor.body(media.name(), &text)).map(|text| bytes_of(&text))
            }
        };
    }
    if media.is_picture_or_sound() { None } else { binary::mask(content) }
}

/// A message of its own without secrets: text as text, anything else by the look of tokens in it.
pub(super) fn message(redactor: Redactor, is_text: bool, bytes: &[u8]) -> Option<Bytes> {
    let redacted = match std::str::from_utf8(bytes) {
        Ok(text) if is_text => changed(text, redactor.text(text)).map(String::into_bytes),
        _ => binary::mask(bytes),
    };
    redacted.map(Bytes::from)
}

fn changed(before: &str, after: String) -> Option<String> {
    (after != before).then_some(after)
}

/// Fingerprints as they must be written inside of a URL or form.
pub(super) fn for_url(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("‹redacted ") {
        let Some(end) = rest[start..].find('›') else { break };
        let mark = &rest[start..start + end];
        out.push_str(&rest[..start]);
        out.push_str("%E2%80%B9");
        out.push_str(&mark['‹'.len_utf8()..].replace(' ', "%20"));
        out.push_str("%E2%80%BA");
        rest = &rest[start + end + '›'.len_utf8()..];
    }
    out + rest
}

/// The bytes that the characters stand for; the marks of a fingerprint become ASCII.
fn bytes_of(text: &str) -> Vec<u8> {
    let byte = |c: char| match c {
        '‹' => b'<',
        '›' => b'>',
        c => u8::try_from(u32::from(c)).unwrap_or(b'?'),
    };
    text.chars().map(byte).collect()
}
