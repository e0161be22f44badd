//! `sidelight diagnose`. In: arguments. Out: [`DiagnoseCommand`].

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use sidelight_model::flow::Host;
use sidelight_model::time::Timestamp;
use sidelight_wire::starttls::client::Protocol;

use super::{AsRuntime, Credentials, Endpoint, ImageOptions, Period, ProxyChoice, SetVariable};

/// Say why a service cannot be reached over TLS, or that it can
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DiagnoseCommand {
    /// The service; port 443 unless another is given, or that of --starttls
    #[arg(value_name = "HOST[:PORT]", required_unless_present = "file", conflicts_with = "file")]
    pub(crate) target: Option<Endpoint>,

    /// Diagnose every service that FILE lists, one a line (# begins a comment; - is standard input)
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// Whose trust counts.
    #[command(flatten)]
    pub(crate) trust: DiagnoseTrust,
    /// What is asked of the service.
    #[command(flatten)]
    pub(crate) handshake: DiagnoseHandshake,
    /// How far it goes.
    #[command(flatten)]
    pub(crate) effort: DiagnoseEffort,
}

/// Whose trust counts.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Whose trust counts")]
pub(crate) struct DiagnoseTrust {
    /// Judge with the roots of this image, container, process or folder; of a running one, from its network too
    ///
    /// What can be named: `sidelight trust list --help`.
    #[arg(long, value_name = "SOURCE", conflicts_with = "roots")]
    pub(crate) from: Option<String>,

    /// With --from: the runtime whose roots count [default: what the image starts]
    #[arg(long = "as", value_name = "RUNTIME", requires = "from")]
    pub(crate) runtime: Option<AsRuntime>,

    /// With --from: set this variable beyond the image's, as `docker run -e` does; NAME alone unsets it; repeatable
    #[arg(long, value_name = "NAME=VALUE", requires = "from")]
    pub(crate) env: Vec<SetVariable>,

    /// Which image of the source.
    #[command(flatten)]
    pub(crate) image: ImageOptions,

    /// Judge with these roots instead of the host's: a file (PEM, DER, JKS, PKCS#12), a folder of such, or an image, container or
    /// root file system, whose main runtime's roots count; repeatable
    #[arg(long, value_name = "SOURCE")]
    pub(crate) roots: Vec<PathBuf>,

    /// Judge for this moment instead of now (RFC 3339, or a day)
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Moment>,
}

/// What is asked of the service.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What is asked of the service")]
pub(crate) struct DiagnoseHandshake {
    /// The name that the certificate must be for [default: HOST]
    #[arg(long, value_name = "NAME", value_parser = Host::parse)]
    pub(crate) name: Option<Host>,

    /// The server name that is sent [default: NAME, unless it is an address]
    #[arg(long, value_name = "NAME")]
    pub(crate) sni: Option<String>,

    /// Send no server name
    #[arg(long, conflicts_with = "sni")]
    pub(crate) no_sni: bool,

    /// Client certificate (PEM, leaf first, or PKCS#12 with its key)
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,

    /// Private key (PEM) of --cert [default: the same file]
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// Password of a PKCS#12 --cert, as :PASSWORD, or @FILE whose first line is :PASSWORD
    #[arg(long, value_name = ":PASSWORD|@FILE", requires = "cert", hide = true)]
    pub(crate) cert_password: Option<Credentials>,

    /// Application protocols to offer, separated by commas [default: h2,http/1.1]
    #[arg(long, value_name = "LIST")]
    pub(crate) alpn: Option<String>,

    /// Go through this proxy (http://, https:// or socks5://[USER:PASSWORD@]HOST:PORT), or none
    /// [default: HTTPS_PROXY and NO_PROXY]
    #[arg(long, value_name = "URL|none")]
    pub(crate) proxy: Option<ProxyChoice>,

    /// Begin in plain and turn to TLS: smtp, lmtp, imap, pop3, ftp, nntp, sieve, ldap, postgres, mysql, xmpp, xmpp-server
    #[arg(long, value_name = "PROTO")]
    pub(crate) starttls: Option<Protocol>,
}

/// How far it goes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "How far it goes")]
pub(crate) struct DiagnoseEffort {
    /// Wait so long for each step: a name, a connection, a handshake
    #[arg(long, value_name = "DURATION", default_value = "8s")]
    pub(crate) timeout: Period,

    /// Try every address of the name, not only the first that answers
    #[arg(long)]
    pub(crate) all_addresses: bool,

    /// Fetch nothing where certificates say: no missing issuers, OCSP responses or revocation lists
    #[arg(long)]
    pub(crate) no_fetch: bool,

    /// Look again and again for so long, and tell what changes
    #[arg(long = "for", value_name = "DURATION", conflicts_with = "file")]
    pub(crate) watch: Option<Period>,

    /// Print the certificates in PEM too
    #[arg(long)]
    pub(crate) showcerts: bool,

    /// Write the chain that the server should send into FILE (PEM), and the root that is missing beside it, as FILE's name with -root
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    pub(crate) save_chain: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  Why does a container not trust its registry?
    sidelight diagnose registry.example:5000 --from container:app

  With a client certificate, as one runtime of an image would judge:
    sidelight diagnose api.example --from docker-archive:app.tar --as go --cert me.pem --key me.key

  A mail server, and a database:
    sidelight diagnose mail.example --starttls smtp
    sidelight diagnose db.example --starttls postgres

  Every service of a list, for a script:
    sidelight diagnose --file services.txt --json

Exit status:
  0 the connection works; 1 it does not, and the finding says why; 3 the question could not be asked.";

/// A moment: RFC 3339, or a day, which begins at midnight UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) Timestamp);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let day = || Timestamp::parse(&format!("{text}T00:00:00Z"));
        let moment = Timestamp::parse(text).or_else(day);
        moment.map(Self).ok_or_else(|| format!("`{text}` is no time; write 2026-11-30T12:00:00Z, or 2026-11-30"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_days_too() {
        let read = |text: &str| text.parse::<Moment>().map(|it| it.0.rfc3339());
        assert_eq!(read("2026-11-30"), Ok("2026-11-30T00:00:00.000000Z".into()));
        assert!(read("tomorrow").is_err());
    }
}
