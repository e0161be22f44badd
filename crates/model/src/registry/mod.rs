//! What a registry keeps, by name; what clients did with one; and what the messages of those who pull from it mean. In: what people
//! write and paste, requests that were recorded. Out: [`Reference`]s, pulls and pushes as steps with a verdict ([`timeline`]),
//! explanations ([`symptom`]). Spec: OCI distribution-spec 1.1, and the short names that docker made a habit.

mod client;
mod reference;
pub mod seen;
pub mod symptom;
pub mod timeline;

pub use client::Program;
pub use reference::{ParseReferenceError, Reference, is_digest};
