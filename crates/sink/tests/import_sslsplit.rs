//! A content log of the real sslsplit. In: fixtures/sslsplit/content.log: five requests over four connections, the first with a
//! token of 3,000 bytes, which went through in pieces. Out: what the origin was asked and sent.

mod keep;

use std::path::Path;

use keep::keep;
use sidelight_model::flow::{Exchange, Header, Outcome};
use sidelight_sink::import::{Format, ImportOptions, import, import_bytes};

const LOG: &str = "tests/fixtures/sslsplit/content.log";

fn log() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(LOG)).unwrap()
}

fn options() -> ImportOptions {
    let mut options = ImportOptions::default();
    options.limits.body_kept = 1 << 20;
    options
}

fn path(exchange: &Exchange) -> String {
    String::from_utf8_lossy(&exchange.request.as_ref().unwrap().target.raw).into_owned()
}

#[test]
fn requests_and_answers_are_put_together_again() {
    let (seen, mut consumers) = keep();
    let report = import(&Path::new(env!("CARGO_MANIFEST_DIR")).join(LOG), &options(), &mut consumers).unwrap();
    assert_eq!((report.format, report.damage.as_slice()), (Format::Sslsplit, &[][..]));
    let seen = seen.lock().unwrap();
    let paths: Vec<_> = seen.exchanges.iter().map(|(_, it)| path(it)).collect();
    assert_eq!(paths, ["/one", "/bin", "/two", "/p2", "/p1"]);
    assert_eq!((report.ledger.seen, report.ledger.decrypted), (4, 4));
    assert!(seen.exchanges.iter().all(|(_, it)| it.outcome == Outcome::Complete));
    let token = Header::find(&seen.exchanges[0].1.request.as_ref().unwrap().headers, "authorization").unwrap();
    assert_eq!(token, format!("Bearer {}", "x".repeat(3000)), "no head of a record within it");
    let body = &seen.exchanges[1].1.response.as_ref().unwrap().body.kept;
    assert!(body.iter().copied().eq((0..70_000u32).map(|n| (n * 7 % 256) as u8)));
    assert_eq!(seen.exchanges[1].0.id, seen.exchanges[2].0.id, "one connection carried both");
    assert_eq!(seen.exchanges[0].0.service(), "127.0.0.1:9443");
}

#[test]
fn records_that_cut_a_token_in_two_are_joined() {
    let head = |length: usize| format!("2026-11-22 16:45:27 UTC [10.9.0.2]:58842 -> [10.9.0.1]:443 ({length}):\n");
    let request = "GET /v2/ HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer eyJhbGciOi.J9.sig\r\n\r\n";
    let (first, second) = request.split_at(60);
    let mut log = [head(first.len()), first.to_owned(), head(second.len()), second.to_owned()].concat();
    log += "2026-11-22 16:45:27 UTC [10.9.0.1]:443 -> [10.9.0.2]:58842 (38):\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let (seen, mut consumers) = keep();
    let report = import_bytes("ssl.log", log.as_bytes(), &options(), &mut consumers).unwrap();
    assert_eq!(report.damage, []);
    let seen = seen.lock().unwrap();
    let request = seen.exchanges[0].1.request.as_ref().unwrap();
    assert_eq!(Header::find(&request.headers, "authorization"), Some("Bearer eyJhbGciOi.J9.sig"));
}

#[test]
fn a_service_that_speaks_first_is_still_the_service() {
    let log = "2026-11-22 16:45:27 UTC [10.9.0.1]:25 -> [10.9.0.2]:40000 (9):\n220 hi \r\n\
        2026-11-22 16:45:28 UTC [10.9.0.2]:40000 -> [10.9.0.1]:25 (8):\nEHLO x\r\n";
    let (seen, mut consumers) = keep();
    import_bytes("ssl.log", log.as_bytes(), &options(), &mut consumers).unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.closed[0].opened.as_ref().unwrap().client.to_string(), "10.9.0.2:40000");
}

#[test]
fn damage_costs_no_more_than_what_it_hit() {
    let whole = log();
    // The length of the first record loses a digit: what is too much of it belongs to no record.
    let text = b"(3105)";
    let at = whole.windows(text.len()).position(|window| window == text).unwrap();
    let mut hurt = whole.clone();
    hurt[at + 1] = b'0';
    let (seen, mut consumers) = keep();
    let report = import_bytes("hurt.log", &hurt, &options(), &mut consumers).unwrap();
    let paths: Vec<_> =
        seen.lock().unwrap().exchanges.iter().filter(|(_, it)| it.request.is_some()).map(|(_, it)| path(it)).collect();
    assert!(paths.ends_with(&["/bin".into(), "/two".into(), "/p2".into(), "/p1".into()]), "{paths:?}");
    assert_eq!(report.damage.len(), 1);
    assert!(report.damage[0].what.starts_with("3000 bytes belong to no record"), "{:?}", report.damage);
}

#[test]
fn a_cut_log_is_read_as_far_as_it_goes() {
    let whole = log();
    let mut counts = Vec::new();
    for end in (100..whole.len()).step_by(whole.len() / 50) {
        let (seen, mut consumers) = keep();
        let report = import_bytes("cut.log", &whole[..end], &options(), &mut consumers).unwrap();
        assert!(report.damage.len() <= 1, "cut at {end}: {:?}", report.damage);
        let seen = seen.lock().unwrap();
        assert_eq!(seen.opened, seen.closed.len());
        counts.push(seen.exchanges.iter().filter(|(_, it)| it.outcome == Outcome::Complete).count());
    }
    assert!(counts.is_sorted(), "{counts:?}");
}
