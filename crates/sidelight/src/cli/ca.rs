//! `sidelight ca`. In: arguments. Out: [`CaCommand`].

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{CaKey, Period};

/// Make, show, export, install and remove sidelight's certificate authority
#[derive(Debug, Args)]
pub(crate) struct CaCommand {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: CaVerb,
}

/// What to do with the certificate authority.
#[derive(Debug, Subcommand)]
pub(crate) enum CaVerb {
    Create(CaCreate),
    Show(CaShow),
    Export(CaExport),
    /// Make this machine, or a part of it, trust the certificate authority
    ///
    /// Every change is noted in a journal first; `sidelight ca uninstall` takes it back byte for byte.
    #[command(after_help = "Examples:\n  sidelight ca install\n  sidelight ca install --into nss --into java\n  \
        sidelight ca install --into docker:registry.example:5000 --dry-run")]
    Install(CaInstall),
    /// Take back what `sidelight ca install` changed
    #[command(after_help = "Examples:\n  sidelight ca uninstall\n  sidelight ca uninstall --into java")]
    Uninstall(CaInstall),
}

/// The folder of the certificate authority.
#[derive(Clone, Debug, Args)]
pub(crate) struct CaFolder {
    /// Folder with ca.pem and ca.key [default: $XDG_DATA_HOME/sidelight/ca]
    #[arg(long, value_name = "DIR")]
    pub(crate) ca: Option<PathBuf>,
}

/// Make a certificate authority
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  sidelight ca create\n  sidelight ca create --ca ./ca --ca-life 7d --ca-permit example.com\n  \
    sidelight ca create --replace --ca-key rsa2048"
)]
pub(crate) struct CaCreate {
    #[command(flatten)]
    pub(crate) folder: CaFolder,

    /// Replace the certificate authority that is there
    #[arg(long)]
    pub(crate) replace: bool,

    /// Lifetime
    #[arg(long, value_name = "DURATION", default_value = "30d")]
    pub(crate) ca_life: Period,

    /// Key
    #[arg(long, value_name = "KIND", default_value = "ecdsa")]
    pub(crate) ca_key: CaKey,

    /// Name constraint: a domain with all below it, or a CIDR range; repeatable
    #[arg(long, value_name = "NAME")]
    pub(crate) ca_permit: Vec<String>,
}

/// Show the certificate authority, how long it lives, and where it is installed
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  sidelight ca show\n  sidelight ca show --json | jq -r .sha256")]
pub(crate) struct CaShow {
    #[command(flatten)]
    pub(crate) folder: CaFolder,
}

/// Write the certificate to a file or to standard output
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  sidelight ca export > sidelight.pem\n  sidelight ca export --format jks -o truststore.jks\n  \
    sidelight ca export --format p12 -o truststore.p12 --storepass changeit"
)]
pub(crate) struct CaExport {
    #[command(flatten)]
    pub(crate) folder: CaFolder,

    /// Form
    #[arg(long, value_name = "FORM", default_value = "pem")]
    pub(crate) format: CertificateFormat,

    /// File to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Put the private key in too (p12 only); the file is then readable by you alone
    #[arg(long, requires = "output")]
    pub(crate) with_key: bool,

    /// Password of a p12 or jks file
    #[arg(long, value_name = "PASSWORD", default_value = "changeit")]
    pub(crate) storepass: String,
}

/// Form of an exported certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum CertificateFormat {
    /// PEM
    #[default]
    Pem,
    /// DER
    Der,
    /// PKCS#12
    P12,
    /// Java key store
    Jks,
}

/// Where to install, and whether in earnest.
#[derive(Clone, Debug, Args)]
pub(crate) struct CaInstall {
    #[command(flatten)]
    pub(crate) folder: CaFolder,

    /// Trust store: host, nss, java, docker:HOST[:PORT] or rootfs:DIR; repeatable [default: host; uninstall: all]
    #[arg(long, value_name = "STORE")]
    pub(crate) into: Vec<String>,

    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Password of Java trust stores
    #[arg(long, value_name = "PASSWORD", default_value = "changeit")]
    pub(crate) storepass: String,
}
