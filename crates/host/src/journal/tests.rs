//! Deeds that are done, cut short, changed by others, and taken back.

use super::*;
use std::fs;

/// Takes lines that begin with `ours` out of text.
struct Lines;

impl Reconcile for Lines {
    fn reconcile(&self, _: &Path, before: &Snapshot, after: Option<&str>, now: &Snapshot) -> Outcome {
        match (before, now) {
            (Snapshot::File { .. }, Snapshot::Absent) if after.is_none() => Outcome::Restore,
            (_, Snapshot::File { bytes, .. }) => {
                let text = String::from_utf8_lossy(bytes);
                let kept: String = text.split_inclusive('\n').filter(|line| !line.starts_with("ours")).collect();
                if kept == text { Outcome::Leave } else { Outcome::Write(kept.into_bytes()) }
            }
            _ => Outcome::Unclear("no text".to_owned()),
        }
    }
}

/// Opens with patience: a child that another test is just starting holds a copy of a lock until its exec.
fn open(folder: &Path) -> Journal {
    Journal::open(&folder.join("journal"), Duration::from_secs(10), Box::new(|_| ())).unwrap()
}

fn deed() -> Deed {
    Deed { place: "host".to_owned(), certificate: String::new(), sha256: "00".to_owned(), root: None, edit: None }
}

/// A folder with one file `list`.
fn machine() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("etc")).unwrap();
    fs::write(folder.path().join("etc/list"), "theirs\n").unwrap();
    folder
}

fn done(folder: &Path) {
    let mut journal = open(folder);
    let mut deed = journal.begin(deed()).unwrap();
    deed.write(&folder.join("etc/list"), b"theirs\nours\n", 0o644).unwrap();
    deed.write(&folder.join("etc/new/deep/file"), b"ours\n", 0o600).unwrap();
    deed.link(&folder.join("etc/link"), Path::new("list")).unwrap();
    deed.finish().unwrap();
}

#[test]
fn a_deed_is_taken_back_by_the_next_process() {
    let machine = machine();
    let folder = machine.path();
    let before = Snapshot::take(&folder.join("etc/list")).unwrap();
    done(folder);
    let entries = Journal::look(&folder.join("journal")).unwrap();
    assert!(entries.len() == 1 && entries[0].complete && entries[0].paths().count() == 5);

    let mut journal = open(folder);
    let id = journal.entries()[0].id;
    let undone = journal.undo(id, &Lines).unwrap();
    assert!(undone.merged.is_empty() && undone.unclear.is_empty());
    assert_eq!(Snapshot::take(&folder.join("etc/list")).unwrap(), before);
    assert_eq!(fs::read_dir(folder.join("etc")).unwrap().count(), 1);
    assert!(journal.entries().is_empty());
    assert_eq!(fs::metadata(folder.join("journal/journal.jsonl")).unwrap().len(), 0, "nothing is left to take back");
    assert_eq!(fs::read_dir(folder.join("journal/bytes")).unwrap().count(), 0);
}

#[test]
fn what_others_changed_since_stays() {
    let machine = machine();
    let folder = machine.path();
    done(folder);
    fs::write(folder.join("etc/list"), "theirs\nours\nnew\n").unwrap();
    fs::write(folder.join("etc/new/other"), "x").unwrap();
    let mut journal = open(folder);
    let id = journal.entries()[0].id;
    let undone = journal.undo(id, &Lines).unwrap();
    assert_eq!(undone.merged, [folder.join("etc/list")]);
    assert_eq!(fs::read_to_string(folder.join("etc/list")).unwrap(), "theirs\nnew\n");
    assert!(folder.join("etc/new/other").exists() && !folder.join("etc/new/deep").exists());
}

#[test]
fn what_cannot_be_told_apart_stays_in_the_journal() {
    let machine = machine();
    let folder = machine.path();
    done(folder);
    fs::remove_file(folder.join("etc/link")).unwrap();
    std::os::unix::fs::symlink("elsewhere", folder.join("etc/link")).unwrap();
    let mut journal = open(folder);
    let id = journal.entries()[0].id;
    let undone = journal.undo(id, &Lines).unwrap();
    assert_eq!(undone.unclear, [(folder.join("etc/link"), "no text".to_owned())]);
    assert_eq!(journal.entries().len(), 1);
    fs::remove_file(folder.join("etc/link")).unwrap();
    assert!(journal.undo(id, &Lines).unwrap().unclear.is_empty());
    assert!(journal.entries().is_empty());
}

