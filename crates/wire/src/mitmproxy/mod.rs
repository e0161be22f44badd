//! Flow files of mitmproxy. In: tnetstrings, one after the other. Out: [`Flow`]s as values of `model`.
//!
//! Spec: mitmproxy's own `io` modules. The versions 17 to 21 of the format (programs 8 to 12) are read as they are; others are
//! read field by field, each under every name that it ever had, and what is missing stays unknown.

mod flow;
mod tls;
pub mod tnetstring;

pub use flow::{Content, Flow, FlowConnection, Http, TcpMessage, read};

/// Whether a file begins as one of mitmproxy's: a dictionary whose first bytes are a netstring.
pub fn looks_like(first: &[u8]) -> bool {
    // The outer length, then the length of the first key, then the key: mitmproxy writes them in an order of its own.
    let tnetstring::Head::Value { head, content } = tnetstring::head(first) else { return false };
    let inside = first.get(head..).unwrap_or_default();
    content > 20 && matches!(tnetstring::head(inside), tnetstring::Head::Value { content: 1..=40, .. })
}
