//! Where trust lives on a machine. In: a root. Out: the true paths of its bundles and Java stores.
//! Source: the update commands of the distributions, Go's `crypto/x509` list and openssl-probe's; checked on Debian 12.

use crate::files::{resolve_in_root, within};
use sidelight_wire::trust_edit::{BUNDLES, IN_JAVA_HOME, JAVA_STORES};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Folders that hold one Java installation in each entry.
const JAVA_HOMES: &[&str] = &["/usr/lib/jvm", "/usr/java", "/opt/java", "/opt", "/usr/local/lib/jvm"];

/// More installations than any machine has; further ones are left out.
const HOMES: usize = 256;

/// Every trust bundle below `root`, each once, as the file that is really read (symbolic links followed inside `root`), the one that
/// most programs read first. Empty files count: a program that reads one trusts nobody.
pub fn find_host_bundles(root: &Path) -> Vec<PathBuf> {
    existing(root, BUNDLES.iter().map(PathBuf::from))
}

/// Every Java trust store below `root`, each once, as the file that is really read: that of `java_home` first, then the system's, then
/// those of each installed Java.
pub fn find_java_stores(root: &Path, java_home: Option<&OsString>) -> Vec<PathBuf> {
    let mut candidates = Vec::new();
    if let Some(home) = java_home.filter(|home| !home.is_empty()) {
        candidates.extend(in_home(Path::new(home)));
    }
    candidates.extend(JAVA_STORES.iter().map(PathBuf::from));
    for parent in JAVA_HOMES {
        let Ok(entries) = std::fs::read_dir(within(root, parent)) else { continue };
        let mut homes: Vec<OsString> = entries.take(HOMES).flatten().map(|entry| entry.file_name()).collect();
        homes.sort();
        candidates.extend(homes.iter().flat_map(|home| in_home(&Path::new(parent).join(home))));
    }
    existing(root, candidates.into_iter())
}

fn in_home(home: &Path) -> Vec<PathBuf> {
    IN_JAVA_HOME.iter().map(|store| home.join(store)).collect()
}

fn existing(root: &Path, candidates: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for candidate in candidates {
        let Ok(real) = resolve_in_root(root, &candidate) else { continue };
        if real.is_file() && !found.contains(&real) {
            found.push(real);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn file(root: &Path, path: &str) -> PathBuf {
        let path = within(root, path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"").unwrap();
        path
    }

    #[test]
    fn a_bundle_with_three_names_is_found_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let real = file(root, "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem");
        std::fs::create_dir_all(within(root, "/etc/pki/tls/certs")).unwrap();
        symlink("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", within(root, "/etc/pki/tls/certs/ca-bundle.crt"))
            .unwrap();
        symlink("certs/ca-bundle.crt", within(root, "/etc/pki/tls/cert.pem")).unwrap();
        let other = file(root, "/etc/ssl/cert.pem");
        assert_eq!(find_host_bundles(root), [real, other]);
        assert!(find_host_bundles(&root.join("none")).is_empty());
    }

    #[test]
    fn java_stores_of_the_home_come_first() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let system = file(root, "/etc/ssl/certs/java/cacerts");
        let old = file(root, "/usr/lib/jvm/java-8/jre/lib/security/cacerts");
        std::fs::create_dir_all(within(root, "/usr/lib/jvm/java-17/lib/security")).unwrap();
        symlink("/etc/ssl/certs/java/cacerts", within(root, "/usr/lib/jvm/java-17/lib/security/cacerts")).unwrap();
        assert_eq!(find_java_stores(root, None), [system.clone(), old.clone()]);
        assert_eq!(find_java_stores(root, Some(&"/usr/lib/jvm/java-8".into())), [old, system]);
    }
}
