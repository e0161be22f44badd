//! `sidelight config`. In: arguments. Out: [`ConfigCommand`].

use clap::{Args, Subcommand};

use super::ProxyOptions;

/// Show the settings, and where each comes from
#[derive(Debug, Args)]
pub(crate) struct ConfigCommand {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: ConfigVerb,
}

/// What to do with settings.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Print every setting of `proxy` and `run`, its value, and the source that won
    ///
    /// Options given here are taken as if given to `proxy`: the source is then `option`.
    #[command(after_help = "Examples:\n  sidelight config show\n  \
        SIDELIGHT_ON_UNTRUSTED=refuse sidelight config show --json | jq '.settings[\"on-untrusted\"]'")]
    Show(Box<ConfigShow>),
}

/// `sidelight config show`.
#[derive(Debug, Args)]
pub(crate) struct ConfigShow {
    /// The settings.
    #[command(flatten)]
    pub(crate) options: ProxyOptions,
}
