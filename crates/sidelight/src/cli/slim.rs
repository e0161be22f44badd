//! The command line of a program built with `tofu` alone, for images that take nothing else. In: arguments. Out: typed options. What
//! is here means what it means in the whole program.

mod endpoint;
mod global;
mod mode_url;
mod nats;
mod period;
mod tofu;

use clap::{Parser, Subcommand};

pub(crate) use endpoint::{Endpoint, ProxyChoice};
pub(crate) use global::{ColorWhen, GlobalOptions};
#[cfg(feature = "nats")]
pub(crate) use mode_url::percent_decode;
pub(crate) use mode_url::{Upstream, UpstreamScheme, parse_upstream};
pub(crate) use nats::NatsOptions;
pub(crate) use period::Period;
pub(crate) use tofu::{
    EnrolCommand, EnrolFormat, Evidence, InstallWhere, LogVerb, LogVerify, OnUnreachable, PinsAccept, PinsForget,
    PinsInit, PinsPlace, PinsVerb, TofuCommand, TofuLook, TofuStart, TofuTrust, TofuVerb,
};

use crate::exit::Failure;

/// Start a command that trusts the CA recorded for a service. This program is sidelight with `tofu` alone.
#[derive(Debug, Parser)]
#[command(
    name = "sidelight",
    version = concat!(env!("CARGO_PKG_VERSION"), " (tofu alone)"),
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Example:\n  sidelight tofu --host registry.example --pins /etc/pins.json -- /app\n\n\
        Every option can also be set by SIDELIGHT_<OPTION> in the environment or in the configuration file."
)]
pub(crate) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub(crate) global: GlobalOptions,
    /// The verb.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The verb.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Tofu(Box<TofuCommand>),
}

/// The verbs that the whole program has beside `tofu`.
const ELSEWHERE: &[&str] =
    &["run", "proxy", "flows", "diagnose", "registry", "trust", "ca", "config", "demo", "completions", "man"];

/// Why a verb of the whole program is not done here.
pub(crate) fn elsewhere(verb: &str) -> Option<Failure> {
    let message = format!("`{verb}` is not in this program, which is built with `tofu` alone");
    ELSEWHERE.contains(&verb).then(|| Failure::usage(message).hint(format!("the whole sidelight has `{verb}`")))
}
