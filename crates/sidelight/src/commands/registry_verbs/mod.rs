//! `sidelight registry`: one file a verb. In: typed options. Out: how the command ended.

pub(crate) mod check;
mod explain;
mod key_id;
mod timeline;
mod token;
pub(crate) mod watch;

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use sidelight_host::files::read_bounded;

use crate::cli::{GlobalOptions, RegistryCommand, RegistryVerb};
use crate::exit::{Exit, Failure};
use crate::render::Paint;
use crate::ui::{Ui, colours};

/// Bytes of a file or of standard input that are read at the most.
const LARGEST: u64 = 16 << 20;

/// Does what is asked.
pub(super) fn run(command: &RegistryCommand, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    match &command.verb {
        RegistryVerb::Check(options) => check::run(options, global, ui),
        RegistryVerb::Explain(options) => explain::run(options, global),
        RegistryVerb::KeyId(options) => key_id::run(options, global, ui),
        RegistryVerb::Timeline(options) => timeline::run(options, global, ui),
        RegistryVerb::Token(options) => token::run(options, global, ui),
        RegistryVerb::Watch(options) => watch::run(options, global, ui),
    }
}

/// A file, or standard input as `-`.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    if path != Path::new("-") {
        return read_bounded(path, LARGEST).map_err(|error| Failure::from(anyhow::anyhow!(error)));
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= LARGEST);
    if fits { Ok(bytes) } else { Err(Failure::new("standard input is larger than 16 MiB")) }
}

/// How standard output is painted; with `--json` people's text goes to standard error without colours.
fn paint(global: &GlobalOptions) -> Paint {
    let is_terminal = std::io::stdout().is_terminal();
    Paint::new(!global.json && colours(global.color, is_terminal, &|name| std::env::var_os(name)))
}

/// Prints text for people, or with `--json` the document on standard output and the text on standard error.
fn print(text: &str, document: &serde_json::Value, global: &GlobalOptions) -> Result<(), Failure> {
    if !global.json {
        return show(text.as_bytes());
    }
    // Nobody is left to be told when standard error is gone.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
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
