//! The bodies of all fuzz targets. In: bytes. Out: nothing, or a panic that says which promise was broken.
//!
//! `crates/wire/tests/corpus.rs` and `crates/sink/tests/corpus.rs` compile the same modules, so that `cargo test` runs them over the
//! committed corpus.

pub mod sinks;
pub mod targets;
