//! `sidelight registry token verify`. In: arguments. Out: [`TokenVerify`].

use std::path::PathBuf;

use clap::Args;
use sidelight_model::time::Timestamp;
use sidelight_model::token::{Generation, Scope};

use super::{TokenSource, generation, moment};

/// Say what registries 2.x, 3.0.x and 3.1.x make of a token: in their order of checks, with their log line and answer
///
/// A registry stops at the first check that fails; here every other is told as well. A line of a registry's log does instead of
/// the token: it tells which check failed, and often why. Of a recorded token, the registry's own challenge gives service and scope.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TokenVerify {
    /// Where it comes from.
    #[command(flatten)]
    pub(crate) source: TokenSource,

    /// The registry's `rootcertbundle`
    #[arg(long, value_name = "BUNDLE")]
    pub(crate) roots: Option<PathBuf>,

    /// The registry's `jwks` file (registry 3)
    #[arg(long, value_name = "FILE")]
    pub(crate) jwks: Option<PathBuf>,

    /// The registry's `issuer`
    #[arg(long)]
    pub(crate) issuer: Option<String>,

    /// The registry's `service` [default: that of the challenge]
    #[arg(long)]
    pub(crate) service: Option<String>,

    /// What the request needs, as in the challenge: repository:NAME:pull,push; repeatable
    #[arg(long)]
    pub(crate) scope: Vec<Scope>,

    /// The registry's challenge (WWW-Authenticate: Bearer …), for service and scope
    #[arg(long, value_name = "TEXT")]
    pub(crate) challenge: Option<String>,

    /// One generation alone: 2, 3.0 or 3.1 (2.8.3 and the like mean theirs)
    #[arg(long, value_name = "RELEASE", value_parser = generation)]
    pub(crate) registry: Option<Generation>,

    /// Judge as if it were that time: RFC 3339, a day, or seconds since 1970 [default: now; of a recorded token: when it was shown]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) at: Option<Timestamp>,

    /// The token server's key or certificate, to say what its kid was made from; repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Vec<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  sidelight registry token verify \"$TOKEN\" --roots token.pem --issuer auth.example --service registry.example
  sidelight registry token verify - --roots token.pem --issuer auth.example --service registry.example \\
    --scope repository:team/app:pull,push --registry 2.8.3 < token
  sidelight registry token verify - --jwks jwks.json --issuer auth.example --service registry.example --json < token
  sidelight registry token verify --store pull.sidelight --roots token.pem --issuer auth.example
  docker logs registry 2>&1 | grep 'untrusted key' | tail -1 | sidelight registry token verify - --roots token.pem

Exit status: 0 every generation that was asked lets it in, 1 one does not, 3 a file cannot be read.";
