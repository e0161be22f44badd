//! curl against a local TLS origin, with and without sidelight. In: the real program and curl. Out: the same bytes, the same exit status, each exchange reported.

use std::io::Write;
use std::time::{Duration, Instant};

use sidelight_testkit::World;
use sidelight_testkit::origin::{SIZE_OF_BLOCK, pattern};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");

#[test]
fn bodies_arrive_over_http1_and_http2() {
    let world = World::new(PROGRAM);
    for (version, name) in [("--http1.1", "HTTP/1.1"), ("--http2", "HTTP/2")] {
        world.compare(|side| side.curl(&[version, &side.url("/bytes/5000011")]));
        let seen = world.sidelight.wait_for(name, "exchange", |line| line["protocol"] == name);
        assert_eq!((&seen["method"], &seen["status"]), (&"GET".into(), &200.into()), "{seen}");
        assert!(seen["url"].as_str().is_some_and(|url| url.ends_with("/bytes/5000011")), "{seen}");
        assert_eq!(seen["response"]["body"]["size"], 5_000_011, "{seen}");
    }
    world.sidelight.stop();
}

#[test]
fn answers_without_a_body_stay_without_one() {
    let world = World::new(PROGRAM);
    for version in ["--http1.1", "--http2"] {
        world.compare(|side| {
            let (head, none, not_modified, after) =
                (side.url("/bytes/4096"), side.url("/status/204"), side.url("/status/304"), side.url("/bytes/10"));
            let mut curl = side.curl(&[version, "--output", "/dev/null", "--head", &head, "--next", version, &none]);
            // On the same connection, so that a body taken for the next answer would show.
            curl.args(["--cacert"]).arg(&side.ca).args([&not_modified, &after]);
            curl.args(["--write-out", "%{http_code} %{size_download}\n"]);
            curl
        });
    }
    world.sidelight.exchange("HEAD", "/bytes/4096", 200);
    world.sidelight.exchange("GET", "/status/204", 204);
    world.sidelight.exchange("GET", "/status/304", 304);
    world.sidelight.exchange("GET", "/bytes/10", 200);
}

#[test]
fn ranges_and_trailers_pass() {
    let world = World::new(PROGRAM);
    for version in ["--http1.1", "--http2"] {
        let ranged = world.compare(|side| side.curl(&[version, "--range", "1000-200999", &side.url("/bytes/9000000")]));
        assert_eq!(ranged.stdout.len(), 200_000);
        world.sidelight.exchange("GET", "/bytes/9000000", 206);
        let trailers = world.compare(|side| {
            side.curl(&[version, "--header", "TE: trailers", "--dump-header", "head", &side.url("/trailers")])
        });
        assert_eq!(trailers.text(), "first half, second half\n");
        let head = std::fs::read_to_string(world.folder().join("through/head")).expect("curl's header file");
        assert!(head.to_ascii_lowercase().contains("x-parts: 2"), "{version}: no trailer reached curl: {head}");
    }
    let seen = world.sidelight.exchange("GET", "/trailers", 200);
    assert!(seen["response"]["trailers"].to_string().contains("x-digest"), "the trailer is not shown: {seen}");
}

#[test]
fn an_upload_waits_for_100_continue() {
    let world = World::with(PROGRAM, &["http/1.1"], &["--mode", "explicit@127.0.0.1:0"], 1);
    let body = "x".repeat(40_000);
    let done = world.compare(|side| {
        std::fs::write(side.folder.join("body"), &body).expect("a file to upload");
        // Longer than any run takes: without the 100, the body would not be sent before the client is killed.
        let expect = ["--header", "Expect: 100-continue", "--expect100-timeout", "600"];
        let mut curl = side.curl(&["--verbose", "--data-binary", "@body", &side.url("/hash")]);
        curl.args(expect);
        curl
    });
    assert!(done.errors().contains("100 Continue"), "{done}");
    assert_eq!(done.text(), format!("40000 {}\n", sidelight_testkit::sha256(&body)));
    world.sidelight.exchange("POST", "/hash", 200);
}

#[test]
fn an_upload_of_a_gigabyte_arrives_whole() {
    const LENGTH: u64 = 1 << 30;
    let world = World::with(PROGRAM, &["h2", "http/1.1"], &["--mode", "explicit@127.0.0.1:0"], 1);
    let file = world.folder().join("gigabyte");
    let mut out = std::fs::File::create(&file).expect("a file of a gigabyte");
    let mut left = LENGTH as usize;
    while left > 0 {
        let piece = left.min(SIZE_OF_BLOCK);
        out.write_all(&pattern()[..piece]).expect("room for a gigabyte");
        left -= piece;
    }
    drop(out);
    let done = world.compare(|side| {
        let mut curl = side.curl(&["--http1.1", "--request", "POST", &side.url("/hash"), "--upload-file"]);
        curl.arg(&file);
        curl
    });
    assert!(done.text().starts_with("1073741824 "), "{done}");
    let seen = world.sidelight.exchange("POST", "/hash", 200);
    assert_eq!(seen["request"]["body"]["size"], LENGTH, "{seen}");
}

#[test]
fn an_abort_reaches_the_other_side() {
    let world = World::new(PROGRAM);
    for version in ["--http1.1", "--http2"] {
        // The server breaks off: curl must notice it in the same way.
        let broken = world.same(|side| side.curl(&[version, &side.url("/cut/400000")]));
        assert!(!broken.status.success(), "half a body was taken for a whole one: {broken}");
        // The client breaks off: the origin must notice it.
        let before = world.origin.cut();
        let through = world.through();
        let mut shell = through.command("sh");
        shell.args([
            "-c",
            "curl --silent \"$0\" --cacert \"$SIDE_CA\" \"$SIDE_URL/endless\" | head -c 300000 | wc -c",
            version,
        ]);
        let counted = sidelight_testkit::process::run(&mut shell).success();
        assert_eq!(counted.text().trim(), "300000", "{counted}");
        let deadline = Instant::now() + Duration::from_secs(30);
        while world.origin.cut() == before {
            assert!(Instant::now() < deadline, "the origin still sends\n{}", world.sidelight.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
