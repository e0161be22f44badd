//! kill -9 at every step, and in the middle of the update command: the next run puts everything back.

use crate::debian::machine;
use crate::private::{add, again, all, assert_same, on_private_machine, role};
use sidelight_host::files::within;
use sidelight_host::journal::Journal;
use sidelight_host::trust_store::{Anchor, Machine, Place, STOREPASS, install, uninstall};
use sidelight_testkit::Issuer;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(60);

fn die() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}

/// A hook that ends the process at the step with this number, counted from 1.
fn dying_at(step: usize) -> Box<dyn FnMut(&str)> {
    let mut count = 0;
    Box::new(move |_| {
        count += 1;
        if count == step {
            die();
        }
    })
}

fn anchor() -> Anchor {
    let pem = include_bytes!("../fixtures/ca-1.pem");
    Anchor::new(&sidelight_wire::pem::read(pem).0[0].data).unwrap()
}

/// What a child does: `install:STEP` or `uninstall:STEP`, with the folders from the environment.
fn child(deed: &str) {
    let root = PathBuf::from(std::env::var_os("CHILD_ROOT").unwrap());
    let state = PathBuf::from(std::env::var_os("CHILD_STATE").unwrap());
    let (verb, step) = deed.split_once(':').unwrap();
    let on_step = if step == "midway" { dying_midway() } else { dying_at(step.parse().unwrap()) };
    let mut journal = Journal::open(&state, WAIT, on_step).unwrap();
    let machine = Machine { root: &root, ..machine() };
    if verb == "install" {
        install(&mut journal, &machine, &Place::Host, &anchor()).unwrap();
    } else {
        let entry = journal.entries()[0].clone();
        uninstall(&mut journal, &entry, STOREPASS).unwrap();
    }
}

/// Ends the process while the update command works: when its first link is there.
fn dying_midway() -> Box<dyn FnMut(&str)> {
    Box::new(|step| {
        if step.starts_with("running ") {
            std::thread::spawn(|| {
                let link = format!("/etc/ssl/certs/{}.pem", anchor().name);
                while std::fs::symlink_metadata(&link).is_err() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                die();
            });
        }
    })
}

fn run_child(test: &str, deed: &str, root: &Path, state: &Path) -> ExitStatus {
    let mut command = again(test, deed);
    let output = command.env("CHILD_ROOT", root).env("CHILD_STATE", state).output().unwrap();
    let killed = output.status.signal() == Some(9);
    assert!(killed || output.status.success(), "{deed}: {}", String::from_utf8_lossy(&output.stderr));
    output.status
}

/// Undoes all that the journal knows, as the next run of sidelight would.
fn recover(state: &Path) {
    let mut journal = Journal::open(state, WAIT, Box::new(|_| ())).unwrap();
    for entry in journal.entries().to_vec() {
        let undone = uninstall(&mut journal, &entry, STOREPASS).unwrap();
        assert!(undone.unclear.is_empty(), "{undone:?}");
    }
    assert!(journal.entries().is_empty());
}

/// A Debian-like root with a Java store.
fn look_alike() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let theirs = Issuer::root("their CA");
    let mut store = sidelight_host::trust_store::JavaStore::Jks(Vec::new());
    store.add("theirs", theirs.der(), Default::default());
    let files = [
        ("/etc/ca-certificates.conf", b"".to_vec()),
        ("/usr/local/share/ca-certificates/theirs.crt", theirs.pem().into()),
        ("/etc/ssl/certs/ca-certificates.crt", theirs.pem().into()),
        ("/etc/ssl/certs/java/cacerts", store.write(STOREPASS).unwrap()),
    ];
    for (path, content) in files {
        let path = within(root, path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}

fn state_of(root: &Path) -> BTreeMap<PathBuf, sidelight_host::files::Snapshot> {
    let mut found = BTreeMap::new();
    add(root, &mut found);
    found
}

#[test]
fn at_every_step_of_installing_and_uninstalling() {
    const NAME: &str = "kill::at_every_step_of_installing_and_uninstalling";
    if let Some(deed) = role() {
        return child(&deed);
    }
    let root = look_alike();
    let before = state_of(root.path());
    for verb in ["install", "uninstall"] {
        let mut step = 1;
        loop {
            let state = tempfile::tempdir().unwrap();
            if verb == "uninstall" {
                assert!(run_child(NAME, "install:0", root.path(), state.path()).success());
            }
            let ended = run_child(NAME, &format!("{verb}:{step}"), root.path(), state.path());
            recover(state.path());
            assert_same(&before, &state_of(root.path()), &format!("{verb}, killed at step {step}"));
            if ended.success() {
                break;
            }
            step += 1;
        }
        assert!(step > 6, "{verb} has more than {step} steps");
    }
}

#[test]
fn at_every_step_around_and_within_the_update_command() {
    const NAME: &str = "kill::at_every_step_around_and_within_the_update_command";
    if let Some(deed) = role().filter(|role| role != "inside") {
        return child(&deed);
    }
    on_private_machine(NAME, || {
        let before = all();
        let mut deeds: Vec<String> = (1..).take(20).map(|step| format!("install:{step}")).collect();
        deeds.insert(0, "install:midway".to_owned());
        for deed in deeds {
            let state = tempfile::tempdir().unwrap();
            let ended = run_child(NAME, &deed, Path::new("/"), state.path());
            recover(state.path());
            assert_same(&before, &all(), &deed);
            if ended.success() {
                assert!(deed != "install:midway" && deed != "install:1");
                return;
            }
        }
        panic!("the installation did not end");
    });
}
