//! `sidelight trust`: one file per verb. In: typed options. Out: how the command ended.

mod add;
mod audit;
mod diff;
mod edit;
mod effective;
mod export;
mod find;
mod list;
mod readers;
mod remove;
mod verify;

use std::io::Write as _;

use sidelight_model::trust::Survey;

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

/// Prints text for people, or with `--json` the document on standard output and the text on standard error.
fn print(
    text: &str,
    document: impl FnOnce() -> serde_json::Result<serde_json::Value>,
    global: &GlobalOptions,
) -> Result<(), Failure> {
    if !global.json {
        return show(text.as_bytes());
    }
    // Nobody is left to be told when standard error is gone.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
    print_json(&document().map_err(Failure::new)?)
}

fn print_json(document: &serde_json::Value) -> Result<(), Failure> {
    show(format!("{document:#}\n").as_bytes())
}

/// Writes to standard output. A reader that has left (`… | head`) has what it wants: that is no failure.
fn show(bytes: &[u8]) -> Result<(), Failure> {
    match std::io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format_args!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// What looks for a certificate, is named as files are, and is none that is there: an answer about such a text would be a wrong one.
fn missing_file(query: &str) -> Option<Failure> {
    const ENDINGS: &[&str] = &["pem", "crt", "cer", "der", "p7b", "p12", "pfx", "jks"];
    let path = std::path::Path::new(query);
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let is_named_so = ENDINGS.contains(&ending.as_str()) || query.starts_with(['/', '.', '~']);
    let shown = crate::render::escape::line(query);
    (is_named_so && !path.is_file()).then(|| {
        Failure::new(format_args!("{shown}: there is no such file"))
            .hint("give a certificate's file, a part of its subject, or its fingerprint")
    })
}

/// What was left out or odd while reading.
fn notes(survey: &Survey, ui: Ui) {
    for note in &survey.notes {
        ui.warning(&crate::render::escape::line(note));
    }
}
