//! Bad input on the command line: each message names the option or file and what to do, and the exit status says which kind it is.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sidelight_testkit::process::{run, run_within};
use sidelight_testkit::{Issuer, Leaf};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");
const USAGE: i32 = 2;
const UNANSWERED: i32 = 3;

/// Runs `sidelight proxy` with options that it must refuse; gives what it says on standard error.
#[track_caller]
fn refused(home: &Path, options: &[&str], status: i32) -> String {
    let mut command = Command::new(PROGRAM);
    command.env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin");
    command.args(["proxy"]).args(options).current_dir(home);
    if !options.contains(&"--mode") {
        command.args(["--mode", "explicit@127.0.0.1:0"]);
    }
    let done = run_within(&mut command, Duration::from_secs(20));
    assert_eq!(done.status.code(), Some(status), "{done}");
    assert!(done.stdout.is_empty(), "{done}");
    let said = done.errors();
    assert!(said.starts_with("error: ") && !said.contains("panicked"), "{said}");
    said
}

#[track_caller]
fn says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
}

#[test]
fn options_that_cannot_be_read_name_themselves() {
    let home = tempfile::tempdir().unwrap();
    for (options, words) in [
        (&["--mode", "explict"][..], &["--mode", "`explict` is no mode", "socks5"][..]),
        (&["--mode", "reverse:a.test"], &["--mode", "http:// or https://"]),
        (&["--mode", "upstream:http://kim:hunter2@/"], &["--mode"]),
        (&["--mode", "explicit@name:1"], &["--mode", "no place to listen"]),
        (&["--only", "a b"], &["--only", "is not a host pattern"]),
        (&["--pass", "10.0.0.0/33"], &["--pass", "10.0.0.0/33"]),
        (&["--insecure-upstream", "a.test:0"], &["--insecure-upstream", "a.test:0"]),
        (&["--fail-open-for", "10"], &["--fail-open-for", "`10` is not a duration"]),
        (&["--idle-limit", "soon"], &["--idle-limit", "soon"]),
        (&["--body-limit", "1 parsec"], &["--body-limit", "is not a size"]),
        (&["--on-untrusted", "ignore"], &["--on-untrusted", "mirror", "refuse", "warn"]),
        (&["--upstream-cert", "a.test="], &["--upstream-cert", "names no file"]),
        (&["--proxy-auth", "hunter2"], &["--proxy-auth", "USER:PASSWORD"]),
        (&["--proxy-auth", "@/none/such"], &["--proxy-auth", "/none/such"]),
        (&["--ca", "x", "--ephemeral-ca"], &["--ca", "--ephemeral-ca"]),
        (&["--onyl", "a.test"], &["--onyl", "--only"]),
    ] {
        let said = refused(home.path(), options, USAGE);
        says(&said, words);
        assert!(!said.contains("hunter2"), "a secret is printed: {said}");
    }
}

