//! Options that `proxy` and `run` share. In: arguments. Out: [`ProxyOptions`], each field with its unit and default.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sidelight_model::policy::Pattern;

use super::{Credentials, ModeSpec, PerHost, Period, RecordingOptions, ShowOptions, Size};

/// What an interception does.
#[derive(Clone, Debug, Args)]
pub(crate) struct ProxyOptions {
    /// Ways in.
    #[command(flatten)]
    pub(crate) ways_in: WaysIn,
    /// Which connections are opened.
    #[command(flatten)]
    pub(crate) scope: Scope,
    /// How services are called and judged.
    #[command(flatten)]
    pub(crate) services: Services,
    /// The certificate authority that clients are shown.
    #[command(flatten)]
    pub(crate) ca: CaOptions,
    /// Limits.
    #[command(flatten)]
    pub(crate) limits: Limits,
    /// What is recorded.
    #[command(flatten)]
    pub(crate) recording: RecordingOptions,
    /// What is shown.
    #[command(flatten)]
    pub(crate) show: ShowOptions,
}

/// Ways in.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Ways in")]
pub(crate) struct WaysIn {
    /// How connections arrive, as KIND[:SPEC][@[HOST:]PORT]; repeatable [default: explicit@8080; run: a free port]
    ///
    /// explicit[:tls]    HTTP proxy; with :tls, clients speak TLS to it (port 8080)
    /// socks5            SOCKS5 proxy (port 1080)
    /// transparent       redirected connections, destination by SO_ORIGINAL_DST (port 8443)
    /// tproxy            diverted connections, by TPROXY (port 8443)
    /// forward:HOST:PORT everything goes there, as by a line in a hosts file (port 8443)
    /// sni[:PORT]        destination is the name in the ClientHello, called at PORT, 443 (port 8443)
    /// reverse:URL       stands in front of that service (port 8081)
    /// upstream:URL      HTTP proxy that sends all through a further proxy: http://, https:// or
    ///                   socks5://[USER:PASSWORD@]HOST[:PORT] (port 8080)
    ///
    /// It listens on 127.0.0.1 unless HOST, an address, is given; port 0 lets the kernel choose.
    #[arg(long, value_name = "MODE", verbatim_doc_comment)]
    pub(crate) mode: Vec<ModeSpec>,

    /// Serve clients from public addresses too; otherwise only loopback, private and link-local ones
    #[arg(long)]
    pub(crate) allow_public: bool,

    /// Demand this login of clients of explicit, upstream and socks5 modes; @FILE reads it from FILE's first line
    #[arg(long, value_name = "USER:PASSWORD|@FILE")]
    pub(crate) proxy_auth: Option<Credentials>,
}

/// Which connections are opened.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Which connections are opened")]
pub(crate) struct Scope {
    /// Open these hosts and relay all others untouched; repeatable
    ///
    /// PATTERN is a name with * and ? in it, an address or a CIDR range, each with :PORT or not, or :PORT alone.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) only: Vec<Pattern>,

    /// Relay these hosts untouched, also when --only names them; repeatable
    #[arg(long, value_name = "PATTERN")]
    pub(crate) pass: Vec<Pattern>,

    /// How long a client that refused our certificate is relayed untouched to that host; 0: never
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    pub(crate) fail_open_for: Period,
}

/// How services are called and judged.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "How services are called and judged")]
pub(crate) struct Services {
    /// Verify services against these roots instead of the host's: a file (PEM, DER, JKS, PKCS#12), a folder of such, or an image,
    /// container or root file system, whose main runtime's roots count; repeatable
    #[arg(long, value_name = "SOURCE")]
    pub(crate) roots: Vec<PathBuf>,

    /// Refuse certificates that these revocation lists (PEM or DER) name; repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) crl: Vec<PathBuf>,

    /// Certificate (PEM, leaf first) for services that demand one; PATTERN=none goes on without; repeatable
    #[arg(long, value_name = "[PATTERN=]FILE")]
    pub(crate) upstream_cert: Vec<PerHost>,

    /// Private key (PEM) of the --upstream-cert with the same PATTERN; default: the certificate's file; repeatable
    #[arg(long, value_name = "[PATTERN=]FILE")]
    pub(crate) upstream_key: Vec<PerHost>,

    /// Show clients a sound certificate for these hosts, whatever is wrong with the service's; repeatable
    #[arg(long, value_name = "PATTERN")]
    pub(crate) insecure_upstream: Vec<Pattern>,

    /// What a client gets when the service's certificate cannot be trusted
    #[arg(long, value_name = "WHAT", default_value = "mirror")]
    pub(crate) on_untrusted: OnUntrusted,
}

/// The certificate authority that clients are shown.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Our certificate authority")]
pub(crate) struct CaOptions {
    /// Folder with ca.pem and ca.key, made at first use [default: $XDG_DATA_HOME/sidelight/ca]
    #[arg(long, value_name = "DIR")]
    pub(crate) ca: Option<PathBuf>,

    /// Use a certificate authority that lives in memory and ends with this process
    #[arg(long, conflicts_with = "ca")]
    pub(crate) ephemeral_ca: bool,

    /// Lifetime of a newly made certificate authority
    #[arg(long, value_name = "DURATION", default_value = "30d")]
    pub(crate) ca_life: Period,

    /// Key of a newly made certificate authority
    #[arg(long, value_name = "KIND", default_value = "ecdsa")]
    pub(crate) ca_key: CaKey,

    /// Name constraint of a newly made certificate authority: a domain with all below it, or a CIDR range; repeatable
    #[arg(long, value_name = "NAME")]
    pub(crate) ca_permit: Vec<String>,
}

/// Limits.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Limits {
    /// Close connections over which nothing passed for so long [default: never]
    #[arg(long, value_name = "DURATION")]
    pub(crate) idle_limit: Option<Period>,

    /// Bytes kept of each message body, shown and recorded; what passes is never limited
    #[arg(long, value_name = "SIZE", default_value = "1MiB")]
    pub(crate) body_limit: Size,

    /// When showing and recording are slower than the traffic: leave out bytes, or whole connections, and say how many, or slow the traffic down
    #[arg(long, value_name = "WHAT", default_value = "drop")]
    pub(crate) on_overload: OnOverload,
}

/// What a client gets when the service's certificate cannot be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnUntrusted {
    /// A certificate with the same fault, so that the client judges it as it would have
    #[default]
    Mirror,
    /// A TLS alert, and no connection
    Refuse,
    /// A sound certificate, and a warning here
    Warn,
}

/// What happens when sinks are slower than the traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnOverload {
    /// Leave out bytes, of large transfers first, count and show the loss
    #[default]
    Drop,
    /// Slow the traffic down
    Wait,
}

/// The key of a certificate authority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum CaKey {
    /// ECDSA P-256
    #[default]
    Ecdsa,
    /// RSA, 2048 bits
    Rsa2048,
    /// RSA, 4096 bits
    Rsa4096,
}
