//! Certification paths, rule by rule: certificates are made for each case, right and wrong, and the explorer must find the one thing that is
//! wrong with each. Spec: RFC 5280, RFC 9525, CA/Browser Forum. The large public collections are in `crates/model/tests/limbo.rs`.

#![allow(clippy::disallowed_methods)] // the library reads no clock and no files; tests may

#[path = "paths/building.rs"]
mod building;
#[path = "paths/lists.rs"]
mod lists;
#[path = "paths/mutations.rs"]
mod mutations;
#[path = "paths/names.rs"]
mod names;
#[path = "paths/pki.rs"]
mod pki;
#[path = "paths/rules.rs"]
mod rules;
