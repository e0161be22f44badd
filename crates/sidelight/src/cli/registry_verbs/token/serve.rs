//! `sidelight registry token serve`. In: arguments. Out: [`TokenServe`].

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use sidelight_model::token::Generation;

use super::generation;
use crate::cli::Period;

/// Serve tokens, for trying a registry out: users by htpasswd, rules by TOML, on loopback
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TokenServe {
    /// Where to listen; it speaks plain HTTP, so beyond loopback passwords can be read on the way
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5001")]
    pub(crate) listen: SocketAddr,

    /// The private key that signs: PKCS#1, SEC1, PKCS#8 or JWK, PEM or DER
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,

    /// Its certificate, and those above it: sent with each token (`x5c`), which every generation takes
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,

    /// `iss`: the registry's `issuer`
    #[arg(long)]
    pub(crate) issuer: String,

    /// The registry's `service`; requests for others are refused
    #[arg(long)]
    pub(crate) service: String,

    /// Users: an htpasswd file with bcrypt (`htpasswd -B`); without it nobody can log in
    #[arg(long, value_name = "FILE")]
    pub(crate) users: Option<PathBuf>,

    /// Who may what; without it every user may everything, and with neither users nor rules everybody may
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,

    /// The registry that tokens are for: decides over the `kid`
    #[arg(long, value_name = "RELEASE", default_value = "2", value_parser = generation)]
    pub(crate) registry: Generation,

    /// How long tokens are good
    #[arg(long, value_name = "PERIOD", default_value = "5m")]
    pub(crate) lifetime: Period,
}

const EXAMPLES: &str = "\
Examples:
  sidelight registry token serve --key token.key --issuer auth.example --service registry.example --users htpasswd
  sidelight registry token serve --key token.key --issuer auth.example --service registry.example \\
    --users htpasswd --rules rules.toml

Rules are a TOML file; what is granted is what is asked for and allowed by any rule:
  [[allow]]
  user = \"kim\"                             # \"*\": every user; \"anonymous\": everybody
  scope = \"repository:team/*:pull,push\"    # `*` in the name stands for any text

The registry's configuration:
  auth:
    token:
      realm: http://127.0.0.1:5001/token
      service: registry.example
      issuer: auth.example
      rootcertbundle: token.pem";
