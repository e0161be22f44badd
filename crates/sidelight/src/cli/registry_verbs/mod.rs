//! `sidelight registry`: one file a verb. In: arguments. Out: [`RegistryCommand`].

mod check;
mod explain;
mod key_id;
mod timeline;
mod token;
mod watch;

use clap::{Args, Subcommand};

pub(crate) use check::{AsClient, CheckCommand};
pub(crate) use explain::ExplainCommand;
pub(crate) use key_id::KeyIdCommand;
pub(crate) use timeline::TimelineCommand;
pub(crate) use token::{
    IdStyle, TokenCommand, TokenDecode, TokenJwks, TokenMint, TokenServe, TokenSource, TokenVerb, TokenVerify,
};
pub(crate) use watch::{WatchClient, WatchCommand};

/// Say what a pull or push did and why it failed, what a message means, and why a registry refuses a token; make tokens, and serve them
#[derive(Debug, Args)]
pub(crate) struct RegistryCommand {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: RegistryVerb,
}

/// What to do with registries.
#[derive(Debug, Subcommand)]
pub(crate) enum RegistryVerb {
    Check(Box<CheckCommand>),
    Explain(ExplainCommand),
    KeyId(KeyIdCommand),
    Timeline(TimelineCommand),
    Token(TokenCommand),
    Watch(Box<WatchCommand>),
}
