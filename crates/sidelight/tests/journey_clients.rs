//! Clients of every common TLS stack against a local origin, with and without sidelight. In: the real program and the real clients.
//! Out: the same bodies by hash, and each exchange reported. Each stack must take our leaf: OpenSSL, GnuTLS, NSS or BoringSSL, Go, Java, Node, Python.

use std::path::PathBuf;
use std::process::Command;

use sidelight_testkit::process::run;
use sidelight_testkit::world::python;
use sidelight_testkit::{Origin, World, peers, world};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");

#[test]
fn wget_with_gnutls() {
    let world = World::new(PROGRAM);
    let version = run(Command::new("wget").arg("--version")).success();
    assert!(version.text().contains("+ssl/gnutls"), "this wget is not the one with GnuTLS: {version}");
    world.compare(|side| {
        let mut wget = side.command("wget");
        wget.args(["--quiet", "--output-document", "-", "--ca-certificate"])
            .arg(&side.ca)
            .arg(side.url("/bytes/1500000"));
        wget
    });
    world.sidelight.exchange("GET", "/bytes/1500000", 200);
}

#[test]
fn python_requests() {
    let world = World::new(PROGRAM);
    world.compare(|side| {
        let mut python = python(side, "fetch_requests.py");
        python.env("REQUESTS_CA_BUNDLE", &side.ca);
        python
    });
    world.sidelight.exchange("GET", "/bytes/3000017", 200);
    world.sidelight.exchange("POST", "/hash", 200);
    world.sidelight.exchange("POST", "/echo", 200);
}

#[test]
fn python_with_strict_verification() {
    let world = World::new(PROGRAM);
    world.compare(|side| python(side, "fetch_strict.py"));
    world.sidelight.exchange("GET", "/bytes/200003", 200);
}

#[test]
fn node_fetch() {
    let world = World::new(PROGRAM);
    world.compare(|side| {
        let mut node = side.command("node");
        node.arg(peers::script("fetch.mjs")).env("UNDICI", peers::node_modules().join("undici"));
        node
    });
    world.sidelight.exchange("GET", "/bytes/700001", 200);
    world.sidelight.exchange("POST", "/hash", 200);
}

#[test]
fn go_net_http() {
    let world = World::new(PROGRAM);
    let program = peers::go_program();
    let done = world.compare(|side| side.command(&program));
    assert!(done.errors().starts_with("HTTP/2.0"), "{done}");
    world.sidelight.exchange("GET", "/bytes/2000003", 200);
    world.sidelight.exchange("POST", "/hash", 200);
}

#[test]
fn java_http_client() {
    let world = World::new(PROGRAM);
    let done = world.compare(|side| {
        let mut java = side.command("java");
        java.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]).arg(peers::script("Fetch.java"));
        java
    });
    assert!(done.errors().contains("HTTP_2"), "{done}");
    world.sidelight.exchange("GET", "/bytes/1200007", 200);
    world.sidelight.exchange("POST", "/hash", 200);
}

#[test]
fn git_clones_over_https() {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let repository = repository(folder.path());
    let root = sidelight_testkit::Issuer::root("Git Test Root");
    let identity = world::identity(&root);
    let server = peers::python_server("git_server.py", &repository, &identity);
    let origin = Origin::plain("127.0.0.1:0");
    let world = World::around(PROGRAM, root, origin, &["--mode", "explicit@127.0.0.1:0"], 1);
    let url = format!("https://{}:{}/repo.git", world::NAME, server.address.port());
    world.compare(|side| {
        let mut git = side.command("sh");
        git.args(["-c", "git clone --quiet \"$0\" repo >&2 && git -C repo rev-parse HEAD && cat repo/*", &url]);
        git.env("GIT_SSL_CAINFO", &side.ca).env("GIT_TERMINAL_PROMPT", "0").env("GIT_CONFIG_GLOBAL", "/dev/null");
        git
    });
    world.sidelight.exchange("POST", "/repo.git/git-upload-pack", 200);
    // Protocol version 2: what can be had, which references there are, the pack.
    world.sidelight.exchange("GET", "/repo.git/info/refs?service=git-upload-pack", 200);
    assert_eq!(world.sidelight.of_type("exchange").len(), 3, "{}", world.sidelight.said());
}

/// A repository with one commit of a text and a megabyte.
fn repository(folder: &std::path::Path) -> PathBuf {
    std::fs::write(folder.join("megabyte"), &sidelight_testkit::origin::pattern()[..]).expect("a file");
    std::fs::write(folder.join("text"), "words\n").expect("a file");
    let script = "git init --quiet work && mv megabyte text work/ && cd work && git add . \
         && git -c user.name=Test -c user.email=test@origin.test commit --quiet --message first \
         && git clone --quiet --bare . ../repo.git";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null");
    run(&mut shell).success();
    folder.to_path_buf()
}

#[test]
fn chromium_headless() {
    let world = World::new(PROGRAM);
    let done = world.compare(|side| {
        // Chromium takes roots from the NSS database of the user's home (certutil makes it).
        let store = side.folder.join(".pki/nssdb");
        std::fs::create_dir_all(&store).expect("a folder for NSS");
        let store = format!("sql:{}", store.display());
        let add = ["-A", "-d", &store, "-n", "test", "-t", "C,,", "-i"];
        run(Command::new("certutil").args(["-N", "--empty-password", "-d", &store])).success();
        run(Command::new("certutil").args(add).arg(&side.ca)).success();
        let mut chromium = side.command("chromium");
        chromium.env("HOME", &side.folder).args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--dump-dom",
        ]);
        chromium.arg(format!("--user-data-dir={}", side.folder.join("profile").display()));
        // The origin goes the test's way; what the browser wants of its maker's services goes nowhere.
        let way = side.proxy.map_or_else(|| "DIRECT".to_owned(), |proxy| format!("PROXY {proxy}"));
        let choice = format!("host == '{}' ? '{way}' : 'PROXY 127.0.0.1:9'", world::NAME);
        let script = format!("function FindProxyForURL(url, host) {{ return {choice}; }}");
        chromium.arg(format!("--proxy-pac-url=data:application/x-ns-proxy-autoconfig,{script}"));
        chromium.arg(side.url("/"));
        chromium
    });
    assert!(done.text().contains("a local origin"), "{done}");
    world.sidelight.exchange("GET", "/", 200);
}
