//! Change this machine and restore it: journal, trust stores, namespaces, processes.

#[allow(dead_code, unused_imports, reason = "the sandbox is next to use it")]
mod netlink;
pub mod process;
