//! The shapes of `--json` of commands that answer a question, one file per command; those of traffic are in `sink::schema`.
//! In: values of `model` and its kin. Out: what is serialised. A shape is a contract: within a version, members are only added.

pub(crate) mod sarif;
pub(crate) mod trust_audit;
pub(crate) mod trust_diff;
