//! `sidelight trust audit`. In: arguments. Out: [`TrustAudit`].

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sidelight_model::time::Timestamp;
use sidelight_model::trust::audit::{Ignore, Severity};

use crate::cli::ImageOptions;

/// Check the trust of an image, and say what is wrong, worst first
///
/// Nothing is run, and the network is not needed: files, configuration and layers are read, those that were deleted in a later
/// layer too, and compared with Mozilla's list that is shipped inside. Every check is explained in docs/audit.md.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TrustAudit {
    /// The image, container, folder or host (see `sidelight trust --help`)
    pub(crate) source: String,

    /// Which image of the source.
    #[command(flatten)]
    pub(crate) image: ImageOptions,

    /// Exit with 1 when something this bad is found
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = FailOn::Error)]
    pub(crate) fail_on: FailOn,

    /// Tell of roots that expire within so many days
    #[arg(long, value_name = "N", default_value_t = 90)]
    pub(crate) days: u32,

    /// Leave out a check, or what it says of one certificate, file or variable: T12, T09:SHA256, T13:/path; repeatable
    #[arg(long, value_name = "CHECK[:WHAT]")]
    pub(crate) ignore: Vec<Ignore>,

    /// Roots that are required, allowed and forbidden, as in paranoia's .paranoia.yaml
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,

    /// Another list of public roots than the one that is shipped inside: its format, or a bundle of certificates
    #[arg(long, value_name = "FILE")]
    pub(crate) reference: Option<PathBuf>,

    /// Judge validity as of that time: RFC 3339, or a day [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) at: Option<Timestamp>,

    /// How to print: for people, as JSON (as with --json), or as SARIF 2.1.0 for code scanning
    #[arg(long, value_enum, default_value_t = AuditFormat::Text)]
    pub(crate) format: AuditFormat,

    /// Show all evidence, of remarks too
    #[arg(long)]
    pub(crate) all: bool,
}

const EXAMPLES: &str = "\
Examples:
  sidelight trust audit registry.example/app:1
  sidelight trust audit docker-archive:app.tar --fail-on warn
  sidelight trust audit host --days 30 --ignore T12
  sidelight trust audit app:1 --policy .paranoia.yaml --json | jq '.issues[] | {check, severity, summary}'
  sidelight trust audit app:1 --format sarif > trust.sarif

Exit status: 0 nothing as bad as --fail-on, 1 something is, 3 the image cannot be read.";

/// From which severity on the answer is no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// A private key of a root, or one that the world knows
    Critical,
    /// Something that is broken, or trusts what it should not
    Error,
    /// Something that will break, or weakens trust
    Warn,
    /// Anything
    Info,
    /// Nothing: exit with 0
    Never,
}

impl FailOn {
    /// The least severity for which the answer is no.
    pub(crate) const fn severity(self) -> Option<Severity> {
        match self {
            Self::Critical => Some(Severity::Critical),
            Self::Error => Some(Severity::Error),
            Self::Warn => Some(Severity::Warn),
            Self::Info => Some(Severity::Info),
            Self::Never => None,
        }
    }
}

/// How an audit is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuditFormat {
    /// For people
    Text,
    /// One document
    Json,
    /// For code scanning
    Sarif,
}

/// RFC 3339, or a day, which means its first second in UTC.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text)
        .or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")))
        .ok_or_else(|| format!("`{text}` is no time; write 2027-01-31 or 2027-01-31T12:00:00Z"))
}
