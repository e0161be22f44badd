//! `sidelight trust diff`. In: arguments. Out: [`TrustDiff`].

use std::path::PathBuf;

use clap::Args;
use sidelight_image::Platform;
use sidelight_model::time::Timestamp;
use sidelight_model::trust::Runtime;

use super::audit::moment;

/// Compare the trust of two sources: images, containers, folders, the host, or Mozilla's list
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TrustDiff {
    /// The first source, as in `sidelight trust list`; `mozilla` is the list that is shipped inside
    pub(crate) before: String,

    /// The second source
    pub(crate) after: String,

    /// Platform, where a source has several: linux/amd64, linux/arm64/v8 [default: this machine's]
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Option<Platform>,

    /// Only what programs of this kind have: openssl, curl, gnutls, go, java, node, python, dotnet, rust-native, rust-webpki, nss, git, wget
    #[arg(long, value_name = "RUNTIME")]
    pub(crate) runtime: Option<Runtime>,

    /// Tell of roots in the second source that expire within so many days
    #[arg(long, value_name = "N", default_value_t = 90)]
    pub(crate) days: u32,

    /// Another list of public roots than the one that is shipped inside: its format, or a bundle of certificates
    #[arg(long, value_name = "FILE")]
    pub(crate) reference: Option<PathBuf>,

    /// Judge validity as of that time: RFC 3339, or a day [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) at: Option<Timestamp>,

    /// Show every root, however many
    #[arg(long)]
    pub(crate) all: bool,
}

const EXAMPLES: &str = "\
Examples:
  sidelight trust diff registry.example/app:1 registry.example/app:2
  sidelight trust diff app:1 host
  sidelight trust diff app:1 mozilla
  sidelight trust diff app:1 app:2 --runtime java --json | jq '.roots.added[].subject'

Exit status: 0 both trust the same, 1 they differ, 3 one of them cannot be read.";
