//! Raw streams on disk. In: data, gaps, exchanges. Out: files with every byte in its place.

use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use sidelight_model::flow::{Authority, ConnId, Direction};
use sidelight_model::time::Timestamp;

use super::*;

fn conn(id: u64, target: &str) -> ConnectionRecord {
    let mut conn = ConnectionRecord::new(ConnId(id), Timestamp(1));
    conn.target = Some(Authority::parse(target, Some(443)).unwrap());
    conn
}

fn event(conn: &ConnectionRecord, kind: EventKind) -> Event {
    Event { conn: conn.id, at: Timestamp(2), kind }
}

#[test]
fn more_streams_than_open_files_and_gaps_in_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("deep/raw");
    let said = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&said);
    let notices = Notices::new(move |words| told.lock().unwrap().push(words.to_owned()));
    let mut raw = Raw::new(inner.clone(), notices).unwrap();
    let conns: Vec<_> = (1..=200).map(|id| conn(id, "a.test:443")).collect();
    for round in 0..3_u8 {
        for conn in &conns {
            let text = format!("{}:{round};", conn.id.0);
            raw.event(conn, &event(conn, EventKind::Data(Direction::ToServer, text.into())));
            if conn.id.0 == 5 {
                raw.event(conn, &event(conn, EventKind::Lost(Direction::ToServer, 3)));
            }
        }
    }
    raw.event(&conns[0], &event(&conns[0], EventKind::Data(Direction::ToClient, "back".into())));
    raw.end(&Ledger::default());
    let read = |name: &str| std::fs::read(inner.join(name)).unwrap();
    for conn in &conns {
        let text = [0, 1, 2].map(|round| format!("{}:{round};", conn.id.0)).concat();
        let wanted = if conn.id.0 == 5 { "5:0;\0\0\x005:1;\0\0\x005:2;\0\0\0".to_owned() } else { text };
        assert_eq!(read(&format!("{:06}-a.test-443.to_server", conn.id.0)), wanted.as_bytes());
    }
    assert_eq!(read("000001-a.test-443.to_client"), b"back");
    assert_eq!(std::fs::metadata(&inner).unwrap().permissions().mode() & 0o777, 0o700);
    let file = std::fs::metadata(inner.join("000001-a.test-443.to_client")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let said = said.lock().unwrap();
    assert!(said.len() == 1 && said[0].contains("9 bytes of raw streams were not kept"), "{said:?}");
}

#[test]
fn files_of_earlier_runs_stay_and_names_stay_in_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    for run in 0..3 {
        let mut raw = Raw::new(folder.path().to_owned(), Notices::none()).unwrap();
        let conn = conn(1, "[::1]:8443");
        raw.event(&conn, &event(&conn, EventKind::Data(Direction::ToServer, format!("run {run}").into())));
    }
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 3);
    assert!(names.iter().all(|name| name.starts_with("000001-") && name.ends_with(".to_server")), "{names:?}");
    assert_eq!(std::fs::read_to_string(folder.path().join(&names[1])).unwrap().len(), 5);
    assert!(
        Raw::new(folder.path().join(&names[0]), Notices::none())
            .is_err_and(|error| error.to_string().contains("folder"))
    );
}

#[test]
fn a_recording_becomes_streams_in_the_order_in_which_it_passed() {
    use sidelight_model::flow::{Body, Header, HttpVersion, Outcome, Request, RequestTarget, Timings};
    let exchange = |stream: u64, length: u64| Exchange {
        conn: ConnId(1),
        stream,
        version: HttpVersion::Http11,
        request: Some(Request {
            method: "POST".into(),
            target: RequestTarget { raw: format!("/{stream}").into(), ..RequestTarget::default() },
            headers: vec![Header::new("Content-Length", length.to_string())],
            trailers: Vec::new(),
            body: Body { length, kept: "ab".into(), ..Body::default() },
        }),
        interim: Vec::new(),
        response: None,
        timings: Timings { request_start: Timestamp(stream as i64), ..Timings::default() },
        outcome: Outcome::Complete,
        anomalies: Vec::new(),
        grpc: None,
        pushed: false,
    };
    let folder = tempfile::tempdir().unwrap();
    let mut raw = from_messages(folder.path().to_owned(), Notices::none()).unwrap();
    let conn = conn(1, "a.test:443");
    raw.exchange(&conn, &Arc::new(exchange(2, 2)));
    raw.exchange(&conn, &Arc::new(exchange(1, 4)));
    raw.closed(&conn);
    raw.end(&Ledger::default());
    let wanted = "POST /1 HTTP/1.1\r\nContent-Length: 4\r\n\r\nab\0\0POST /2 HTTP/1.1\r\nContent-Length: 2\r\n\r\nab";
    assert_eq!(std::fs::read_to_string(folder.path().join("000001-a.test-443.to_server")).unwrap(), wanted);
}
