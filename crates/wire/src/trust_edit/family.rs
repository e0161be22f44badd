//! The families of Linux distributions and their rules. In: a root. Out: [`Family`].
//! Source: the update commands of ca-certificates (Debian, Alpine, SUSE), p11-kit's trust (RHEL, Arch).

use super::places::BUNDLES;
use super::root::{Root, file_at, folder_at, follow};

/// How one family keeps its roots.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name for people.
    pub name: &'static str,
    /// The folder for roots of the administrator; none where no tool collects them.
    pub anchors: Option<&'static str>,
    /// The program that collects them, and its arguments.
    pub update: Option<(&'static str, &'static [&'static str])>,
    /// All that this program changes.
    pub changed: &'static [&'static str],
    /// Bundles that the program writes beside those that every family has.
    pub bundles: &'static [&'static str],
    /// Files of OpenSSL's `TRUSTED CERTIFICATE` blocks.
    pub trusted: &'static [&'static str],
    /// Files in the form of edk2 (UEFI).
    pub edk2: &'static [&'static str],
    /// The folders in which OpenSSL finds roots by hash.
    pub hashed: &'static [Hashed],
    /// Folders with the distribution's own roots, from which the bundle is made; text files that hold PEM blocks.
    pub sources: &'static [&'static str],
    /// A folder whose certificates are trusted nowhere.
    pub blocklist: Option<&'static str>,
}

/// A folder of roots with links by hash.
#[derive(Debug, PartialEq, Eq)]
pub struct Hashed {
    /// Where.
    pub folder: &'static str,
    /// What is in it.
    pub style: Style,
}

/// How a folder of roots is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `PREFIX` and the anchor's name: a link to the anchor.
    Linked {
        /// What comes before the anchor's name.
        prefix: &'static str,
    },
    /// A copy under the anchor's name.
    Copied,
    /// p11-kit's `pem-directory-hash`: a copy under the certificate's label, links by both hashes.
    P11Kit,
    /// p11-kit's `openssl-directory`: as `TRUSTED CERTIFICATE`.
    P11KitTrusted,
}

const NONE: Family = Family {
    name: "",
    anchors: None,
    update: None,
    changed: &[],
    bundles: &[],
    trusted: &[],
    edk2: &[],
    hashed: &[],
    sources: &[],
    blocklist: None,
};

/// Debian and what stands on it.
pub(super) const DEBIAN: Family = Family {
    name: "Debian",
    anchors: Some("/usr/local/share/ca-certificates"),
    update: Some(("update-ca-certificates", &[])),
    changed: &["/etc/ssl/certs", "/var/lib/ca-certificates-java"],
    hashed: &[Hashed { folder: "/etc/ssl/certs", style: Style::Linked { prefix: "" } }],
    ..NONE
};

/// Alpine, Wolfi, Chainguard.
pub(super) const ALPINE: Family = Family {
    name: "Alpine",
    anchors: Some("/usr/local/share/ca-certificates"),
    update: Some(("update-ca-certificates", &[])),
    changed: &["/etc/ssl/certs", "/etc/ssl1.1/certs"],
    hashed: &[Hashed { folder: "/etc/ssl/certs", style: Style::Linked { prefix: "ca-cert-" } }],
    ..NONE
};

/// RHEL, Fedora, UBI, Amazon Linux.
pub(super) const RHEL: Family = Family {
    name: "RHEL",
    anchors: Some("/etc/pki/ca-trust/source/anchors"),
    update: Some(("update-ca-trust", &["extract"])),
    changed: &["/etc/pki/ca-trust/extracted", "/etc/pki/tls/certs"],
    bundles: &[
        "/etc/pki/ca-trust/extracted/pem/email-ca-bundle.pem",
        "/etc/pki/ca-trust/extracted/pem/objsign-ca-bundle.pem",
    ],
    trusted: &["/etc/pki/ca-trust/extracted/openssl/ca-bundle.trust.crt"],
    edk2: &["/etc/pki/ca-trust/extracted/edk2/cacerts.bin"],
    hashed: &[Hashed { folder: "/etc/pki/ca-trust/extracted/pem/directory-hash", style: Style::P11Kit }],
    sources: &["/usr/share/pki/ca-trust-source", "/etc/pki/ca-trust/source"],
    blocklist: Some("/etc/pki/ca-trust/source/blocklist"),
};

/// openSUSE and SLE.
pub(super) const SUSE: Family = Family {
    name: "SUSE",
    anchors: Some("/etc/pki/trust/anchors"),
    update: Some(("update-ca-certificates", &[])),
    changed: &["/var/lib/ca-certificates"],
    hashed: &[
        Hashed { folder: "/var/lib/ca-certificates/pem", style: Style::P11Kit },
        Hashed { folder: "/var/lib/ca-certificates/openssl", style: Style::P11KitTrusted },
    ],
    sources: &["/usr/share/pki/trust", "/usr/share/pki/trust/anchors", "/etc/pki/trust"],
    blocklist: Some("/etc/pki/trust/blocklist"),
    ..NONE
};

