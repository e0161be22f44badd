//! `sidelight demo`. In: arguments. Out: [`DemoCommand`].

use clap::Args;

use super::ShowOptions;

/// Show a real interception without any network
///
/// Starts a small TLS service and a small container registry on loopback, lets clients of its own call them through
/// sidelight, and prints what `run` and `proxy` print for real traffic. Nothing on this machine is changed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoCommand {
    /// What is shown.
    #[command(flatten)]
    pub(crate) show: ShowOptions,
}

const EXAMPLES: &str = "\
Examples:
  sidelight demo
  sidelight demo -vv
  sidelight demo --json | jq -r 'select(.type == \"exchange\") | .url'";
