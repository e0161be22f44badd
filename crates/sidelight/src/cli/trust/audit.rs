//! `sidelight trust audit`. In: arguments. Out: [`TrustAudit`].

use clap::Args;

/// Check the trust of an image, and say what is wrong
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sidelight trust audit registry.example/app:1 --fail-on error")]
pub(crate) struct TrustAudit {}
