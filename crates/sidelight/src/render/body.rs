//! Bodies, with `-vv`. In: a body and its fields. Out: text as text, JSON indented, everything else named by type and size.

use sidelight_model::flow::{Body, Direction, Header};
use sidelight_sink::content::Content;
use sidelight_sink::redact::reindent;

use super::detail::mark;
use super::exchange::INDENT;
use super::quantity::bytes;
use super::style::Meaning;
use super::{Look, escape};

/// Adds the lines of a body; none without `-vv`, and none for an empty body.
pub(super) fn push(look: &Look, direction: Direction, headers: &[Header], body: &Body, text: &mut String) {
    if look.verbose < 2 || body.length == 0 {
        return;
    }
    let content = Content::read(headers, body, look.body_limit);
    let mut line = |words: &str| {
        text.push_str(INDENT);
        text.push_str(&look.paint.as_(Meaning::Faint, &format!("{} ┆ ", mark(direction))));
        text.push_str(words);
        text.push('\n');
    };
    let name = name(&content, body.length);
    if let Some(problem) = &content.problem {
        line(&look.paint.as_(Meaning::Caution, &format!("! {name}: {}", look.peer(problem))));
    }
    match &content.text {
        None if content.problem.is_some() => {}
        None => line(&format!("({name})")),
        Some(shown) => {
            let shown = look.redactor.body(&content.media_type, shown);
            let shown = if is_json(&content.media_type, &shown) { reindent(&shown).unwrap_or(shown) } else { shown };
            for row in escape::block(&shown).lines() {
                line(row);
            }
            if content.cut {
                line(&look.paint.as_(Meaning::Faint, &format!("… cut here: {name}")));
            }
        }
    }
}

/// `image/png, 12 kB, was gzip`.
fn name(content: &Content, length: u64) -> String {
    let media_type = match content.media_type.as_str() {
        "" => "no media type",
        media_type => media_type,
    };
    let coded = match content.codings.as_slice() {
        [] => String::new(),
        codings => format!(", {}", codings.join(" in ")),
    };
    escape::line(&format!("{media_type}, {}{coded}", bytes(length)))
}

fn is_json(media_type: &str, text: &str) -> bool {
    let looks = || serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    media_type.ends_with("json") || media_type.ends_with("prettyjws") || (media_type.is_empty() && looks())
}
