//! `sidelight demo`. In: arguments. Out: [`DemoCommand`].

use std::path::PathBuf;

use clap::Args;

use super::ShowOptions;

/// Show a real interception without any network
///
/// Starts a small TLS service and a small container registry on loopback, lets clients of its own call them through
/// sidelight, and prints what `run` and `proxy` print for real traffic. Nothing on this machine is changed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoCommand {
    /// Keep it in this recording too, for `sidelight flows`; otherwise nothing is kept
    #[arg(long, value_name = "FILE", help_heading = "What is recorded")]
    pub(crate) store: Option<PathBuf>,

    /// What is shown.
    #[command(flatten)]
    pub(crate) show: ShowOptions,
}

const EXAMPLES: &str = "\
Examples:
  sidelight demo
  sidelight demo -vv
  sidelight demo --quiet --store demo.sidelight; sidelight flows list --store demo.sidelight
  sidelight demo --json | jq -r 'select(.type == \"exchange\") | .url'";