/// Arch.
pub(super) const ARCH: Family = Family {
    name: "Arch",
    anchors: Some("/etc/ca-certificates/trust-source/anchors"),
    update: Some(("update-ca-trust", &[])),
    changed: &["/etc/ca-certificates/extracted", "/etc/ssl/certs"],
    bundles: &[
        "/etc/ca-certificates/extracted/email-ca-bundle.pem",
        "/etc/ca-certificates/extracted/objsign-ca-bundle.pem",
    ],
    trusted: &["/etc/ca-certificates/extracted/ca-bundle.trust.crt"],
    edk2: &["/etc/ca-certificates/extracted/edk2-cacerts.bin"],
    hashed: &[Hashed { folder: "/etc/ca-certificates/extracted/cadir", style: Style::P11Kit }],
    sources: &["/usr/share/ca-certificates/trust-source", "/etc/ca-certificates/trust-source"],
    blocklist: Some("/etc/ca-certificates/trust-source/blocklist"),
};

/// A bundle and no tool: images that hold a program and little else.
pub(super) const PLAIN: Family = Family { name: "an image without an update command", ..NONE };

/// Folders that only one family has, the telling ones first: SUSE has RHEL's `/etc/pki`, and all but RHEL have `/etc/ssl/certs`.
const TELLING: &[(&str, &Family)] = &[
    ("/etc/pki/ca-trust/source", &RHEL),
    ("/etc/pki/trust/anchors", &SUSE),
    ("/usr/share/pki/trust/anchors", &SUSE),
    ("/etc/ca-certificates/trust-source", &ARCH),
    ("/lib/apk", &ALPINE),
    ("/etc/apk", &ALPINE),
    ("/etc/alpine-release", &ALPINE),
    ("/etc/ca-certificates.conf", &DEBIAN),
    ("/usr/local/share/ca-certificates", &DEBIAN),
];

/// The folders for an administrator's programs.
pub const PROGRAM_FOLDERS: &[&str] = &["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"];

impl Family {
    /// The family of the system below `root`; none when it has no trust store at all.
    pub fn detect(root: &dyn Root) -> Option<&'static Self> {
        let is_there = |path: &str| follow(root, path).is_ok_and(|real| matches!(root.look(&real), Ok(Some(_))));
        let told = TELLING.iter().find(|(path, _)| is_there(path)).map(|(_, family)| *family);
        let usable = |family: &&Self| {
            // Debian and Alpine without the package have neither bundle nor folder; a bundle alone is treated as such.
            let program = |(name, _): (&str, _)| {
                PROGRAM_FOLDERS.iter().any(|folder| file_at(root, &format!("{folder}/{name}")).is_some())
            };
            family.update.is_some_and(program) || family.anchors.is_some_and(|path| folder_at(root, path).is_some())
        };
        told.filter(usable).or_else(|| BUNDLES.iter().any(|path| file_at(root, path).is_some()).then_some(&PLAIN))
    }
}

#[cfg(test)]
mod tests {
    use super::super::root::MemoryRoot;
    use super::*;

    fn machine(paths: &[&str]) -> MemoryRoot {
        let mut root = MemoryRoot::default();
        for path in paths {
            if path.rsplit('/').next().unwrap().contains('.') || path.ends_with("update-ca-certificates") {
                root.file(path, Some(Vec::new()), 0o644, 0, 0);
            } else {
                root.folder(path, 0o755, 0, 0);
            }
        }
        root
    }

    #[test]
    fn families_are_told_by_their_folders() {
        let cases: &[(&[&str], &Family)] = &[
            (&["/etc/ca-certificates.conf", "/usr/sbin/update-ca-certificates", "/etc/pki/fwupd"], &DEBIAN),
            (&["/etc/apk", "/usr/sbin/update-ca-certificates"], &ALPINE),
            (&["/etc/pki/ca-trust/source/anchors", "/etc/pki/tls/certs"], &RHEL),
            (&["/etc/pki/trust/anchors", "/var/lib/ca-certificates"], &SUSE),
            (&["/etc/ca-certificates/trust-source/anchors"], &ARCH),
            (&["/etc/ssl/certs/ca-certificates.crt"], &PLAIN),
            (&["/etc/apk", "/etc/ssl/certs/ca-certificates.crt"], &PLAIN),
        ];
        for (paths, family) in cases {
            assert_eq!(Family::detect(&machine(paths)), Some(*family), "{paths:?}");
        }
        assert_eq!(Family::detect(&machine(&["/etc/apk"])), None);
    }
}
