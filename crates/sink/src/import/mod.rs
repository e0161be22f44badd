//! Captures of others, read as if they were live. In: a file, or standard input. Out: the calls of [`Consumer`] that a live run
//! would have made, and an [`ImportReport`] of what could not be read.
//!
//! A format is recognised by what is in the file, never by its name. Captures packed with gzip or zstd are unpacked on the way.
//! A truncated or damaged capture is read as far as it goes; what was lost is [`Damage`], with its offset.

mod content_log;
mod format;
mod har;
mod input;
mod intake;
mod mitmproxy;
mod pcap;
mod sslsplit;

use std::path::{Path, PathBuf};

use sidelight_wire::flow_decoder::Limits;

pub use self::format::Format;
use self::input::Input;
use self::intake::Intake;
use crate::bus::Consumer;
use crate::ledger::Ledger;

/// Most damages that are told apart; the last one says how many more there were.
const MOST_DAMAGES: usize = 1_000;

/// How a capture is to be read.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The format; `None`: as recognised.
    pub format: Option<Format>,
    /// Key logs (NSS format) that decrypt TLS in packets, besides the secrets in the capture itself.
    pub key_logs: Vec<PathBuf>,
    /// How much is kept of bodies and messages.
    pub limits: Limits,
}

/// What became of an import.
#[derive(Clone, Debug)]
pub struct ImportReport {
    /// The format that was read.
    pub format: Format,
    /// The account of what was in it.
    pub ledger: Ledger,
    /// What could not be read, in the order of the file.
    pub damage: Vec<Damage>,
}

/// Something in a capture that could not be read, or was read with a doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where, in bytes from the beginning of the (unpacked) capture.
    pub offset: u64,
    /// What is wrong there and what was lost by it, in words.
    pub what: String,
}

impl Damage {
    /// Damage at `offset`.
    pub(crate) fn new(offset: u64, what: impl Into<String>) -> Self {
        Self { offset, what: what.into() }
    }
}

/// Why a capture could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The operating system says so.
    #[error("cannot read {file}: {source}")]
    Unreadable {
        /// The capture or key log, as given.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// There is nothing in it.
    #[error("{file} is empty: there is nothing to import")]
    Empty {
        /// The capture, as given.
        file: String,
    },
    /// It is none of the formats.
    #[error("{file} is no capture that sidelight reads: {looks_like}; formats: {}", Format::names())]
    Unknown {
        /// The capture, as given.
        file: String,
        /// What it begins with, or what it is instead and what to do with it.
        looks_like: String,
    },
    /// It is recognised, or said to be, a format, but nothing of it can be read.
    #[error("cannot read {file} as {}: at byte {offset}: {what}", format.label())]
    Malformed {
        /// The capture, as given.
        file: String,
        /// The format it was read as.
        format: Format,
        /// Where, in bytes from the beginning of the (unpacked) capture.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
}

/// Reads the capture at `path` (`-`: standard input) and hands what is in it to `consumers`, ending with [`Consumer::end`].
///
/// # Errors
/// When the file cannot be opened, is no capture, or nothing of it can be read. Damage further on is no error: see
/// [`ImportReport::damage`].
pub fn import(
    path: &Path,
    options: &ImportOptions,
    consumers: &mut [Box<dyn Consumer>],
) -> Result<ImportReport, ImportError> {
    let mut input = Input::open(path)?;
    import_from(&mut input, options, consumers)
}

/// As [`import`], from bytes in memory that go by the name `file` in messages.
///
/// # Errors
/// As [`import`].
pub fn import_bytes(
    file: &str,
    bytes: &[u8],
    options: &ImportOptions,
    consumers: &mut [Box<dyn Consumer>],
) -> Result<ImportReport, ImportError> {
    let mut input = Input::from_bytes(file, bytes)?;
    import_from(&mut input, options, consumers)
}

fn import_from(
    input: &mut Input<'_>,
    options: &ImportOptions,
    consumers: &mut [Box<dyn Consumer>],
) -> Result<ImportReport, ImportError> {
    let format = match options.format {
        Some(format) => format,
        None => format::recognise(input)?,
    };
    let mut intake = Intake::new(consumers, options.limits);
    let read = match format {
        Format::Har => har::run(input, options, &mut intake),
        Format::Mitmproxy => mitmproxy::run(input, options, &mut intake),
        Format::Pcap | Format::Pcapng => pcap::run(input, options, &mut intake),
        Format::Sslsplit => sslsplit::run(input, options, &mut intake),
        Format::ContentLog => content_log::run(input, options, &mut intake),
    };
    // Consumers are told the end even when nothing could be read: they may hold a file open.
    let ledger = intake.finish();
    let mut damage = read?;
    damage.extend(input.take_fault());
    Ok(ImportReport { format, ledger, damage: bounded(damage) })
}

/// The first of many damages, in the order of the file, and one more that counts the others.
fn bounded(mut damage: Vec<Damage>) -> Vec<Damage> {
    damage.sort_by_key(|it| it.offset);
    if damage.len() > MOST_DAMAGES {
        let more = damage.len() - (MOST_DAMAGES - 1);
        damage.truncate(MOST_DAMAGES - 1);
        let offset = damage.last().map_or(0, |it| it.offset);
        damage.push(Damage::new(offset, format!("{more} further places could not be read")));
    }
    damage
}
