//! The parts of `journey_anchors`: certificates with one defect each, servers that present them, clients that judge them.

pub mod clients;
pub mod pki;
pub mod server;
