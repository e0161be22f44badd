//! Bodies in archives. In: a body with its head. Out: its text or base64 without content codings, what HAR has no place for beside it;
//! and back.

use bytes::Bytes;
use data_encoding::{BASE64, BASE64_MIME_PERMISSIVE, HEXLOWER};
use sidelight_model::flow::{Body, Header};
use sidelight_wire::content_coding;
use sidelight_wire::har::{BodyFacts, Content, Field, PostData};

use super::messages::missing;
use super::target;
use crate::content::{self, Content as Read};

/// Bytes of decoded content that are written at the most.
const MOST: usize = 32 << 20;

/// The body of a request; `None` when it has none.
pub(super) fn post_data(headers: &[Header], body: &Body) -> Option<PostData> {
    if body.length == 0 {
        return None;
    }
    let Written { text, is_base64, more, media, .. } = write(headers, body);
    let is_form = media.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let params = if is_form && !is_base64 { target::pairs(&text) } else { Vec::new() };
    Some(PostData {
        mime_type: content_type(headers),
        params: params.into_iter().map(|(name, value)| Field { name, value, base64: None }).collect(),
        text,
        encoding: is_base64.then(|| "base64".to_owned()),
        more,
    })
}

/// The body of a response.
pub(super) fn content(headers: &[Header], body: &Body) -> Content {
    let Written { text, is_base64, size, coded, more, .. } = write(headers, body);
    let size = if coded { size } else { i64::try_from(body.length).unwrap_or(i64::MAX) };
    let saved = size.saturating_sub(i64::try_from(body.length).unwrap_or(i64::MAX));
    Content {
        size,
        compression: (coded && more.cut == 0).then_some(saved),
        mime_type: content_type(headers),
        text: (body.length > 0).then_some(text),
        encoding: is_base64.then(|| "base64".to_owned()),
        more,
    }
}

fn content_type(headers: &[Header]) -> String {
    // HAR wants one; this is how browsers write that there was none.
    Header::find(headers, "content-type").unwrap_or("x-unknown").to_owned()
}

struct Written {
    text: String,
    is_base64: bool,
    /// Bytes of the content, without codings.
    size: i64,
    coded: bool,
    media: String,
    more: BodyFacts,
}

fn write(headers: &[Header], body: &Body) -> Written {
    let read = Read::read(headers, body, MOST);
    let coded = !read.codings.is_empty();
    let content = read.text.as_ref().map_or(read.bytes.as_slice(), |text| text.as_bytes());
    let size = i64::try_from(content.len()).unwrap_or(i64::MAX);
    let more = BodyFacts {
        // What the text does not say byte for byte is kept beside it.
        coded: (content != body.kept).then(|| BASE64.encode(&body.kept)),
        cut: missing(body.length, body.kept.len()),
        sha256: body.sha256.map(|digest| HEXLOWER.encode(&digest)),
        wire_size: if body.wire_length == body.length { 0 } else { clamped(body.wire_length) },
    };
    let (text, is_base64) = match read.text {
        Some(text) => (text, false),
        None => (BASE64.encode(&read.bytes), !read.bytes.is_empty()),
    };
    Written { text, is_base64, size, coded, media: read.media_type, more }
}

fn clamped(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// A body out of an archive: its content as text or base64. An archive that another program wrote has content without codings under a
/// head that names them (`recode`): then it is coded again, so that head and body belong together.
pub(super) fn read(headers: &[Header], text: &str, encoding: Option<&str>, more: &BodyFacts, recode: bool) -> Body {
    let base64 =
        |text: &str| BASE64.decode(text.as_bytes()).or_else(|_| BASE64_MIME_PERMISSIVE.decode(text.as_bytes())).ok();
    let content = match encoding {
        Some(encoding) if encoding.eq_ignore_ascii_case("base64") => base64(text),
        _ => None,
    };
    let content = content.unwrap_or_else(|| text.as_bytes().to_vec());
    let kept = match more.coded.as_deref().and_then(base64) {
        Some(kept) => kept,
        None if recode && !content.is_empty() => {
            let codings = content::joined(headers, "content-encoding");
            content_coding::encode(&codings, &content).unwrap_or(content)
        }
        None => content,
    };
    let length = (kept.len() as u64).saturating_add(more.cut.max(0).unsigned_abs());
    let sha256 = more.sha256.as_deref().and_then(|hex| HEXLOWER.decode(hex.as_bytes()).ok());
    Body {
        length,
        sha256: sha256.and_then(|digest| digest.try_into().ok()),
        wire_length: if more.wire_size > 0 { more.wire_size.unsigned_abs() } else { length },
        kept: Bytes::from(kept),
    }
}
