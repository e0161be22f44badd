//! Content laid out for people. In: bytes of a body or message (content codings undone), what they are said to be, and how much
//! may be shown. Out: [`View`]: text in lines, what it was taken for, what is wrong with it, and what was left out.
//!
//! The declared type is tried first, then the bytes are looked at; what nothing fits is dumped. Nothing is ever executed, fetched
//! or expanded; depth, lines and bytes are bounded. Secrets go through the [`Redactor`] here, so whoever shows a view need not
//! think of them; control characters are the business of whoever writes to a terminal.

mod archive;
mod body;
mod cbor;
mod certificates;
mod form;
mod grpc;
mod hex;
mod image;
mod items;
mod json;
mod jwt;
mod kind;
mod msgpack;
mod multipart;
mod page;
mod protobuf;
mod protos;
mod text;
mod xml;

use std::borrow::Cow;
use std::sync::Arc;

use self::kind::Kind;
use self::page::Page;
use crate::redact::Redactor;

pub use body::{BodyView, view_body, view_grpc_message};
pub use grpc::Call;
pub use jwt::summary as token_summary;
pub use protos::{Protos, ProtosError};

/// How deep content may be nested in content: a part of a multipart in a gzip in …
const MOST_NESTING: usize = 4;

/// How content is to be shown.
#[derive(Clone, Debug)]
pub struct ViewOptions {
    /// How secrets appear.
    pub redactor: Redactor,
    /// Lines at most.
    pub limit_lines: usize,
    /// Bytes of text at most.
    pub limit_bytes: usize,
    /// The bytes are the beginning of something longer.
    pub cut: bool,
    /// Takes it for this, whatever it is said to be and looks like.
    pub force: Option<Force>,
    /// The gRPC (or Connect, or Twirp) method that it belongs to.
    pub call: Option<Call>,
    /// Message types that the person has given.
    pub protos: Option<Arc<Protos>>,
}

impl Default for ViewOptions {
    fn default() -> Self {
        Self {
            redactor: Redactor::default(),
            limit_lines: 512,
            limit_bytes: 256 * 1024,
            cut: false,
            force: None,
            call: None,
            protos: None,
        }
    }
}

/// What content is taken for when the person says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// Text as it came, without any layout.
    Raw,
    /// A dump of the bytes.
    Hex,
}

/// Content laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// What it was taken for: `json`, `form`, `hex` …
    pub name: &'static str,
    /// Lines, each with its end; may hold control characters of the peer.
    pub text: String,
    /// What is wrong with it, in words.
    pub problem: Option<String>,
    /// What of the bytes at hand is not shown, in words.
    pub left_out: Option<String>,
}

/// Lays out `bytes`, which a peer declared as `content_type` (the whole field value, parameters included; may be empty) and which
/// are at `path` (may be empty), whose ending is a hint where no type is declared.
pub fn view(content_type: &str, path: &str, bytes: &[u8], options: &ViewOptions) -> View {
    if bytes.is_empty() {
        return View { name: "empty", text: String::new(), problem: None, left_out: None };
    }
    let mut page = Page::new(options.limit_lines, options.limit_bytes);
    let scene = Scene { options, content_type, path, cut: options.cut, depth: 0 };
    let (kind, problem) = scene.lay_out(bytes, &mut page);
    let (text, left_out) = page.finish();
    View { name: kind.name(), text, problem, left_out }
}

/// What came of an attempt to lay out bytes as one kind: done, perhaps with something to say about them; or they are not of it.
type Attempt = Result<Option<String>, String>;

/// One piece of content in its surroundings.
#[derive(Clone, Copy)]
struct Scene<'o> {
    options: &'o ViewOptions,
    content_type: &'o str,
    path: &'o str,
    cut: bool,
    depth: usize,
}

