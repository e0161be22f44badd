//! `sidelight trust verify`. In: arguments. Out: [`TrustVerify`].

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sidelight_model::time::Timestamp;
use sidelight_model::x509::path::{Asked, Profile, Purpose, Stack};

/// Verify a certificate chain: every path to a root, and why each ends where it does
///
/// Without `--as`, the rules are those of RFC 5280 and of the web PKI, which are stricter than most clients; what each
/// client would say stands at the end of the answer.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TrustVerify {
    /// Roots: PEM, DER, PKCS#7, JKS or PKCS#12; repeatable
    #[arg(long, value_name = "FILE", required_unless_present = "batch")]
    pub(crate) roots: Vec<PathBuf>,

    /// The chain as the server sends it, leaf first: PEM, DER or PKCS#7; - reads standard input
    #[arg(long, value_name = "FILE", required_unless_present = "batch")]
    pub(crate) chain: Option<PathBuf>,

    /// Host name, IP address or mailbox that the leaf must speak for
    #[arg(long, value_parser = Asked::parse)]
    pub(crate) name: Option<Asked>,

    /// Verify as if it were that time: RFC 3339, or a day [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) at: Option<Timestamp>,

    /// What the leaf is used for
    #[arg(long, value_enum, default_value_t = For::Server)]
    pub(crate) purpose: For,

    /// Rules: default is RFC 5280 and the web PKI, lenient is what rustls-webpki accepts
    #[arg(long, value_enum, default_value_t = RuleSet::Default)]
    pub(crate) profile: RuleSet,

    /// Rules of a client instead: openssl, curl, gnutls, go, java, node, python (to 3.12), python-strict (from 3.13), dotnet,
    /// rust-native, rust-webpki, nss, git, wget
    #[arg(long = "as", value_name = "CLIENT", conflicts_with = "profile")]
    pub(crate) as_client: Option<Stack>,

    /// Revocation list, PEM or DER; repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) crl: Vec<PathBuf>,

    /// Most intermediates between leaf and root
    #[arg(long, value_name = "N")]
    pub(crate) max_depth: Option<u32>,

    /// Answer JSON Lines from standard input, one by one
    #[arg(long, conflicts_with_all = ["roots", "chain", "name", "at", "crl", "max_depth"])]
    pub(crate) batch: bool,
}

const EXAMPLES: &str = "\
Examples:
  sidelight trust verify --roots roots.pem --chain chain.pem --name registry.example
  sidelight trust verify --roots /etc/ssl/certs/ca-certificates.crt --chain chain.pem --as python-strict
  sidelight trust verify --roots cacerts.jks --chain chain.pem --at 2027-01-01 --json
  sidelight trust verify --batch < questions.jsonl

A question of --batch is one line:
  {\"id\",\"purpose\":\"server|client\",\"roots\":[PEM],\"chain\":[PEM, leaf first],\"crls\":[PEM],
   \"name\",\"name_kind\":\"DNS|IP|RFC822\",\"at\":RFC 3339,\"max_depth\"}
and its answer another: {\"id\",\"result\":\"accept|reject|unsupported\",\"reason\"}

Exit status: 0 the chain is trusted, 1 it is not, 3 a file cannot be read.";

/// What a leaf is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum For {
    /// A TLS server
    Server,
    /// A TLS client
    Client,
}

impl From<For> for Purpose {
    fn from(purpose: For) -> Self {
        match purpose {
            For::Server => Self::Server,
            For::Client => Self::Client,
        }
    }
}

/// Whose rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuleSet {
    /// RFC 5280 and the web PKI
    Default,
    /// What rustls-webpki accepts
    Lenient,
}

impl TrustVerify {
    /// Whose rules are asked for.
    pub(crate) fn rules(&self) -> Profile {
        match (self.as_client, self.profile) {
            (Some(stack), _) => Profile::Stack(stack),
            (None, RuleSet::Default) => Profile::Strict,
            (None, RuleSet::Lenient) => Profile::Lenient,
        }
    }
}

/// RFC 3339, or a day, which means its first second in UTC.
fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text)
        .or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")))
        .ok_or_else(|| format!("`{text}` is no time; write 2027-01-31 or 2027-01-31T12:00:00Z"))
}
