//! What a registry keeps, by name; and what the messages of those who pull from it mean. In: what people write and paste. Out:
//! [`Reference`]s, explanations. Spec: OCI distribution-spec 1.1, and the short names that docker made a habit.

mod reference;
pub mod symptom;

pub use reference::{ParseReferenceError, Reference, is_digest};
