//! What is kept of an interception. In: the options of `proxy` and `run`. Out: the consumers that show and keep it, and what the
//! engine has to tell for them.

use std::path::Path;
use std::time::SystemTime;

use rustix::termios::isatty;
use sidelight_engine::Capture;
use sidelight_model::time::Timestamp;
use sidelight_sink::bus::Consumer;
use sidelight_sink::capture::{CaptureFile, Destination, Rotation};
use sidelight_sink::notice::Notices;
use sidelight_sink::redact::Redactor;
use sidelight_sink::{jsonl, key_log, pcapng, raw, schema};

use crate::cli::{GlobalOptions, KeyLogSide, PcapContent, ProxyOptions, RecordingOptions};
use crate::exit::Failure;
use crate::render::{self, Stream};
use crate::ui::Ui;

/// What is shown and kept of an interception.
pub(super) struct Recording<'o> {
    options: &'o ProxyOptions,
    global: &'o GlobalOptions,
    /// Where text for people goes.
    stream: Stream,
}

impl<'o> Recording<'o> {
    /// Reads the options; makes no file yet. Text for people goes to `stream`, unless a capture goes there.
    ///
    /// # Errors
    /// When several captures want standard output, or one goes where JSON goes.
    pub(super) fn plan(options: &'o ProxyOptions, global: &'o GlobalOptions, stream: Stream) -> Result<Self, Failure> {
        let recording = &options.recording;
        let stream = if on_output(recording, global)?.is_some() { Stream::Error } else { stream };
        Ok(Self { options, global, stream })
    }

    /// Whether standard output is ours alone, for JSON or for a capture.
    pub(super) fn takes_output(&self) -> bool {
        self.global.json || names(&self.options.recording).any(|(_, path)| is_output(path))
    }

    /// Makes the files, and gives the consumers that show and keep what passes.
    ///
    /// # Errors
    /// When a file that was asked for cannot be made.
    pub(super) fn open(&mut self, ui: Ui) -> Result<Vec<Box<dyn Consumer>>, Failure> {
        let now = Timestamp::from(SystemTime::now());
        let notices = Notices::new(move |words| ui.warning(words));
        let files = Files { options: &self.options.recording, now, notices };
        let mut shown = render::consumers(self.global, &self.options.show, self.body_limit(), self.stream);
        shown.extend(files.redacted(self.options.show.show_secrets, self.body_limit())?);
        shown.extend(files.whole()?);
        Ok(shown)
    }

    fn body_limit(&self) -> usize {
        usize::try_from(self.options.limits.body_limit.0).unwrap_or(usize::MAX)
    }
}

/// Whether anything is written in which bodies stand, so that their digests are wanted.
pub(super) fn keeps_bodies(options: &RecordingOptions) -> bool {
    options.jsonl.is_some()
}

/// What the engine has to tell besides the conversations.
pub(super) fn capture(options: &RecordingOptions) -> Capture {
    let packets_in_file = options.pcap.is_some() && options.pcap_content != PcapContent::Plain;
    Capture { packets: packets_in_file, secrets: packets_in_file || options.keylog.is_some() }
}

fn is_output(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The captures that were asked for, by their options.
fn names(options: &RecordingOptions) -> impl Iterator<Item = (&'static str, &Path)> {
    let all = [
        ("--raw", &options.raw),
        ("--pcap", &options.pcap),
        ("--keylog", &options.keylog),
        ("--jsonl", &options.jsonl),
    ];
    all.into_iter().filter_map(|(option, path)| path.as_deref().map(|path| (option, path)))
}

/// The option whose capture goes to standard output.
fn on_output(options: &RecordingOptions, global: &GlobalOptions) -> Result<Option<&'static str>, Failure> {
    let wanting: Vec<&str> = names(options).filter(|(_, path)| is_output(path)).map(|(option, _)| option).collect();
    if wanting.contains(&"--raw") {
        return Err(Failure::usage("--raw -: it writes a file for each direction, so it needs a folder"));
    }
    match wanting.as_slice() {
        [] => Ok(None),
        [one, other, ..] => {
            Err(Failure::usage(format_args!("{one} - and {other} -: only one of them can be standard output")))
        }
        [one] if global.json => {
            Err(Failure::usage(format_args!("{one} - and --json: only one of them can be standard output")))
        }
        ["--pcap"] if isatty(std::io::stdout()) => {
            Err(Failure::usage("--pcap - is binary and standard output is a terminal")
                .hint("pipe it: sidelight proxy --pcap - | wireshark -k -i -"))
        }
        [one] => Ok(names(options).map(|(option, _)| option).find(|option| option == one)),
    }
}

fn rotation(options: &RecordingOptions) -> Rotation {
    Rotation {
        size: options.rotate_size.map(|size| size.0),
        time: options.rotate_time.map(|period| period.0),
        keep: options.rotate_keep,
    }
}

/// The captures beside the recording.
struct Files<'o> {
    options: &'o RecordingOptions,
    now: Timestamp,
    notices: Notices,
}

impl Files<'_> {
    fn file(&self, option: &'static str, path: &Path) -> Result<CaptureFile, Failure> {
        let to = if is_output(path) { Destination::Stdout } else { Destination::File(path.to_owned()) };
        CaptureFile::create(option, to, rotation(self.options), self.now).map_err(Failure::new)
    }

    /// Those in which secrets are replaced.
    fn redacted(&self, reveal: bool, body_limit: usize) -> Result<Vec<Box<dyn Consumer>>, Failure> {
        let redactor = Redactor::new(reveal);
        let mut consumers: Vec<Box<dyn Consumer>> = Vec::new();
        if let Some(path) = &self.options.jsonl {
            let view = schema::View { redactor, bodies: Some(body_limit) };
            consumers.push(Box::new(jsonl::JsonLines::to_file(
                self.file("--jsonl", path)?,
                view,
                self.notices.clone(),
            )));
        }
        Ok(consumers)
    }

    /// Those that hold the truth.
    fn whole(&self) -> Result<Vec<Box<dyn Consumer>>, Failure> {
        let mut consumers: Vec<Box<dyn Consumer>> = Vec::new();
        if let Some(path) = &self.options.keylog {
            let legs = match self.options.keylog_side {
                KeyLogSide::Both => key_log::Legs::Both,
                KeyLogSide::Client => key_log::Legs::Client,
                KeyLogSide::Server => key_log::Legs::Server,
            };
            consumers.push(Box::new(key_log::KeyLog::new(self.file("--keylog", path)?, legs, self.notices.clone())));
        }
        if let Some(path) = &self.options.pcap {
            let content = match self.options.pcap_content {
                PcapContent::Tls => pcapng::PcapContent::Tls,
                PcapContent::Plain => pcapng::PcapContent::Plain,
                PcapContent::Both => pcapng::PcapContent::Both,
            };
            consumers.push(Box::new(pcapng::Pcapng::new(self.file("--pcap", path)?, content, self.notices.clone())));
        }
        if let Some(path) = &self.options.raw {
            consumers.push(Box::new(raw::Raw::new(path.clone(), self.notices.clone()).map_err(Failure::new)?));
        }
        Ok(consumers)
    }
}
