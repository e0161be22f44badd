//! kill -9 at every step, and in the middle of the update command: the next run puts everything back.

use crate::debian::machine;
use crate::private::{add, again, all, assert_private, assert_same, on_private_machine, role};
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

/// What a child does: `install:STEP` or `uninstall:STEP`, with the place and the folders from the environment.
fn child(deed: &str) {
    let variable = |name: &str| PathBuf::from(std::env::var_os(name).unwrap());
    let (root, state) = (variable("CHILD_ROOT"), variable("CHILD_STATE"));
    let place: Place = std::env::var("CHILD_PLACE").unwrap().parse().unwrap();
    if root == Path::new("/") {
        assert_private();
    }
    let home = root.join("home");
    let (verb, step) = deed.split_once(':').unwrap();
    let on_step = if step == "midway" { dying_midway() } else { dying_at(step.parse().unwrap()) };
    let mut journal = Journal::open(&state, WAIT, on_step).unwrap();
    let machine = Machine { root: &root, home: Some(&home), ..machine() };
    if verb == "install" {
        install(&mut journal, &machine, &place, &anchor()).unwrap();
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

fn run_child(test: &str, deed: &str, place: &str, root: &Path, state: &Path) -> ExitStatus {
    let mut command = again(test, deed);
    command.env("CHILD_PLACE", place).env("CHILD_ROOT", root).env("CHILD_STATE", state);
    let output = command.output().unwrap();
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

/// A Debian-like root with a Java store and a Firefox profile.
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
    let profile = root.join("home/.mozilla/firefox/x.default");
    std::fs::create_dir_all(&profile).unwrap();
    let mut certutil = std::process::Command::new("certutil");
    certutil.args(["-N", "--empty-password", "-d", &format!("sql:{}", profile.display())]);
    assert!(certutil.status().unwrap().success());
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
    for place in ["host", "java", "nss", "docker:registry.test:5000"] {
        for verb in ["install", "uninstall"] {
            let steps = kill_at_each_step(NAME, place, verb, root.path(), &before);
            assert!(steps >= 2, "{verb} {place} has more than {steps} steps");
        }
    }
}

/// Kills `verb` at each of its steps, recovers, compares; gives the number of steps.
fn kill_at_each_step(
    test: &str,
    place: &str,
    verb: &str,
    root: &Path,
    before: &BTreeMap<PathBuf, sidelight_host::files::Snapshot>,
) -> usize {
    for step in 1..100 {
        let state = tempfile::tempdir().unwrap();
        if verb == "uninstall" {
            assert!(run_child(test, "install:0", place, root, state.path()).success());
        }
        let ended = run_child(test, &format!("{verb}:{step}"), place, root, state.path());
        recover(state.path());
        assert_same(before, &state_of(root), &format!("{verb} {place}, killed at step {step}"));
        if ended.success() {
            return step - 1;
        }
    }
    panic!("{verb} {place} did not end");
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
            let ended = run_child(NAME, &deed, "host", Path::new("/"), state.path());
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
