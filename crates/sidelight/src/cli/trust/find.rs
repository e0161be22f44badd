//! `sidelight trust find`. In: arguments. Out: [`TrustFind`].

use clap::Args;

/// Find a certificate in every trust store of an image
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sidelight trust find 'TLS RSA Root CA 2022' registry.example/app:1")]
pub(crate) struct TrustFind {}
