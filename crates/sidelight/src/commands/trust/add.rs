//! `sidelight trust add`. In: options. Out: how it ended.

pub(super) use super::edit::add as run;
