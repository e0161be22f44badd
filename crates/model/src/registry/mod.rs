//! What a registry keeps, by name; and what clients did with one. In: what people write, requests that were recorded. Out:
//! [`Reference`]s, and pulls and pushes as steps with a verdict ([`timeline`]). Spec: OCI distribution-spec 1.1, and the short names
//! that docker made a habit.

mod client;
mod reference;
pub mod seen;
pub mod timeline;

pub use client::Program;
pub use reference::{ParseReferenceError, Reference, is_digest};
