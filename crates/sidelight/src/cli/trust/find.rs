//! `sidelight trust find`. In: arguments. Out: [`TrustFind`].

use clap::Args;

use super::{AsRuntime, SetVariable};
use crate::cli::ImageOptions;

/// Find a root in every trust store of an image
///
/// Exits with 0 when a store has it as a root, and with 1 when none has.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sidelight trust find 'TLS RSA Root CA 2022' registry.example/app:1\n  \
        sidelight trust find corporate-root.pem docker-archive:app.tar\n  \
        sidelight trust find 96:BC:EC:06:26:49:76:F3:74:60:77:9A:CF:28:C5:A7 container:web --as java\n  \
        sidelight trust find 'ISRG Root X1' app.tar --first && echo it is there")]
pub(crate) struct TrustFind {
    /// Part of the subject; SHA-256 or SHA-1 fingerprint, key identifier or hash of the key, whole or its start; or a file with the certificate
    #[arg(value_name = "QUERY")]
    pub(crate) query: String,

    /// Image, archive, folder, container, `host`, or `mozilla` for Mozilla's list that is shipped inside
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,

    /// Ask whether this runtime has it in the image: openssl, curl, go, java, …; `auto` asks all that run there
    #[arg(long = "as", value_name = "RUNTIME", conflicts_with = "first")]
    pub(crate) runtime: Option<AsRuntime>,

    /// With --as: set this variable beyond the image's, as `docker run -e` does; NAME alone unsets it; repeatable
    #[arg(long, value_name = "NAME=VALUE", requires = "runtime")]
    pub(crate) env: Vec<SetVariable>,

    /// Stop reading at the first store that has it
    #[arg(long)]
    pub(crate) first: bool,

    #[command(flatten)]
    pub(crate) image: ImageOptions,
}
