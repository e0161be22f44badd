//! `sidelight trust add`. In: arguments. Out: [`TrustAdd`].

use clap::Args;

/// Add a certificate to every trust store that an image's programs read
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sidelight trust add root.pem --into rootfs:./root")]
pub(crate) struct TrustAdd {}
