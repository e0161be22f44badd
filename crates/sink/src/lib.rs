//! Drains the events of an interception, decodes them once, and hands them to whoever shows or keeps them.
//!
//! In: [`bus::EventSource`], which yields `model::flow::Event`. Out: calls of [`bus::Consumer`], JSON Lines by [`jsonl`], and a
//! [`ledger::Ledger`] at the end. Nothing here knows who produced the events, nor opens a socket.

pub mod bus;
pub mod content;
pub mod jsonl;
pub mod ledger;
pub mod record;
pub mod redact;
pub mod schema;
