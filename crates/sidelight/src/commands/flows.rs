//! `sidelight flows`. In: a recording, or a capture of another tool. Out: its flows as lines, in full, counted, in other formats.

mod export;
mod filters;
mod follow;
mod import;
mod list;
mod output;
mod progress;
mod show;
pub(super) mod source;
mod stats;

use sidelight_model::filter::{CASE_SENSITIVE_VARIABLES, Filter, Options};

use crate::cli::{FlowsCommand, FlowsVerb, GlobalOptions};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// Does what is asked.
///
/// # Errors
/// When a recording or capture cannot be read, a filter or a number is wrong, or a file cannot be written.
pub(super) fn run(command: &FlowsCommand, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    match &command.verb {
        FlowsVerb::List(list) => list::run(list, global, ui),
        FlowsVerb::Show(show) => show::run(show, global, ui),
        FlowsVerb::Follow(follow) => follow::run(follow, global, ui),
        FlowsVerb::Stats(stats) => stats::run(stats, global, ui),
        FlowsVerb::Export(export) => export::run(export, global, ui),
        FlowsVerb::Import(import) => import::run(import, global, ui),
        FlowsVerb::Filters(_) => filters::run(global),
    }
}

/// Reads a filter; times without a zone are local.
///
/// # Errors
/// Shows where the mistake is.
pub(super) fn read_filter(text: &str) -> Result<Filter, Failure> {
    let case_sensitive =
        CASE_SENSITIVE_VARIABLES.iter().any(|name| std::env::var_os(name).is_some_and(|value| value == "1"));
    let utc_offset = jiff::Zoned::now().offset().seconds();
    Filter::parse_with(text, Options { case_sensitive, utc_offset }).map_err(|error| {
        let excerpt: String = error.excerpt().lines().map(|line| format!("\n  {line}")).collect();
        Failure::usage(format_args!("--filter: column {}: {}{excerpt}", error.column(), error.what()))
            .hint(error.hint().unwrap_or("`sidelight flows filters` lists what a filter can ask"))
    })
}
