//! `sidelight diagnose`. In: arguments. Out: [`DiagnoseCommand`].

use clap::Args;

/// Say why a service cannot be reached over TLS, or that it can
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sidelight diagnose registry.example:5000")]
pub(crate) struct DiagnoseCommand {}
