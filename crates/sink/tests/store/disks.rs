//! What disks do: processes killed while they write, disks that are full, read-only, locked, or gone. Parts that need a process or
//! a mount namespace of their own run in this test program again, by name.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sidelight_model::flow::ConnId;
use sidelight_sink::bus::Consumer;
use sidelight_sink::notice::Notices;
use sidelight_sink::store::{FlowId, Query, Recorder, Recording, StoreOptions};

use crate::calls::{options, recorder};
use crate::traffic::{connection, exchange, flows, ids};

/// Where a part that runs in a process of its own works.
const FOLDER: &str = "SIDELIGHT_TEST_FOLDER";
/// How long anything may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(90);

fn folder() -> PathBuf {
    std::env::var_os(FOLDER).expect("only run by another test").into()
}

/// This program again, for one part.
fn part(name: &str) -> Vec<String> {
    let program = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    [&program, "--exact", name, "--ignored", "--nocapture", "--test-threads=1"].map(str::to_owned).to_vec()
}

/// Runs a part in a mount namespace of its own, with a tmpfs of this size in the folder.
fn in_small_tmpfs(name: &str, size: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mounted = format!("mount -t tmpfs -o size={size},mode=700 none \"${FOLDER}\" && exec \"$@\"");
    let mut child = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &mounted, "sh"])
        .args(part(name))
        .env(FOLDER, folder.path())
        .spawn()
        .expect("unshare");
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                child.kill().ok();
                child.wait().ok();
                panic!("{name} hangs");
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    assert!(status.success(), "{name}: {status}");
}

