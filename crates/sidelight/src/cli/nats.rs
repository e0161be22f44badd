//! How a record of known roots in NATS is reached. In: arguments. Out: [`NatsOptions`].

use std::path::PathBuf;

use clap::Args;

/// Credentials and TLS for `--pins nats://…`.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "A record in NATS (--pins nats://HOST:PORT/BUCKET or tls://…)")]
#[cfg_attr(not(feature = "nats"), allow(dead_code))]
pub(crate) struct NatsOptions {
    /// Credentials for NATS (.creds: a user's JWT and its seed)
    #[arg(long, value_name = "FILE", conflicts_with = "nats_nkey")]
    pub(crate) nats_creds: Option<PathBuf>,

    /// The seed of a user's nkey for NATS
    #[arg(long, value_name = "FILE")]
    pub(crate) nats_nkey: Option<PathBuf>,

    /// Roots for the certificate of NATS, which must then speak TLS [default: the ordinary roots]
    #[arg(long, value_name = "FILE")]
    pub(crate) nats_ca: Option<PathBuf>,

    /// Client certificate for NATS (PEM, or PKCS#12 with its key)
    #[arg(long, value_name = "FILE")]
    pub(crate) nats_cert: Option<PathBuf>,

    /// Private key (PEM) of --nats-cert [default: the same file]
    #[arg(long, value_name = "FILE", requires = "nats_cert")]
    pub(crate) nats_key: Option<PathBuf>,
}
