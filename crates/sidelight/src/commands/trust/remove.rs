//! `sidelight trust remove`. In: options. Out: how it ended.

pub(super) use super::edit::remove as run;
