//! The options that every command has. In: arguments. Out: [`GlobalOptions`].

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct GlobalOptions {
    /// Configuration file (TOML) [default: $XDG_CONFIG_HOME/sidelight/config.toml]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Options of every command")]
    pub(crate) config: Option<PathBuf>,

    /// Print JSON on standard output; text for people goes to standard error
    #[arg(long, global = true, help_heading = "Options of every command")]
    pub(crate) json: bool,

    /// When to use colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Options of every command")]
    pub(crate) color: ColorWhen,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless NO_COLOR, CLICOLOR=0 or TERM=dumb say otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
