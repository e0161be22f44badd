//! `sidelight registry explain`. In: a message, as pasted. Out: what it can mean; 1 when it is not known.

use std::io::IsTerminal as _;
use std::path::Path;

use sidelight_model::registry::symptom::{Table, explain};
use sidelight_sink::redact::Redactor;

use crate::cli::{ExplainCommand, GlobalOptions};
use crate::exit::{Exit, Failure};
use crate::render::{Look, Stream, registry_explain as words};
use crate::schema::registry_explain::Document;

/// Does what is asked.
pub(super) fn run(options: &ExplainCommand, global: &GlobalOptions) -> Result<Exit, Failure> {
    let text = match options.text.as_slice() {
        [] if std::io::stdin().is_terminal() => {
            return Err(Failure::usage("there is no message to explain")
                .hint("give it as an argument, or by a pipe: docker pull IMAGE 2>&1 | sidelight registry explain"));
        }
        [] => standard_input()?,
        [one] if one == "-" => standard_input()?,
        words => words.join(" "),
    };
    if text.trim().is_empty() {
        return Err(Failure::usage("the message is empty"));
    }
    let explanation = explain(Table::builtin(), &text);
    let redactor = Redactor::new(false);
    let look = Look::of(if global.json { Stream::Error } else { Stream::Output }, global, redactor);
    let document = serde_json::to_value(Document::new(&explanation)).map_err(Failure::new)?;
    super::print(&words::render(&look, &explanation), &document, global)?;
    Ok(if explanation.candidates.is_empty() { Exit::No } else { Exit::Done })
}

fn standard_input() -> Result<String, Failure> {
    Ok(String::from_utf8_lossy(&super::read(Path::new("-"))?).into_owned())
}
