//! The bodies of all fuzz targets. In: bytes. Out: nothing, or a panic that says which promise was broken.
//!
//! `tests/corpus.rs` of `crates/wire`, `crates/sink` and `crates/image` compile the same modules, so that `cargo test` runs them over
//! the committed corpus.

pub mod images;
pub mod sinks;
pub mod targets;
