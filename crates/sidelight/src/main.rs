//! The program `sidelight`: see, explain and fix TLS between containers and services.
//! In: a command line. Out: what it asks for on standard output, everything else on standard error, and an exit status.

// A program of `tofu` alone has its own list of commands; what these are made of is the same.
#[cfg_attr(not(feature = "full"), path = "cli/slim.rs")]
mod cli;
#[cfg_attr(not(feature = "full"), path = "commands/slim.rs")]
mod commands;
#[cfg(feature = "full")]
mod demo;
mod exit;
#[cfg(feature = "full")]
mod render;
#[cfg(feature = "full")]
mod schema;
mod settings;
mod ui;

/// Of all that is shown, the escaping, and what is wrong with certificates.
#[cfg(not(feature = "full"))]
mod render {
    pub(crate) mod certificate_fault;
    pub(crate) mod escape;
}

#[cfg(not(feature = "tofu"))]
compile_error!("a program needs at least the feature `tofu`");

use std::ffi::OsString;
use std::process::ExitCode;

use exit::Exit;
use settings::NoSettings;
use ui::Ui;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // The sandbox's agent is this program once more; it must not have threads.
    #[cfg(feature = "full")]
    if let Some(code) = sidelight_host::netns::agent_main_if_asked(arguments.iter().cloned()) {
        return code;
    }
    let settings = match settings::resolve(&arguments, &|name| std::env::var_os(name)) {
        Ok(settings) => settings,
        Err(NoSettings::Clap(error)) => {
            // Printing fails only when nobody reads.
            let _ = error.print();
            return if error.use_stderr() { misused(&arguments).into() } else { Exit::Done.into() };
        }
        Err(NoSettings::Wrong(failure)) => {
            Ui::new(cli::ColorWhen::Auto).failure(&failure);
            let exit = if failure.exit == Exit::Usage { misused(&arguments) } else { failure.exit };
            return exit.into();
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

/// How a wrong command line ends: 2; but for an entrypoint with a status that no command means by itself.
fn misused(arguments: &[OsString]) -> Exit {
    let mut words = arguments.iter().skip(1).skip_while(|word| word.as_encoded_bytes().starts_with(b"-"));
    let is_tofu = words.next().is_some_and(|word| word == "tofu");
    let is_start = !words.next().is_some_and(|word| ["pins", "enrol", "log"].iter().any(|verb| word == verb));
    if is_tofu && is_start { Exit::RunFailed } else { Exit::Usage }
}
