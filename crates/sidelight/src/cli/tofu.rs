//! `sidelight tofu`. In: arguments. Out: [`TofuCommand`].

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use sidelight_model::tofu::{KeyPin, Policy, Scope};
use sidelight_wire::starttls::client::Protocol;

use super::nats::NatsOptions;
use super::{Endpoint, Period, ProxyChoice};

/// Start a command in a container that trusts the network's scanning proxy, and no one else
///
/// The container's entrypoint. Connects to each HOST once. Where the ordinary roots verify it, nothing is changed. Where its issuer is
/// unknown and nothing else is wrong, the issuer's key is compared with what is pinned or recorded; a key that may be used is put
/// where the programs of the image look for roots, for the names of the hosts alone. Then the rights of --user are taken on, and the
/// command takes our place, as it was written, with our process id.
#[derive(Debug, Args)]
#[command(
    after_help = EXAMPLES,
    override_usage = "sidelight tofu [OPTIONS] -- COMMAND [ARG]…\n       sidelight tofu pins|enrol|log …",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub(crate) struct TofuCommand {
    /// What else can be done.
    #[command(subcommand)]
    pub(crate) verb: Option<TofuVerb>,

    /// Whom to ask, and how.
    #[command(flatten)]
    pub(crate) look: TofuLook,

    /// What may be trusted.
    #[command(flatten)]
    pub(crate) trust: TofuTrust,

    /// What is installed, and as whom the command runs.
    #[command(flatten)]
    pub(crate) start: TofuStart,

    /// How a record in NATS is reached.
    #[command(flatten)]
    pub(crate) nats: NatsOptions,

    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, num_args = 1.., trailing_var_arg = true)]
    pub(crate) command: Vec<OsString>,
}

/// Beside starting a command.
#[derive(Debug, Subcommand)]
pub(crate) enum TofuVerb {
    Pins(PinsCommand),
    Enrol(EnrolCommand),
    Log(LogCommand),
}

/// Whom to ask, and how.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Whom to ask")]
pub(crate) struct TofuLook {
    /// A service that the command needs; its issuer is looked at; repeatable
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) host: Vec<Endpoint>,

    /// Go through this proxy (http://, https:// or socks5://), or none [default: HTTPS_PROXY and NO_PROXY]
    #[arg(long, value_name = "URL|none")]
    pub(crate) via_proxy: Option<ProxyChoice>,

    /// The server name that is sent, and that the certificate must be for [default: HOST]
    #[arg(long, value_name = "NAME")]
    pub(crate) sni: Option<String>,

    /// Begin in plain and turn to TLS (smtp, imap, ldap, postgres …)
    #[arg(long, value_name = "PROTO")]
    pub(crate) starttls: Option<Protocol>,

    /// Client certificate (PEM, or PKCS#12 with its key)
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,

    /// Private key (PEM) of --cert [default: the same file]
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// Wait so long for each step: a name, a connection, a handshake
    #[arg(long, value_name = "DURATION", default_value = "8s")]
    pub(crate) timeout: Period,

    /// Try an unreachable host again and again for so long
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    pub(crate) deadline: Period,

    /// When a host stays unreachable
    #[arg(long, value_name = "WHAT", default_value = "fail")]
    pub(crate) on_unreachable: OnUnreachable,

    /// Do not fetch issuers that a server does not send from where its certificate says
    #[arg(long)]
    pub(crate) no_fetch: bool,
}

/// What may be trusted.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What may be trusted")]
pub(crate) struct TofuTrust {
    /// Who may adopt a key: pin (nobody), tofu (the first start), observe (nobody, and nothing is refused) [default: pin]
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: Option<Policy>,

    /// The known-roots file, on a volume that outlives the container
    #[arg(long, value_name = "FILE", default_value = "/var/lib/sidelight/known-roots")]
    pub(crate) pins: String,

    /// Where a copy of a record in NATS is kept, for when NATS is down [default: /var/lib/sidelight/known-roots.copy]
    #[arg(long, value_name = "FILE")]
    pub(crate) pins_cache: Option<PathBuf>,

    /// A key that may sign for the hosts, beside those recorded; repeatable
    #[arg(long, value_name = "sha256//KEY")]
    pub(crate) pin: Vec<KeyPin>,

    /// Adopt only with this evidence: one issuer for two unrelated hosts, which is the mark of a scanning proxy
    #[arg(long, value_name = "WHAT")]
    pub(crate) evidence: Option<Evidence>,

    /// The names for which an adopted CA may speak: any, or names and addresses with commas [default: the hosts]
    #[arg(long, value_name = "any|NAMES")]
    pub(crate) scope: Option<Scope>,

