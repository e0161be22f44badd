//! HTTP/1.0 and HTTP/1.1. In: bytes of a connection. Out: heads, where bodies end, exchanges; and what is odd about them.
//! Spec: RFC 9112 (messages), RFC 9110 (semantics).
//!
//! The parsers are made for looking, not for serving: they read on over what a server would refuse, and say what it was.

mod answers;
mod chunked;
mod conversation;
mod edit;
mod fields;
mod framing;
mod head;
mod head_buffer;
mod resume;
mod start_line;
mod target;

pub(crate) use conversation::Conversation;
pub use edit::{EditHeads, Editing};
pub(crate) use fields::line_at;
pub use framing::{Advance, BodyFraming, BodyState};
pub use head::{
    DEFAULT_HEAD_BYTES, DEFAULT_HEAD_FIELDS, HeadLimits, Progress, RequestHead, ResponseHead, find_head_end,
    parse_request, parse_response,
};
pub(crate) use head::{leading_empty_lines, list_members};
pub(crate) use start_line::{LINE_BEGINNING, cannot_be_request, cannot_be_response, is_request_line};
