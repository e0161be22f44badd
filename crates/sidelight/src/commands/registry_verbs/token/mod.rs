//! `sidelight registry token`: one file a verb. In: typed options. Out: how the command ended.

mod bcrypt_users;
mod decode;
mod desk;
mod input;
mod jwks;
mod mint;
mod recorded;
mod rules;
mod serve;
mod signer;
mod verify;

use crate::cli::{GlobalOptions, TokenCommand, TokenVerb};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

pub(super) fn run(command: &TokenCommand, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    match &command.verb {
        TokenVerb::Decode(options) => decode::run(options, global, ui),
        TokenVerb::Verify(options) => verify::run(options, global, ui),
        TokenVerb::Mint(options) => mint::run(options, global),
        TokenVerb::Jwks(options) => jwks::run(options, ui),
        TokenVerb::Serve(options) => serve::run(options, global, ui),
    }
}