#[test]
fn a_program_s_changes_in_a_noted_folder_are_taken_back() {
    let machine = machine();
    let folder = machine.path();
    let etc = folder.join("etc");
    let mut journal = open(folder);
    let mut deed = journal.begin(deed()).unwrap();
    deed.note_tree(&etc).unwrap();
    let script = format!("cd {} && rm list && echo x >made && mkdir sub && ln -s made sub/link", etc.display());
    deed.run(Path::new("/bin/sh"), &["-c", &script]).unwrap();
    deed.finish().unwrap();
    let id = journal.entries()[0].id;
    journal.undo(id, &Lines).unwrap();
    assert_eq!(fs::read_to_string(etc.join("list")).unwrap(), "theirs\n");
    assert_eq!(fs::read_dir(&etc).unwrap().count(), 1);
}

#[test]
fn a_failing_program_is_told_and_its_deed_can_be_undone_at_once() {
    let machine = machine();
    let folder = machine.path();
    let mut journal = open(folder);
    let mut deed = journal.begin(deed()).unwrap();
    deed.write(&folder.join("etc/list"), b"theirs\nours\n", 0o644).unwrap();
    let error = deed.run(Path::new("/bin/sh"), &["-c", "echo no good >&2; exit 3"]).unwrap_err();
    assert_eq!(error.to_string(), "/bin/sh ended with exit status: 3: no good");
    assert!(deed.run(Path::new("/none/such"), &[]).unwrap_err().to_string().starts_with("/none/such cannot be run"));
    drop(deed);
    let id = journal.entries()[0].id;
    journal.undo(id, &Lines).unwrap();
    assert_eq!(fs::read_to_string(folder.join("etc/list")).unwrap(), "theirs\n");
}

#[test]
fn a_torn_last_line_is_dropped_and_a_damaged_one_is_named() {
    let machine = machine();
    let folder = machine.path();
    done(folder);
    let path = folder.join("journal/journal.jsonl");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole[..], br#"{"event":"undone","id":1,"a"#].concat()).unwrap();
    assert_eq!(open(folder).entries().len(), 1);
    assert_eq!(fs::read(&path).unwrap(), whole);
    fs::write(&path, [b"{}\n", &whole[..]].concat()).unwrap();
    let error = Journal::look(&folder.join("journal")).unwrap_err().to_string();
    assert!(error.contains("journal.jsonl, line 1:"), "{error}");
    let newer = String::from_utf8(whole).unwrap().replacen("\"v\":1", "\"v\":2", 1);
    fs::write(&path, newer).unwrap();
    assert!(Journal::look(&folder.join("journal")).unwrap_err().to_string().contains("version 2"));
}

#[test]
fn one_at_a_time_and_a_running_program_counts() {
    let machine = machine();
    let folder = machine.path();
    let mut journal = open(folder);
    let again = || Journal::open(&folder.join("journal"), Duration::ZERO, Box::new(|_| ()));
    assert!(matches!(again(), Err(JournalError::Busy { .. })));
    let mut deed = journal.begin(deed()).unwrap();
    let pid = folder.join("pid");
    // A shell gives what it starts in the background no input of ours unless told to.
    let script = format!("exec 3<&0; sleep 60 <&3 >/dev/null 2>&1 & echo $! >{}", pid.display());
    deed.run(Path::new("/bin/sh"), &["-c", &script]).unwrap();
    drop(deed);
    drop(journal);
    assert!(matches!(again(), Err(JournalError::Busy { .. })), "the program that was left running holds it");
    let pid = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert!(Journal::open(&folder.join("journal"), Duration::from_secs(10), Box::new(|_| ())).is_ok());
}

#[test]
fn a_rehearsal_changes_nothing() {
    let machine = machine();
    let mut deed = Transaction::rehearse(deed()).unwrap();
    deed.write(&machine.path().join("etc/a/b"), b"x", 0o644).unwrap();
    deed.run(Path::new("/bin/false"), &["now"]).unwrap();
    let actions = deed.finish().unwrap();
    let etc = machine.path().join("etc");
    let wanted = [Action::Folder(etc.join("a")), Action::Write(etc.join("a/b")), Action::Run("/bin/false now".into())];
    assert_eq!(actions, wanted);
    assert_eq!(fs::read_dir(etc).unwrap().count(), 1);
}
