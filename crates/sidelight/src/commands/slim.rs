//! The commands of a program built with `tofu` alone. In: typed options. Out: how the command ended.

mod environment_proxy;
mod tofu;

use crate::cli::Command;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::ui::Ui;

/// Does what the command line asks for.
///
/// # Errors
/// When it cannot be done; the failure says why, and with which exit status to end.
pub(crate) fn dispatch(settings: &Settings, ui: Ui) -> Result<Exit, Failure> {
    let Command::Tofu(tofu) = &settings.cli.command;
    tofu::run(tofu, ui, settings.cli.global.json)
}
