//! Captures that are damaged, cut, mixed up, packed, or of other formats.

use std::process::Command;

use sidelight_testkit::origin::body;
use sidelight_testkit::process::run;
use sidelight_testkit::sha256;

use crate::stage::{self, Stage};

const PATH: &str = "/bytes/60000";

/// A short conversation, captured.
fn captured() -> Stage {
    let mut stage = Stage::new(&[]);
    let origin = stage.origin("127.0.0.1:0", &["http/1.1"]);
    run(&mut stage.curl(&[&format!("https://origin.test:{}{PATH}", origin.address().port())])).success();
    stage.stop();
    stage
}

#[track_caller]
fn is_whole(imported: &stage::Imported) {
    let (_, exchange) = imported.exchange(PATH);
    assert_eq!(sha256(&exchange.response.as_ref().unwrap().body.kept), sha256(body(0, 60_000)));
}

#[test]
fn secrets_inside_other_formats_and_packed() {
    let stage = captured();
    let tool = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        run(command.args(arguments).current_dir(stage.folder.path())).success();
    };
    tool("editcap", &["--inject-secrets", "tls,keys", "capture", "inside.pcapng"]);
    tool("editcap", &["-F", "nsecpcap", "capture", "nano.pcap"]);
    tool("gzip", &["-k", "inside.pcapng"]);
    tool("zstd", &["-q", "inside.pcapng"]);
    for file in ["inside.pcapng", "inside.pcapng.gz", "inside.pcapng.zst"] {
        let imported = stage::import(&stage.path(file), &[]);
        is_whole(&imported);
        assert!(imported.report.damage.is_empty());
    }
    is_whole(&stage::import(&stage.path("nano.pcap"), &[stage.path("keys")]));
    // Times are those of the packets.
    let by_tshark = {
        let mut command = Command::new("tshark");
        command.args(["-r", "capture", "-T", "fields", "-e", "frame.time_epoch", "-c", "1"]);
        run(command.current_dir(stage.folder.path())).success().text()
    };
    let imported = stage::import(&stage.path("capture"), &[stage.path("keys")]);
    let micros: i64 = by_tshark.trim().replace('.', "")[..16].parse().unwrap();
    assert_eq!(imported.heard.closed[0].since.0, micros);
}

/// Offsets of the packets of a classic capture, and of its end.
fn records(capture: &[u8]) -> Vec<usize> {
    let mut at = 24;
    let mut records = vec![at];
    while at < capture.len() {
        at += 16 + u32::from_le_bytes(capture[at + 8..at + 12].try_into().unwrap()) as usize;
        records.push(at);
    }
    records
}

#[test]
fn a_cut_capture_is_read_as_far_as_it_goes() {
    let stage = captured();
    let capture = std::fs::read(stage.path("capture")).unwrap();
    let keys = [stage.path("keys")];
    let records = records(&capture);
    let mut bodies = Vec::new();
    for pair in records.windows(2).skip(1) {
        for cut in [pair[0], pair[0] + 1, pair[0] + 15, pair[0] + 16, pair[0] + 17, pair[1] - 1] {
            let imported = stage::import_bytes(&capture[..cut], &keys).unwrap();
            let damage = &imported.report.damage;
            assert_eq!(damage.len(), usize::from(cut != pair[0]), "cut at {cut}: {damage:?}");
            assert!(damage.iter().all(|it| it.offset == pair[0] as u64 && it.what.contains("cut here")), "{damage:?}");
            let body = imported.heard.exchanges.first().and_then(|(_, exchange)| exchange.response.as_ref());
            bodies.push(body.map_or(0, |it| it.body.length));
        }
    }
    assert!(bodies.is_sorted() && bodies.last() == Some(&60_000), "{bodies:?}");
    for cut in 1..records[1] {
        assert_eq!(stage::import_bytes(&capture[..cut], &keys).is_err(), cut != 24, "{cut} bytes");
    }
}

#[test]
fn a_shuffled_and_repeated_capture_is_the_same() {
    let stage = captured();
    let capture = std::fs::read(stage.path("capture")).unwrap();
    let records = records(&capture);
    let mut packets: Vec<&[u8]> = records.windows(2).map(|pair| &capture[pair[0]..pair[1]]).collect();
    // The handshakes of TCP stay in front; among the others each may change places with near ones, and every third comes twice.
    let mut seed = 9_u64;
    for index in 8..packets.len() - 5 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        packets.swap(index, index + (seed >> 33) as usize % 5);
    }
    let mut mixed = capture[..24].to_vec();
    for (index, packet) in packets.iter().enumerate() {
        for _ in 0..1 + usize::from(index % 3 == 0) {
            mixed.extend_from_slice(packet);
        }
    }
    is_whole(&stage::import_bytes(&mixed, &[stage.path("keys")]).unwrap());
}

#[test]
fn missing_packets_are_told_and_the_rest_is_read() {
    let stage = captured();
    let capture = std::fs::read(stage.path("capture")).unwrap();
    let records = records(&capture);
    // The longest packets carry the body.
    let mut large: Vec<usize> = (0..records.len() - 1).collect();
    large.sort_by_key(|index| std::cmp::Reverse(records[index + 1] - records[*index]));
    let missing = large[1];
    let without = [&capture[..records[missing]], &capture[records[missing + 1]..]].concat();
    let imported = stage::import_bytes(&without, &[stage.path("keys")]).unwrap();
    let (_, exchange) = imported.exchange(PATH);
    let body = &exchange.response.as_ref().unwrap().body;
    assert_eq!(body.length, 60_000, "{:#?}", imported.summary());
    assert!(body.sha256.is_none() && imported.report.ledger.lost > 1_000, "{:#?}", imported.summary());
    let (_, closed) = imported.heard.closed[0].closed.as_ref().unwrap();
    assert_eq!(closed.to_client.lost, imported.report.ledger.lost);
}

#[test]
fn what_is_no_capture_is_told_by_what_it_is() {
    let error = |bytes: &[u8]| stage::import_bytes(bytes, &[]).err().expect("no capture").to_string();
    assert!(error(b"").contains("is empty"));
    assert!(error(b"SQLite format 3\0....").contains("--store"));
    assert!(error(format!("CLIENT_RANDOM {} 00", "0".repeat(64)).as_bytes()).contains("--keylog"));
    assert!(error(b"\xfd7zXZ\0").contains("xz"));
    assert!(error(b"hello").contains("begins with \"hello\""));
}
