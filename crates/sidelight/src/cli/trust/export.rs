//! `sidelight trust export`. In: arguments. Out: [`TrustExport`].

use clap::Args;

/// Write the roots of an image as a bundle
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sidelight trust export oci:./layout -o roots.pem")]
pub(crate) struct TrustExport {}
