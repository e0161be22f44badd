//! What is kept of an interception. In: the options of `proxy` and `run`. Out: the consumers that show and keep it, and at the end
//! one line that says where it is.

pub(super) mod default_store;
mod several;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::termios::isatty;
use sidelight_engine::Capture;
use sidelight_model::filter::Filter;
use sidelight_model::time::Timestamp;
use sidelight_sink::bus::Consumer;
use sidelight_sink::capture::{CaptureFile, Destination, Rotation};
use sidelight_sink::filtered::Filtered;
use sidelight_sink::notice::Notices;
use sidelight_sink::redact::Redactor;
use sidelight_sink::redact::exchange::Redacting;
use sidelight_sink::store::{Recorder, StoreError, StoreOptions};
use sidelight_sink::{content_log, har, jsonl, key_log, pcapng, raw, schema};

use self::several::Several;
use super::flows::read_filter;
use crate::cli::{GlobalOptions, KeyLogSide, PcapContent, ProxyOptions, RecordingOptions};
use crate::exit::Failure;
use crate::render::{self, Stream};
use crate::ui::Ui;

/// What is shown and kept of an interception.
pub(super) struct Recording<'o> {
    options: &'o ProxyOptions,
    global: &'o GlobalOptions,
    /// What a recording that nobody named is called after: `proxy`, `run-curl`.
    name: String,
    /// Where text for people goes.
    stream: Stream,
    filter: Option<Filter>,
    /// The recording, and whether somebody named it.
    store: Option<(PathBuf, bool)>,
}

impl<'o> Recording<'o> {
    /// Reads the options; makes no file yet. Text for people goes to `stream`, unless a capture goes there.
    ///
    /// # Errors
    /// When several captures want standard output, or the filter cannot be read.
    pub(super) fn plan(
        options: &'o ProxyOptions,
        global: &'o GlobalOptions,
        name: impl Into<String>,
        stream: Stream,
    ) -> Result<Self, Failure> {
        let recording = &options.recording;
        let stream = if on_output(recording, global)?.is_some() { Stream::Error } else { stream };
        let filter = recording.filter.as_deref().map(read_filter).transpose()?;
        Ok(Self { options, global, name: name.into(), stream, filter, store: None })
    }

    /// Whether standard output is ours alone, for JSON or for a capture.
    pub(super) fn takes_output(&self) -> bool {
        self.global.json || names(&self.options.recording).any(|(_, path)| is_output(path))
    }

    /// Makes the files, and gives the consumers that show and keep what passes.
    ///
    /// # Errors
    /// When a file that was asked for cannot be made. A recording that nobody named is gone without.
    pub(super) fn open(&mut self, ui: Ui) -> Result<Vec<Box<dyn Consumer>>, Failure> {
        let shown = render::consumers(self.global, &self.options.show, self.body_limit(), self.stream);
        self.open_with(shown, ui)
    }

    /// As [`Self::open`], with these in place of those that show each exchange.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) fn open_with(
        &mut self,
        mut shown: Vec<Box<dyn Consumer>>,
        ui: Ui,
    ) -> Result<Vec<Box<dyn Consumer>>, Failure> {
        let now = Timestamp::from(SystemTime::now());
        let notices = Notices::new(move |words| ui.warning(words));
        let files = Files { options: &self.options.recording, now, notices: notices.clone() };
        shown.extend(files.redacted(self.options.show.show_secrets, self.body_limit())?);
        let mut consumers: Vec<Box<dyn Consumer>> = match self.filter.take() {
            Some(filter) => vec![Box::new(Filtered::new(filter, Box::new(Several(shown))))],
            None => shown,
        };
        consumers.extend(files.whole()?);
        consumers.extend(self.recorder(now, notices, ui)?);
        Ok(consumers)
    }

    /// Where text for people goes.
    pub(super) const fn stream(&self) -> Stream {
        self.stream
    }

    fn body_limit(&self) -> usize {
        usize::try_from(self.options.limits.body_limit.0).unwrap_or(usize::MAX)
    }

    fn recorder(&mut self, now: Timestamp, notices: Notices, ui: Ui) -> Result<Option<Box<dyn Consumer>>, Failure> {
        let recording = &self.options.recording;
        if recording.no_store {
            return Ok(None);
        }
        let named = recording.store.is_some();
        let Some(path) = recording.store.clone().map_or_else(|| self.new_default(now, ui), Some) else {
            return Ok(None);
        };
        let ring = recording.ring.map(|size| size.0).or((!named).then_some(default_store::MOST_BYTES));
        let options =
            StoreOptions { path, rotation: rotation(recording), ring, packets: recording.store_packets, notices };
        match Recorder::create(options) {
            Ok(recorder) => {
                self.store = Some((recorder.path().to_owned(), named));
                Ok(Some(Box::new(recorder)))
            }
            Err(error) if named => Err(cannot_store(&error)),
            Err(error) => {
                ui.warning(&format!(
                    "nothing is recorded: {error}; --store FILE records elsewhere, --no-store says that this is meant"
                ));
                Ok(None)
            }
        }
    }

    /// A file for a recording that nobody named; none, with a warning, where there cannot be one.
    fn new_default(&self, now: Timestamp, ui: Ui) -> Option<PathBuf> {
        let advice = "--store FILE records elsewhere, --no-store says that this is meant";
        let Some(folder) = default_store::folder() else {
            ui.warning(&format!("nothing is recorded: neither XDG_STATE_HOME nor HOME is set; {advice}"));
            return None;
        };
        for removed in default_store::make_room(&folder, default_store::MOST_BYTES) {
            ui.note(&format!("removed the old recording {} to make room", removed.display()));
        }
        match default_store::create(&folder, &self.name, now) {
            Ok(path) => Some(path),
            Err(error) => {
                ui.warning(&format!("nothing is recorded: {}: {error}; {advice}", folder.display()));
                None
            }
        }
    }

    /// Says where it was recorded. A recording that nobody named and that holds nothing is removed.
    pub(super) fn conclude(self, connections: u64, ui: Ui) {
        self.conclude_for("flows list", connections, ui);
    }

    /// As [`Self::conclude`], with the command that reads it next.
    pub(super) fn conclude_for(self, next: &str, connections: u64, ui: Ui) {
        let Some((path, named)) = self.store else { return };
        if connections == 0 && !named {
            return default_store::remove(&path);
        }
        if self.options.show.quiet {
            return;
        }
        let which = if named { format!(" --store {}", shell_word(&path)) } else { String::new() };
        ui.note(&format!("recorded in {}; next: sidelight {next}{which}", path.display()));
    }
}

