//! Recordings of every schema that was ever released open, and are gone on with. The fixtures were written by the programs of their
//! time, with `make_the_fixture_of_this_version`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sidelight_model::finding::{Cause, Finding};
use sidelight_model::flow::{Decoded, Direction, WebSocketKind, WebSocketMessage};
use sidelight_model::time::Timestamp;
use sidelight_sink::bus::Consumer;
use sidelight_sink::store::{FlowId, Query, Recording};

use crate::calls::{Calls, recorder};
use crate::traffic::{connection, exchange, flows, ids};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/versions")
}

fn story(to: &mut dyn Consumer) {
    flows(to, 1, 2);
    let conn = connection(3, "b.test:443");
    to.exchange(&conn, &Arc::new(exchange(3, 1, "/large", &[b'x'; 70_000])));
    let message = WebSocketMessage {
        stream: 1,
        direction: Direction::ToClient,
        at: Timestamp(1_795_348_800_000_123),
        kind: WebSocketKind::Close(Some(1000), "done".into()),
        length: 6,
        kept: (&b"\x03\xe8done"[..]).into(),
        frames: 1,
        compressed: false,
    };
    to.decoded(&conn, &Decoded::WebSocket(message));
    to.finding(&conn, &Finding::new(Cause::CertExpired, "expired", "certificate", "b.test", "yesterday"));
}

#[test]
#[ignore = "writes the fixture of the current schema, when that is new"]
fn make_the_fixture_of_this_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.sidelight");
    let mut it = recorder(&path);
    story(&mut it);
    drop(it);
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("UPDATE session SET host = 'host', command = '[\"sidelight\"]'; VACUUM").unwrap();
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    drop(db);
    let packed = zstd::bulk::compress(&std::fs::read(&path).unwrap(), 19).unwrap();
    std::fs::create_dir_all(fixtures()).unwrap();
    std::fs::write(fixtures().join(format!("{version}.sidelight.zst")), packed).unwrap();
}

#[test]
fn recordings_of_every_version_open_and_go_on() {
    let mut expected = Calls::default();
    story(&mut expected);
    let mut expected = expected.take();
    expected.retain(|call| !matches!(call, crate::calls::Call::Opened(_)));
    let mut seen = 0;
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let packed = std::fs::read(entry.unwrap().path()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.sidelight");
        std::fs::write(&path, zstd::bulk::decompress(&packed, 16 << 20).unwrap()).unwrap();
        let told = |path: &Path| {
            let told = Calls::default();
            Recording::open(path).unwrap().replay(&Query::default(), &mut [Box::new(told.clone())]).unwrap();
            let mut told = told.take();
            told.retain(|call| !matches!(call, crate::calls::Call::Opened(_)));
            told
        };
        assert_eq!(told(&path), expected);
        let mut it = recorder(&path);
        flows(&mut it, 1, 1);
        drop(it);
        let recording = Recording::open(&path).unwrap();
        assert_eq!(ids(&recording), [1, 2, 3, 4]);
        assert_eq!(recording.flow(FlowId(4)).unwrap().unwrap().conn.id.0, 4);
        assert_eq!(told(&path)[..expected.len()], expected);
        seen += 1;
    }
    assert_eq!(seen, 2, "one fixture a version");
}
