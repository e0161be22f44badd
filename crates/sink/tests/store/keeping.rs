//! Files that are kept at a size, or follow each other; and packets.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sidelight_model::filter::Filter;
use sidelight_model::flow::{ConnId, ConnectionRecord, Direction, Ends, Event, EventKind, KeyLogLine, Leg, WireEnd};
use sidelight_model::redact::Secret;
use sidelight_model::time::Timestamp;
use sidelight_sink::bus::Consumer;
use sidelight_sink::ledger::Ledger;
use sidelight_sink::store::{FlowId, Query, Recorder, Recording, Rotation, StoreOptions};

use crate::calls::{Call, Calls, options};
use crate::traffic::{closed, connection, exchange, flows, ids, size};

#[test]
fn a_ring_keeps_the_newest_within_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.sidelight");
    let most = 2 << 20;
    let mut it = Recorder::create(StoreOptions { ring: Some(most), ..options(&path) }).unwrap();
    for conn in 1..=600_u64 {
        let mut record = connection(conn, "ring.test:443");
        // Bodies that do not compress, some of them the same.
        let mut state = conn / 2 + 1;
        let body: Vec<u8> = (0..20_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        it.exchange(&record, &Arc::new(exchange(conn, 1, "/blob", &body)));
        record.closed = Some((record.latest, closed()));
        it.closed(&record);
        if conn % 50 == 0 {
            it.idle();
        }
    }
    drop(it);
    assert!(size(&path) <= most + most / 2, "{}", size(&path));
    let recording = Recording::open(&path).unwrap();
    let kept = ids(&recording);
    assert_eq!(kept.last(), Some(&600));
    assert!(kept.len() > 40 && kept.len() < 300, "{}", kept.len());
    assert!(kept.windows(2).all(|pair| pair[1] == pair[0] + 1), "the newest, without gaps");
    for id in &kept {
        let flow = recording.flow(FlowId(*id)).unwrap().unwrap();
        assert_eq!(flow.exchange.unwrap().response.unwrap().body.kept.len(), 20_000);
    }
    // Nothing is left of what went.
    let db = rusqlite::Connection::open(&path).unwrap();
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM exchange"), kept.len() as i64);
    assert!(count("SELECT count(*) FROM connection") <= kept.len() as i64 + 1);
    let used = "SELECT count(*) FROM chunk WHERE id NOT IN (SELECT value FROM body, json_each(body.chunks))";
    assert_eq!(count(used), 0);
    assert_eq!(
        count(
            "SELECT count(*) FROM chunk WHERE refs <> (SELECT count(*) FROM body, json_each(body.chunks) WHERE value = chunk.id)"
        ),
        0
    );
    assert_eq!(db.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
}

#[test]
fn files_follow_each_other_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.sidelight");
    let rotation = Rotation { size: Some(300_000), time: None, keep: Some(3) };
    let mut it = Recorder::create(StoreOptions { rotation, ..options(&path) }).unwrap();
    for round in 0..12_u64 {
        flows(&mut it, round * 400 + 1, 400);
        it.idle();
        std::thread::sleep(Duration::from_millis(600));
    }
    drop(it);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(!path.exists());
    let mut all = Vec::new();
    for (n, file) in files.iter().enumerate() {
        let recording = Recording::open(file).unwrap();
        all.extend(ids(&recording));
        assert_eq!(recording.info().unwrap().continued_in.as_ref(), files.get(n + 1));
    }
    assert_eq!(all.last(), Some(&4800));
    assert!(all.windows(2).all(|pair| pair[1] == pair[0] + 1), "flows go on counting");
}

