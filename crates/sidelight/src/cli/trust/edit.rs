//! The options that `sidelight trust add` and `sidelight trust remove` share. In: arguments. Out: [`TrustEdit`].

use clap::{Args, ValueEnum};

use super::super::ImageOptions;

/// How a change of trust is made or shown.
#[derive(Clone, Debug, Args)]
pub(crate) struct TrustEdit {
    /// Where the changed image goes: oci-archive:FILE, docker-archive:FILE, oci:DIR or docker://HOST/NAME:TAG; for a tar of a root
    /// file system the new tar, for --as-patch a folder. Roots in folders and running containers are changed in place
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<String>,

    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Kinds of stores that may be changed, with commas between [default: all]
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub(crate) only: Vec<EditKind>,

    /// Password of Java stores, beside those that the root's own settings name; repeatable
    #[arg(long, value_name = "PASSWORD", default_value = "changeit")]
    pub(crate) storepass: Vec<String>,

    /// Write a Dockerfile that does it and the files that it copies into a folder, and print it (needs -o DIR)
    #[arg(long, group = "shape", requires = "output")]
    pub(crate) as_dockerfile: bool,

    /// Write the changed files alone, as a folder to be laid over the root (needs -o DIR)
    #[arg(long, group = "shape", requires = "output")]
    pub(crate) as_patch: bool,

    /// Print a ConfigMap, and what mounts it into a pod
    #[arg(long, group = "shape")]
    pub(crate) as_kubernetes: bool,

    #[command(flatten)]
    pub(crate) image: ImageOptions,
}

/// Kinds of trust stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EditKind {
    /// The administrator's folder, from which the distribution makes the others
    Anchors,
    /// PEM bundles
    Bundle,
    /// Folders searched by hash
    Hashed,
    /// Java's stores
    Java,
    /// Bundles that packages bring (certifi, botocore, …)
    Vendored,
    /// NSS's databases
    Nss,
    /// edk2's
    Edk2,
    /// Variables of the environment (NODE_EXTRA_CA_CERTS)
    Env,
}
