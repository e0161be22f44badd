//! Peers, certificates and scripted conversations for the tests of sidelight.
//!
//! In: what a test wants to see go right or wrong. Out: real servers and clients around the real program, each bounded in time and ended by its process id.
//! Everything here panics with a message when the machine lacks something: a test that silently does less is worse than one that fails.

pub mod crowd;
pub mod exact;
pub mod hosts;
pub mod netns;
pub mod origin;
pub mod peers;
pub mod pki;
pub mod process;
pub mod registry;
pub mod sidelight;
pub mod talk;
pub mod world;

pub use hosts::Hosts;
pub use origin::Origin;
pub use pki::{Identity, Issuer, Leaf};
pub use process::{Finished, Running};
pub use sidelight::Sidelight;
pub use world::{Side, World};

use sha2::{Digest, Sha256};

/// The SHA-256 of some bytes, in lower-case hexadecimal.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes.as_ref()))
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
