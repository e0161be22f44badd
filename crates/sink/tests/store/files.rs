//! Files as they come: foreign, newer, empty, missing, damaged, several in a row, kept at a size.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sidelight_model::filter::Filter;
use sidelight_model::flow::{ConnId, ConnectionRecord, Direction, Event, EventKind};
use sidelight_model::time::Timestamp;
use sidelight_sink::bus::Consumer;
use sidelight_sink::store::{FlowId, Query, Recorder, Recording, StoreError};

use crate::calls::{Calls, options, recorder};
use crate::traffic::{connection, exchange, flows, ids, size};

fn message(error: StoreError) -> String {
    error.to_string()
}

#[test]
fn what_is_no_recording_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let other = folder.path().join("other.db");
    rusqlite::Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let cases = [
        (
            file("c.pcapng", b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a and so on for a while, longer than a head"),
            "a pcapng capture",
        ),
        (file("c.har", b"{\"log\": {\"version\": \"1.2\", \"entries\": []}}"), "a HAR file"),
        (file("c.txt", b"just some words in a file"), "a text file"),
        (other, "an SQLite database of another program"),
    ];
    for (path, is) in cases {
        let before = std::fs::read(&path).unwrap();
        let read = message(Recording::open(&path).unwrap_err());
        let written = message(Recorder::create(options(&path)).err().unwrap());
        for words in [read, written] {
            assert!(words.contains(is) && words.contains(path.to_str().unwrap()), "{words}");
            assert!(words.contains("flows import"), "{words}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), before, "{} was changed", path.display());
    }
    let empty = file("empty", b"");
    assert!(message(Recording::open(&empty).unwrap_err()).contains("an empty file"));
    let missing = folder.path().join("missing");
    assert!(matches!(Recording::open(&missing), Err(StoreError::Missing(_))));
    assert!(message(Recording::open(folder.path()).unwrap_err()).contains("a folder"));
    assert!(message(Recorder::create(options(folder.path())).err().unwrap()).contains("a folder"));
    let nowhere = folder.path().join("none/r.sidelight");
    assert!(message(Recorder::create(options(&nowhere)).err().unwrap()).contains("mkdir -p"));
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&empty, &link).unwrap();
    assert!(message(Recorder::create(options(&link)).err().unwrap()).contains("symbolic link"));
}

#[test]
fn an_empty_file_that_is_there_is_taken_and_files_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.sidelight");
    let mut recorder = recorder(&path);
    flows(&mut recorder, 1, 3);
    recorder.idle();
    let deadline = Instant::now() + Duration::from_secs(20);
    while ids(&Recording::open(&path).unwrap()).len() < 3 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    for name in ["r.sidelight", "r.sidelight-wal", "r.sidelight-shm"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    drop(recorder);
    // In the end there is one plain file.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_newer_recording_is_refused_with_its_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.sidelight");
    drop(recorder(&path));
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    for words in
        [message(Recording::open(&path).unwrap_err()), message(Recorder::create(options(&path)).err().unwrap())]
    {
        assert!(words.contains("newer sidelight") && words.contains("99"), "{words}");
    }
}

#[test]
fn a_damaged_recording_says_so_and_how_to_save_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.sidelight");
    let mut it = recorder(&path);
    flows(&mut it, 1, 500);
    drop(it);
    let mut bytes = std::fs::read(&path).unwrap();
    let from = bytes.len() / 4;
    for byte in &mut bytes[from..] {
        *byte = 0xaa;
    }
    std::fs::write(&path, &bytes).unwrap();
    let words = match Recording::open(&path) {
        Err(error) => message(error),
        Ok(recording) => message(recording.rows(&Query::default(), &mut |_| true).unwrap_err()),
    };
    assert!(words.contains("damaged") && words.contains(".recover"), "{words}");
}

#[test]
fn a_file_that_stays_locked_is_told_from_a_damaged_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.sidelight");
    let mut it = recorder(&path);
    flows(&mut it, 1, 3);
    drop(it);
    let locker = rusqlite::Connection::open(&path).unwrap();
    locker.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let words = message(Recording::open(&path).unwrap_err());
    assert!(words.contains("locked by another program"), "{words}");
    locker.execute_batch("ROLLBACK").unwrap();
    assert_eq!(ids(&Recording::open(&path).unwrap()).len(), 3);
}

#[test]
fn connections_that_are_open_count_in_a_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.sidelight");
    let mut it = recorder(&path);
    flows(&mut it, 1, 2);
    it.exchange(&connection(3, "a.test:443"), &Arc::new(exchange(3, 1, "/x", b"")));
    drop(it);
    let ledger = Recording::open(&path).unwrap().replay(&Query::default(), &mut []).unwrap();
    assert_eq!(ledger.seen, 3);
}

