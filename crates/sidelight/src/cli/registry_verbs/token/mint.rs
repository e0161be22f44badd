//! `sidelight registry token mint`. In: arguments. Out: [`TokenMint`].

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use sidelight_model::token::{Generation, Scope};
use sidelight_wire::jwt::mint::BREAKS;

use super::generation;
use crate::cli::Period;

/// Make a token that a registry takes, or with --break each kind of wrong one
#[derive(Debug, Args)]
#[command(after_help = examples())]
pub(crate) struct TokenMint {
    /// The private key: PKCS#1, SEC1, PKCS#8 or JWK, PEM or DER
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,

    /// Its certificate, and those above it, for --x5c and some of --break
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,

    /// `iss`: the registry's `issuer`
    #[arg(long)]
    pub(crate) issuer: String,

    /// `aud`: the registry's `service`
    #[arg(long)]
    pub(crate) service: String,

    /// `sub`: the user
    #[arg(long, default_value = "")]
    pub(crate) subject: String,

    /// What it allows: repository:NAME:pull,push; repeatable
    #[arg(long)]
    pub(crate) scope: Vec<Scope>,

    /// The registry that it is for: decides over the `kid`
    #[arg(long, value_name = "RELEASE", default_value = "2", value_parser = generation)]
    pub(crate) registry: Generation,

    /// How long it is good
    #[arg(long, value_name = "PERIOD", default_value = "5m")]
    pub(crate) lifetime: Period,

    /// Send the certificate (`x5c`) instead of a `kid`: every generation takes it
    #[arg(long, requires = "cert", conflicts_with_all = ["kid", "jwk"])]
    pub(crate) x5c: bool,

    /// Send the public key (`jwk`) instead of a `kid`
    #[arg(long, conflicts_with = "kid")]
    pub(crate) jwk: bool,

    /// Send this `kid`
    #[arg(long)]
    pub(crate) kid: Option<String>,

    /// Sign with this algorithm: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA [default: the key's]
    #[arg(long, value_name = "NAME")]
    pub(crate) alg: Option<String>,

    /// Make it wrong in this way, one of those below
    #[arg(long = "break", value_name = "WHAT", hide_possible_values = true,
        value_parser = PossibleValuesParser::new(BREAKS.iter().map(|(_, name, _)| *name)))]
    pub(crate) broken: Option<String>,
}

fn examples() -> String {
    let mut text = "\
Examples:
  sidelight registry token mint --key token.key --issuer auth.example --service registry.example \\
    --scope repository:team/app:pull,push
  sidelight registry token mint --key token.key --cert token.pem --x5c --issuer auth.example --service registry.example
  sidelight registry token mint --key token.key --issuer a --service s --break expired

Wrong in which way (--break):
"
    .to_owned();
    for (_, name, about) in BREAKS {
        text.push_str(&format!("  {name:<20} {about}\n"));
    }
    text
}
