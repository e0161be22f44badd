//! What connections cost, and what hostile ones cannot do. In: the real program, thousands of clients, a client that never reads, random bytes.
//! Out: KiB for each idle connection (printed), memory that stays flat, a process that stays alive. One test at a time: memory is measured.

use std::io::{Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sidelight_testkit::pki::client_config;
use sidelight_testkit::process::run;
use sidelight_testkit::world::NAME;
use sidelight_testkit::{World, crowd, exact};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");
const EXPLICIT: &[&str] = &["--mode", "explicit@127.0.0.1:0"];

fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn nine_thousand_idle_connections() {
    const COUNT: usize = 9_000;
    // Each takes two descriptors here (client, origin) and two in sidelight; 20,000 is a common hard limit.
    const GENEROUS_KIB: u64 = 200;
    let _alone = alone();
    crowd::many_descriptors();
    let mut world = World::with(PROGRAM, &["http/1.1"], EXPLICIT, 1);
    let (proxy, target) = (world.sidelight.address("explicit"), format!("{NAME}:{}", world.origin.address().port()));
    let roots = std::fs::read_to_string(world.sidelight.ca_file()).expect("the CA's certificate");
    let config = client_config(&roots, &["http/1.1"]);
    // The first ones pay for what all share: tables, the leaf, the trust store.
    let first = crowd::idle(proxy, &target, NAME, &config, 100);
    let before = world.sidelight.resident_kib();
    let crowd = crowd::idle(proxy, &target, NAME, &config, COUNT);
    let after = world.sidelight.resident_kib();
    let each = after.saturating_sub(before) as f64 / crowd.len() as f64;
    println!(
        "{COUNT} idle intercepted TLS connections: {each:.1} KiB each (resident: {before} KiB before, {after} KiB after)"
    );
    assert!(after.saturating_sub(before) < GENEROUS_KIB * COUNT as u64, "{each:.1} KiB a connection");
    assert_eq!(world.origin.requests().len(), COUNT + first.len());
    assert!(world.sidelight.alive(), "{}", world.sidelight.said());
}

/// HTTP/2 frames (RFC 9113 §4.1): length, type, flags, stream, payload.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[test]
fn a_client_that_stalls_a_stream_of_400_megabytes() {
    const LENGTH: u64 = 400 << 20;
    // Of a body 1 MiB is kept for the record (twice that while the buffer grows); the rest is what two connections hold on four
    // legs. It must not go with the length of the stream.
    const FLAT_KIB: u64 = 8192;
    let _alone = alone();
    let world = World::with(PROGRAM, &["h2"], EXPLICIT, 1);
    let through = world.through();
    // A small transfer first, so that what is made once is there.
    run(&mut through.curl(&["--http2", &through.url("/bytes/3000000")])).success();
    let (proxy, port) = (world.sidelight.address("explicit"), world.origin.address().port());
    let roots = std::fs::read_to_string(world.sidelight.ca_file()).expect("the CA's certificate");
    let before = world.sidelight.resident_kib();
    let mut streams = Vec::new();
    // One client never opens its window; the other opens it wide and never reads.
    for window in [0_u32, 0x7fff_ffff] {
        let tcp = exact::tcp(Some(proxy), &format!("{NAME}:{port}"), proxy).expect("a tunnel");
        let mut stream = exact::tls(tcp, NAME, client_config(&roots, &["h2"]));
        let path = format!("/bytes/{LENGTH}");
        // SETTINGS_INITIAL_WINDOW_SIZE; indexed :method GET and :scheme https, literal :path and :authority (RFC 7541).
        let settings = [&[0, 4][..], &window.to_be_bytes()].concat();
        let mut head = vec![0x82, 0x87, 0x04, u8::try_from(path.len()).expect("a short path")];
        head.extend_from_slice(path.as_bytes());
        head.extend_from_slice(&[0x01, u8::try_from(NAME.len()).expect("a short name")]);
        head.extend_from_slice(NAME.as_bytes());
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(4, 0, 0, &settings));
        if window > 0 {
            bytes.extend(frame(8, 0, 0, &(0x7fff_ffff_u32 - 65_535).to_be_bytes()));
        }
        bytes.extend(frame(1, 5, 1, &head));
        stream.write_all(&bytes).and_then(|()| stream.flush()).expect("the request goes out");
        let mut first = [0; 9];
        stream.read_exact(&mut first).expect("the server's first frame");
        streams.push(stream);
    }
    until_it_rests("the origin", || world.origin.sent());
    let after = world.sidelight.resident_kib();
    let sent = world.origin.sent();
    println!(
        "two stalled streams of {LENGTH} bytes: resident {before} KiB before, {after} KiB after, the origin sent {sent}"
    );
    assert!(sent < LENGTH / 2, "the origin sent {sent} bytes to a client that does not read");
    assert!(after.saturating_sub(before) < FLAT_KIB, "{before} KiB grew to {after} KiB");
}

/// Waits until a count stands still: what it counts is over, or everything on its way is full.
fn until_it_rests(what: &str, count: impl Fn() -> u64) {
    let mut last = u64::MAX;
    for _ in 0..120 {
        let now = count();
        if now == last {
            return;
        }
        last = now;
        std::thread::sleep(Duration::from_millis(700));
    }
    panic!("{what} never rests: {last} so far");
}

/// Bytes that follow from a number: the start of a protocol, then anything.
fn hostile(number: usize) -> Vec<u8> {
    const STARTS: &[&[u8]] = &[
        b"",
        b"CONNECT ",
        b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\xff\xff\x01",
        b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x01",
        b"\x05\xff",
        b"\x04\x01",
        b"POST http://[::1]:1/",
    ];
    let mut state = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = STARTS[next() as usize % STARTS.len()].to_vec();
    let length = next() as usize % 300;
    bytes.extend((0..length).map(|_| (next() >> 32) as u8));
    bytes
}

#[test]
fn a_hundred_thousand_random_connections() {
    const WAVE: usize = 20_000;
    const WAVES: usize = 5;
    const FLAT_KIB: u64 = 8 * 1024;
    let _alone = alone();
    let modes = ["--mode", "explicit@127.0.0.1:0", "--mode", "socks5@127.0.0.1:0", "--mode", "sni@127.0.0.1:0"];
    let mut world = World::with(PROGRAM, &["http/1.1"], &modes, 3);
    let listeners = ["explicit", "socks5", "sni"].map(|mode| world.sidelight.address(mode));
    let reported = || world.sidelight.count("connection");
    // After each wave the report catches up: what is then still held was leaked.
    let resident: Vec<u64> = (0..WAVES)
        .map(|wave| {
            crowd::flood(&listeners, WAVE, wave * WAVE, hostile);
            until_it_rests("the report", reported);
            world.sidelight.resident_kib()
        })
        .collect();
    println!("{} random connections: resident after each {WAVE}: {resident:?} KiB", WAVE * WAVES);
    // The first waves also make what is made once: pools, and the allocator's arenas of each thread.
    let (before, after) = (resident[0].max(resident[1]), resident[WAVES - 1]);
    assert!(world.sidelight.alive(), "{}", world.sidelight.said());
    assert!(after.saturating_sub(before) < FLAT_KIB, "{before} KiB grew to {after} KiB");
    // It still does its work.
    let through = world.through();
    run(&mut through.curl(&[&through.url("/bytes/1000")])).success();
    world.sidelight.exchange("GET", "/bytes/1000", 200);
}
