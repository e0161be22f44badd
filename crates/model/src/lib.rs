//! What things are, and what is wrong with them.
//!
//! In: values that others gathered (bytes of certificates, addresses, times). Out: values that others show or act on.
//! Nothing here touches a file, a socket, a clock or the environment: the time is always an argument.

pub mod diagnose;
pub mod filter;
pub mod finding;
pub mod flow;
pub mod forge;
pub mod policy;
pub mod redact;
pub mod registry;
pub mod time;
pub mod tofu;
pub mod token;
pub mod trust;
pub mod x509;
