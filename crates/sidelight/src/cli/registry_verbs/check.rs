//! `sidelight registry check`. In: arguments. Out: [`CheckCommand`].

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::{Period, RegistryOptions};

/// Say whether an image can be pulled from here as a client would do it, and if not why
///
/// Makes the pull's conversation itself, with the CAs, client certificates, logins, mirrors and proxies of that client on this host:
/// name, connection, TLS, ping, token, manifest, platform, and where each blob comes from. Bodies of blobs are left unread.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckCommand {
    /// The image, as one writes it to that client
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,

    /// Whose settings count
    #[arg(long = "as", value_name = "CLIENT", value_enum, default_value_t = AsClient::Native)]
    pub(crate) client: AsClient,

    /// Read all blobs, and verify their digests
    #[arg(long)]
    pub(crate) blobs: bool,

    /// The platform [default: linux and this machine's processor]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub(crate) platform: Option<String>,

    /// Try again every 5 s until it works, at most so long (90s, 10m, 2h)
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "10m")]
    pub(crate) watch: Option<Period>,

    /// Take the client's files from the root file system at DIR: /host in `kubectl debug node/…`
    #[arg(long, value_name = "DIR")]
    pub(crate) host_root: Option<PathBuf>,

    /// How the registry is talked to, beside what the client's own files say.
    #[command(flatten)]
    pub(crate) registry: RegistryOptions,
}

/// Whose settings count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AsClient {
    /// dockerd: daemon.json, certs.d, its own environment; the login of this user's config.json
    Docker,
    /// containerd, as a kubelet uses it: hosts.toml, its own environment
    Containerd,
    /// podman, skopeo, buildah: registries.conf, certs.d, auth.json
    Podman,
    /// sidelight itself, as it pulls images for other commands
    Native,
}

const EXAMPLES: &str = "\
Examples:
  sidelight registry check registry.corp/team/app:1.2
  sidelight registry check registry.corp/team/app:1.2 --as docker
  sidelight registry check alpine --as containerd --platform linux/arm64 --blobs
  sidelight registry check registry.corp/team/app:1.2 --as podman --watch 5m

Exit status: 0 it can be pulled; 1 it cannot; 2 usage; 3 the question could not be answered.";
