//! `sidelight trust add`. In: arguments. Out: [`TrustAdd`].

use std::path::PathBuf;

use clap::Args;

use super::TrustEdit;

/// Add a certificate to every trust store that an image's programs read
///
/// Folders and running containers are changed in place; every change is in a journal first, and `sidelight trust remove` takes it
/// back byte for byte. An image gets one layer more and goes to -o; it is never changed itself. Nothing of the image is run.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sidelight trust add corp-root.pem --into rootfs:./root\n  \
    sidelight trust add corp-root.pem --into docker-daemon:app:1 -o docker-archive:app-with-root.tar\n  \
    sidelight trust add corp-root.pem --into container:web --dry-run\n  \
    sidelight trust add corp-root.pem --into gcr.io/distroless/java17 --as-dockerfile -o ./with-root")]
pub(crate) struct TrustAdd {
    /// Certificates of CAs, in any form; a file may hold several
    #[arg(required = true, value_name = "CERT")]
    pub(crate) certificates: Vec<PathBuf>,

    /// The image, root file system, container or host that is to trust them
    #[arg(long, value_name = "SOURCE")]
    pub(crate) into: String,

    /// Add a certificate although it is not one of a CA
    #[arg(long)]
    pub(crate) force_leaf: bool,

    #[command(flatten)]
    pub(crate) edit: TrustEdit,
}
