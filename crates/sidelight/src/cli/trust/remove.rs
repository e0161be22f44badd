//! `sidelight trust remove`. In: arguments. Out: [`TrustRemove`].

use clap::Args;

/// Remove a certificate from every trust store of an image
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sidelight trust remove root.pem --from rootfs:./root")]
pub(crate) struct TrustRemove {}
