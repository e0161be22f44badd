//! `sidelight flows export`. In: a recording, or a capture. Out: its flows in a format that other tools read, secrets replaced
//! unless they are wanted.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use sidelight_sink::bus::Consumer;
use sidelight_sink::capture::{CaptureFile, Destination, Rotation};
use sidelight_sink::filtered::Filtered;
use sidelight_sink::import::{ImportOptions, import};
use sidelight_sink::notice::Notices;
use sidelight_sink::redact::Redactor;
use sidelight_sink::redact::exchange::Redacting;
use sidelight_sink::schema::View;
use sidelight_sink::snippet::{Snippets, Tool};
use sidelight_sink::store::Query;
use sidelight_sink::{content_log, har, jsonl, pcapng, raw};
use sidelight_wire::flow_decoder::Limits;

use super::import::{damage, refused};
use super::progress::{Counted, Counter};
use super::read_filter;
use super::source::{self, BODY_KEPT, failed};
use crate::cli::{ExportFormat, FlowsExport, GlobalOptions, PcapContent};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// Said of every redacted pcapng: whoever looks for TLS in it should know why there is none.
const PLAINTEXT: &str = "the pcapng holds the decrypted conversations with their secrets replaced; the original TLS cannot be redacted \
    (--show-secrets --pcap-content tls writes it, of recordings made with --store-packets)";

pub(super) fn run(export: &FlowsExport, global: &GlobalOptions, ui: Ui) -> Result<Exit, Failure> {
    check(export, global)?;
    if export.format == ExportFormat::Pcapng && !export.show_secrets {
        ui.note(PLAINTEXT);
    }
    let filter = export.source.filter.as_deref().map(read_filter).transpose()?;
    let trouble = Trouble::default();
    let notices = trouble.notices(ui);
    if let Some(capture) = &export.source.from {
        let target = target(export, notices)?;
        let mut consumers = vec![match filter {
            Some(filter) => Box::new(Filtered::new(filter, target)) as Box<dyn Consumer>,
            None => target,
        }];
        let limits = Limits { body_kept: BODY_KEPT, hash_bodies: true, ..Limits::default() };
        let options = ImportOptions { format: None, key_logs: export.source.keylog.clone(), limits };
        let report = import(capture, &options, &mut consumers).map_err(|error| refused(&error))?;
        damage(capture, &report).iter().for_each(|line| ui.warning(line));
        return Ok(trouble.exit());
    }
    let recording = source::open(&source::path(export.source.store.as_deref(), ui)?, ui)?;
    if wants_packets(export) && !recording.info().map_err(failed)?.packets {
        return Err(Failure::new(format!("{} holds no original TLS", recording.path().display())).hint(
            "record with --store-packets (or --pcap FILE) for that; --pcap-content plain writes the decrypted conversations",
        ));
    }
    let mut consumers = vec![target(export, notices)?];
    if !(is_output(&export.output) && std::io::stdout().is_terminal()) {
        consumers.push(Box::new(Counter::new(&export.output.display().to_string(), &Counted::default())));
    }
    let query = Query { filter, ..Query::default() };
    if wants_packets(export) {
        recording.replay_packets(&query, &mut consumers).map_err(failed)?;
    } else {
        recording.replay(&query, &mut consumers).map_err(failed)?;
    }
    drop(consumers);
    Ok(trouble.exit())
}

/// Whether the original TLS is wanted.
fn wants_packets(export: &FlowsExport) -> bool {
    export.format == ExportFormat::Pcapng && export.pcap_content != PcapContent::Plain
}

/// What cannot be, before anything is made.
fn check(export: &FlowsExport, global: &GlobalOptions) -> Result<(), Failure> {
    let to_output = is_output(&export.output);
    if to_output && global.json && export.format != ExportFormat::Jsonl {
        return Err(
            Failure::usage("--json: an export to standard output is no JSON").hint("write it to a file with -o FILE")
        );
    }
    if export.format == ExportFormat::Raw && to_output {
        return Err(Failure::usage("--format raw writes a file for each direction: name a folder with -o DIR"));
    }
    if export.format == ExportFormat::Pcapng && to_output && std::io::stdout().is_terminal() {
        return Err(Failure::usage("--format pcapng is binary and standard output is a terminal")
            .hint("write it to a file with -o FILE, or pipe it: … | tshark -r -"));
    }
    if wants_packets(export) && !export.show_secrets {
        return Err(Failure::usage(
            "--pcap-content: the original TLS cannot be redacted, as it comes with what decrypts it",
        )
        .hint("--show-secrets says that this is meant; --pcap-content plain is redacted"));
    }
    if wants_packets(export) && export.source.from.is_some() {
        return Err(Failure::usage(
            "--pcap-content: only a recording that was made with --store-packets holds the original TLS",
        ));
    }
    Ok(())
}

fn is_output(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The consumer that writes the format.
fn target(export: &FlowsExport, notices: Notices) -> Result<Box<dyn Consumer>, Failure> {
    let redactor = Redactor::new(export.show_secrets);
    let file = || capture_file(&export.output);
    let view = View { redactor, bodies: Some(usize::MAX) };
    let consumer: Box<dyn Consumer> = match export.format {
        ExportFormat::Har => Box::new(har::Har::new(file()?, notices)),
        ExportFormat::Log => Box::new(content_log::ContentLog::new(file()?, notices)),
        // It redacts by itself.
        ExportFormat::Jsonl => return Ok(Box::new(jsonl::JsonLines::to_file(file()?, view, notices))),
        ExportFormat::Pcapng if wants_packets(export) => {
            let content = match export.pcap_content {
                PcapContent::Both => pcapng::PcapContent::Both,
                PcapContent::Tls | PcapContent::Plain => pcapng::PcapContent::Tls,
            };
            return Ok(Box::new(pcapng::Pcapng::new(file()?, content, notices)));
        }
        ExportFormat::Pcapng => Box::new(pcapng::from_messages(file()?, notices)),
        ExportFormat::Raw => Box::new(raw::from_messages(export.output.clone(), notices).map_err(Failure::new)?),
        ExportFormat::Curl => Box::new(Snippets::new(file()?, Tool::Curl, notices)),
        ExportFormat::Httpie => Box::new(Snippets::new(file()?, Tool::Httpie, notices)),
        ExportFormat::Python => Box::new(Snippets::new(file()?, Tool::Python, notices)),
    };
    Ok(if export.show_secrets { consumer } else { Box::new(Redacting::new(redactor, consumer)) })
}

fn capture_file(output: &Path) -> Result<CaptureFile, Failure> {
    let to = if is_output(output) { Destination::Stdout } else { Destination::File(PathBuf::from(output)) };
    CaptureFile::create("-o", to, Rotation::default(), SystemTime::now().into()).map_err(Failure::new)
}

/// Whether something could not be written.
#[derive(Clone, Default)]
struct Trouble(Arc<AtomicBool>);

impl Trouble {
    /// Warns, and remembers it. A reader of standard output that has gone is no trouble.
    fn notices(&self, ui: Ui) -> Notices {
        let trouble = Arc::clone(&self.0);
        Notices::new(move |words| {
            if !output_is_closed() {
                trouble.store(true, Ordering::Relaxed);
                ui.warning(words);
            }
        })
    }

    fn exit(&self) -> Exit {
        if self.0.load(Ordering::Relaxed) { Exit::Unanswered } else { Exit::Done }
    }
}

/// Whether nobody reads standard output any more.
fn output_is_closed() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let output = std::io::stdout();
    let mut watched = [PollFd::new(&output, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut watched, Some(&now)).is_ok() && watched[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}