#[test]
fn names_are_expanded_by_the_time() {
    let folder = tempfile::tempdir().unwrap();
    let pattern = folder.path().join("%Y/r-%H%M%S.sidelight");
    let rotation = Rotation { time: Some(Duration::from_secs(1)), ..Rotation::default() };
    let mut it = Recorder::create(StoreOptions { rotation, ..options(&pattern) }).unwrap();
    let path = it.path().to_owned();
    for round in 0..3 {
        flows(&mut it, round * 2 + 1, 2);
        it.idle();
        std::thread::sleep(Duration::from_millis(1_700));
    }
    drop(it);
    assert!(path.is_file() && !path.to_str().unwrap().contains('%'), "{}", path.display());
    let mut files = vec![path];
    while let Some(next) = Recording::open(&files[files.len() - 1]).unwrap().info().unwrap().continued_in {
        files.push(next);
    }
    let all: Vec<u64> = files.iter().flat_map(|file| ids(&Recording::open(file).unwrap())).collect();
    assert!(files.len() > 1 && all == [1, 2, 3, 4, 5, 6], "{files:?} {all:?}");
}

#[test]
fn sockets_and_secrets_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.sidelight");
    let mut it = Recorder::create(StoreOptions { packets: true, ..options(&path) }).unwrap();
    let mut record = connection(1, "a.test:443");
    let ends = Ends { from: "[fe80::1%3]:40000".parse().unwrap(), to: "192.0.2.1:443".parse().unwrap() };
    let line = KeyLogLine {
        label: "CLIENT_TRAFFIC_SECRET_0".into(),
        client_random: [7; 32],
        secret: Secret::new(vec![9; 48]),
    };
    let kinds = [
        EventKind::Socket(Leg::Client, ends),
        EventKind::Secret(Leg::Client, Box::new(line)),
        EventKind::Wire(Leg::Client, Direction::ToServer, vec![1; 300_000].into()),
        EventKind::Wire(Leg::Server, Direction::ToClient, (&b"two"[..]).into()),
        EventKind::WireLost(Leg::Server, Direction::ToServer, u64::MAX),
        EventKind::WireEnd(Leg::Client, Direction::ToClient, WireEnd::Reset),
        EventKind::WireEnd(Leg::Server, Direction::ToServer, WireEnd::Fin),
    ];
    let events: Vec<Event> = kinds
        .into_iter()
        .enumerate()
        .map(|(n, kind)| Event { conn: ConnId(1), at: Timestamp(-5 + n as i64), kind })
        .collect();
    events.iter().for_each(|event| it.event(&record, event));
    it.event(&record, &Event { conn: ConnId(2), ..events[3].clone() });
    record.closed = Some((record.latest, closed()));
    it.closed(&record);
    drop(it);

    let recording = Recording::open(&path).unwrap();
    assert!(recording.info().unwrap().packets);
    let told = |filter: Option<&str>| {
        let told = Calls::default();
        let query = Query { filter: filter.map(|it| Filter::parse(it).unwrap()), ..Query::default() };
        recording.replay_packets(&query, &mut [Box::new(told.clone())]).unwrap();
        let events = told.take().into_iter().filter_map(|call| match call {
            Call::Event(words) => Some(words),
            _ => None,
        });
        events.collect::<Vec<_>>()
    };
    let expected: Vec<String> = events.iter().map(|event| format!("1 {event:?}")).collect();
    assert_eq!(told(Some("~id 1")), expected);
    assert_eq!(told(None).len(), 8);
    assert!(told(Some("!~all")).is_empty());
    // Secrets are there as they are, though they print as fingerprints.
    let secrets = Arc::new(Mutex::new(Vec::new()));
    struct Take(Arc<Mutex<Vec<Vec<u8>>>>);
    impl Consumer for Take {
        fn event(&mut self, _: &ConnectionRecord, event: &Event) {
            if let EventKind::Secret(_, line) = &event.kind {
                self.0.lock().unwrap().push(line.secret.reveal().clone());
            }
        }
        fn exchange(&mut self, _: &ConnectionRecord, _: &Arc<sidelight_model::flow::Exchange>) {}
        fn decoded(&mut self, _: &ConnectionRecord, _: &sidelight_model::flow::Decoded) {}
        fn finding(&mut self, _: &ConnectionRecord, _: &sidelight_model::finding::Finding) {}
        fn end(&mut self, _: &Ledger) {}
    }
    recording.replay_packets(&Query::default(), &mut [Box::new(Take(Arc::clone(&secrets)))]).unwrap();
    assert_eq!(*secrets.lock().unwrap(), [vec![9; 48]]);
}
