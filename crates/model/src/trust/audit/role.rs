//! What a file is for in the trust of an image. In: its path and content. Out: [`Role`].
//! Source: the places where distributions, runtimes and packages keep roots (docs/trust.md).

use super::super::{Content, File, Format, Store};

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The bundle of the distribution.
    System,
    /// Java's store.
    Java,
    /// NSS's store.
    Nss,
    /// A bundle that a package brought, or any other file of many roots.
    Vendored,
    /// Roots within a program.
    Compiled,
    /// A folder's file that OpenSSL finds by its hash.
    Hashed,
    /// A folder where the administrator puts roots for the distribution's command.
    Anchors,
    /// What the distribution makes its bundle of.
    Material,
    /// A bundle of the distribution for other purposes (mail, code, OpenSSL's own form).
    OtherPurpose,
    /// A certificate somewhere; nothing says that anybody trusts it.
    Loose,
}

const SYSTEM: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl1.1/cert.pem",
    "/etc/ssl1.1/certs/ca-certificates.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
    "/var/lib/ecs/deps/execute-command/certs/tls-ca-bundle.pem",
    "/usr/lib/ssl/cert.pem",
];

/// Folders that OpenSSL looks into by hash.
pub(super) const HASHED: &[&str] = &[
    "/etc/ssl/certs",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted/pem/directory-hash",
    "/var/lib/ca-certificates/pem",
    "/var/lib/ca-certificates/openssl",
    "/etc/ca-certificates/extracted/cadir",
    "/etc/ssl1.1/certs",
    "/usr/lib/ssl/certs",
];

/// Folders for roots of the administrator: the folder, and whether only names that end in `.crt` count, and whether below it too.
pub(super) const ANCHORS: &[(&str, bool)] = &[
    ("/usr/local/share/ca-certificates", true),
    ("/etc/pki/ca-trust/source/anchors", false),
    ("/usr/share/pki/ca-trust-source/anchors", false),
    ("/etc/pki/trust/anchors", false),
    ("/usr/share/pki/trust/anchors", false),
    ("/etc/ca-certificates/trust-source/anchors", false),
];

const MATERIAL: &[&str] = &["/usr/share/ca-certificates", "/usr/share/pki/ca-trust-source", "/usr/share/pki/trust"];

const OTHER_PURPOSE: &[&str] = &["email-ca-bundle.pem", "objsign-ca-bundle.pem", "ca-bundle.trust.crt"];

/// Files of that many roots are bundles wherever they are.
const BUNDLE: usize = 20;

impl Role {
    /// The role of a file.
    pub fn of(file: &File) -> Self {
        let path = file.path.as_str();
        match &file.content {
            Content::Program(_, Some(store)) if store.format == Format::NssBuiltins => Self::Nss,
            Content::Program(_, Some(_)) => Self::Compiled,
            Content::Store(store) => Self::of_store(path, store),
            Content::Other if SYSTEM.contains(&path) => Self::System,
            _ => Self::Loose,
        }
    }

    fn of_store(path: &str, store: &Store) -> Self {
        let within = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let name = path.rsplit('/').next().unwrap_or_default();
        let anchors = store.entries.iter().filter(|entry| entry.is_anchor).count();
        match store.format {
            Format::NssDb | Format::NssBuiltins => return Self::Nss,
            Format::CompiledIn => return Self::Compiled,
            Format::Edk2 => return Self::OtherPurpose,
            Format::Jks | Format::Jceks | Format::Pkcs12 | Format::Bks => {
                let is_java = matches!(name, "cacerts" | "jssecacerts") || anchors > 0 && store.keys.is_empty();
                return if is_java { Self::Java } else { Self::Loose };
            }
            _ => {}
        }
        if SYSTEM.contains(&path) {
            Self::System
        } else if OTHER_PURPOSE.contains(&name) {
            Self::OtherPurpose
        } else if ANCHORS.iter().any(|(folder, _)| within(folder)) {
            Self::Anchors
        } else if MATERIAL.iter().any(|folder| within(folder)) {
            Self::Material
        } else if HASHED.iter().any(|folder| within(folder)) && anchors > 0 {
            Self::Hashed
        } else if anchors >= BUNDLE || anchors > 0 && is_vendored(path) {
            Self::Vendored
        } else {
            Self::Loose
        }
    }

    /// Whether roots in it are roots for some program.
    pub const fn is_trusted(self) -> bool {
        matches!(
            self,
            Self::System | Self::Java | Self::Nss | Self::Vendored | Self::Compiled | Self::Hashed | Self::Anchors
        )
    }

    /// Whether it is a whole set of roots, to be compared with others.
    pub const fn is_set(self) -> bool {
        matches!(self, Self::System | Self::Java | Self::Nss | Self::Vendored | Self::Compiled)
    }

    /// The word for it before a path, as in `the system bundle /etc/…`.
    pub const fn words(self) -> &'static str {
        match self {
            Self::System => "the system bundle",
            Self::Java => "the Java store",
            Self::Nss => "the NSS store",
            Self::Vendored => "the bundle",
            Self::Compiled => "the program",
            Self::Hashed => "the hashed folder's",
            Self::Anchors => "the anchor",
            Self::Material => "the distribution's",
            Self::OtherPurpose => "the other bundle",
            Self::Loose => "the file",
        }
    }
}

/// The package whose own copy of the public roots this file is, if it is one by its name.
pub(super) fn copy_of(path: &str) -> Option<&'static str> {
    const COPIES: &[(&str, &str)] = &[
        ("/pip/_vendor/", "pip"),
        ("/certifi/", "certifi"),
        ("/botocore/", "botocore"),
        ("/boto/", "boto"),
        ("/httplib2/", "httplib2"),
        ("/requests/", "requests"),
        ("/grpc/", "grpc"),
        ("/ca-bundle/res/", "composer"),
        ("/Mozilla/CA/", "Mozilla::CA"),
    ];
    let bundle = [".pem", "/cacerts.txt"].iter().any(|end| path.ends_with(end));
    COPIES.iter().find(|(part, _)| bundle && path.contains(part)).map(|(_, package)| *package)
}

/// Names that packages give to the roots they bring.
fn is_vendored(path: &str) -> bool {
    const ENDS: &[&str] = &[
        "/certifi/cacert.pem",
        "/botocore/cacert.pem",
        "/boto/cacerts/cacerts.txt",
        "/httplib2/cacerts.txt",
        "/grpc/_cython/_credentials/roots.pem",
        "/ca-bundle/res/cacert.pem",
        "/Mozilla/CA/cacert.pem",
        "/ssl/cacert.pem",
        "/ssl/cert.pem",
    ];
    ENDS.iter().any(|end| path.ends_with(end))
}
