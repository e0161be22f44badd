//! Look-alikes of the families' file systems: installed, changed by others, taken back.

use super::*;
use crate::files::{Snapshot, within};
use crate::journal::{Outcome, Reconcile as _};
use sidelight_model::time::Timestamp;
use sidelight_wire::pem;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

/// A child that another test starts holds a copy of every lock until it has become another program.
const PATIENCE: Duration = Duration::from_secs(20);

fn der(text: &str) -> Vec<u8> {
    pem::read(text.as_bytes()).0.remove(0).data
}

fn anchor() -> Anchor {
    Anchor::new(&der(include_str!("../../tests/fixtures/ca-1.pem"))).unwrap()
}

fn other() -> Anchor {
    Anchor::new(&der(include_str!("../../tests/fixtures/ca-2.pem"))).unwrap()
}

struct Root {
    folder: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Root {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), state: tempfile::tempdir().unwrap() }
    }

    fn path(&self, path: &str) -> PathBuf {
        within(self.folder.path(), path)
    }

    fn file(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn link(&self, path: &str, target: &str) -> &Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
        self
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// Everything below the root, byte for byte.
    fn all(&self) -> BTreeMap<PathBuf, Snapshot> {
        let mut found = BTreeMap::new();
        let mut to_list = vec![self.folder.path().to_owned()];
        while let Some(folder) = to_list.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let snapshot = Snapshot::take(&path).unwrap();
                if matches!(snapshot, Snapshot::Directory { .. }) {
                    // A folder's own time changes with every file in it.
                    to_list.push(path);
                } else {
                    found.insert(path, snapshot);
                }
            }
        }
        found
    }

    fn machine(&self) -> Machine<'_> {
        Machine { root: self.folder.path(), home: None, java_home: None, storepass: STOREPASS }
    }

    fn journal(&self) -> Journal {
        Journal::open(self.state.path(), PATIENCE, Box::new(|_| ())).unwrap()
    }

    fn install(&self, place: &Place, anchor: &Anchor) -> Result<Installed, TrustStoreError> {
        install(&mut self.journal(), &self.machine(), place, anchor)
    }

    fn uninstall(&self) -> Vec<Undone> {
        let mut journal = self.journal();
        let entries = journal.entries().to_vec();
        entries.iter().rev().map(|entry| uninstall(&mut journal, entry, STOREPASS).unwrap()).collect()
    }
}

fn debian() -> Root {
    let root = Root::new();
    root.file("/etc/ca-certificates.conf", "")
        .file("/usr/local/share/ca-certificates/corporate.crt", "x")
        .file("/etc/ssl/certs/ca-certificates.crt", format!("{}no line end", other().pem()))
        .file("/etc/ssl/certs/java/cacerts", java_store());
    root
}

fn java_store() -> Vec<u8> {
    let mut store = JavaStore::Jks(Vec::new());
    store.add("other", other().der(), Timestamp::from_secs(1));
    store.write(STOREPASS).unwrap()
}

#[test]
fn debian_gets_anchor_bundle_links_and_java() {
    let root = debian();
    let before = root.all();
    let anchor = anchor();
    let installed = root.install(&Place::Host, &anchor).unwrap();
    assert!(installed.notes.is_empty(), "{:?}", installed.notes);
    let name = &anchor.name;
    assert_eq!(root.read(&format!("/usr/local/share/ca-certificates/{name}.crt")), anchor.pem());
    let bundle = root.read("/etc/ssl/certs/ca-certificates.crt");
    assert_eq!(bundle, format!("{}no line end\n{}", other().pem(), anchor.pem()));
    let link = |path: &str| fs::read_link(root.path(path)).unwrap();
    let hash = &anchor.subject_hash;
    assert_eq!(link(&format!("/etc/ssl/certs/{hash}.0")), Path::new(&format!("{name}.pem")));
    let inside = format!("/usr/local/share/ca-certificates/{name}.crt");
    assert_eq!(link(&format!("/etc/ssl/certs/{name}.pem")), Path::new(&inside));
    let java = JavaStore::read(&fs::read(root.path("/etc/ssl/certs/java/cacerts")).unwrap(), STOREPASS).unwrap();
    assert_eq!(java.certificates(), [other().der(), anchor.der()]);

    assert!(root.install(&Place::Host, &anchor).unwrap().actions.is_empty(), "it is installed already");
    root.uninstall();
    assert_eq!(root.all(), before);
}

