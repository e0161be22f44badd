//! `sidelight trust diff`. In: arguments. Out: [`TrustDiff`].

use clap::Args;

/// Compare the trust of two images, or of an image and the host
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sidelight trust diff app:1 host")]
pub(crate) struct TrustDiff {}