    /// Ordinary roots, instead of the image's: a file or a folder; repeatable
    #[arg(long, value_name = "PATH")]
    pub(crate) roots: Vec<PathBuf>,

    /// Certificates of issuers that servers do not send (PEM file, or a folder of such); repeatable
    #[arg(long, value_name = "PATH")]
    pub(crate) issuers: Vec<PathBuf>,

    /// Adopt although the record lies where it goes with the container: its next start then trusts whoever answers first
    #[arg(long)]
    pub(crate) record_may_vanish: bool,
}

/// What is installed, and as whom the command runs.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The command")]
pub(crate) struct TofuStart {
    /// Run the command as this user (name or number), without any further rights [default: as we are]
    #[arg(long, value_name = "USER[:GROUP]")]
    pub(crate) user: Option<String>,

    /// Where roots are put: the image's own stores, variables that name merged copies, or what the rights allow
    #[arg(long, value_name = "WHERE", default_value = "auto")]
    pub(crate) install: InstallWhere,

    /// A further bundle that the roots are added to
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,

    /// Append what was decided to this audit log
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,

    /// The image's name and digest, for the audit log [default: what the engine tells, which is mostly nothing]
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,

    /// Sign the audit log with this Ed25519 key (PKCS#8, PEM)
    #[arg(long, value_name = "FILE", requires = "log")]
    pub(crate) log_key: Option<PathBuf>,
}

/// What an unreachable host means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnUnreachable {
    /// The command is not started.
    Fail,
    /// The command is started as it is.
    Continue,
}

/// Evidence for adopting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Evidence {
    /// Two unrelated hosts have the same issuer.
    TwoHosts,
}

/// Where roots are put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InstallWhere {
    /// Into the stores as root where they can be written, else into the environment.
    Auto,
    /// Into the stores, or not at all.
    Stores,
    /// Into the command's environment.
    Environment,
}

/// Look at, accept and forget recorded keys
#[derive(Debug, Args)]
pub(crate) struct PinsCommand {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: PinsVerb,
}

/// What to do with recorded keys.
#[derive(Debug, Subcommand)]
pub(crate) enum PinsVerb {
    /// List what is recorded
    #[command(after_help = "Examples:\n  sidelight tofu pins list --pins ./known-roots")]
    List(PinsPlace),
    /// Show what is recorded for one host
    #[command(after_help = "Examples:\n  sidelight tofu pins show api.example:443 --pins ./known-roots")]
    Show(PinsShow),
    /// Begin a record: the first start may then adopt a key
    #[command(after_help = "Examples:\n  sidelight tofu pins init --pins ./known-roots --by kim")]
    Init(PinsInit),
    /// Record a key for a host
    #[command(
        after_help = "Examples:\n  sidelight tofu pins accept api.example:443 sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU= --pins ./known-roots\n  \
        sidelight tofu pins accept api.example:443 sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU= --next --by kim"
    )]
    Accept(PinsAccept),
    /// Forget a host, or forbid a key for ever
    #[command(after_help = "Examples:\n  sidelight tofu pins forget api.example:443 --pins ./known-roots\n  \
        sidelight tofu pins forget --revoke sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU= --why 'key lost'")]
    Forget(PinsForget),
}

/// Where the record is.
#[derive(Clone, Debug, Args)]
pub(crate) struct PinsPlace {
    /// The known-roots file
    #[arg(long, value_name = "FILE", default_value = "/var/lib/sidelight/known-roots")]
    pub(crate) pins: String,

    /// How a record in NATS is reached.
    #[command(flatten)]
    pub(crate) nats: NatsOptions,
}

/// `pins show`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PinsShow {
    /// The host
    #[arg(value_name = "HOST[:PORT]")]
    pub(crate) host: Endpoint,
    #[command(flatten)]
    pub(crate) place: PinsPlace,
}

/// `pins init`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PinsInit {
    #[command(flatten)]
    pub(crate) place: PinsPlace,
    /// Who begins it
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
}

/// `pins accept`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PinsAccept {
    /// The host, or * for every one
    #[arg(value_name = "HOST[:PORT]|*")]
    pub(crate) host: String,
    /// The key
    #[arg(value_name = "sha256//KEY")]
    pub(crate) key: KeyPin,
    #[command(flatten)]
    pub(crate) place: PinsPlace,
    /// Record it as the key that follows those in use
    #[arg(long)]
    pub(crate) next: bool,
    /// Put it in place of the keys in use, rather than beside them
    #[arg(long, conflicts_with = "next")]
    pub(crate) replace: bool,
    /// The names for which it may speak
    #[arg(long, value_name = "any|NAMES")]
    pub(crate) scope: Option<Scope>,
    /// Who accepts it
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
}

