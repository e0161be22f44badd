//! `sidelight flows import`. In: captures of other tools. Out: a recording, and what of them could not be read.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::json;
use sidelight_sink::bus::Consumer;
use sidelight_sink::capture::Rotation;
use sidelight_sink::import::{Format, ImportError, ImportOptions, ImportReport, import};
use sidelight_sink::notice::Notices;
use sidelight_sink::store::{Recorder, StoreOptions};
use sidelight_wire::flow_decoder::Limits;

use super::super::recording::{cannot_store, default_store, shell_word};
use super::output::Output;
use super::progress::{Counted, Counter};
use crate::cli::{FlowsImport, GlobalOptions, ImportFormat};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// Damages that text tells one by one; `--json` has them all.
const MOST_TOLD: usize = 20;

pub(super) fn run(command: &FlowsImport, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    let options = ImportOptions {
        format: command.format.map(format),
        key_logs: command.keylog.clone(),
        limits: Limits {
            body_kept: usize::try_from(command.body_limit.0).unwrap_or(usize::MAX),
            hash_bodies: true,
            ..Limits::default()
        },
    };
    let (store, named) = match &command.store {
        Some(path) => (path.clone(), true),
        None => (new_default(&command.files)?, false),
    };
    let (mut read, mut flows) = (0, 0);
    let mut out = Output::new();
    for file in &command.files {
        match import_one(file, &options, &store, ui)? {
            Ok(imported) => {
                read += 1;
                flows += imported.flows();
                tell(&mut out, file, &imported, &store, global.json, ui)?;
            }
            Err(error) => ui.failure(&refused(&error)),
        }
    }
    out.flush()?;
    if flows == 0 && !named {
        default_store::remove(&store);
    } else if read > 0 && !global.json {
        let which = if named { format!(" --store {}", shell_word(&store)) } else { String::new() };
        ui.note(&format!("imported into {}; next: sidelight flows list{which}", store.display()));
    }
    // What could not be read at all was told above.
    Ok(if read < command.files.len() { Exit::Unanswered } else { Exit::Done })
}

const fn format(format: ImportFormat) -> Format {
    match format {
        ImportFormat::Har => Format::Har,
        ImportFormat::Mitmproxy => Format::Mitmproxy,
        ImportFormat::Pcap => Format::Pcap,
        ImportFormat::Pcapng => Format::Pcapng,
        ImportFormat::Sslsplit => Format::Sslsplit,
        ImportFormat::Log => Format::ContentLog,
    }
}

fn new_default(files: &[PathBuf]) -> Result<PathBuf, Failure> {
    let folder = default_store::folder().ok_or_else(|| {
        Failure::usage("there is no folder for the recording: neither XDG_STATE_HOME nor HOME is set")
            .hint("name one with --store FILE")
    })?;
    let first = files.first().and_then(|file| file.file_stem()).unwrap_or_default().to_string_lossy().into_owned();
    default_store::create(&folder, &format!("import-{first}"), SystemTime::now().into()).map_err(|error| {
        Failure::new(format_args!("{}: {error}", folder.display())).hint("name a recording with --store FILE")
    })
}

/// What one capture came to.
struct Imported {
    report: ImportReport,
    exchanges: u64,
    /// Connections without any exchange.
    others: u64,
}

impl Imported {
    const fn flows(&self) -> u64 {
        self.exchanges + self.others
    }
}

/// Imports one file; the inner error says that nothing of it could be read.
fn import_one(
    file: &Path,
    options: &ImportOptions,
    store: &Path,
    ui: Ui,
) -> Result<Result<Imported, ImportError>, Failure> {
    let recorder = Recorder::create(StoreOptions {
        path: store.to_owned(),
        rotation: Rotation::default(),
        ring: None,
        packets: false,
        notices: Notices::new(move |words| ui.warning(words)),
    });
    let counted = Counted::default();
    let mut consumers: Vec<Box<dyn Consumer>> =
        vec![Box::new(recorder.map_err(|error| cannot_store(&error))?), Box::new(Counter::new(&name(file), &counted))];
    let report = import(file, options, &mut consumers);
    // The recording is whole when its recorder is gone.
    drop(consumers);
    let [exchanges, others] = counted.numbers();
    Ok(report.map(|report| Imported { report, exchanges, others }))
}

/// How a capture is called in words.
fn name(file: &Path) -> String {
    if file.as_os_str() == "-" { "standard input".to_owned() } else { file.display().to_string() }
}

/// Why a capture cannot be read at all.
pub(super) fn refused(error: &ImportError) -> Failure {
    Failure::new(error)
}

/// What of a capture could not be read, a line each.
pub(super) fn damage(file: &Path, report: &ImportReport) -> Vec<String> {
    let file = name(file);
    let mut lines: Vec<String> =
        report.damage.iter().take(MOST_TOLD).map(|it| format!("{file}: at byte {}: {}", it.offset, it.what)).collect();
    if report.damage.len() > MOST_TOLD {
        lines.push(format!("{file}: {} more such places; --json has them all", report.damage.len() - MOST_TOLD));
    }
    lines
}

fn tell(
    out: &mut Output,
    file: &Path,
    imported: &Imported,
    store: &Path,
    as_json: bool,
    ui: Ui,
) -> Result<(), Failure> {
    let report = &imported.report;
    if as_json {
        let damage: Vec<_> = report.damage.iter().map(|it| json!({ "offset": it.offset, "what": it.what })).collect();
        out.line(&json!({
            "v": 1, "type": "import", "file": file, "format": report.format.name(), "store": store, "flows": imported.flows(),
            "exchanges": imported.exchanges, "connections": report.ledger.seen, "damage": damage,
        }))?;
        return Ok(());
    }
    damage(file, report).iter().for_each(|line| ui.warning(line));
    let words = crate::render::count(imported.exchanges, "exchange");
    let connections = crate::render::count(report.ledger.seen, "connection");
    let label = report.format.label();
    out.print(&format!("{}: {label}: {words} on {connections}\n", name(file)))?;
    Ok(())
}