#[test]
fn files_that_cannot_be_used_are_named_with_their_option() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
    let root = Issuer::root("Options Root");
    let (one, other) = (root.issue(&Leaf::named(&["a.test"])), root.issue(&Leaf::named(&["b.test"])));
    one.write_to(home.path(), "one");
    other.write_to(home.path(), "other");
    write("words.pem", "these are words\n");
    write("empty.pem", "");
    write("cut.crl", "-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----\n");
    fs::create_dir(home.path().join("folder")).unwrap();
    for (options, words) in [
        (&["--roots", "none.pem"][..], &["--roots", "none.pem", "No such file"][..]),
        (&["--roots", "words.pem"], &["--roots", "words.pem holds no certificate"]),
        (&["--roots", "empty.pem"], &["--roots", "empty.pem holds no certificate"]),
        (&["--roots", "folder"], &["--roots", "folder holds no certificate"]),
        (&["--crl", "none.crl"], &["--crl", "none.crl", "No such file"]),
        (&["--crl", "one.pem"], &["--crl", "one.pem holds no certificate revocation list"]),
        (&["--crl", "cut.crl"], &["--crl", "cut.crl: revocation list 1 in it cannot be read"]),
        (&["--crl", "folder"], &["--crl", "folder"]),
        (&["--upstream-cert", "none.pem"], &["--upstream-cert", "none.pem", "No such file"]),
        (&["--upstream-cert", "one.pem"], &["--upstream-cert", "one.pem", "no PEM private key"]),
        (
            &["--upstream-cert", "one.key", "--upstream-key", "one.key"],
            &["--upstream-cert", "one.key", "no PEM certificate"],
        ),
        (
            &["--upstream-cert", "one.pem", "--upstream-key", "other.key"],
            &["other.key: not the key of the certificate in one.pem"],
        ),
        (&["--upstream-cert", "one.pem", "--upstream-key", "none.key"], &["none.key", "No such file"]),
        (&["--upstream-key", "one.key"], &["--upstream-key", "--upstream-cert"]),
        (&["--upstream-cert", "a.test=one.pem", "--upstream-key", "b.test=one.key"], &["b.test", "--upstream-key"]),
    ] {
        let status = if words.contains(&"--upstream-key") { USAGE } else { UNANSWERED };
        says(&refused(home.path(), options, status), words);
    }
}

#[test]
fn an_authority_that_cannot_sign_is_told_apart() {
    let home = tempfile::tempdir().unwrap();
    let ca = home.path().join("ca");
    let create = |more: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.env_clear().env("HOME", home.path()).args(["ca", "create", "--replace", "--ca"]).arg(&ca).args(more);
        run(&mut command).success();
    };
    let options = ["--ca", "ca"];
    let (pem, key) = (ca.join("ca.pem"), ca.join("ca.key"));
    create(&[]);
    let keep = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    says(&refused(home.path(), &options, UNANSWERED), &["ca/ca.pem is there, but ca/ca.key is not", "put it back"]);
    fs::write(&key, "no key").unwrap();
    says(&refused(home.path(), &options, UNANSWERED), &["ca/ca.key"]);
    create(&[]);
    fs::write(&key, &keep).unwrap();
    says(&refused(home.path(), &options, UNANSWERED), &["ca/ca.key", "ca/ca.pem"]);
    let leaf = Issuer::root("Options Root").issue(&Leaf::named(&["a.test"]));
    fs::write(&pem, &leaf.chain_pem).unwrap();
    fs::write(&key, &leaf.key_pem).unwrap();
    says(&refused(home.path(), &options, UNANSWERED), &["ca/ca.pem", "CA"]);
    fs::remove_file(&pem).unwrap();
    says(&refused(home.path(), &options, UNANSWERED), &["ca/ca.key is there, but ca/ca.pem is not"]);
    fs::remove_dir_all(&ca).unwrap();
    fs::write(&ca, "a file").unwrap();
    says(&refused(home.path(), &options, UNANSWERED), &["ca"]);
}

#[test]
fn an_expired_authority_is_named_with_its_day() {
    let home = tempfile::tempdir().unwrap();
    let mut create = Command::new(PROGRAM);
    create.env_clear().env("HOME", home.path()).current_dir(home.path());
    run(create.args(["ca", "create", "--ca", "ca", "--ca-life", "1s"])).success();
    std::thread::sleep(Duration::from_secs(2));
    let said = refused(home.path(), &["--ca", "ca"], UNANSWERED);
    says(&said, &["ca/ca.pem expired on 20", "sidelight ca create --replace"]);
}

#[test]
fn a_place_that_cannot_be_listened_on_is_named() {
    let home = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = taken.local_addr().unwrap().to_string();
    let port = taken.local_addr().unwrap().port();
    let said = refused(home.path(), &["--mode", &format!("socks5@{place}")], UNANSWERED);
    says(
        &said.replace("listening explicit", ""),
        &[&place, "another program does", &format!("sport = :{port}"), "@PORT"],
    );
    let said = refused(home.path(), &["--mode", "explicit@192.0.2.1:8080"], UNANSWERED);
    says(&said, &["192.0.2.1:8080", "no interface of this machine"]);
}
