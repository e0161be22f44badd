//! Key logs while they grow. In: secrets of both legs. Out: lines in the file at once, each with whose it is.

use std::sync::Arc;

use sidelight_model::flow::Hello;
use sidelight_model::redact::Secret;

use super::*;
use crate::capture::{Destination, Rotation};

#[test]
fn each_line_is_in_the_file_at_once_with_whose_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for (legs, lines) in [(Legs::Both, 5), (Legs::Client, 3), (Legs::Server, 2)] {
        let path = folder.path().join(format!("{legs:?}.log"));
        let to = Destination::File(path.clone());
        let file = CaptureFile::create("--keylog", to, Rotation::default(), Timestamp(0)).unwrap();
        let mut log = KeyLog::new(file, legs, Notices::none());
        let mut conn = ConnectionRecord::new(ConnId(7), Timestamp(1));
        let hello = Hello { sni: Some("a.test\n".into()), ..Hello::default() };
        conn.learn(Timestamp(1), &EventKind::Hello(Arc::new(hello)));
        let secret = |n: u8| {
            let label = if n == 0 { "CLIENT_RANDOM" } else { "CLIENT_TRAFFIC_SECRET_0" };
            Box::new(KeyLogLine { label: label.into(), client_random: [n; 32], secret: Secret::new(vec![n; 48]) })
        };
        for (leg, n) in [(Leg::Client, 0), (Leg::Client, 1), (Leg::Server, 2), (Leg::Client, 3), (Leg::Server, 4)] {
            let before = std::fs::read_to_string(&path).unwrap();
            log.event(&conn, &Event { conn: conn.id, at: Timestamp(2), kind: EventKind::Secret(leg, secret(n)) });
            let after = std::fs::read_to_string(&path).unwrap();
            assert_eq!(after.len() > before.len(), legs.has(leg));
        }
        log.end(&Ledger::default());
        let text = std::fs::read(&path).unwrap();
        let read: Vec<_> = key_log::read(&text).map(|(_, line)| line.unwrap()).collect();
        assert_eq!(read.len(), lines);
        let text = String::from_utf8(text).unwrap();
        let comments: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
        let [client, service] =
            ["client", "service"].map(|leg| format!("# connection 7, {leg} leg; SNI a.test\u{fffd}"));
        match legs {
            Legs::Both => assert_eq!(comments, [client, service]),
            Legs::Client => assert_eq!(comments, [client]),
            Legs::Server => assert_eq!(comments, [service]),
        }
    }
}
