//! HTTP/2. In: bytes of both directions, from the preface on or from the middle. Out: exchanges as their streams end.
//! Spec: RFC 9113 (HTTP/2), RFC 7541 (HPACK), RFC 8441 (extended CONNECT).

mod conversation;
mod fields;
mod frame;
mod hpack;
mod side;
mod streams;

pub(crate) use conversation::Conversation;
pub(crate) use frame::{PREFACE, error_name, may_begin_midway};
