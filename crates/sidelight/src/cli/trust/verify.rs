//! `sidelight trust verify`. In: arguments. Out: [`TrustVerify`].

use clap::Args;

/// Verify a certificate chain, and say why each path ends where it does
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sidelight trust verify --roots roots.pem --chain chain.pem --name registry.example"
)]
pub(crate) struct TrustVerify {}
