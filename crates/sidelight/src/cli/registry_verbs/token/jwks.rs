//! `sidelight registry token jwks`. In: arguments. Out: [`TokenJwks`].

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Write the JWKS file by which a registry 3 takes the key IDs that a token server already sends
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TokenJwks {
    /// Keys or certificates of the token server: PEM, DER, JWK or JWKS; private ones are read for their public half
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// IDs of keys that have none of their own
    #[arg(long, value_enum, default_value_t = IdStyle::Libtrust)]
    pub(crate) ids: IdStyle,

    /// The ID of the one key, as the token server sends it
    #[arg(long, conflicts_with = "ids")]
    pub(crate) kid: Option<String>,

    /// Write it there instead of to standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Schemes of IDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum IdStyle {
    /// As registry 2 looks them up
    Libtrust,
    /// RFC 7638 thumbprints
    Rfc7638,
    /// Each key under both
    Both,
}

const EXAMPLES: &str = "\
Examples:
  sidelight registry token jwks token.pem -o jwks.json      # an issuer of registry 2, a registry 3
  sidelight registry token jwks token.pem --ids both
  sidelight registry token jwks idp.pem --kid my-key-1

In the registry's configuration:
  auth:
    token:
      jwks: /etc/distribution/jwks.json";
