//! `sidelight registry token decode`. In: arguments. Out: [`TokenDecode`].

use clap::Args;

use super::TokenSource;

/// Show a token's header, claims, times and access; never its signature
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TokenDecode {
    /// Where it comes from.
    #[command(flatten)]
    pub(crate) source: TokenSource,
}

const EXAMPLES: &str = "\
Examples:
  curl -s \"https://auth.example/token?service=registry.example\" | sidelight registry token decode -
  sidelight registry token decode \"$TOKEN\"
  sidelight registry token decode --flow 12                # of the newest recording
  sidelight registry token decode --from connections.log   # sslsplit -L

Exit status: 0 it is a token, 3 it is none.";
