//! `sidelight ca`. In: options, the CA's folder, the journal. Out: the CA made, shown, exported, installed or taken out.

mod create;
mod export;
mod install;
mod show;
mod uninstall;

pub(super) use export::write_file;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow};
use sidelight_host::files::{FileError, read_bounded};
use sidelight_host::journal::{Action, Journal};
use sidelight_host::trust_store::Anchor;
use sidelight_model::time::Timestamp;
use sidelight_wire::pem;

use crate::cli::{CaCommand, CaFolder, CaVerb};
use crate::exit::{Exit, Failure};
use crate::settings::xdg_folder;
use crate::ui::Ui;

/// The version of the shapes that `--json` prints.
const SHAPE: u32 = 1;

/// A certificate or key is a few kilobytes.
const LARGEST: u64 = 1 << 20;

/// How long another sidelight that changes the machine, or an update command that it left running, is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Does what is asked.
///
/// # Errors
/// When files cannot be read or written, or a trust store cannot be changed.
pub(super) fn run(command: &CaCommand, json: bool, ui: Ui) -> Result<Exit, Failure> {
    match &command.verb {
        CaVerb::Create(create) => create::run(create, json, ui),
        CaVerb::Show(show) => show::run(show, json, ui),
        CaVerb::Export(export) => export::run(export, json),
        CaVerb::Install(install) => install::run(install, json, ui),
        CaVerb::Uninstall(uninstall) => uninstall::run(uninstall, json, ui),
    }
}

fn environment(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

/// The CA's folder.
fn folder(options: &CaFolder) -> Result<PathBuf, Failure> {
    let default = || xdg_folder("XDG_DATA_HOME", ".local/share", &environment).map(|folder| folder.join("ca"));
    options.ca.clone().or_else(default).ok_or_else(|| {
        Failure::usage("the CA's folder is not known: neither --ca nor XDG_DATA_HOME nor HOME is set")
            .hint("give --ca DIR")
    })
}

/// The journal's folder.
pub(super) fn journal_folder() -> Result<PathBuf, Failure> {
    let state = xdg_folder("XDG_STATE_HOME", ".local/state", &environment);
    state.map(|folder| folder.join("journal")).ok_or_else(|| {
        Failure::usage("the journal's folder is not known: neither XDG_STATE_HOME nor HOME is set").hint("set HOME")
    })
}

/// The journal, locked; what an update command is at is told meanwhile.
pub(super) fn journal(ui: Ui) -> Result<Journal, Failure> {
    let tell = move |step: &str| {
        if step.starts_with("running ") {
            ui.note(step);
        }
    };
    Journal::open(&journal_folder()?, PATIENCE, Box::new(tell)).map_err(Failure::new)
}

/// The certificate in the CA's folder; none when there is no CA yet.
fn certificate(folder: &Path) -> Result<Option<Anchor>, Failure> {
    let path = folder.join("ca.pem");
    let bytes = match read_bounded(&path, LARGEST) {
        Err(error) if error.is_absent() => return Ok(None),
        other => other.map_err(denied_or)?,
    };
    let (blocks, faults) = pem::read(&bytes);
    let block = blocks.into_iter().find(pem::Block::is_certificate).ok_or_else(|| {
        let why = faults.first().map_or_else(|| "there is no certificate in it".to_owned(), ToString::to_string);
        Failure::new(format_args!("{}: {why}", path.display()))
    })?;
    let anchor = Anchor::new(&block.data).with_context(|| path.display().to_string())?;
    Ok(Some(anchor))
}

/// The failure when there is no CA.
fn no_ca(folder: &Path) -> Failure {
    Failure::new(format_args!("there is no CA in {}", folder.display()))
        .exit(Exit::No)
        .hint("`sidelight ca create` makes one; so do `sidelight run` and `sidelight proxy` at first use")
}

fn denied_or(error: FileError) -> Failure {
    let denied = error.is_denied();
    let failure = Failure::from(anyhow!(error));
    if denied { failure.hint("run it as the user who owns the file, or as root") } else { failure }
}

/// A step in words.
fn told(action: &Action, planned: bool) -> String {
    let (write, link, make, remove, run) = if planned {
        ("write", "link", "make", "remove", "run")
    } else {
        ("wrote", "linked", "made", "removed", "ran")
    };
    match action {
        Action::Write(path) => format!("{write} {}", path.display()),
        Action::Link(path, target) => format!("{link} {} -> {}", path.display(), target.display()),
        Action::Folder(path) => format!("{make} the folder {}", path.display()),
        Action::Remove(path) => format!("{remove} {}", path.display()),
        Action::Run(command) => format!("{run} {command}"),
    }
}

/// A step for programs.
fn as_json(action: &Action) -> serde_json::Value {
    use serde_json::json;
    match action {
        Action::Write(path) => json!({ "do": "write", "path": path }),
        Action::Link(path, target) => json!({ "do": "link", "path": path, "target": target }),
        Action::Folder(path) => json!({ "do": "make_folder", "path": path }),
        Action::Remove(path) => json!({ "do": "remove", "path": path }),
        Action::Run(command) => json!({ "do": "run", "command": command }),
    }
}

/// Prints a document or text on standard output.
fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}
