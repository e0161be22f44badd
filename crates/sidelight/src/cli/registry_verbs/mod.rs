//! `sidelight registry`: one file a verb. In: arguments. Out: [`RegistryCommand`].

mod key_id;
mod timeline;
mod token;

use clap::{Args, Subcommand};

pub(crate) use key_id::KeyIdCommand;
pub(crate) use timeline::TimelineCommand;
pub(crate) use token::{IdStyle, TokenCommand, TokenDecode, TokenJwks, TokenMint, TokenServe, TokenVerb, TokenVerify};

/// Say what a pull or push did and why it failed, which key ID a registry looks up, and why it refuses a token; make tokens, and serve them
#[derive(Debug, Args)]
pub(crate) struct RegistryCommand {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: RegistryVerb,
}

/// What to do with registries.
#[derive(Debug, Subcommand)]
pub(crate) enum RegistryVerb {
    KeyId(KeyIdCommand),
    Timeline(TimelineCommand),
    Token(TokenCommand),
}
