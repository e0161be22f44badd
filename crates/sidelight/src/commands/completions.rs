//! `sidelight completions SHELL`. In: the definition of the command line. Out: a completion script on standard output.

use std::io::Write as _;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::{Exit, Failure};

/// Prints the script.
pub(super) fn print(shell: Shell) -> Result<Exit, Failure> {
    // clap_complete panics when its writer fails, so it writes into memory.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sidelight", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(Exit::Done)
}