#[test]
fn each_family_has_its_folders() {
    let bundle = other().pem();
    let alpine = Root::new();
    alpine.file("/etc/apk/world", "").file("/usr/local/share/ca-certificates/x", "");
    alpine.file("/etc/ssl/certs/ca-certificates.crt", &bundle).link("/etc/ssl/cert.pem", "certs/ca-certificates.crt");
    let rhel = Root::new();
    rhel.file("/etc/pki/ca-trust/source/anchors/.keep", "");
    rhel.file("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", &bundle);
    rhel.file("/etc/pki/ca-trust/extracted/pem/directory-hash/x", "");
    rhel.link("/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem");
    let suse = Root::new();
    suse.file("/etc/pki/trust/anchors/.keep", "").file("/var/lib/ca-certificates/ca-bundle.pem", &bundle);
    suse.file("/var/lib/ca-certificates/pem/x", "")
        .link("/etc/ssl/ca-bundle.pem", "/var/lib/ca-certificates/ca-bundle.pem");
    let arch = Root::new();
    arch.file("/etc/ca-certificates/trust-source/anchors/.keep", "");
    arch.file("/etc/ca-certificates/extracted/tls-ca-bundle.pem", &bundle)
        .file("/etc/ca-certificates/extracted/cadir/x", "");
    let distroless = Root::new();
    distroless.file("/etc/ssl/certs/ca-certificates.crt", &bundle);

    let hash = anchor().subject_hash;
    let cases = [
        (alpine, "/usr/local/share/ca-certificates", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-cert-"),
        (
            rhel,
            "/etc/pki/ca-trust/source/anchors",
            "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
            "/etc/pki/ca-trust/extracted/pem/directory-hash/",
        ),
        (suse, "/etc/pki/trust/anchors", "/var/lib/ca-certificates/ca-bundle.pem", "/var/lib/ca-certificates/pem/"),
        (
            arch,
            "/etc/ca-certificates/trust-source/anchors",
            "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
            "/etc/ca-certificates/extracted/cadir/",
        ),
        (distroless, "", "/etc/ssl/certs/ca-certificates.crt", ""),
    ];
    for (root, anchors, bundle_path, prefix) in cases {
        let before = root.all();
        root.install(&Place::Host, &anchor()).unwrap();
        assert_eq!(root.read(bundle_path), format!("{bundle}{}", anchor().pem()), "{bundle_path}");
        let file = format!("{anchors}/{}.crt", anchor().name);
        assert_eq!(root.path(&file).exists(), !anchors.is_empty(), "{file}");
        if !prefix.is_empty() {
            // p11-kit names its copies after the subject, the others after the anchor's file.
            let named = if prefix.ends_with('-') { anchor().name } else { "sidelight_CA_test_1".to_owned() };
            let pem = format!("{prefix}{named}.pem");
            assert!(fs::symlink_metadata(root.path(&pem)).is_ok(), "{pem}");
            let (folder, file) = pem.rsplit_once('/').unwrap();
            assert_eq!(fs::read_link(root.path(&format!("{folder}/{hash}.0"))).unwrap(), Path::new(file), "{folder}");
        }
        root.uninstall();
        assert_eq!(root.all(), before, "{bundle_path}");
    }
}

#[test]
fn a_rootfs_is_a_machine_of_its_own() {
    let root = debian();
    let before = root.all();
    root.install(&Place::Rootfs(root.folder.path().to_owned()), &anchor()).unwrap();
    assert!(root.read("/etc/ssl/certs/ca-certificates.crt").ends_with(&anchor().pem()));
    root.uninstall();
    assert_eq!(root.all(), before);
    let none = root.install(&Place::Rootfs("/none/such".into()), &anchor()).unwrap_err().to_string();
    assert!(none.starts_with("cannot look into /none/such"), "{none}");
}

#[test]
fn what_others_added_since_stays() {
    let root = debian();
    root.install(&Place::Host, &anchor()).unwrap();
    let certs = root.path("/etc/ssl/certs");
    let bundle = root.read("/etc/ssl/certs/ca-certificates.crt");
    root.file("/etc/ssl/certs/ca-certificates.crt", bundle.replace("no line end", "new line") + "more\n");
    // A second root of the same hash, which OpenSSL would not find behind a gap.
    symlink("theirs.pem", certs.join(format!("{}.1", anchor().subject_hash))).unwrap();
    let java = root.path("/etc/ssl/certs/java/cacerts");
    let mut store = JavaStore::read(&fs::read(&java).unwrap(), STOREPASS).unwrap();
    store.add("theirs", b"\x30\x00", Timestamp::from_secs(2));
    fs::write(&java, store.write(STOREPASS).unwrap()).unwrap();

    let undone = root.uninstall().remove(0);
    assert_eq!(undone.merged.len(), 2, "{undone:?}");
    assert_eq!(root.read("/etc/ssl/certs/ca-certificates.crt"), format!("{}new line\nmore\n", other().pem()));
    let java = JavaStore::read(&fs::read(&java).unwrap(), STOREPASS).unwrap();
    assert_eq!(java.certificates(), [other().der(), b"\x30\x00"]);
    let first = certs.join(format!("{}.0", anchor().subject_hash));
    assert_eq!(fs::read_link(first).unwrap(), Path::new("theirs.pem"));
}

#[test]
fn a_new_ca_takes_the_place_of_the_old() {
    let root = Root::new();
    root.file("/etc/ca-certificates.conf", "").file("/usr/local/share/ca-certificates/x", "");
    root.file("/etc/ssl/certs/ca-certificates.crt", "");
    let before = root.all();
    root.install(&Place::Host, &anchor()).unwrap();
    root.install(&Place::Host, &other()).unwrap();
    assert_eq!(root.read("/etc/ssl/certs/ca-certificates.crt"), other().pem());
    assert_eq!(root.uninstall().len(), 1);
    assert_eq!(root.all(), before);
}

#[test]
fn host_and_java_change_one_store_and_come_off_in_any_order() {
    for host_first in [true, false] {
        let root = debian();
        let before = root.all();
        root.install(&Place::Host, &anchor()).unwrap();
        root.install(&Place::Java, &anchor()).unwrap();
        let mut journal = root.journal();
        let mut entries = journal.entries().to_vec();
        if !host_first {
            entries.reverse();
        }
        for entry in &entries {
            assert!(uninstall(&mut journal, entry, STOREPASS).unwrap().unclear.is_empty());
        }
        drop(journal);
        assert_eq!(root.all(), before, "host first: {host_first}");
    }
}

#[test]
fn java_stores_keep_their_format() {
    let root = Root::new();
    let mut plain = JavaStore::Pkcs12 { certificates: Vec::new(), protected: false };
    plain.add("other", other().der(), Timestamp::default());
    root.file("/usr/lib/jvm/a/lib/security/cacerts", java_store());
    root.file("/usr/lib/jvm/b/lib/security/cacerts", plain.write("").unwrap());
    let before = root.all();
    root.install(&Place::Java, &anchor()).unwrap();
    let read = |home: &str| {
        let bytes = fs::read(root.path(&format!("/usr/lib/jvm/{home}/lib/security/cacerts"))).unwrap();
        JavaStore::read(&bytes, "any").or_else(|_| JavaStore::read(&bytes, STOREPASS)).unwrap()
    };
    assert!(matches!(read("a"), JavaStore::Jks(entries) if entries.len() == 2));
    assert!(matches!(read("b"), JavaStore::Pkcs12 { certificates, protected: false } if certificates.len() == 2));
    root.uninstall();
    assert_eq!(root.all(), before);
}

#[test]
fn a_wrong_password_changes_nothing() {
    let root = debian();
    let before = root.all();
    let machine = Machine { storepass: "wrong", ..root.machine() };
    let error = install(&mut root.journal(), &machine, &Place::Java, &anchor()).unwrap_err().to_string();
    assert!(
        error.contains("java/cacerts: ") && error.contains("password") && error.ends_with("nothing is left changed"),
        "{error}"
    );
    assert_eq!(root.all(), before);
    assert!(root.journal().entries().is_empty());
}

#[test]
fn docker_gets_a_file_of_our_name_and_no_other_is_touched() {
    let root = Root::new();
    let place = Place::Docker("registry.test:5000".to_owned());
    root.file("/etc/docker/certs.d/registry.test:5000/ca.crt", "theirs");
    let before = root.all();
    root.install(&place, &anchor()).unwrap();
    assert_eq!(root.read("/etc/docker/certs.d/registry.test:5000/sidelight.crt"), anchor().pem());
    root.uninstall();
    assert_eq!(root.all(), before);
    root.file("/etc/docker/certs.d/registry.test:5000/sidelight.crt", "theirs too");
    let error = root.install(&place, &anchor()).unwrap_err().to_string();
    assert!(error.contains("is there already and is not from sidelight"), "{error}");
    assert_eq!(root.read("/etc/docker/certs.d/registry.test:5000/sidelight.crt"), "theirs too");
}

#[test]
fn a_rehearsal_names_the_steps_and_takes_none() {
    let root = debian();
    let before = root.all();
    let rehearsed = rehearse(&[], &root.machine(), &Place::Host, &anchor()).unwrap();
    assert_eq!(rehearsed.actions, root.install(&Place::Host, &anchor()).unwrap().actions);
    let known = root.journal().entries().to_vec();
    let again = rehearse(&known, &root.machine(), &Place::Host, &anchor()).unwrap();
    assert!(again.actions.is_empty(), "it is installed already: {again:?}");
    root.uninstall();
    rehearse(&[], &root.machine(), &Place::Host, &anchor()).unwrap();
    assert_eq!(root.all(), before);
}

#[test]
fn only_a_ca_is_installed_and_only_where_there_is_a_store() {
    let error = Anchor::new(&der(include_str!("../../tests/fixtures/leaf.pem"))).unwrap_err().to_string();
    assert!(error.contains("CN=leaf is not the certificate of a CA"), "{error}");
    assert!(Anchor::new(b"x").is_err());
    assert_eq!(anchor().key(), "ECDSA P-256");
    let root = Root::new();
    let error = root.install(&Place::Host, &anchor()).unwrap_err().to_string();
    assert!(error.contains("install the package ca-certificates"), "{error}");
    assert!(matches!(root.install(&Place::Java, &anchor()), Err(TrustStoreError::TakenBack { .. })));
}

#[test]
fn what_was_written_halfway_is_told() {
    let anchor = anchor();
    let reconcile = WithoutAnchor { anchors: std::slice::from_ref(&anchor), storepass: STOREPASS, deleted: &[] };
    let file = |bytes: &[u8]| Snapshot::File { bytes: bytes.to_vec(), meta: crate::files::Meta::new(0o644) };
    let store = java_store();
    let judge = |after: Option<&str>, before: &[u8], now: &[u8]| {
        reconcile.reconcile(Path::new("/x"), &file(before), after, &file(now))
    };
    assert_eq!(judge(None, &store, &store[..60]), Outcome::Restore, "a Java store that was being written");
    assert_eq!(judge(None, b"x", b""), Outcome::Restore);
    assert_eq!(judge(Some("other"), &store, &store[..60]), Outcome::Leave, "somebody else's damage, and not our part");
    let opaque = [b"\x01\x02".as_slice(), anchor.der()].concat();
    assert!(matches!(judge(Some("other"), b"\x01\x02", &opaque), Outcome::Unclear(_)));
    assert_eq!(judge(None, b"\x01\x02", &opaque), Outcome::Restore);
    let commented = format!("# theirs\n{}# {}\n{}", other().pem(), anchor.certificate.short_name(), anchor.pem());
    let rest = format!("# theirs\n{}", other().pem());
    assert_eq!(judge(Some("other"), b"", commented.as_bytes()), Outcome::Write(rest.into_bytes()));
    let pending = format!("+/etc/ssl/certs/{}.pem\n+/etc/ssl/certs/theirs.pem\n", anchor.name);
    assert_eq!(judge(None, b"", pending.as_bytes()), Outcome::Write(b"+/etc/ssl/certs/theirs.pem\n".to_vec()));
    let new = reconcile.reconcile(Path::new("/x/ca-certificates.crt.new"), &Snapshot::Absent, None, &file(b"half"));
    assert_eq!(new, Outcome::Remove);
}
