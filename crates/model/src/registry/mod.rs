//! What a registry keeps, by name. In: what people write. Out: [`Reference`]s. Spec: OCI distribution-spec 1.1, and the short
//! names that docker made a habit.

mod reference;

pub use reference::{ParseReferenceError, Reference, is_digest};
