//! Bodies, with `-vv`. In: a body and its fields. Out: content laid out; what is no text is named by type and size.

use sidelight_model::flow::{Body, Direction, Header};
use sidelight_sink::views::{BodyView, ViewOptions, view_body};

use super::detail::mark;
use super::exchange::INDENT;
use super::quantity::bytes;
use super::style::Meaning;
use super::{Look, escape};

/// Adds the lines of a body, which went this way in answer to or with a request for `path`; none without `-vv`, and none for an
/// empty body.
pub(super) fn push(look: &Look, direction: Direction, headers: &[Header], body: &Body, path: &str, text: &mut String) {
    if look.verbose < 2 || body.length == 0 {
        return;
    }
    let options = ViewOptions {
        redactor: look.redactor,
        limit_lines: usize::MAX,
        limit_bytes: look.body_limit,
        ..ViewOptions::default()
    };
    let shown = view_body(direction, headers, body, path, &options);
    let mut line = |words: &str| {
        text.push_str(INDENT);
        text.push_str(&look.paint.as_(Meaning::Faint, &format!("{} ┆ ", mark(direction))));
        text.push_str(words);
        text.push('\n');
    };
    let name = name(&shown, body.length);
    if let Some(problem) = &shown.view.problem {
        line(&look.paint.as_(Meaning::Caution, &format!("! {name}: {}", look.peer(problem))));
    }
    // As it passes, bytes are of no interest: `flows show` dumps them.
    if shown.view.name == "hex" {
        if shown.view.problem.is_none() {
            line(&format!("({name})"));
        }
        return;
    }
    for row in escape::block(&shown.view.text).lines() {
        line(row);
    }
    if shown.cut || shown.view.left_out.is_some() {
        line(&look.paint.as_(Meaning::Faint, &format!("… cut here: {name}")));
    }
}

/// `image/png, 12 kB, gzip`.
fn name(shown: &BodyView, length: u64) -> String {
    let media_type = if shown.media_type.is_empty() { "no media type" } else { &shown.media_type };
    let coded = match shown.codings.as_slice() {
        [] => String::new(),
        codings => format!(", {}", codings.join(" in ")),
    };
    escape::line(&format!("{media_type}, {}{coded}", bytes(length)))
}
