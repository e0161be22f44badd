//! `sidelight trust export`. In: arguments. Out: [`TrustExport`].

use std::path::PathBuf;

use clap::Args;

use super::{AsRuntime, SetVariable};
use crate::cli::{CertificateFormat, ImageOptions};

/// Write the roots of an image as a bundle
///
/// Without --store or --as, they are those of the distribution's bundle.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sidelight trust export oci:./layout -o roots.pem\n  \
        sidelight trust export app:1 --store /etc/ssl/certs/java/cacerts -o java.pem\n  \
        sidelight trust export container:web --as node -o node.pem\n  \
        sidelight trust export mozilla --format jks -o cacerts.jks")]
pub(crate) struct TrustExport {
    /// Image, archive, folder, container, `host`, or `mozilla` for Mozilla's list that is shipped inside
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,

    /// Store to take them from, by its path in the image; repeatable
    #[arg(long, value_name = "PATH", conflicts_with = "runtime")]
    pub(crate) store: Vec<String>,

    /// The roots that this runtime has in the image: openssl, curl, go, java, …
    #[arg(long = "as", value_name = "RUNTIME")]
    pub(crate) runtime: Option<AsRuntime>,

    /// With --as: set this variable beyond the image's, as `docker run -e` does; NAME alone unsets it; repeatable
    #[arg(long, value_name = "NAME=VALUE", requires = "runtime")]
    pub(crate) env: Vec<SetVariable>,

    /// Form
    #[arg(long, value_name = "FORM", default_value = "pem")]
    pub(crate) format: CertificateFormat,

    /// File to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Password of a p12 or jks file
    #[arg(long, value_name = "PASSWORD", default_value = "changeit")]
    pub(crate) storepass: String,

    #[command(flatten)]
    pub(crate) image: ImageOptions,
}
