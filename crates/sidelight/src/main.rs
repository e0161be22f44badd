//! The program `sidelight`: see, explain and fix TLS between containers and services.
//! In: a command line. Out: what it asks for on standard output, everything else on standard error, and an exit status.

mod cli;
mod commands;
mod demo;
mod exit;
mod render;
mod schema;
mod settings;
mod ui;

use std::ffi::OsString;
use std::process::ExitCode;

use exit::Exit;
use settings::NoSettings;
use ui::Ui;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // The sandbox's agent is this program once more; it must not have threads.
    if let Some(code) = sidelight_host::netns::agent_main_if_asked(arguments.iter().cloned()) {
        return code;
    }
    let settings = match settings::resolve(&arguments, &|name| std::env::var_os(name)) {
        Ok(settings) => settings,
        Err(NoSettings::Clap(error)) => {
            // Printing fails only when nobody reads.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
        Err(NoSettings::Wrong(failure)) => {
            Ui::new(cli::ColorWhen::Auto).failure(&failure);
            return failure.exit.into();
        }
    };
    let ui = Ui::new(settings.cli.global.color);
    match commands::dispatch(&settings, ui) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            ui.failure(&failure);
            failure.exit.into()
        }
    }
}
