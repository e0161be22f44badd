//! What is kept of an interception, and in which files. In: arguments. Out: [`RecordingOptions`], which `proxy` and `run` share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Period, Size};

/// What is recorded.
///
/// A file named `-` is standard output; at most one of them may be.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What is recorded")]
pub(crate) struct RecordingOptions {
    /// Keep everything in this recording, for `sidelight flows`; one that is there is continued
    /// [default: a new one under $XDG_STATE_HOME/sidelight]
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,

    /// Keep no recording
    #[arg(long, conflicts_with = "store")]
    pub(crate) no_store: bool,

    /// Keep the recording about this large: its oldest connections are forgotten [default: 4GiB, without --store]
    #[arg(long, value_name = "SIZE", conflicts_with = "no_store")]
    pub(crate) ring: Option<Size>,

    /// Keep in the recording the original TLS of both sides too, with its secrets
    #[arg(long, conflicts_with = "no_store")]
    pub(crate) store_packets: bool,

    /// Write one record a message, for people and grep, into FILE; - is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,

    /// Write packets (pcapng) into FILE, for Wireshark and tshark; - is standard output
    ///
    /// The file holds what decrypts it, and is not redacted. So are --keylog and --raw.
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,

    /// What --pcap holds: the original TLS with its secrets, the decrypted conversation, or both
    #[arg(long, value_name = "WHAT", default_value = "tls")]
    pub(crate) pcap_content: PcapContent,

    /// Write the secrets of TLS (NSS key log) into FILE; - is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) keylog: Option<PathBuf>,

    /// Whose secrets --keylog holds: of the connections to services, to clients, or both
    #[arg(long, value_name = "SIDE", default_value = "both")]
    pub(crate) keylog_side: KeyLogSide,

    /// Write HAR 1.2 into FILE, valid at any moment; - is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) har: Option<PathBuf>,

    /// Write JSON Lines, with bodies, into FILE; - is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) jsonl: Option<PathBuf>,

    /// Write each direction of each connection, decrypted, into a file of its own in DIR
    #[arg(long, value_name = "DIR")]
    pub(crate) raw: Option<PathBuf>,

    /// Show, and write as HAR, log and JSON Lines, only what matches (see `sidelight flows filters`)
    ///
    /// The recording, --pcap, --keylog and --raw hold everything all the same.
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Option<String>,

    /// Begin a new file before one grows larger; applies to the recording and to every FILE
    ///
    /// FILE may hold strftime(3) conversions, as in capture-%Y%m%dT%H%M%S.pcapng; otherwise -0002, -0003 … stand before the
    /// extension of further files.
    #[arg(long, value_name = "SIZE")]
    pub(crate) rotate_size: Option<Size>,

    /// Begin a new file after so long
    #[arg(long, value_name = "DURATION")]
    pub(crate) rotate_time: Option<Period>,

    /// Keep only the newest N files of each kind
    #[arg(long, value_name = "N")]
    pub(crate) rotate_keep: Option<usize>,
}

/// What a pcapng file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PcapContent {
    /// Both TCP connections with their original TLS, and what decrypts it
    #[default]
    Tls,
    /// The decrypted conversation
    Plain,
    /// Both of these
    Both,
}

/// Whose secrets a key log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyLogSide {
    /// Both sides
    #[default]
    Both,
    /// Between clients and us
    Client,
    /// Between us and services
    Server,
}
