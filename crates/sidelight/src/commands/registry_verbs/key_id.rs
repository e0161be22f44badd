//! `sidelight registry key-id`. In: files with keys, an ID to explain. Out: the IDs of every key, what the ID is of them; JSON with `--json`.

use sidelight_model::token::kid;
use sidelight_model::token::read_log_line;
use sidelight_wire::{jwt, key_file};

use crate::cli::{GlobalOptions, KeyIdCommand};
use crate::exit::{Exit, Failure};
use crate::render::{escape, key_id as render};
use crate::schema::key_id::{Answer, Shown, document};
use crate::ui::Ui;

pub(super) fn run(options: &KeyIdCommand, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let wanted = options.wanted.as_deref().map(wanted_id).transpose()?;
    let mut keys = Vec::new();
    for path in &options.files {
        let file = path.display().to_string();
        let read = key_file::read(&super::read(path)?);
        for problem in &read.problems {
            ui.warning(&escape::line(&format!("{file}: {problem}")));
        }
        keys.extend(read.keys.into_iter().map(|found| {
            let matched = wanted.as_deref().and_then(|id| {
                let key = found.key.as_ref().ok()?;
                kid::find(id, key, &found.all_forms())
            });
            Shown { file: file.clone(), found, matched }
        }));
    }
    if !keys.iter().any(|shown| shown.found.key.is_ok()) {
        let why = keys.iter().find_map(|shown| Some(format!("{}: {}", shown.file, shown.found.key.as_ref().err()?)));
        return Err(Failure::new(escape::line(
            &why.unwrap_or_else(|| "there is no key or certificate in these files".to_owned()),
        )));
    }
    let shape = wanted.as_deref().map(kid::shape).unwrap_or_default();
    let is_right = keys.iter().any(|shown| shown.matched.as_ref().is_some_and(|it| it.is_right));
    let answer = Answer { keys, wanted, shape };
    super::print(&render::render(super::paint(global), &answer), &document(&answer), global)?;
    Ok(if answer.wanted.is_none() || is_right { Exit::Done } else { Exit::No })
}

/// The ID in what was given: itself, a log line, or a token.
fn wanted_id(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    if let Some(told) = read_log_line(text) {
        let none = || {
            Failure::usage("--match: this log line names no key ID").hint("the one with `untrusted key with ID` does")
        };
        return told.value.ok_or_else(none);
    }
    if text.starts_with("eyJ") && text.contains('.') {
        let token = jwt::read(text);
        if !token.header.kid.is_empty() {
            return Ok(token.header.kid);
        }
        return Err(Failure::usage("--match: the header of this token has no kid"));
    }
    if text.contains(char::is_whitespace) || text.is_empty() {
        return Err(Failure::usage("--match: this is no key ID, and no log line that names one"));
    }
    Ok(text.trim_matches(['"', '\'', '\\', '…']).trim_end_matches("...").trim_end_matches(':').to_owned())
}
