//! Drains the events of an interception, decodes them once, and hands them to whoever shows or keeps them.
//!
//! In: [`bus::EventSource`], which yields `model::flow::Event`. Out: calls of [`bus::Consumer`], JSON Lines by [`jsonl`], and a
//! [`ledger::Ledger`] at the end. Nothing here knows who produced the events, nor opens a socket.

pub mod bus;
pub mod capture;
pub mod content;
pub mod content_log;
pub mod filtered;
pub mod har;
pub mod import;
pub mod jsonl;
pub mod key_log;
pub mod ledger;
pub mod notice;
pub mod pcapng;
pub mod raw;
pub mod record;
pub mod redact;
pub mod schema;
pub mod snippet;
pub mod stats;
pub mod store;
pub mod views;
