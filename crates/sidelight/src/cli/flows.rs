//! `sidelight flows`. In: arguments. Out: [`FlowsCommand`].

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::PcapContent;

/// List, show, count, export and import what was recorded
#[derive(Debug, Args)]
pub(crate) struct FlowsCommand {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: FlowsVerb,
}

/// What to do with recordings.
#[derive(Debug, Subcommand)]
pub(crate) enum FlowsVerb {
    List(FlowsList),
    Show(FlowsShow),
    Follow(FlowsFollow),
    Stats(FlowsStats),
    Export(FlowsExport),
    Import(FlowsImport),
    Filters(FlowsFilters),
}

/// What is read.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "What is read")]
pub(crate) struct FlowsSource {
    /// The recording [default: the newest under $XDG_STATE_HOME/sidelight]
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,

    /// Read this capture instead of a recording: HAR, mitmproxy flows, pcap, pcapng, an sslsplit or sidelight log; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "store")]
    pub(crate) from: Option<PathBuf>,

    /// Secrets that decrypt a capture of packets (NSS key log); repeatable
    #[arg(long, value_name = "FILE", requires = "from")]
    pub(crate) keylog: Vec<PathBuf>,

    /// Only the flows that match (see `sidelight flows filters`)
    #[arg(long, value_name = "EXPR")]
    pub(crate) filter: Option<String>,
}

/// List flows, a line each, the newest last
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sidelight flows list\n  sidelight flows list -n 20 --filter '~d registry.example & ~c 4xx'\n  \
    sidelight flows list --json | jq -r 'select(.status >= 500) | .id'"
)]
pub(crate) struct FlowsList {
    /// Only the last N of them
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) last: Option<usize>,

    /// Show secrets instead of their fingerprints
    #[arg(long)]
    pub(crate) show_secrets: bool,

    /// What is read.
    #[command(flatten)]
    pub(crate) source: FlowsSource,
}

/// Show flows whole: heads, bodies laid out, messages, TLS of both sides, timings, findings
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sidelight flows show 12\n  sidelight flows show last\n  sidelight flows show 3..7 --json\n  \
    sidelight flows show 12 --format curl\n  sidelight flows show last --proto shop.proto --include ./protos"
)]
pub(crate) struct FlowsShow {
    /// Number of a flow as `flows list` gives it, a range (3..7, 12..), or `last`
    #[arg(value_name = "ID", default_value = "last")]
    pub(crate) ids: Vec<String>,

    /// Print the request as a command or program that makes it again, or the bytes of the conversation
    #[arg(long, value_name = "FORM")]
    pub(crate) format: Option<Snippet>,

    /// How bodies and messages are shown
    #[arg(long, value_name = "VIEW", default_value = "pretty", conflicts_with = "format")]
    pub(crate) view: BodyView,

    /// Lines of each body, and messages, that are shown; 0: all [default: 100 on a terminal, else all]
    #[arg(long, value_name = "N", conflicts_with = "format")]
    pub(crate) lines: Option<usize>,

    /// Definitions that name the fields of gRPC and protobuf messages: a .proto file, or what protoc --descriptor_set_out wrote; repeatable
    #[arg(long, value_name = "FILE", conflicts_with = "format")]
    pub(crate) proto: Vec<PathBuf>,

    /// Folder in which the imports of --proto files are looked for, besides their own; repeatable
    #[arg(long, value_name = "DIR", requires = "proto")]
    pub(crate) include: Vec<PathBuf>,

    /// Show secrets instead of their fingerprints
    #[arg(long)]
    pub(crate) show_secrets: bool,

    /// What is read.
    #[command(flatten)]
    pub(crate) source: FlowsSource,
}

/// How bodies and messages are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BodyView {
    /// Laid out by what they are; what is no text is dumped
    Pretty,
    /// As text, as it came
    Raw,
    /// As a dump of bytes
    Hex,
}

/// Print flows as they come, until interrupted
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sidelight flows follow\n  sidelight flows follow --filter '~c >= 400' --json")]
pub(crate) struct FlowsFollow {
    /// The recording [default: the newest under $XDG_STATE_HOME/sidelight]
    #[arg(long, value_name = "FILE", help_heading = "What is read")]
    pub(crate) store: Option<PathBuf>,

