//! What the content of an exchange is. In: an exchange. Out: [`Content`] and a registry's errors. Bodies are looked into only where
//! they tell something: manifests, tokens, refusals.

use sidelight_model::flow::{Body, Exchange, Header};
use sidelight_model::registry::seen::{Asks, Content, Seen};

use super::super::{bearer, manifest, parse_errors, parse_token};
use super::MOST_BODY;
use crate::content_coding;

/// Bytes of a page in which its title is looked for.
const MOST_PAGE: usize = 4096;

/// The content without its codings; `None` where it was not kept whole.
pub(super) fn whole(headers: &[Header], body: &Body) -> Option<Vec<u8>> {
    if (body.kept.len() as u64) < body.length || body.kept.is_empty() {
        return None;
    }
    let coding = Header::find(headers, "content-encoding").unwrap_or_default();
    if coding.is_empty() {
        return Some(body.kept.to_vec());
    }
    let (bytes, oddities) = content_coding::decode(coding, &body.kept, MOST_BODY);
    (oddities.is_empty() && bytes.len() < MOST_BODY).then_some(bytes)
}

/// Looks into what was sent and answered.
pub(super) fn read(seen: &mut Seen, exchange: &Exchange) {
    let Some(response) = &exchange.response else { return };
    let is_ok = (200..300).contains(&response.status);
    let is_blob = matches!(seen.asks, Asks::Blob { .. } | Asks::Redirected);
    let start = &response.body.kept[..response.body.kept.len().min(MOST_PAGE)];
    // What stands in a blob is no page, unless somebody says that it is one.
    if is_page(start) && (!is_blob || !is_ok || seen.says.media_type == "text/html") {
        seen.content = Content::Page { title: title(start) };
        return;
    }
    if !is_ok && response.status >= 400 {
        let body = whole(&response.headers, &response.body).unwrap_or_default();
        seen.errors = parse_errors(&body).into_iter().map(|it| (it.code, it.message)).collect();
        if seen.errors.is_empty() {
            seen.errors.extend(storage_error(&body));
        }
        return;
    }
    match (&seen.asks, &*seen.method) {
        (Asks::Token { .. }, _) if is_ok && !seen.partial => seen.content = grant(&response.headers, &response.body),
        (Asks::Manifest { .. }, "GET") if is_ok => {
            seen.content = read_manifest(&seen.says.media_type, &response.headers, &response.body);
        }
        (Asks::Manifest { .. }, "PUT") => {
            let Some(request) = &exchange.request else { return };
            let media_type = Header::find(&request.headers, "content-type").unwrap_or_default();
            seen.content = read_manifest(media_type, &request.headers, &request.body);
        }
        _ => {}
    }
}

fn read_manifest(media_type: &str, headers: &[Header], body: &Body) -> Content {
    match whole(headers, body).map(|bytes| manifest::parse_manifest(media_type, &bytes)) {
        Some(Ok(manifest)) => Content::Manifest(manifest),
        Some(Err(why)) => Content::Unreadable(why),
        None => Content::Other,
    }
}

fn grant(headers: &[Header], body: &Body) -> Content {
    let Some(bytes) = whole(headers, body) else {
        let why = if body.length == 0 { "the answer is empty" } else { "the answer was not recorded whole" };
        return Content::Unreadable(why.to_owned());
    };
    match parse_token(&bytes) {
        Ok(token) => Content::Grant {
            token: Box::new(bearer::read_token(token.token.reveal())),
            expires_in: token.expires_in,
            refresh: token.refresh.is_some(),
        },
        // Redacted tokens hold characters that no header can carry.
        Err(_) if String::from_utf8_lossy(&bytes).contains("redacted sha256:") => {
            Content::Grant { token: Box::new(bearer::read_token("redacted")), expires_in: 0, refresh: false }
        }
        Err(why) => Content::Unreadable(why),
    }
}

fn is_page(start: &[u8]) -> bool {
    let text = String::from_utf8_lossy(start).trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    text.starts_with("<!doctype html") || text.starts_with("<html")
}

fn title(start: &[u8]) -> String {
    let text = String::from_utf8_lossy(start);
    let lower = text.to_ascii_lowercase();
    let title = || {
        let from = lower.find("<title")?;
        let from = from + lower[from..].find('>')? + 1;
        let to = from + lower[from..].find("</title")?;
        // Lower case of ASCII moves nothing.
        Some(text.get(from..to)?.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    title().filter(|it| !it.is_empty()).unwrap_or_else(|| "without a title".to_owned()).chars().take(120).collect()
}

/// `<Code>` and `<Message>` of S3 and its kin.
fn storage_error(body: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8_lossy(&body[..body.len().min(MOST_PAGE)]);
    let member = |name: &str| {
        let from = text.find(&format!("<{name}>"))? + name.len() + 2;
        let to = from + text[from..].find("</")?;
        Some(text[from..to].chars().take(200).collect::<String>())
    };
    Some((member("Code")?, member("Message").unwrap_or_default()))
}
