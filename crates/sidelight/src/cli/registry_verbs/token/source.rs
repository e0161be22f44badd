//! Where a token comes from. In: arguments. Out: [`TokenSource`].

use std::path::PathBuf;

use clap::Args;

/// A token as an argument, from standard input, or from a recording.
#[derive(Debug, Args)]
pub(crate) struct TokenSource {
    /// The token, `Authorization: Bearer …`, a token server's answer, or a line of a registry's log; - reads standard input
    #[arg(value_name = "TOKEN", required_unless_present_any = ["token", "store", "from", "flow"])]
    pub(crate) text: Option<String>,

    /// The same as an option
    #[arg(long, value_name = "TOKEN", conflicts_with = "text")]
    pub(crate) token: Option<String>,

    /// Take it from this recording: the newest that a registry refused, else the newest that was shown or granted
    #[arg(long, value_name = "FILE", conflicts_with_all = ["text", "token"])]
    pub(crate) store: Option<PathBuf>,

    /// The same from a capture: HAR, mitmproxy flows, pcap, pcapng, the log of `sslsplit -L`; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["text", "token", "store"])]
    pub(crate) from: Option<PathBuf>,

    /// Secrets that decrypt a capture of packets (NSS key log); repeatable
    #[arg(long, value_name = "FILE", requires = "from")]
    pub(crate) keylog: Vec<PathBuf>,

    /// The token of this flow, as `registry timeline` and `flows list` number them [default recording: the newest]
    #[arg(long, value_name = "ID", conflicts_with_all = ["text", "token"])]
    pub(crate) flow: Option<u64>,
}

impl TokenSource {
    /// Whether it is in a recording or capture.
    pub(crate) const fn is_recorded(&self) -> bool {
        self.store.is_some() || self.from.is_some() || self.flow.is_some()
    }
}
