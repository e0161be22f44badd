//! Options of all that asks registries. In: arguments. Out: [`RegistryOptions`].

use std::path::PathBuf;

use clap::Args;

/// How registries are talked to.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Registries")]
pub(crate) struct RegistryOptions {
    /// Do not verify registries' certificates, and speak plain HTTP to those without TLS (always allowed on loopback)
    #[arg(long)]
    pub(crate) insecure_registry: bool,

    /// Verify registries against these roots (PEM or DER) instead of the host's; repeatable
    ///
    /// What /etc/docker/certs.d/HOST, /etc/containers/certs.d/HOST and ~/.config/containers/certs.d/HOST hold (*.crt, and a
    /// client certificate as *.cert with *.key) counts besides.
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) registry_roots: Vec<PathBuf>,

    /// Take logins to registries from this file alone [default: those of podman, then docker's config.json]
    #[arg(long, value_name = "FILE")]
    pub(crate) authfile: Option<PathBuf>,
}