impl<'o> Scene<'o> {
    /// Lays out bytes as what they are said to be, else as what they look like. Returns what they were taken for, and what is
    /// wrong with them.
    fn lay_out(self, bytes: &[u8], page: &mut Page) -> (Kind, Option<String>) {
        match self.options.force {
            Some(Force::Hex) => return (Kind::Hex, self.attempt(Kind::Hex, bytes, page).unwrap_or_default()),
            Some(Force::Raw) => return (Kind::Text, text::show_lossy(bytes, &self, page)),
            None => {}
        }
        let declared = kind::declared(self.content_type, self.path).map(|kind| kind::refined(kind, bytes, self.cut));
        let mut problem = None;
        if let Some(kind) = declared {
            match self.attempt(kind, bytes, page) {
                Ok(problem) => return (kind, problem),
                Err(why) => problem = Some(format!("declared as {}, but {why}", kind.words())),
            }
        }
        let looks = kind::by_look(bytes, self.cut);
        for kind in [looks, Kind::Text, Kind::Hex] {
            if Some(kind) == declared {
                continue;
            }
            if let Ok(further) = self.attempt(kind, bytes, page) {
                return (kind, problem.or(further));
            }
        }
        (Kind::Hex, problem)
    }

    /// Lays out content inside of this content.
    fn nested(
        self,
        content_type: &str,
        path: &str,
        bytes: &[u8],
        cut: bool,
        page: &mut Page,
    ) -> (Kind, Option<String>) {
        let inner = Scene { content_type, path, cut, depth: self.depth + 1, ..self };
        page.indented(|page| inner.lay_out(bytes, page))
    }

    /// Whether content inside of this content may be looked at.
    const fn may_nest(self) -> bool {
        self.depth < MOST_NESTING
    }

    fn attempt(self, kind: Kind, bytes: &[u8], page: &mut Page) -> Attempt {
        match kind {
            Kind::Json => json::show(&self.text(bytes)?, &self, page),
            Kind::Form => {
                form::show(&self.text(bytes)?, &self, page);
                Ok(None)
            }
            Kind::Multipart => multipart::show(bytes, &self, page),
            Kind::Xml => xml::show(&self.text(bytes)?, false, &self, page),
            Kind::Html => xml::show(&self.text(bytes)?, true, &self, page),
            Kind::Grpc => grpc::show(bytes, &self, page),
            Kind::Protobuf if kind::parameter(self.content_type, "encoding").as_deref() == Some("delimited") => {
                protobuf::show_delimited(bytes, grpc::message_type(&self).as_ref(), &self, page)
            }
            Kind::Protobuf => protobuf::show(bytes, grpc::message_type(&self).as_ref(), &self, page),
            Kind::MessagePack => items::show(&mut msgpack::MessagePack::new(bytes), &self, page),
            Kind::Cbor => items::show(&mut cbor::Cbor::new(bytes), &self, page),
            Kind::Image => image::show(bytes, page).map(|()| None).ok_or_else(|| "it is none that is known".to_owned()),
            Kind::Jwt => jwt::show(&self.text(bytes)?, &self, page),
            Kind::Certificates => certificates::show(bytes, self.cut, page),
            Kind::Gzip => archive::show_packed("gzip", bytes, &self, page),
            Kind::Zstd => archive::show_packed("zstd", bytes, &self, page),
            Kind::Tar => archive::show_tar(bytes, &self, page),
            Kind::Zip => archive::show_zip(bytes, &self, page),
            Kind::Css | Kind::Script | Kind::Text => text::show(bytes, &self, page),
            Kind::Hex => {
                hex::show(bytes, &self, page);
                Ok(None)
            }
        }
    }

    /// The bytes as text.
    ///
    /// # Errors
    /// In words, when they are none.
    fn text<'b>(&self, bytes: &'b [u8]) -> Result<Cow<'b, str>, String> {
        let (text, problem) = text::decode(bytes, kind::parameter(self.content_type, "charset").as_deref(), self.cut);
        match problem {
            None => Ok(text),
            Some(problem) => Err(problem),
        }
    }

    fn redactor(&self) -> Redactor {
        self.options.redactor
    }
}

/// A string as JSON writes it, so that its ends and control characters can be seen.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}
