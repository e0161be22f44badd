//! `sidelight registry timeline`. In: recordings, captures, logs. Out: each pull, push and login as a block, as text or JSON.

mod source;

use std::path::Path;

use sidelight_model::registry::timeline::{Block, Outcome, build};
use sidelight_sink::redact::Redactor;

use crate::cli::{GlobalOptions, TimelineCommand};
use crate::commands::recording::shell_word;
use crate::exit::{Exit, Failure};
use crate::render::registry_timeline::{Told, render};
use crate::render::{Look, Stream};
use crate::schema::registry_timeline::Document;
use crate::ui::Ui;

/// Does what is asked.
pub(super) fn run(command: &TimelineCommand, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let mut told = Vec::new();
    for gathered in source::gather(command, ui)? {
        let source::Gathered { name, kind, caveat, seen } = gathered;
        let mut blocks = build(seen);
        name_source(&mut blocks, command, &name, kind);
        told.push(Told { name, kind, caveat, blocks });
    }
    let blocks = || told.iter().flat_map(|it| &it.blocks);
    if blocks().next().is_none() {
        let names: Vec<&str> = told.iter().map(|it| it.name.as_str()).collect();
        return Err(Failure::new(format_args!("{}: nothing in it is a registry's traffic", names.join(", ")))
            .hint("`sidelight flows list` shows what is in a recording; a client that does not go through sidelight is not in it"));
    }
    let stream = if global.json { Stream::Error } else { Stream::Output };
    let look = Look::of(stream, global, Redactor::new(true));
    let text: String = told.iter().map(|it| render(&look, it, told.len() > 1)).collect();
    let document = serde_json::to_value(Document::new(&told)).map_err(Failure::new)?;
    super::print(&text, &document, global)?;
    Ok(if blocks().all(|it| it.verdict.outcome == Outcome::Ok) { Exit::Done } else { Exit::No })
}

/// Commands that name a flow name its recording as well, unless it is the newest, which they take by themselves.
fn name_source(blocks: &mut [Block], command: &TimelineCommand, name: &str, kind: &str) {
    let mut option = match kind {
        "capture" => format!(" --from {}", shell_word(Path::new(name))),
        _ if command.store.is_none() && command.files.is_empty() => return,
        _ => format!(" --store {}", shell_word(Path::new(name))),
    };
    for keys in command.keylog.iter().filter(|_| kind == "capture") {
        option += &format!(" --keylog {}", shell_word(keys));
    }
    for fix in blocks.iter_mut().flat_map(|it| &mut it.verdict.fixes) {
        fix.how = fix.how.replace("token verify --flow ", &format!("token verify{option} --flow "));
    }
}
