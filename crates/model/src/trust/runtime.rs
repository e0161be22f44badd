//! The programs and libraries whose trust sidelight can foretell. In: a name of the command line. Out: [`Runtime`].

use std::fmt;
use std::str::FromStr;

/// A TLS client stack with rules of its own about which roots it reads and accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Runtime {
    /// Programs on OpenSSL's default paths.
    OpenSsl,
    /// The tool curl.
    Curl,
    /// Programs on GnuTLS's system trust.
    GnuTls,
    /// Go's crypto/x509.
    Go,
    /// The JDK.
    Java,
    /// Node.js.
    Node,
    /// Python's `ssl`, and the bundles of packages beside it.
    Python,
    /// .NET on Linux.
    DotNet,
    /// Rust programs on rustls-native-certs.
    RustNative,
    /// Rust programs on webpki-roots.
    RustWebpki,
    /// NSS.
    Nss,
    /// git.
    Git,
    /// wget.
    Wget,
}

impl Runtime {
    /// Every runtime.
    pub const ALL: &'static [Self] = &[
        Self::OpenSsl,
        Self::Curl,
        Self::GnuTls,
        Self::Go,
        Self::Java,
        Self::Node,
        Self::Python,
        Self::DotNet,
        Self::RustNative,
        Self::RustWebpki,
        Self::Nss,
        Self::Git,
        Self::Wget,
    ];

    /// Its name on the command line and in `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenSsl => "openssl",
            Self::Curl => "curl",
            Self::GnuTls => "gnutls",
            Self::Go => "go",
            Self::Java => "java",
            Self::Node => "node",
            Self::Python => "python",
            Self::DotNet => "dotnet",
            Self::RustNative => "rust-native",
            Self::RustWebpki => "rust-webpki",
            Self::Nss => "nss",
            Self::Git => "git",
            Self::Wget => "wget",
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Runtime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|runtime| runtime.name() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|runtime| runtime.name()).collect();
            format!("`{text}` is no runtime; they are {}", names.join(", "))
        })
    }
}
