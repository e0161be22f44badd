//! One module per verb. In: typed options. Out: how the command ended.

mod ca;
mod completions;
mod config;
mod demo;
mod descriptors;
mod diagnose;
mod environment_proxy;
mod flows;
mod image_source;
mod interception;
mod man;
pub(crate) mod proxy;
mod recording;
mod registry;
mod registry_verbs;
mod run;
mod source_roots;
mod survey;
mod tofu;
mod trust;

pub(crate) use registry_verbs::check as registry_check;

use crate::cli::Command;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;
use crate::ui::Ui;

/// Does what the command line asks for.
///
/// # Errors
/// When it cannot be done; the failure says why, and with which exit status to end.
pub(crate) fn dispatch(settings: &Settings, ui: Ui) -> Result<Exit, Failure> {
    if !matches!(settings.cli.command, Command::Tofu(_) | Command::Completions { .. } | Command::Man { .. }) {
        registry_verbs::watch::restore_killed(ui);
    }
    match &settings.cli.command {
        Command::Diagnose(diagnose) => diagnose::run(diagnose, &settings.cli.global, ui),
        Command::Tofu(tofu) => tofu::run(tofu, ui, settings.cli.global.json),
        Command::Trust(trust) => trust::run(trust, &settings.cli.global, ui),
        Command::Registry(registry) => registry_verbs::run(registry, &settings.cli.global, ui),
        Command::Ca(ca) => ca::run(ca, settings.cli.global.json, ui),
        Command::Completions { shell } => completions::print(*shell),
        Command::Config(config) => config::run(config, settings),
        Command::Man { directory } => man::write(directory),
        Command::Proxy(proxy) => proxy::run(proxy, &settings.cli.global, ui),
        Command::Run(run) => run::run(run, &settings.cli.global, ui),
        Command::Flows(flows) => flows::run(flows, &settings.cli.global, ui),
        Command::Demo(demo) => demo::run(demo, &settings.cli.global, ui),
    }
}