    /// Only the flows that match (see `sidelight flows filters`)
    #[arg(long, value_name = "EXPR", help_heading = "What is read")]
    pub(crate) filter: Option<String>,

    /// Begin with the last N that are there
    #[arg(short = 'n', long, value_name = "N", default_value = "10")]
    pub(crate) last: usize,

    /// Show secrets instead of their fingerprints
    #[arg(long)]
    pub(crate) show_secrets: bool,
}

/// Count what was talked to: hosts, bytes, statuses, latencies, TLS, certificates, failures by cause
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sidelight flows stats\n  sidelight flows stats --filter '~d example$' --json\n  \
    sidelight flows stats --assert 'tls>=1.2; expires>30d; hosts in allowed.txt'")]
pub(crate) struct FlowsStats {
    /// Check that this holds of all of it, and exit with 1 and the findings when it does not
    #[arg(long, value_name = "RULES")]
    pub(crate) assert: Option<String>,

    /// Show secrets instead of their fingerprints
    #[arg(long)]
    pub(crate) show_secrets: bool,

    /// What is read.
    #[command(flatten)]
    pub(crate) source: FlowsSource,
}

/// Write flows in a format that other tools read
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sidelight flows export --format har -o traffic.har\n  \
    sidelight flows export --format pcapng -o - | tshark -r -\n  \
    sidelight flows export --format curl --filter '~id 12'\n  \
    sidelight flows export --from broken.har --format har -o repaired.har")]
pub(crate) struct FlowsExport {
    /// Format
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: ExportFormat,

    /// File to write, for raw a folder; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,

    /// What a pcapng file holds: the decrypted conversation; or, of a recording made with --store-packets, the original TLS
    #[arg(long, value_name = "WHAT", default_value = "plain")]
    pub(crate) pcap_content: PcapContent,

    /// Replace secrets by fingerprints, the same secret by the same one; this is so unless --show-secrets is given
    #[arg(long, conflicts_with = "show_secrets")]
    pub(crate) redact: bool,

    /// Write secrets instead of their fingerprints
    #[arg(long)]
    pub(crate) show_secrets: bool,

    /// What is read.
    #[command(flatten)]
    pub(crate) source: FlowsSource,
}

/// Read captures of other tools into a recording
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sidelight flows import browser.har\n  \
    sidelight flows import dump.pcapng --keylog keys.log --store dump.sidelight\n  \
    sidelight flows import connections.log dump.mitm")]
pub(crate) struct FlowsImport {
    /// HAR, mitmproxy flows, pcap, pcapng, an sslsplit or sidelight log; recognised by content; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// Secrets that decrypt captures of packets (NSS key log); repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) keylog: Vec<PathBuf>,

    /// Recording to write; one that is there is continued [default: a new one under $XDG_STATE_HOME/sidelight]
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,

    /// Take the files for this format instead of looking into them
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<ImportFormat>,

    /// Bytes kept of each message body
    #[arg(long, value_name = "SIZE", default_value = "1MiB")]
    pub(crate) body_limit: super::Size,
}

/// List everything that a filter can ask
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  sidelight flows filters\n  sidelight flows filters --json")]
pub(crate) struct FlowsFilters {}

/// A format of exported flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// HAR 1.2
    Har,
    /// Packets, for Wireshark and tshark
    Pcapng,
    /// Content log: one record a message
    Log,
    /// JSON Lines, with bodies
    Jsonl,
    /// One file a direction, in a folder
    Raw,
    /// Shell commands for curl
    Curl,
    /// Shell commands for HTTPie
    Httpie,
    /// A Python program that uses requests
    Python,
}

/// A request made again, or a conversation as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Snippet {
    /// A shell command for curl
    Curl,
    /// A shell command for HTTPie
    Httpie,
    /// A Python program that uses requests
    Python,
    /// The request and response as bytes
    Raw,
}

/// A format of captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFormat {
    /// HAR 1.2
    Har,
    /// mitmproxy's flow file
    Mitmproxy,
    /// libpcap's classic format
    Pcap,
    /// pcapng
    Pcapng,
    /// The log of sslsplit -L
    Sslsplit,
    /// sidelight's content log
    Log,
}