#[test]
fn recording_goes_on_in_a_file_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.sidelight");
    for run in 0..3 {
        let mut it = recorder(&path);
        assert!(matches!(Recorder::create(options(&path)).err(), Some(StoreError::Busy(_))), "in run {run}");
        flows(&mut it, 1, 4);
        drop(it);
    }
    let recording = Recording::open(&path).unwrap();
    assert_eq!(ids(&recording), (1..=12).collect::<Vec<_>>());
    let info = recording.info().unwrap();
    assert_eq!((info.sessions.len(), info.connections, info.exchanges), (3, 12, 12));
    assert!(info.sessions.iter().all(|session| session.ended.is_some()));
    let conns: Vec<u64> = (1..=12).map(|id| recording.flow(FlowId(id)).unwrap().unwrap().conn.id.0).collect();
    assert_eq!(conns, (1..=12).collect::<Vec<_>>());
}

#[test]
fn a_growing_recording_is_seen_growing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.sidelight");
    let mut it = recorder(&path);
    let recording = Recording::open(&path).unwrap();
    let mut seen = 0;
    for round in 1..=3_u64 {
        flows(&mut it, round * 10, 2);
        // A connection that is open, and has no flow yet.
        it.opened(&connection(round + 1000, "open.test:443"));
        it.idle();
        let deadline = Instant::now() + Duration::from_secs(20);
        while ids(&recording).len() as u64 != round * 2 {
            assert!(Instant::now() < deadline, "round {round} is not seen");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(recording.changed());
        let after = Query { after: Some(FlowId(seen)), ..Query::default() };
        recording
            .rows(&after, &mut |row| {
                seen = row.id.0;
                true
            })
            .unwrap();
        assert_eq!(seen, round * 2);
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while recording.info().unwrap().connections != 9 {
        assert!(Instant::now() < deadline, "open connections are not seen");
        std::thread::sleep(Duration::from_millis(20));
    }
    recording.changed();
    assert!(!recording.changed());
}

#[test]
fn what_passed_unseen_is_in_the_recording() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.sidelight");
    let mut it = recorder(&path);
    let record = connection(1, "a.test:443");
    let event = |at: i64, kind| Event { conn: ConnId(1), at: Timestamp(at), kind };
    it.event(&ConnectionRecord::default(), &event(5, EventKind::Shed(3)));
    it.event(&record, &event(7, EventKind::Lost(Direction::ToClient, 1000)));
    it.event(&record, &event(9, EventKind::Lost(Direction::ToServer, 24)));
    drop(it);
    let recording = Recording::open(&path).unwrap();
    let losses = recording.info().unwrap().losses;
    let [loss] = losses.as_slice() else { panic!("{losses:?}") };
    assert_eq!((loss.what.as_str(), loss.connections, loss.bytes), ("sinks", 3, 1024));
    assert_eq!((loss.since, loss.until), (Timestamp(5), Timestamp(9)));
    assert_eq!(recording.replay(&Query::default(), &mut []).unwrap().shed, 3);
}

#[test]
fn a_blob_that_passes_twice_is_kept_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.sidelight");
    let blob: Vec<u8> = (0..300_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let mut it = recorder(&path);
    for conn in 1..=5 {
        // The last one was cut.
        let length = if conn == 5 { 1_000_000 } else { blob.len() };
        it.exchange(&connection(conn, "r.test:443"), &Arc::new(exchange(conn, 1, "/blob", &blob[..length])));
    }
    drop(it);
    assert!(size(&path) < 2 * blob.len() as u64, "{}", size(&path));
    let recording = Recording::open(&path).unwrap();
    let fifth = recording.flow(FlowId(5)).unwrap().unwrap().exchange.unwrap().response.unwrap().body;
    assert_eq!(fifth.kept, blob[..1_000_000]);
}

#[test]
fn ordinary_sqlite3_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.sidelight");
    let mut it = recorder(&path);
    flows(&mut it, 1, 2);
    drop(it);
    let output = std::process::Command::new("sqlite3")
        .arg(&path)
        .arg("SELECT id, method, url, status, media_type FROM flows; PRAGMA integrity_check;")
        .output()
        .expect("sqlite3, which `cargo xtask setup` installs");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text,
        "1|GET|https://a.test/x|200|text/plain\n2|GET|https://a.test/x|200|text/plain\nok\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damage_anywhere_is_an_error_and_nothing_else(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("r.sidelight");
            let mut it = recorder(&path);
            flows(&mut it, 1, 40);
            it.exchange(&connection(90, "b.test:443"), &Arc::new(exchange(90, 1, "/y", &[7; 100_000])));
            drop(it);
            std::fs::read(path).unwrap()
        });
        let mut bytes = WHOLE.clone();
        for (place, byte) in places {
            *place.get_mut(&mut bytes) = byte;
        }
        bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(bytes.len())));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.sidelight");
        std::fs::write(&path, bytes).unwrap();
        let Ok(recording) = Recording::open(&path) else { return Ok(()) };
        recording.info().ok();
        for filter in [None, Some("~d a & ~t text"), Some("~b text | ~h x")] {
            let query = Query { filter: filter.map(|it| Filter::parse(it).unwrap()), ..Query::default() };
            recording.rows(&query, &mut |row| recording.flow(row.id).is_ok()).ok();
            recording.replay_packets(&query, &mut [Box::new(Calls::default())]).ok();
        }
    }
}
