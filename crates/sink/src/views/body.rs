//! Bodies of HTTP messages as views. In: header fields and a body. Out: [`BodyView`], content codings undone.

use sidelight_model::flow::{Body, Header};

use super::{View, ViewOptions, view};
use crate::content::Undone;

/// Bytes of decoded content that are looked at; more than any view shows.
const MOST_DECODED: usize = 4 << 20;

/// A body laid out, with what its fields say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyView {
    /// `type/subtype` in lower case; empty when none was given.
    pub media_type: String,
    /// Content codings that were undone, outermost first: `gzip`, `br` …
    pub codings: Vec<String>,
    /// Less was kept of it than passed.
    pub cut: bool,
    /// The layout, with whatever stood in its way as the problem.
    pub view: View,
}

/// Lays out what is kept of `body`; `path` is that of the request.
pub fn view_body(headers: &[Header], body: &Body, path: &str, options: &ViewOptions) -> BodyView {
    let content_type = Header::find(headers, "content-type").unwrap_or_default();
    let undone = Undone::read(headers, body, MOST_DECODED);
    let is_cut = options.cut || undone.cut;
    let mut shown = view(content_type, path, &undone.bytes, &ViewOptions { cut: is_cut, ..options.clone() });
    shown.problem = undone.problem.or(shown.problem);
    BodyView {
        media_type: super::kind::essence(content_type),
        codings: undone.codings,
        cut: (body.kept.len() as u64) < body.length,
        view: shown,
    }
}
