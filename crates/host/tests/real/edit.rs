//! Edits of trust beside the real programs: what is written is what the distribution's own command writes, its readers read it, and a
//! kill -9 at any step is taken back.

use crate::debian::machine;
use crate::private::{again, on_private_machine, role};
use sidelight_host::files::{Snapshot, within};
use sidelight_host::journal::Journal;
use sidelight_host::trust_store::{Anchor, STOREPASS, Target, add, find, is_as_wanted, remove, undo_edit, uninstall};
use sidelight_model::time::Timestamp;
use sidelight_testkit::Issuer;
use std::collections::BTreeMap;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(60);

fn passwords() -> [String; 1] {
    [STOREPASS.to_owned()]
}

fn target<'a>(root: &'a Path, passwords: &'a [String]) -> Target<'a> {
    Target { root, place: "rootfs:/test", guard: None, env: &[], passwords, openssl_dirs: &[], only: None }
}

fn journal(state: &Path) -> Journal {
    Journal::open(state, WAIT, Box::new(|_| ())).unwrap()
}

/// Everything below a folder but Java's stores, which note the moment.
fn below(folder: &Path) -> BTreeMap<PathBuf, Snapshot> {
    let mut found = BTreeMap::new();
    let mut to_list = vec![folder.to_owned()];
    while let Some(folder) = to_list.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let snapshot = Snapshot::take(&path).unwrap();
            if matches!(snapshot, Snapshot::Directory { .. }) {
                to_list.push(path);
            } else {
                found.insert(path, snapshot);
            }
        }
    }
    found
}

fn stores() -> BTreeMap<PathBuf, Snapshot> {
    let mut all = below(Path::new("/etc/ssl/certs"));
    all.retain(|path, _| !path.starts_with("/etc/ssl/certs/java"));
    all
}

fn differences(one: &BTreeMap<PathBuf, Snapshot>, other: &BTreeMap<PathBuf, Snapshot>) -> Vec<PathBuf> {
    let names = one.keys().chain(other.keys());
    let same = |path: &&PathBuf| matches!((one.get(*path), other.get(*path)), (Some(a), Some(b)) if a.same(b));
    let mut differ: Vec<PathBuf> = names.filter(|path| !same(path)).cloned().collect();
    differ.dedup();
    differ
}

