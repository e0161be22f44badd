//! Upstreams with something wrong. In: the real program, curl, and origins that are expired, self-signed, misnamed, incomplete, unreachable or not TLS.
//! Out: the client fails as it would have without sidelight, and the finding names the cause.

use sidelight_testkit::process::{Finished, run};
use sidelight_testkit::{Issuer, Leaf, Origin, World, world};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");
const EXPLICIT: &[&str] = &["--mode", "explicit@127.0.0.1:0"];
/// curl's status when it does not accept the server's certificate (curl(1), EXIT CODES).
const NOT_TRUSTED: i32 = 60;

/// curl through sidelight to an origin with this identity; the cause that must be named.
fn through_to(identity: impl Fn(&Issuer) -> sidelight_testkit::Identity, options: &[&str]) -> (World, Finished) {
    let root = Issuer::root("Faults Test Root");
    let origin = Origin::https("127.0.0.1:0", &identity(&root), &["h2", "http/1.1"]);
    let world = World::around(PROGRAM, root, origin, &[EXPLICIT, options].concat(), 1);
    let through = world.through();
    let done = run(&mut through.curl(&[&through.url("/bytes/10")]));
    (world, done)
}

fn mirrored(identity: impl Fn(&Issuer) -> sidelight_testkit::Identity, cause: &str, curl_says: &str) {
    let (world, done) = through_to(identity, &[]);
    assert_eq!(done.status.code(), Some(NOT_TRUSTED), "{done}\n{}", world.sidelight.said());
    assert!(done.errors().contains(curl_says), "curl should say {curl_says:?}: {done}");
    let finding = world.sidelight.finding(cause);
    assert!(finding["evidence"].as_array().is_some_and(|facts| !facts.is_empty()), "{finding}");
    assert!(finding["summary"].as_str().is_some_and(|words| words.contains(world::NAME)), "{finding}");
    assert!(world.origin.requests().is_empty(), "a request reached an origin that is not trusted");
    world.sidelight.stop();
}

#[test]
fn an_expired_certificate() {
    mirrored(|root| root.intermediate("I").issue(&world::leaf().expired()), "cert_expired", "certificate has expired");
}

#[test]
fn a_certificate_of_tomorrow() {
    mirrored(
        |root| root.intermediate("I").issue(&world::leaf().not_yet_valid()),
        "cert_not_yet_valid",
        "certificate is not yet valid",
    );
}

#[test]
fn a_self_signed_certificate() {
    mirrored(|_| world::leaf().self_signed(), "self_signed_leaf", "self-signed certificate");
}

#[test]
fn a_certificate_of_another_name() {
    mirrored(
        |root| root.intermediate("I").issue(&Leaf::named(&["elsewhere.test"])),
        "hostname_mismatch",
        "no alternative certificate subject name matches",
    );
}

#[test]
fn an_incomplete_chain() {
    mirrored(
        |root| root.intermediate("I").issue(&world::leaf().issuer_at("http://ca.test/i.crt").without_chain()),
        "missing_intermediate",
        "unable to get local issuer certificate",
    );
}

#[test]
fn an_unknown_root() {
    mirrored(
        |_| Issuer::root("Nobody's Root").intermediate("I").issue(&world::leaf()),
        "root_not_trusted",
        "unable to get local issuer certificate",
    );
}

#[test]
fn a_revoked_certificate() {
    let root = Issuer::root("Faults Test Root");
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let list = folder.path().join("list.pem");
    std::fs::write(&list, root.crl(&[4711])).expect("a revocation list");
    let origin = Origin::https("127.0.0.1:0", &root.issue(&world::leaf().serial(4711)), &["http/1.1"]);
    let options = [EXPLICIT, &["--crl", list.to_str().expect("a path in UTF-8")]].concat();
    let world = World::around(PROGRAM, root, origin, &options, 1);
    let through = world.through();
    let done = run(&mut through.curl(&[&through.url("/bytes/10")]));
    assert!(!done.status.success(), "a revoked certificate was taken: {done}");
    world.sidelight.finding("revoked");
}

