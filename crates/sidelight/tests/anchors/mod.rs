//! The parts of `journey_anchors`: certificates with one defect each, servers that present them, clients that judge them.

pub(crate) mod clients;
pub(crate) mod pki;
pub(crate) mod server;
pub(crate) mod wrapped;
