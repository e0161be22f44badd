//! `sidelight run`. In: arguments. Out: [`RunCommand`].

use std::ffi::OsString;

use clap::Args;

use super::ProxyOptions;

/// Run a command and show what it says over TLS
///
/// Starts the command so that its traffic goes through sidelight and is trusted by it. By default the environment does
/// that (HTTPS_PROXY and its kin, and the CA variable of every runtime); with --transparent the command gets a network
/// namespace of its own, so that programs which ignore the environment are seen too.
///
/// The command keeps its streams and its terminal; what sidelight has to say goes to standard error. With --json it is the
/// other way round: the objects go to standard output, and what the command prints goes to standard error.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, override_usage = "sidelight run [OPTIONS] -- COMMAND [ARG]…")]
pub(crate) struct RunCommand {
    /// Put the command into a network namespace of its own instead of setting proxy variables
    #[arg(long, help_heading = "Ways in")]
    pub(crate) transparent: bool,

    /// What the interception does.
    #[command(flatten)]
    pub(crate) options: ProxyOptions,

    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, num_args = 1.., trailing_var_arg = true)]
    pub(crate) command: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  See the exchanges of a command, with their headers:
    sidelight run -v -- curl https://registry.example/v2/

  A program that ignores proxy variables:
    sidelight run --transparent -- ./service

  A service whose certificate comes from a private CA:
    sidelight run --roots private-ca.pem -- python3 client.py";