#[test]
fn refuse_ends_the_connection_and_warn_lets_it_pass() {
    let expired = |root: &Issuer| root.issue(&world::leaf().expired());
    let (world, done) = through_to(expired, &["--on-untrusted", "refuse"]);
    assert!(!done.status.success(), "{done}");
    world.sidelight.finding("cert_expired");
    assert!(world.origin.requests().is_empty());
    let (world, done) = through_to(expired, &["--on-untrusted", "warn"]);
    assert!(done.status.success(), "{done}\n{}", world.sidelight.said());
    world.sidelight.finding("cert_expired");
    world.sidelight.exchange("GET", "/bytes/10", 200);
    let (world, done) = through_to(expired, &["--insecure-upstream", world::NAME]);
    assert!(done.status.success(), "{done}\n{}", world.sidelight.said());
    world.sidelight.exchange("GET", "/bytes/10", 200);
}

#[test]
fn an_upstream_that_is_not_there() {
    let world = World::new(PROGRAM);
    let through = world.through();
    let port = sidelight_testkit::process::free_port();
    for (host, cause) in [(world::NAME, "connection_refused"), ("nowhere.test", "dns_failure")] {
        let done = run(&mut through.curl(&[&format!("https://{host}:{port}/")]));
        assert!(!done.status.success(), "{done}");
        let finding = world.sidelight.finding(cause);
        assert!(finding["summary"].as_str().is_some_and(|words| words.contains(host)), "{finding}");
    }
}

#[test]
fn an_upstream_that_speaks_plain_http() {
    let root = Issuer::root("Faults Test Root");
    let world = World::around(PROGRAM, root, Origin::plain("127.0.0.1:0"), EXPLICIT, 1);
    let through = world.through();
    let done = run(&mut through.curl(&[&through.url("/bytes/10")]));
    assert!(!done.status.success(), "{done}");
    world.sidelight.finding("plain_http");
}

#[test]
fn a_client_that_refuses_our_leaf_is_relayed_next_time_and_named() {
    let world = World::new(PROGRAM);
    let (direct, through) = (world.direct(), world.through());
    let pinned = |path: &str| {
        let mut curl = through.command("curl");
        curl.args(["--silent", "--show-error", "--cacert"]).arg(&direct.ca).arg(through.url(path));
        run(&mut curl)
    };
    let first = pinned("/bytes/11");
    assert_eq!(first.status.code(), Some(NOT_TRUSTED), "{first}");
    world
        .sidelight
        .wait_for("the client's refusal", "finding", |line| line["fault"] == "client" || line["fault"] == "proxy");
    let second = pinned("/bytes/12").success();
    assert_eq!(second.stdout.len(), 12);
    let ledger = world.sidelight.stop();
    assert_eq!((&ledger["relayed"], &ledger["failed"]), (&1.into(), &1.into()), "{ledger}");
    let named = [&ledger["pinned"], &ledger["distrusting"]].map(|list| list.as_array().map_or(0, Vec::len));
    assert_eq!(named[0] + named[1], 1, "the client is not named: {ledger}");
}

#[test]
fn pass_and_only_decide_what_is_opened() {
    for options in [["--pass", world::NAME], ["--only", "elsewhere.test"]] {
        let world = World::with(PROGRAM, &["http/1.1"], &[EXPLICIT, &options].concat(), 1);
        let (direct, through) = (world.direct(), world.through());
        let mut curl = through.command("curl");
        curl.args(["--silent", "--show-error", "--cacert"]).arg(&direct.ca).arg(through.url("/bytes/10"));
        run(&mut curl).success();
        let ledger = world.sidelight.stop();
        assert_eq!((&ledger["relayed"], &ledger["decrypted"]), (&1.into(), &0.into()), "{ledger}");
    }
}
