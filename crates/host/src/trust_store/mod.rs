//! The trust stores of this machine: where they are, how our CA gets in, how it gets out again.

mod places;

pub use places::{BUNDLES, find_host_bundles, find_java_stores};