/// Sentences that a recorder said.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    fn notices(&self) -> Notices {
        let said = Arc::clone(&self.0);
        Notices::new(move |words| said.lock().unwrap().push(words.to_owned()))
    }

    fn has(&self, part: &str) -> bool {
        self.0.lock().unwrap().iter().any(|words| words.contains(part))
    }

    fn all(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

/// Waits until it holds; `idle` is called meanwhile, as the bus does.
fn until(what: &str, said: &Said, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}\n{}", said.all());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Content that does not compress.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// One flow with so much content.
fn large(to: &mut dyn Consumer, number: u64, length: usize) {
    to.exchange(&connection(number, "a.test:443"), &Arc::new(exchange(number, 1, "/large", &noise(number, length))));
}

fn lost(recording: &Recording) -> u64 {
    recording.info().unwrap().losses.iter().map(|loss| loss.flows).sum()
}

#[test]
#[ignore = "run by a_killed_recorder_leaves_a_recording"]
fn part_records_until_it_is_killed() {
    let mut it = recorder(&folder().join("r.sidelight"));
    let mut out = std::io::stdout();
    for number in 1.. {
        flows(&mut it, number, 1);
        large(&mut it, 1_000_000 + number, 3_000);
        it.idle();
        writeln!(out, "\nflows {}", number * 2).unwrap();
        out.flush().unwrap();
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Lines with their moments; kills the child when it is dropped.
struct Watched {
    child: Child,
    lines: Arc<Mutex<Vec<(Instant, u64)>>>,
}

impl Watched {
    fn start(folder: &Path) -> Self {
        let command = part("disks::part_records_until_it_is_killed");
        let mut child =
            Command::new(&command[0]).args(&command[1..]).env(FOLDER, folder).stdout(Stdio::piped()).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (out, kept) = (BufReader::new(child.stdout.take().unwrap()), Arc::clone(&lines));
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Some(count) = line.strip_prefix("flows ").and_then(|it| it.parse().ok()) {
                    kept.lock().unwrap().push((Instant::now(), count));
                }
            }
        });
        Self { child, lines }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn a_killed_recorder_leaves_a_recording() {
    for round in 0..4_u64 {
        let folder = tempfile::tempdir().unwrap();
        let watched = Watched::start(folder.path());
        let said = Said::default();
        until("flows", &said, || watched.lines.lock().unwrap().last().is_some_and(|(_, count)| *count > 100));
        std::thread::sleep(Duration::from_millis(3_300 + round * 137));
        let lines = Arc::clone(&watched.lines);
        // What was told three seconds ago must be there, on however slow a machine; a commit is due after half a second.
        let long_ago = Instant::now() - Duration::from_secs(3);
        drop(watched);
        let due = lines.lock().unwrap().iter().filter(|(at, _)| *at < long_ago).map(|(_, count)| *count).max().unwrap();
        let path = folder.path().join("r.sidelight");
        let recording = Recording::open(&path).unwrap();
        let there = ids(&recording);
        assert!(there.len() as u64 >= due, "{} of {due}", there.len());
        assert_eq!(there, (1..=there.len() as u64).collect::<Vec<_>>());
        let last = recording.flow(FlowId(there.len() as u64)).unwrap().unwrap();
        assert!(last.exchange.unwrap().response.is_some());
        drop(recording);
        // Recording goes on in it.
        let mut it = recorder(&path);
        flows(&mut it, 1, 1);
        drop(it);
        let recording = Recording::open(&path).unwrap();
        assert_eq!(ids(&recording).len(), there.len() + 1);
        let sessions = recording.info().unwrap().sessions;
        assert_eq!(sessions.iter().map(|it| it.ended.is_some()).collect::<Vec<_>>(), [false, true]);
    }
}

#[test]
fn a_full_disk_loses_what_it_says() {
    in_small_tmpfs("disks::part_full_disk", "4m");
}

#[test]
#[ignore = "run by a_full_disk_loses_what_it_says"]
fn part_full_disk() {
    let (folder, said) = (folder(), Said::default());
    let path = folder.join("r.sidelight");
    std::fs::write(folder.join("filler"), vec![0; 2 << 20]).unwrap();
    let mut it = Recorder::create(StoreOptions { notices: said.notices(), ..options(&path) }).unwrap();
    let mut sent = 0;
    let mut send = |it: &mut Recorder| {
        sent += 1;
        large(it, sent, 20_000);
    };
    until("the disk is full", &said, || {
        send(&mut it);
        said.has("cannot record: the disk is full")
    });
    (0..50).for_each(|_| send(&mut it));
    std::fs::remove_file(folder.join("filler")).unwrap();
    until("recording again", &said, || {
        send(&mut it);
        said.has("recording again")
    });
    (0..5).for_each(|_| send(&mut it));
    drop(it);
    let recording = Recording::open(&path).unwrap();
    let there = ids(&recording).len() as u64;
    assert!(there > 5 && lost(&recording) >= 50, "{there} {}", lost(&recording));
    assert_eq!(there + lost(&recording), sent, "{}", said.all());
    let loss = &recording.info().unwrap().losses[0];
    assert_eq!(loss.what, "store");
    assert!(loss.reason.contains("the disk is full"), "{}", loss.reason);
    assert!(loss.since <= loss.until && loss.bytes >= loss.flows * 20_000, "{loss:?}");
}

fn mount(arguments: &[&str]) {
    assert!(Command::new("mount").args(arguments).status().unwrap().success(), "{arguments:?}");
}

#[test]
fn a_disk_that_becomes_read_only_loses_what_it_says() {
    in_small_tmpfs("disks::part_read_only", "8m");
}

#[test]
#[ignore = "run by a_disk_that_becomes_read_only_loses_what_it_says"]
fn part_read_only() {
    let said = Said::default();
    let disk = folder().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let path = disk.join("r.sidelight");
    let mut it = Recorder::create(StoreOptions { notices: said.notices(), ..options(&path) }).unwrap();
    flows(&mut it, 1, 10);
    until("written", &said, || ids(&Recording::open(&path).unwrap()).len() == 10);
    // A file system with open files is not remounted read-only; mounting over it is what can be done to it.
    mount(&["-t", "tmpfs", "-o", "ro", "none", disk.to_str().unwrap()]);
    let mut sent = 10;
    until("the file is gone", &said, || {
        sent += 1;
        flows(&mut it, sent, 1);
        said.has("the file is gone")
    });
    flows(&mut it, sent + 1, 20);
    sent += 20;
    assert!(Command::new("umount").arg(&disk).status().unwrap().success());
    until("recording again", &said, || {
        sent += 1;
        flows(&mut it, sent, 1);
        said.has("recording again")
    });
    flows(&mut it, sent + 1, 3);
    sent += 3;
    drop(it);
    let recording = Recording::open(&path).unwrap();
    assert!(lost(&recording) >= 21, "{}", said.all());
    assert_eq!(ids(&recording).len() as u64 + lost(&recording), sent, "{}", said.all());
}

#[test]
fn recordings_open_on_a_read_only_disk() {
    in_small_tmpfs("disks::part_reads_read_only", "16m");
}

#[test]
#[ignore = "run by recordings_open_on_a_read_only_disk"]
fn part_reads_read_only() {
    let folder = folder();
    let (made, shown) = (folder.join("made"), folder.join("shown"));
    std::fs::create_dir(&made).unwrap();
    std::fs::create_dir(&shown).unwrap();
    let mut it = recorder(&made.join("whole.sidelight"));
    flows(&mut it, 1, 7);
    drop(it);
    // A recorder that is killed leaves its log beside the file.
    let killed = made.join("r.sidelight");
    let said = Said::default();
    let watched = Watched::start(&made);
    until("flows", &said, || killed.exists() && Recording::open(&killed).is_ok_and(|it| ids(&it).len() > 20));
    drop(watched);
    let there = {
        let copy = folder.join("copy");
        std::fs::create_dir(&copy).unwrap();
        for name in ["r.sidelight", "r.sidelight-wal"] {
            std::fs::copy(made.join(name), copy.join(name)).unwrap();
        }
        ids(&Recording::open(&copy.join("r.sidelight")).unwrap())
    };
    std::fs::remove_file(made.join("r.sidelight-shm")).ok();
    mount(&["--bind", made.to_str().unwrap(), shown.to_str().unwrap()]);
    mount(&["-o", "remount,bind,ro", shown.to_str().unwrap()]);

    let whole = Recording::open(&shown.join("whole.sidelight")).unwrap();
    assert_eq!(ids(&whole).len(), 7);
    let recording = Recording::open(&shown.join("r.sidelight")).unwrap();
    assert_eq!(ids(&recording), there, "{:?}", recording.caveat());
    assert!(recording.caveat().is_some_and(|it| it.contains("read-only")));
    let refused = Recorder::create(options(&shown.join("new.sidelight"))).err().unwrap().to_string();
    assert!(refused.contains("Read-only file system"), "{refused}");
}

#[test]
fn a_locked_file_makes_recording_wait_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, said) = (folder.path().join("r.sidelight"), Said::default());
    let mut it = Recorder::create(StoreOptions { notices: said.notices(), ..options(&path) }).unwrap();
    flows(&mut it, 1, 1);
    until("written", &said, || ids(&Recording::open(&path).unwrap()).len() == 1);
    let locker = rusqlite::Connection::open(&path).unwrap();
    locker.execute_batch("BEGIN IMMEDIATE").unwrap();

    // 60 MiB are more than the queue takes, so the calls wait; nobody else does.
    let sent = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sent);
    let sender = std::thread::spawn(move || {
        for number in 2..=1_000 {
            large(&mut it, number, 60_000);
            counted.store(number, Ordering::Relaxed);
        }
        drop(it);
    });
    until("the lock is spoken of", &said, || said.has("another program holds a lock"));
    let waiting = sent.load(Ordering::Relaxed);
    assert!(waiting > 100 && waiting < 700, "{waiting}");
    assert_eq!(ids(&Recording::open(&path).unwrap()).len(), 1);
    locker.execute_batch("COMMIT").unwrap();
    sender.join().unwrap();
    let recording = Recording::open(&path).unwrap();
    assert_eq!((ids(&recording).len(), lost(&recording)), (1_000, 0));
}

#[test]
fn a_removed_file_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (path, said) = (folder.path().join("r.sidelight"), Said::default());
    let mut it = Recorder::create(StoreOptions { notices: said.notices(), ..options(&path) }).unwrap();
    flows(&mut it, 1, 10);
    until("written", &said, || ids(&Recording::open(&path).unwrap()).len() == 10);
    for name in ["r.sidelight", "r.sidelight-wal", "r.sidelight-shm"] {
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }
    flows(&mut it, 11, 5);
    drop(it);
    assert!(said.has("the file is gone, with 10 flows"), "{}", said.all());
    let recording = Recording::open(&path).unwrap();
    assert_eq!(ids(&recording), (11..=15).collect::<Vec<_>>());
    assert_eq!(lost(&recording), 10);
    let first = recording.flow(FlowId(11)).unwrap().unwrap();
    assert_eq!(first.conn.id, ConnId(11));
    recording.replay(&Query::default(), &mut []).unwrap();
}
