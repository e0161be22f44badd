//! `sidelight tofu`. In: options. Out: the command in our place, or why it is not started. Spec: docs/tofu.md.

mod earlier;
mod enrol;
mod install;
mod log;
mod look;
mod pins;
mod record;
mod start;
mod told;
#[cfg(feature = "full")]
mod unreached;
mod wanted;

use crate::cli::{TofuCommand, TofuVerb};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// Does it.
///
/// # Errors
/// When it cannot be done. A start that fails ends with 125 (121 for a key that is refused), whatever the reason, before the command
/// is started.
pub(crate) fn run(command: &TofuCommand, ui: Ui, json: bool) -> Result<Exit, Failure> {
    match &command.verb {
        Some(TofuVerb::Pins(pins)) => pins::run(&pins.verb, json),
        Some(TofuVerb::Enrol(enrol)) => enrol::run(enrol, ui, json),
        Some(TofuVerb::Log(log)) => log::run(&log.verb, json),
        None => start::run(command, ui, json).map_err(|failure| match failure.exit {
            Exit::KeyRefused | Exit::NotFound | Exit::NotExecutable => failure,
            _ => failure.exit(Exit::RunFailed),
        }),
    }
}
