//! `sidelight registry explain`. In: arguments. Out: [`ExplainCommand`].

use clap::Args;

/// Say what a message about a failed pull, push or login can mean, and how to tell
///
/// Takes what kubectl, docker, containerd, podman, skopeo, or the log of a registry or daemon printed, as it was pasted: wrapped, in
/// JSON, in colours, with everything around it. Nothing is asked of any network.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExplainCommand {
    /// The message; without one, or as -, standard input is read
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) text: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  sidelight registry explain 'x509: certificate signed by unknown authority'
  kubectl describe pod web-0 | sidelight registry explain
  docker pull registry.corp/team/app:1 2>&1 | sidelight registry explain -
  journalctl -u docker --since -10min | sidelight registry explain

Exit status: 0 explained; 1 the message is not known (the nearest ones are named); 2 there is no text.";
