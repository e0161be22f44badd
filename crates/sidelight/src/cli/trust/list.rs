//! `sidelight trust list`. In: arguments. Out: [`TrustList`].

use clap::Args;

/// List the roots in an image and who reads them
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sidelight trust list alpine:3.20")]
pub(crate) struct TrustList {}
