//! What `sidelight flows` reads. In: `--store`, `--from`, or nothing. Out: an open recording. A capture of another tool becomes a
//! recording for as long as the command runs.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use sidelight_model::filter::Filter;
use sidelight_sink::bus::Consumer;
use sidelight_sink::capture::Rotation;
use sidelight_sink::import::{ImportOptions, ImportReport, import};
use sidelight_sink::notice::Notices;
use sidelight_sink::store::{Query, Recorder, Recording, StoreError, StoreOptions};
use sidelight_wire::flow_decoder::Limits;

use super::super::proxy::told_to_stop;
use super::super::recording::default_store;
use super::import::{damage, refused};
use super::read_filter;
use crate::cli::FlowsSource;
use crate::exit::Failure;
use crate::render::{bytes, count};
use crate::ui::Ui;

/// Bytes kept of a body of a capture that is read for one command.
pub(super) const BODY_KEPT: usize = 16 << 20;

/// An open recording.
pub(in crate::commands) struct Source {
    /// The recording.
    pub(in crate::commands) recording: Recording,
    /// Which flows of it.
    pub(super) filter: Option<Filter>,
    /// Where a capture was unpacked; removed with this.
    _folder: Option<tempfile::TempDir>,
}

impl Source {
    /// Opens what `source` names.
    ///
    /// # Errors
    /// When there is none, it cannot be read, or the filter is wrong.
    pub(in crate::commands) fn open(source: &FlowsSource, ui: Ui) -> Result<Self, Failure> {
        let filter = source.filter.as_deref().map(read_filter).transpose()?;
        let Some(capture) = &source.from else {
            let recording = open(&path(source.store.as_deref(), ui)?, ui)?;
            return Ok(Self { recording, filter, _folder: None });
        };
        let folder = tempfile::Builder::new().prefix("sidelight-").tempdir()?;
        remove_when_interrupted(folder.path().to_owned());
        let path = folder.path().join("capture.sidelight");
        import_into(&path, capture, &source.keylog, ui)?;
        Ok(Self { recording: open(&path, ui)?, filter, _folder: Some(folder) })
    }

    /// All flows that match.
    pub(in crate::commands) fn query(&self) -> Query {
        Query { filter: self.filter.clone(), ..Query::default() }
    }
}

/// Lets a signal that ends this process take `folder` along.
fn remove_when_interrupted(folder: PathBuf) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if runtime.is_ok_and(|runtime| runtime.block_on(told_to_stop()).is_ok()) {
            std::fs::remove_dir_all(folder).ok();
            // As a shell would see a command that SIGINT ended.
            std::process::exit(130);
        }
    });
}

/// The recording that is meant: the one that is named, else the newest; which one that is, is told to a terminal.
///
/// # Errors
/// When there is none.
pub(super) fn path(named: Option<&Path>, ui: Ui) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let folder = default_store::folder().ok_or_else(|| {
        Failure::usage("there is no folder of recordings: neither XDG_STATE_HOME nor HOME is set")
            .hint("name a recording with --store FILE")
    })?;
    let newest = default_store::all(&folder).pop().ok_or_else(|| {
        Failure::new(format_args!("there is no recording in {}", folder.display()))
            .hint("`sidelight run -- COMMAND` and `sidelight proxy` make one; --store FILE reads one from elsewhere")
    })?;
    if std::io::stderr().is_terminal() {
        ui.note(&format!("reading {}", newest.display()));
    }
    Ok(newest)
}

/// Opens a recording.
///
/// # Errors
/// Says what the file is instead, and what to do.
pub(super) fn open(path: &Path, ui: Ui) -> Result<Recording, Failure> {
    let recording = Recording::open(path).map_err(failed)?;
    if let Some(caveat) = recording.caveat() {
        ui.warning(&format!("{}: {caveat}", path.display()));
    }
    Ok(recording)
}

/// Says what is not in the recording.
///
/// # Errors
/// When it cannot be read.
pub(in crate::commands) fn tell_losses(recording: &Recording, ui: Ui) -> Result<(), Failure> {
    for loss in recording.lost().map_err(failed)? {
        let counts = [(loss.connections, "connection"), (loss.flows, "flow"), (loss.messages, "message")];
        let mut parts: Vec<String> =
            counts.iter().filter(|(number, _)| *number > 0).map(|(number, what)| count(*number, what)).collect();
        if loss.bytes > 0 {
            parts.push(bytes(loss.bytes));
        }
        let (since, until) = (loss.since.rfc3339(), loss.until.rfc3339());
        ui.warning(&format!("not recorded from {since} to {until}: {} ({})", parts.join(", "), loss.reason));
    }
    Ok(())
}

/// An error of a recording.
pub(in crate::commands) fn failed(error: StoreError) -> Failure {
    let foreign = match &error {
        StoreError::Foreign { path, .. } => {
            Some(format!("--from {} looks into a capture without keeping it", path.display()))
        }
        _ => None,
    };
    let failure = Failure::new(error);
    match foreign {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn import_into(path: &Path, capture: &Path, key_logs: &[PathBuf], ui: Ui) -> Result<ImportReport, Failure> {
    let limits = Limits { body_kept: BODY_KEPT, hash_bodies: true, ..Limits::default() };
    let options = ImportOptions { format: None, key_logs: key_logs.to_vec(), limits };
    let recorder = Recorder::create(StoreOptions {
        path: path.to_owned(),
        rotation: Rotation::default(),
        ring: None,
        packets: false,
        notices: Notices::new(move |words| ui.warning(words)),
    });
    let mut consumers: Vec<Box<dyn Consumer>> = vec![Box::new(recorder.map_err(Failure::new)?)];
    let report = import(capture, &options, &mut consumers).map_err(|error| refused(&error))?;
    // The recording is whole when its recorder is gone.
    drop(consumers);
    damage(capture, &report).iter().for_each(|line| ui.warning(line));
    Ok(report)
}
