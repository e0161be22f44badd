//! WebSocket. In: bytes of both directions after the handshake. Out: whole messages, inflated, and control frames.
//! Spec: RFC 6455 (framing), RFC 7692 (permessage-deflate), RFC 8441 (over HTTP/2).

mod conversation;
mod frame;
mod inflate;

pub(crate) use conversation::Conversation;
pub(crate) use inflate::Deflate;
