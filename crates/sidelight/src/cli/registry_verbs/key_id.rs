//! `sidelight registry key-id`. In: arguments. Out: [`KeyIdCommand`].

use std::path::PathBuf;

use clap::Args;

/// Say by which ID each registry looks up a key, and what a wrong ID was made from
///
/// Registry 2 wants libtrust's ID; registry 3 the RFC 7638 thumbprint, which 3.0 and 3.1 compute in ways of their own for ECDSA
/// keys. Private keys are read for their public half and never printed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct KeyIdCommand {
    /// Keys or certificates: PEM, DER, JWK or JWKS; public, private, or bundles; - reads standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Say what this key ID is of these keys, or by which mistake it was made; a log line or token that holds it will do
    #[arg(long = "match", value_name = "KID")]
    pub(crate) wanted: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  sidelight registry key-id token.pem
  sidelight registry key-id token.key token.pem          # the same key? the same IDs
  sidelight registry key-id token.pem --match 34GP:OUVV:ZKGB:…
  sidelight registry key-id token.pem --match \"$(docker logs registry 2>&1 | grep 'untrusted key' | tail -1)\"

Exit status: 0 done, or the ID is right for some registry; 1 it is not; 3 no key can be read.";
