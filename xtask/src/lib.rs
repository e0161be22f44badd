//! The chores behind `cargo xtask`: what the workspace promises about itself, as code that checks it.
//! The promises stand in ARCHITECTURE.md, "Invariants"; each check here is also run as a test (xtask/tests).

pub mod arrows;
pub mod dist;
pub mod gate;
pub mod licences;
pub mod setup;
pub mod tidy;
pub mod workspace;
