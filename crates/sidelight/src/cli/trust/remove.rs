//! `sidelight trust remove`. In: arguments. Out: [`TrustRemove`].

use clap::Args;

use super::TrustEdit;

/// Remove a certificate from every trust store of an image
///
/// What `sidelight trust add` put into a folder, container or host is taken back byte for byte. Any other certificate is taken out of
/// each store that holds it, and the distribution's own switch is set where its packages bring it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sidelight trust remove corp-root.pem --from rootfs:./root\n  \
    sidelight trust remove 'Old Corp Root' --from app:1 -o oci-archive:app-without.tar\n  \
    sidelight trust remove --undo --from container:web")]
pub(crate) struct TrustRemove {
    /// A certificate's file, its SHA-256, or a part of its subject
    #[arg(value_name = "CERT|QUERY", required_unless_present = "undo")]
    pub(crate) query: Option<String>,

    /// The image, root file system, container or host that is to trust it no longer
    #[arg(long, value_name = "SOURCE")]
    pub(crate) from: String,

    /// Take back what `trust add` and `trust remove` did there, the latest first
    #[arg(long, conflicts_with = "query")]
    pub(crate) undo: bool,

    #[command(flatten)]
    pub(crate) edit: TrustEdit,
}
