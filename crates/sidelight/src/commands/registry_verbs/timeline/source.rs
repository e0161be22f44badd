//! What the timeline reads. In: file names. Out: requests of registries, in the order of their beginnings.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use sidelight_model::flow::ConnectionRecord;
use sidelight_model::registry::seen::Seen;
use sidelight_sink::store::{FlowKind, FlowRow, Query, Recording};
use sidelight_wire::registry::{
    self, Observer, looks_like_access_log, looks_like_http_dump, read_access_log, read_http_dump,
};

use crate::cli::{FlowsSource, TimelineCommand};
use crate::commands::flows::source::{Source, failed, tell_losses};
use crate::exit::Failure;
use crate::ui::Ui;

/// Bytes of a log that are read at the most.
const LARGEST_LOG: u64 = 256 << 20;

/// Flows of a recording that are read: of more, the newest.
const MOST_FLOWS: usize = 500_000;

/// Bytes by which a file is recognised.
const HEAD: usize = 64 << 10;

/// What came of one source.
pub(super) struct Gathered {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) caveat: Option<&'static str>,
    pub(super) seen: Vec<Seen>,
}

/// Reads everything that is named, or the newest recording.
pub(super) fn gather(command: &TimelineCommand, ui: Ui) -> Result<Vec<Gathered>, Failure> {
    if command.files.is_empty() {
        return Ok(vec![recording(command.store.clone(), ui)?]);
    }
    command.files.iter().map(|file| one(file, &command.keylog, ui)).collect()
}

fn one(file: &Path, key_logs: &[PathBuf], ui: Ui) -> Result<Gathered, Failure> {
    if file == Path::new("-") {
        // What comes through a pipe is read twice: once to know what it is.
        let mut kept = tempfile::Builder::new().prefix("sidelight-").tempfile()?;
        std::io::copy(&mut std::io::stdin().lock(), &mut kept)?;
        let mut gathered = named(kept.path(), key_logs, ui)?;
        "standard input".clone_into(&mut gathered.name);
        return Ok(gathered);
    }
    named(file, key_logs, ui)
}

fn named(file: &Path, key_logs: &[PathBuf], ui: Ui) -> Result<Gathered, Failure> {
    let unreadable = |error: std::io::Error| Failure::new(format_args!("cannot read {}: {error}", file.display()));
    let mut head = Vec::new();
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    (&opened).take(HEAD as u64).read_to_end(&mut head).map_err(unreadable)?;
    if head.starts_with(b"SQLite format 3\0") {
        return recording(Some(file.to_owned()), ui);
    }
    let start = String::from_utf8_lossy(&head);
    let read: Option<fn(&str) -> Vec<registry::Told>> = if looks_like_http_dump(&start) {
        Some(read_http_dump)
    } else if looks_like_access_log(&start) {
        Some(read_access_log)
    } else {
        None
    };
    let Some(read) = read else { return capture(file, key_logs, ui) };
    let mut bytes = Vec::new();
    std::fs::File::open(file).and_then(|it| it.take(LARGEST_LOG).read_to_end(&mut bytes)).map_err(unreadable)?;
    let is_dump = looks_like_http_dump(&start);
    let told = read(&String::from_utf8_lossy(&bytes));
    let (kind, caveat) = if is_dump {
        (
            "ctr --http-dump",
            "ctr --http-dump tells times in whole seconds, no addresses and no whole blobs; answers are paired with requests by their digest",
        )
    } else {
        (
            "registry log",
            "a registry's log tells no header fields, no bodies and no tokens, and nothing of token servers and storage hosts",
        )
    };
    Ok(Gathered { name: file.display().to_string(), kind, caveat: Some(caveat), seen: of_text(told, !is_dump) })
}

/// The requests that a text tells.
fn of_text(mut told: Vec<registry::Told>, is_log: bool) -> Vec<Seen> {
    // A log tells requests when they end.
    told.sort_by_key(|it| it.exchange.timings.request_start);
    let mut observer = Observer::default();
    told.into_iter().filter_map(|it| it.seen(&mut observer, is_log)).collect()
}

fn recording(store: Option<PathBuf>, ui: Ui) -> Result<Gathered, Failure> {
    let source = Source::open(&FlowsSource { store, ..FlowsSource::default() }, ui)?;
    let name = source.recording.path().display().to_string();
    tell_losses(&source.recording, ui)?;
    Ok(Gathered { name, kind: "recording", caveat: None, seen: of_recording(&source.recording, ui)? })
}

fn capture(file: &Path, key_logs: &[PathBuf], ui: Ui) -> Result<Gathered, Failure> {
    let from = FlowsSource { from: Some(file.to_owned()), keylog: key_logs.to_vec(), ..FlowsSource::default() };
    let source = Source::open(&from, ui)?;
    Ok(Gathered {
        name: file.display().to_string(),
        kind: "capture",
        caveat: None,
        seen: of_recording(&source.recording, ui)?,
    })
}

/// The requests in a recording: in the order of their beginnings, for challenges and redirections tell what comes after them.
fn of_recording(recording: &Recording, ui: Ui) -> Result<Vec<Seen>, Failure> {
    let mut rows: Vec<FlowRow> = Vec::new();
    let keep = &mut |row: FlowRow| {
        rows.push(row);
        true
    };
    let query = Query { limit: Some(MOST_FLOWS), newest_first: true, ..Query::default() };
    recording.rows(&query, keep).map_err(failed)?;
    if rows.len() == MOST_FLOWS {
        ui.warning(&format!("only the newest {MOST_FLOWS} flows are read"));
    }
    rows.sort_by_key(|row| (row.started, row.id));
    let mut observer = Observer::default();
    let mut found = Vec::new();
    for row in rows {
        let wanted = match row.kind {
            FlowKind::Connection => row.cause.is_some(),
            FlowKind::Exchange => {
                let text = |part: &Option<String>| part.clone().unwrap_or_default();
                let port = row.port.map(|port| format!(":{port}")).unwrap_or_default();
                let path = text(&row.path);
                let url = if path.starts_with('/') {
                    format!("{}://{}{port}{path}", row.scheme.as_deref().unwrap_or("http"), text(&row.host))
                } else {
                    path
                };
                observer.may_be(row.method.as_deref().unwrap_or_default(), &url)
            }
        };
        if !wanted {
            continue;
        }
        // It may have been taken out of a ring just now.
        let Some(flow) = recording.flow(row.id).map_err(failed)? else { continue };
        let seen = match &flow.exchange {
            Some(exchange) => observer.exchange(&flow.conn, exchange, false),
            None => Observer::connection(&with_finding(flow.conn, flow.findings)),
        };
        found.extend(seen.map(|seen| Seen { flow: Some(flow.id.0), ..seen }));
    }
    Ok(found)
}

fn with_finding(conn: ConnectionRecord, mut findings: Vec<sidelight_model::finding::Finding>) -> ConnectionRecord {
    let first = (!findings.is_empty()).then(|| Box::new(findings.swap_remove(0)));
    ConnectionRecord { finding: conn.finding.or(first), ..conn }
}
