//! `sidelight registry token decode`. In: arguments. Out: [`TokenDecode`].

use clap::Args;

/// Show a token's header, claims, times and access; never its signature
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TokenDecode {
    /// The token, `Authorization: Bearer …`, or a token server's answer; - reads standard input
    #[arg(value_name = "TOKEN", required_unless_present = "token")]
    pub(crate) text: Option<String>,

    /// The same as an option
    #[arg(long, value_name = "TOKEN", conflicts_with = "text")]
    pub(crate) token: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  curl -s \"https://auth.example/token?service=registry.example\" | sidelight registry token decode -
  sidelight registry token decode \"$TOKEN\"

Exit status: 0 it is a token, 3 it is none.";