/// `pins forget`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PinsForget {
    /// The host, or * for what is recorded for every one
    #[arg(value_name = "HOST[:PORT]|*", required_unless_present = "revoke")]
    pub(crate) host: Option<String>,
    #[command(flatten)]
    pub(crate) place: PinsPlace,
    /// Forbid this key, whatever is recorded
    #[arg(long, value_name = "sha256//KEY", conflicts_with = "host")]
    pub(crate) revoke: Option<KeyPin>,
    /// Why it is forbidden
    #[arg(long, value_name = "TEXT", requires = "revoke")]
    pub(crate) why: Option<String>,
}

/// Look at the issuers of hosts, and record their keys when told to
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  sidelight tofu enrol api.example --pins ./known-roots\n  \
    sidelight tofu enrol api.example registry.example:5000 --yes --format kubernetes > known-roots.yaml")]
pub(crate) struct EnrolCommand {
    /// The services
    #[arg(value_name = "HOST[:PORT]", required = true)]
    pub(crate) hosts: Vec<Endpoint>,
    /// Go through this proxy, or none [default: HTTPS_PROXY and NO_PROXY]
    #[arg(long, value_name = "URL|none")]
    pub(crate) via_proxy: Option<ProxyChoice>,
    /// The known-roots file (or nats://HOST:PORT/BUCKET) that is made or extended; without it, only the output is made
    #[arg(long, value_name = "FILE")]
    pub(crate) pins: Option<String>,
    /// How a record in NATS is reached.
    #[command(flatten)]
    pub(crate) nats: NatsOptions,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    /// Who enrols
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// What is printed
    #[arg(long, value_name = "FORMAT", default_value = "known-roots")]
    pub(crate) format: EnrolFormat,
    /// The names for which the CA may speak: any, or names and addresses with commas [default: each host]
    #[arg(long, value_name = "any|NAMES")]
    pub(crate) scope: Option<Scope>,
    /// Certificates of issuers that servers do not send; repeatable
    #[arg(long, value_name = "PATH")]
    pub(crate) issuers: Vec<PathBuf>,
    /// Wait so long for each step
    #[arg(long, value_name = "DURATION", default_value = "8s")]
    pub(crate) timeout: Period,
    /// Do not fetch issuers from where certificates say
    #[arg(long)]
    pub(crate) no_fetch: bool,
}

/// What `enrol` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EnrolFormat {
    /// The known-roots file.
    KnownRoots,
    /// A Kubernetes ConfigMap.
    Kubernetes,
    /// A Kubernetes Secret.
    Secret,
    /// A piece of a compose file.
    Compose,
    /// Helm values.
    Helm,
}

/// The audit log
#[derive(Debug, Args)]
pub(crate) struct LogCommand {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: LogVerb,
}

/// What to do with an audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum LogVerb {
    /// Say whether any line was edited, removed or put elsewhere
    #[command(
        after_help = "Examples:\n  sidelight tofu log verify ./tofu.log\n  sidelight tofu log verify ./tofu.log --key log.pub\n\nExit status:\n  0 it is whole; 1 it is not."
    )]
    Verify(LogVerify),
}

/// `log verify`.
#[derive(Clone, Debug, Args)]
pub(crate) struct LogVerify {
    /// The log
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Every line must be signed with this Ed25519 key (public key, PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// The end as it was printed at a start (`3 SHA256`) [default: FILE.head]
    #[arg(long, value_name = "N SHA256")]
    pub(crate) head: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  In an image, with the scanning proxy's key pinned:
    ENTRYPOINT [\"/sidelight\", \"tofu\", \"--host\", \"api.example\", \"--pin\", \"sha256//…\", \"--\"]

  First use decided once, remembered on a volume:
    sidelight tofu pins init --pins /state/known-roots
    sidelight tofu --policy tofu --pins /state/known-roots --host api.example --user app -- ./service

  What would be done, without doing it:
    sidelight tofu --policy observe --host api.example -- true

Variables of the earlier tool are understood when no --host is given: TLS_TOFU, TLS_TOFU_HOST, TLS_TOFU_PORT,
TLS_TOFU_S_CLIENT_ARGS, TLS_TOFU_CA_CERTIFICATES, TLS_TOFU_DEBUG; the policy is then tofu unless another is given.

Exit status:
  As the command's; 121 when a host shows another key than the one recorded; 125 when anything else speaks against starting;
  126 and 127 as env(1).";
