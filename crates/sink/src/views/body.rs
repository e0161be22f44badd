//! Bodies of HTTP messages as views. In: header fields and a body. Out: [`BodyView`], content codings undone.

use sidelight_model::flow::{Body, Direction, GrpcMessage, Header};

use super::page::Page;
use super::{Call, Scene, View, ViewOptions, grpc, view};
use crate::content::Undone;

/// Bytes of decoded content that are looked at; and when everything is wanted.
const MOST_DECODED: (usize, usize) = (4 << 20, 64 << 20);

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

/// Lays out what is kept of `body`, which went this way; `path` is that of the request.
pub fn view_body(direction: Direction, headers: &[Header], body: &Body, path: &str, options: &ViewOptions) -> BodyView {
    let content_type = Header::find(headers, "content-type").unwrap_or_default();
    let most = if options.limit_bytes == usize::MAX { MOST_DECODED.1 } else { MOST_DECODED.0 };
    let undone = Undone::read(headers, body, most);
    let options = ViewOptions {
        cut: options.cut || undone.cut,
        call: options.call.clone().or_else(|| Call::of(path, direction == Direction::ToServer, headers)),
        ..options.clone()
    };
    let mut shown = view(content_type, path, &undone.bytes, &options);
    shown.problem = undone.problem.or(shown.problem);
    if undone.bytes.len() >= most {
        shown.left_out.get_or_insert_with(|| format!("only the first {} MiB of its content are looked at", most >> 20));
    }
    BodyView {
        media_type: super::kind::essence(content_type),
        codings: undone.codings,
        cut: (body.kept.len() as u64) < body.length,
        view: shown,
    }
}

/// Lays out one gRPC message; the call that it belongs to is among the options, `content_type` that of its exchange.
pub fn view_grpc_message(content_type: &str, message: &GrpcMessage, options: &ViewOptions) -> View {
    let cut = options.cut || (message.kept.len() as u64) < message.length;
    if options.force.is_some() {
        return view(content_type, "", &message.kept, &ViewOptions { cut, ..options.clone() });
    }
    let mut page = Page::new(options.limit_lines, options.limit_bytes);
    let scene = Scene { options, content_type, path: "", cut, depth: 0 };
    let problem = grpc::show_single(message.compressed, &message.kept, &scene, &mut page);
    let (text, left_out) = page.finish();
    View { name: "grpc", text, problem, left_out }
}
