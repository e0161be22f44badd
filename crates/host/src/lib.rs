//! Change this machine and restore it: journal, trust stores, namespaces, processes.
//!
//! In: what the user asked to change. Out: the change, and the way back. Every lasting change is in the journal before it is made.

pub mod files;
pub mod journal;
#[allow(dead_code, unused_imports, reason = "the sandbox is next to use it")]
mod netlink;
pub mod process;
pub mod run_env;
pub mod trust_store;