/// Why the recording that `--store` names cannot be written.
pub(super) fn cannot_store(error: &StoreError) -> Failure {
    match error {
        // It names the option already.
        StoreError::Name(_) => Failure::new(error),
        _ => Failure::new(format_args!("--store {error}")),
    }
}

/// A path as a word of a command that is to be copied.
pub(super) fn shell_word(path: &Path) -> String {
    sidelight_model::trust::quoted_file(&path.display().to_string())
}

/// Whether anything is written in which bodies stand, so that their digests are wanted.
pub(super) fn keeps_bodies(options: &RecordingOptions) -> bool {
    !options.no_store || options.har.is_some() || options.log.is_some() || options.jsonl.is_some()
}

/// What the engine has to tell besides the conversations.
pub(super) fn capture(options: &RecordingOptions) -> Capture {
    let packets_in_file = options.pcap.is_some() && options.pcap_content != PcapContent::Plain;
    let packets = packets_in_file || options.store_packets && !options.no_store;
    Capture { packets, secrets: packets || options.keylog.is_some() }
}

fn is_output(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The captures that were asked for, by their options.
fn names(options: &RecordingOptions) -> impl Iterator<Item = (&'static str, &Path)> {
    let all = [
        ("--store", &options.store),
        ("--raw", &options.raw),
        ("--log", &options.log),
        ("--pcap", &options.pcap),
        ("--keylog", &options.keylog),
        ("--har", &options.har),
        ("--jsonl", &options.jsonl),
    ];
    all.into_iter().filter_map(|(option, path)| path.as_deref().map(|path| (option, path)))
}

/// The option whose capture goes to standard output.
fn on_output(options: &RecordingOptions, global: &GlobalOptions) -> Result<Option<&'static str>, Failure> {
    let wanting: Vec<&str> = names(options).filter(|(_, path)| is_output(path)).map(|(option, _)| option).collect();
    for option in ["--store", "--raw"] {
        if wanting.contains(&option) {
            return Err(Failure::usage(format_args!(
                "{option} -: a recording needs a file of its own, and --raw a folder"
            )));
        }
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
        let mut add = |consumer: Box<dyn Consumer>| {
            consumers.push(if reveal { consumer } else { Box::new(Redacting::new(redactor, consumer)) });
        };
        if let Some(path) = &self.options.har {
            add(Box::new(har::Har::new(self.file("--har", path)?, self.notices.clone())));
        }
        if let Some(path) = &self.options.log {
            add(Box::new(content_log::ContentLog::new(self.file("--log", path)?, self.notices.clone())));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_gets_back_the_file_that_was_quoted() {
        for name in
            ["a b", "it's", "$HOME `id` \\ \"x\"", "a\nb", "\u{1b}[2Jx\u{202e}abc'1\\", "ümlaut", "*?~;&|<>", "-"]
        {
            let line = shell_word(Path::new(name));
            assert!(!line.contains(char::is_control) && !line.contains('\u{202e}'), "{line:?}");
            let said = std::process::Command::new("bash").args(["-c", &format!("printf %s {line}")]).output().unwrap();
            assert_eq!(String::from_utf8(said.stdout).unwrap().trim_start_matches("./"), name, "{line}");
        }
    }
}
