//! Change this machine and restore it: journal, trust stores, namespaces, processes.
//!
//! In: what the user asked to change. Out: the change, and the way back. Every lasting change is in the journal before it is made.

pub mod dns_relay;
pub mod files;
pub mod first_use;
pub mod journal;
mod netlink;
pub mod netns;
mod nft;
pub mod process;
pub mod pull_settings;
pub mod redirect;
pub mod registry_login;
pub mod run_env;
pub mod trust_store;
