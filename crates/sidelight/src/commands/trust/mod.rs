//! `sidelight trust`: one file per verb. In: typed options. Out: how the command ended.

mod add;
mod audit;
mod diff;
mod export;
mod find;
mod list;
mod readers;
mod remove;
mod verify;

use crate::cli::{GlobalOptions, TrustCommand, TrustVerb};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// A document as one line that can be shown anywhere.
fn json(document: &impl serde::Serialize) -> Result<String, Failure> {
    let line = sidelight_sink::schema::line(document).map_err(Failure::new)?;
    String::from_utf8(line).map_err(Failure::new)
}

/// Does what is asked.
pub(super) fn run(command: &TrustCommand, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    match &command.verb {
        TrustVerb::List(options) => list::run(options, global, ui),
        TrustVerb::Find(options) => find::run(options, global, ui),
        TrustVerb::Export(options) => export::run(options, global, ui),
        TrustVerb::Audit(options) => audit::run(options, global, ui),
        TrustVerb::Diff(options) => diff::run(options, global, ui),
        TrustVerb::Add(options) => add::run(options, global, ui),
        TrustVerb::Remove(options) => remove::run(options, global, ui),
        TrustVerb::Verify(options) => verify::run(options, global, ui),
    }
}
