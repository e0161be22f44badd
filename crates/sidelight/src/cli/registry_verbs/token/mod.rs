//! `sidelight registry token`: one file a verb. In: arguments. Out: [`TokenCommand`].

mod decode;
mod jwks;
mod mint;
mod serve;
mod source;
mod verify;

use clap::{Args, Subcommand};

pub(crate) use decode::TokenDecode;
pub(crate) use jwks::{IdStyle, TokenJwks};
pub(crate) use mint::TokenMint;
pub(crate) use serve::TokenServe;
pub(crate) use source::TokenSource;
pub(crate) use verify::TokenVerify;

/// Read, judge and make the tokens of registries
#[derive(Debug, Args)]
pub(crate) struct TokenCommand {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: TokenVerb,
}

/// What to do with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenVerb {
    Decode(TokenDecode),
    Verify(Box<TokenVerify>),
    Mint(Box<TokenMint>),
    Jwks(TokenJwks),
    Serve(TokenServe),
}

/// A registry's generation, as `--registry` takes it.
fn generation(text: &str) -> Result<sidelight_model::token::Generation, String> {
    text.parse()
}

/// RFC 3339, or seconds since 1970.
fn moment(text: &str) -> Result<sidelight_model::time::Timestamp, String> {
    use sidelight_model::time::Timestamp;
    let seconds = || text.parse::<i64>().ok().map(Timestamp::from_secs);
    Timestamp::parse(text)
        .or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")))
        .or_else(seconds)
        .ok_or_else(|| format!("`{text}` is no time; write 2027-01-31T12:00:00Z, a day, or seconds since 1970"))
}