#[test]
fn debian_is_byte_for_byte_what_update_ca_certificates_makes() {
    on_private_machine("edit::debian_is_byte_for_byte_what_update_ca_certificates_makes", || {
        let state = tempfile::tempdir().unwrap();
        // One that sorts before ours and one that sorts behind; with a name that the command maps.
        for name in ["0 first (1)", "zz/last, one"] {
            let path = PathBuf::from(format!("/usr/local/share/ca-certificates/{name}.crt"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, Issuer::root(name).pem()).unwrap();
        }
        let update = || assert!(Command::new("update-ca-certificates").output().unwrap().status.success());
        update();
        let anchor = Anchor::any(Issuer::root("Corp Root CA").der()).unwrap();
        let before = stores();

        let passwords = passwords();
        let only = [
            sidelight_wire::trust_edit::StoreKind::Anchors,
            sidelight_wire::trust_edit::StoreKind::Bundle,
            sidelight_wire::trust_edit::StoreKind::Hashed,
        ];
        let target = Target { only: Some(&only), ..target(machine().root, &passwords) };
        let mut journal = journal(state.path());
        let edited = add(&mut journal, &target, &anchor, Timestamp::default()).unwrap();
        assert!(is_as_wanted(Path::new("/"), &edited.plan).unwrap());
        let ours = stores();
        assert!(differences(&before, &ours).len() >= 3, "bundle, link, hash");

        let [entry] = &find(journal.entries(), target.place, Some(&anchor.sha256))[..] else { panic!("one edit") };
        undo_edit(&mut journal, entry, None, STOREPASS).unwrap();
        assert!(differences(&before, &stores()).is_empty(), "all is as before");

        std::fs::write(format!("/usr/local/share/ca-certificates/{}.crt", anchor.name), anchor.pem()).unwrap();
        update();
        let differ = differences(&ours, &stores());
        assert!(differ.is_empty(), "differs from what update-ca-certificates makes: {differ:?}");

        // Taken out again where the journal does not know it: as the command would after the file is gone.
        let removed = remove(&mut journal, &target, &anchor, Timestamp::default()).unwrap();
        assert!(!removed.actions.is_empty());
        assert!(differences(&before, &stores()).is_empty());
    });
}

/// `trust` with a configuration of its own, as a user who may not read another.
fn trust(home: &Path, arguments: &[&str]) {
    let mut command = Command::new("trust");
    command.args(arguments).env("HOME", home).uid(65534).gid(65534);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A user of p11-kit whose only module reads `folder/source`, and whose only anchor is `issuer`; its home.
fn p11_kit_user(folder: &Path, issuer: &Issuer) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let home = folder.join("home");
    let anchors = folder.join("source/anchors");
    let modules = home.join(".config/pkcs11/modules");
    for path in [&anchors, &modules, &folder.join("out")] {
        std::fs::create_dir_all(path).unwrap();
    }
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(folder.join("out"), std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::write(anchors.join("ours.crt"), issuer.pem()).unwrap();
    std::fs::write(home.join(".config/pkcs11/pkcs11.conf"), "user-config: only\n").unwrap();
    let source = folder.join("source").display().to_string();
    let module = format!("module: p11-kit-trust.so\ntrust-policy: yes\nx-init-reserved: paths='{source}'\n");
    std::fs::write(modules.join("p11-kit-trust.module"), module).unwrap();
    home
}

#[test]
fn p11_kit_extracts_what_is_written_for_its_families() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::root("Größe (Test), Root 1");
    let anchor = Anchor::any(issuer.der()).unwrap();
    let home = p11_kit_user(folder.path(), &issuer);

    // What we write into an empty RHEL-like root.
    let root = tempfile::tempdir().unwrap();
    let extracted = "/etc/pki/ca-trust/extracted";
    let theirs = Issuer::root("their CA").pem().to_owned();
    let other = format!("# a\n{theirs}\n# b\n{theirs}");
    for (path, text) in [
        ("/etc/pki/ca-trust/source/anchors/.keep", ""),
        (&format!("{extracted}/pem/tls-ca-bundle.pem"), other.as_str()),
        (&format!("{extracted}/openssl/ca-bundle.trust.crt"), other.as_str()),
        (&format!("{extracted}/edk2/cacerts.bin"), ""),
        (&format!("{extracted}/pem/directory-hash/.keep"), ""),
    ] {
        let path = within(root.path(), path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let state = tempfile::tempdir().unwrap();
    let passwords = passwords();
    add(&mut journal(state.path()), &target(root.path(), &passwords), &anchor, Timestamp::default()).unwrap();
    let ours = |path: &str| std::fs::read(within(root.path(), &format!("{extracted}/{path}"))).unwrap();

    let out = |name: &str| folder.path().join("out").join(name);
    let extract = |format: &str, name: &str| {
        let comment: &[&str] = if format.ends_with("-bundle") { &["--comment"] } else { &[] };
        let place = out(name).display().to_string();
        let arguments =
            [&["extract", "--format", format, "--filter=ca-anchors", "--purpose=server-auth"], comment, &[&place]];
        trust(&home, &arguments.concat());
    };
    extract("pem-bundle", "pem");
    extract("openssl-bundle", "openssl");
    extract("edk2-cacerts", "edk2");
    extract("pem-directory-hash", "folder");
    let appended = |theirs: Vec<u8>| [other.as_bytes(), b"\n", &theirs].concat();
    assert_eq!(ours("pem/tls-ca-bundle.pem"), appended(std::fs::read(out("pem")).unwrap()));
    assert_eq!(ours("openssl/ca-bundle.trust.crt"), appended(std::fs::read(out("openssl")).unwrap()));
    assert_eq!(ours("edk2/cacerts.bin"), std::fs::read(out("edk2")).unwrap());
    let relative = |folder: PathBuf| -> BTreeMap<String, Vec<u8>> {
        let files = below(&folder).into_iter().filter(|(path, _)| !path.ends_with(".keep"));
        let content = |snapshot: Snapshot| match snapshot {
            Snapshot::File { bytes, .. } => bytes,
            Snapshot::Symlink { target, .. } => target.to_string_lossy().into_owned().into_bytes(),
            other => panic!("{other:?}"),
        };
        files.map(|(path, it)| (path.strip_prefix(&folder).unwrap().display().to_string(), content(it))).collect()
    };
    let made = relative(within(root.path(), &format!("{extracted}/pem/directory-hash")));
    assert_eq!(made, relative(out("folder")));
    assert_eq!(made.len(), 3, "the file and its two hashes");
}

/// A Debian-like root with Java, a package's bundle and a database of NSS.
fn look_alike() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let theirs = Issuer::root("their CA");
    let mut store = sidelight_host::trust_store::JavaStore::Jks(Vec::new());
    store.add("theirs", theirs.der(), Timestamp::default());
    let files = [
        ("/etc/ca-certificates.conf", b"".to_vec()),
        ("/usr/local/share/ca-certificates/theirs.crt", theirs.pem().into()),
        ("/etc/ssl/certs/ca-certificates.crt", theirs.pem().into()),
        ("/etc/ssl/certs/java/cacerts", store.write(STOREPASS).unwrap()),
        ("/opt/app/certifi/cacert.pem", theirs.pem().into()),
    ];
    for (path, content) in files {
        let path = within(folder.path(), path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let profile = within(folder.path(), "/home/u/.pki/nssdb");
    std::fs::create_dir_all(&profile).unwrap();
    let database = format!("sql:{}", profile.display());
    assert!(Command::new("certutil").args(["-N", "--empty-password", "-d", &database]).status().unwrap().success());
    folder
}

fn fixture() -> Anchor {
    let pem = include_bytes!("../fixtures/ca-1.pem");
    Anchor::any(&sidelight_wire::pem::read(pem).0[0].data).unwrap()
}

/// Adds, and is killed at a step.
fn child(step: usize) {
    let variable = |name: &str| PathBuf::from(std::env::var_os(name).unwrap());
    let mut count = 0;
    let die = move |_: &str| {
        count += 1;
        if count == step {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    };
    let mut journal = Journal::open(&variable("CHILD_STATE"), WAIT, Box::new(die)).unwrap();
    let passwords = passwords();
    let root = variable("CHILD_ROOT");
    add(&mut journal, &target(&root, &passwords), &fixture(), Timestamp::default()).unwrap();
}

#[test]
fn a_kill_at_any_step_is_taken_back() {
    if let Some(step) = role() {
        return child(step.parse().unwrap());
    }
    let root = look_alike();
    let before = below(root.path());
    for step in 1..200 {
        let state = tempfile::tempdir().unwrap();
        let mut command = again("edit::a_kill_at_any_step_is_taken_back", &step.to_string());
        command.env("CHILD_STATE", state.path()).env("CHILD_ROOT", root.path());
        let output = command.output().unwrap();
        let killed = output.status.signal() == Some(9);
        assert!(killed || output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut journal = journal(state.path());
        for entry in journal.entries().to_vec() {
            let undone = uninstall(&mut journal, &entry, STOREPASS).unwrap();
            assert!(undone.unclear.is_empty(), "{undone:?}");
        }
        let differ = differences(&before, &below(root.path()));
        assert!(differ.is_empty(), "killed at step {step}: {differ:?}");
        if !killed {
            assert!(step > 15, "only {step} steps");
            return;
        }
    }
    panic!("it did not end");
}

#[test]
fn its_readers_read_it() {
    let root = look_alike();
    let state = tempfile::tempdir().unwrap();
    let passwords = passwords();
    let issuer = Issuer::root("Corp Root CA");
    let anchor = Anchor::any(issuer.der()).unwrap();
    let edited =
        add(&mut journal(state.path()), &target(root.path(), &passwords), &anchor, Timestamp::default()).unwrap();
    assert!(edited.plan.left.is_empty(), "certutil is here: {:?}", edited.plan.left);
    let path = |path: &str| within(root.path(), path).display().to_string();
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).env_remove("JAVA_TOOL_OPTIONS").output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{program} {arguments:?}: {said}");
        said
    };
    let file = root.path().join("corp.pem");
    std::fs::write(&file, anchor.pem()).unwrap();
    let listed = run("keytool", &["-list", "-keystore", &path("/etc/ssl/certs/java/cacerts"), "-storepass", STOREPASS]);
    assert!(listed.contains("contains 2 entries") && listed.contains("debian:corp_root_ca-"), "{listed}");
    let nss = run("certutil", &["-L", "-d", &format!("sql:{}", path("/home/u/.pki/nssdb")), "-n", &anchor.name]);
    assert!(nss.contains("Corp Root CA"), "{nss}");
    // The anchor's link is absolute, as seen from inside; outside, the folder needs a copy to be searched.
    let folder = root.path().join("hashed");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join(format!("{}.0", anchor.subject_hash)), anchor.pem()).unwrap();
    run("openssl", &["verify", "-no-CAfile", "-CApath", &folder.display().to_string(), &file.display().to_string()]);
    run(
        "openssl",
        &["verify", "-no-CApath", "-CAfile", &path("/opt/app/certifi/cacert.pem"), &file.display().to_string()],
    );
}

#[test]
fn a_read_only_root_is_said_before_anything_is_touched() {
    on_private_machine("edit::a_read_only_root_is_said_before_anything_is_touched", || {
        let root = look_alike();
        let mounted = |arguments: &[&str]| assert!(Command::new("mount").args(arguments).status().unwrap().success());
        let path = root.path().display().to_string();
        mounted(&["--bind", &path, &path]);
        mounted(&["-o", "remount,bind,ro", &path]);
        let state = tempfile::tempdir().unwrap();
        let passwords = passwords();
        let mut journal = journal(state.path());
        let error = add(&mut journal, &target(root.path(), &passwords), &fixture(), Timestamp::default()).unwrap_err();
        assert!(error.to_string().contains("mounted read-only; nothing was touched"), "{error}");
        assert!(journal.entries().is_empty());
        assert!(Command::new("umount").arg(&path).status().unwrap().success());
    });
}
