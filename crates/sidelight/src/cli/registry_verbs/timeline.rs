//! `sidelight registry timeline`. In: arguments. Out: [`TimelineCommand`].

use std::path::PathBuf;

use clap::Args;

/// Say what each pull, push and login did, step by step, and why it failed
///
/// Each is one block: its steps with times, sizes, digests and tokens, and a verdict. Reads sidelight's own recordings, and HAR,
/// mitmproxy flows, pcap and pcapng with a key log, the log of `sslsplit -L`, what `ctr images pull --http-dump` printed, and a
/// registry's own log. Tokens are shown as their header and claims, never with their signature.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TimelineCommand {
    /// Captures and logs; recognised by content; - is standard input [default: the newest recording]
    #[arg(value_name = "FILE", conflicts_with = "store")]
    pub(crate) files: Vec<PathBuf>,

    /// The recording [default: the newest under $XDG_STATE_HOME/sidelight]
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,

    /// Secrets that decrypt captures of packets (NSS key log); repeatable
    #[arg(long, value_name = "FILE", requires = "files")]
    pub(crate) keylog: Vec<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  sidelight run -- skopeo inspect docker://registry.example/team/app:1; sidelight registry timeline
  sidelight registry timeline pull.pcapng --keylog keys.log
  sidelight registry timeline connections.log            # sslsplit -L
  docker logs registry 2>&1 | sidelight registry timeline -
  ctr images pull --http-dump registry.example/team/app:1 2>&1 | sidelight registry timeline -
  sidelight registry timeline --json | jq -r '.sources[].blocks[].verdict.cause'

Exit status: 0 everything worked; 1 something failed, or stopped before its end; 3 there is no registry's traffic to read.";
