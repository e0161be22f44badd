//! How much is shown. In: `-v`, `--quiet`, `--show-secrets`. Out: [`ShowOptions`].

use clap::{ArgAction, Args};

/// What is shown of the traffic.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "What is shown")]
pub(crate) struct ShowOptions {
    /// Show more: -v adds headers and trailers, -vv bodies
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Show findings and errors alone: no exchanges, no notes, no ledger
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Show secrets (Authorization, cookies, tokens in URLs and bodies) instead of their fingerprints
    #[arg(long)]
    pub(crate) show_secrets: bool,
}
