//! TLS as it is seen from beside it: the first flight of a client, alerts in the clear, and the names of the numbers in them.
//!
//! In: bytes of records. Out: what a ClientHello offers, what an alert says. Spec: RFC 8446, RFC 5246, RFC 6066, RFC 7301.

pub mod alert;
pub mod client_hello;
pub mod decrypt;
pub mod fingerprint;
pub mod flight;
pub mod names;
pub mod offer;
mod reader;

pub use client_hello::{ClientHello, Scan, Scanner, scan};
