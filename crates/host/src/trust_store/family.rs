//! The families of Linux distributions and their rules. In: a root. Out: [`Family`].
//! Source: the update commands of ca-certificates (Debian, Alpine, SUSE), p11-kit's trust (RHEL, Arch).

use crate::files::{resolve_in_root, within};
use std::path::{Path, PathBuf};

/// How one family keeps its roots.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Family {
    /// Its name for people.
    pub name: &'static str,
    /// The folder for roots of the administrator; none where no tool collects them.
    pub anchors: Option<&'static str>,
    /// The program that collects them, and its arguments.
    pub update: Option<(&'static str, &'static [&'static str])>,
    /// All that this program changes.
    pub changed: &'static [&'static str],
    /// The folders in which OpenSSL finds roots by hash.
    pub hashed: &'static [Hashed],
}

/// A folder of roots with links by hash.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hashed {
    pub folder: &'static str,
    /// What comes before the anchor's name in the name of its `.pem`.
    pub prefix: &'static str,
    /// Whether that `.pem` is a link to the anchor, or a copy.
    pub linked: bool,
}

const DEBIAN: Family = Family {
    name: "Debian",
    anchors: Some("/usr/local/share/ca-certificates"),
    update: Some(("update-ca-certificates", &[])),
    changed: &["/etc/ssl/certs", "/var/lib/ca-certificates-java"],
    hashed: &[Hashed { folder: "/etc/ssl/certs", prefix: "", linked: true }],
};

const ALPINE: Family = Family {
    name: "Alpine",
    anchors: Some("/usr/local/share/ca-certificates"),
    update: Some(("update-ca-certificates", &[])),
    changed: &["/etc/ssl/certs", "/etc/ssl1.1/certs"],
    hashed: &[Hashed { folder: "/etc/ssl/certs", prefix: "ca-cert-", linked: true }],
};

const RHEL: Family = Family {
    name: "RHEL",
    anchors: Some("/etc/pki/ca-trust/source/anchors"),
    update: Some(("update-ca-trust", &["extract"])),
    changed: &["/etc/pki/ca-trust/extracted", "/etc/pki/tls/certs"],
    hashed: &[Hashed { folder: "/etc/pki/ca-trust/extracted/pem/directory-hash", prefix: "", linked: false }],
};

const SUSE: Family = Family {
    name: "SUSE",
    anchors: Some("/etc/pki/trust/anchors"),
    update: Some(("update-ca-certificates", &[])),
    changed: &["/var/lib/ca-certificates"],
    hashed: &[
        Hashed { folder: "/var/lib/ca-certificates/pem", prefix: "", linked: false },
        Hashed { folder: "/var/lib/ca-certificates/openssl", prefix: "", linked: false },
    ],
};

const ARCH: Family = Family {
    name: "Arch",
    anchors: Some("/etc/ca-certificates/trust-source/anchors"),
    update: Some(("update-ca-trust", &[])),
    changed: &["/etc/ca-certificates/extracted", "/etc/ssl/certs"],
    hashed: &[Hashed { folder: "/etc/ca-certificates/extracted/cadir", prefix: "", linked: false }],
};

/// A bundle and no tool: images that hold a program and little else.
const PLAIN: Family =
    Family { name: "an image without an update command", anchors: None, update: None, changed: &[], hashed: &[] };

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

impl Family {
    /// The family of the system below `root`; none when it has no trust store at all.
    pub(super) fn detect(root: &Path) -> Option<&'static Self> {
        let is_there = |path: &str| resolve_in_root(root, Path::new(path)).is_ok();
        let told = TELLING.iter().find(|(path, _)| is_there(path)).map(|(_, family)| *family);
        let usable = |family: &&Self| {
            // Debian and Alpine without the package have neither bundle nor folder; a bundle alone is treated as such.
            let has_tool = family.update.is_some_and(|(program, _)| find_program(root, program).is_some());
            has_tool || family.anchors.is_some_and(is_there)
        };
        told.filter(usable).or_else(|| (!super::find_host_bundles(root).is_empty()).then_some(&PLAIN))
    }

    /// The folder for anchors, as it is really found below `root`.
    pub(super) fn anchors_below(&self, root: &Path) -> Option<PathBuf> {
        self.anchors.map(|folder| real(root, folder))
    }

    /// The folders that the update program changes, as they are really found.
    pub(super) fn changed_below(&self, root: &Path) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> = self.changed.iter().map(|folder| real(root, folder)).collect();
        // A folder within another is noted with it.
        let whole = folders.clone();
        folders.retain(|folder| !whole.iter().any(|other| other != folder && folder.starts_with(other)));
        folders.dedup();
        folders
    }

    /// The path of the update program, where it can be run: on this machine itself, never one from another root.
    pub(super) fn program(&self, root: &Path) -> Option<(PathBuf, &'static [&'static str])> {
        let (program, arguments) = self.update?;
        if root != Path::new("/") {
            return None;
        }
        Some((find_program(root, program)?, arguments))
    }
}

/// A path with the links in it followed; as written where it does not exist.
fn real(root: &Path, path: &str) -> PathBuf {
    resolve_in_root(root, Path::new(path)).unwrap_or_else(|_| within(root, path))
}

/// A program in the folders for an administrator's programs.
pub(super) fn find_program(root: &Path, name: &str) -> Option<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"]
        .iter()
        .map(|folder| within(root, folder).join(name))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(paths: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for path in paths {
            let path = within(folder.path(), path);
            if path.extension().is_some() || path.ends_with("update-ca-certificates") {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "").unwrap();
            } else {
                std::fs::create_dir_all(path).unwrap();
            }
        }
        folder
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
            assert_eq!(Family::detect(machine(paths).path()), Some(*family), "{paths:?}");
        }
        assert_eq!(Family::detect(machine(&["/etc/apk"]).path()), None);
    }

    #[test]
    fn a_program_of_another_root_is_not_run() {
        let root = machine(&["/etc/ca-certificates.conf", "/usr/sbin/update-ca-certificates"]);
        assert_eq!(DEBIAN.program(root.path()), None);
    }
}
