//! `sidelight trust list`. In: arguments. Out: [`TrustList`].

use std::path::PathBuf;

use clap::Args;

use super::{AsRuntime, SetVariable};
use crate::cli::ImageOptions;

/// List every trust store in an image, the roots in them, and private keys
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sidelight trust list alpine:3.20\n  sidelight trust list docker-archive:app.tar --wide\n  \
        sidelight trust list container:web --as java\n  docker save app:1 | sidelight trust list - --json | jq '.stores[].path'\n  \
        sidelight trust list mozilla"
)]
pub(crate) struct TrustList {
    /// Image, archive, folder, container, `host`, or `mozilla` for Mozilla's list that is shipped inside
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,

    /// Only the roots that this runtime has in the image: openssl, curl, go, java, …; `auto` finds what runs there
    #[arg(long = "as", value_name = "RUNTIME")]
    pub(crate) runtime: Option<AsRuntime>,

    /// With --as: set this variable beyond the image's, as `docker run -e` does; NAME alone unsets it; repeatable
    #[arg(long, value_name = "NAME=VALUE", requires = "runtime")]
    pub(crate) env: Vec<SetVariable>,

    /// Show fingerprints and keys too
    #[arg(long)]
    pub(crate) wide: bool,

    /// Another list of public roots than the one that is shipped inside: its format, or a bundle of certificates
    #[arg(long, value_name = "FILE")]
    pub(crate) reference: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) image: ImageOptions,
}
