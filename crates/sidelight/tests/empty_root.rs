//! The static program in a root with nothing else in it. In: `SIDELIGHT_DIST`, made by `cargo xtask dist`. Out: it starts, makes a CA, resolves a name, intercepts.
//! Ignored in an ordinary `cargo test`, because the program takes minutes to build; `cargo xtask test` runs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use sidelight_testkit::exact;
use sidelight_testkit::pki::client_config;
use sidelight_testkit::process::{Finished, run};
use sidelight_testkit::world::{self, NAME};
use sidelight_testkit::{Issuer, Origin, Sidelight};
use tempfile::TempDir;

fn program() -> PathBuf {
    std::env::var_os("SIDELIGHT_DIST").expect("SIDELIGHT_DIST names the static program; run `cargo xtask test`").into()
}

/// A folder that holds the program and nothing else.
fn empty_root() -> TempDir {
    let root = TempDir::new().expect("a temporary folder");
    std::fs::copy(program(), root.path().join("sidelight")).expect("a copy of the program");
    root
}

fn inside(root: &Path) -> Command {
    let mut command = Command::new("chroot");
    command.arg(root).arg("/sidelight").env_clear();
    // What container engines set when an image says nothing.
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/");
    command
}

fn said(root: &Path, arguments: &[&str]) -> Finished {
    run(inside(root).args(arguments)).success()
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn it_needs_nothing_but_the_kernel() {
    let root = empty_root();
    let kind = run(Command::new("file").arg(program())).success().text();
    assert!(kind.contains("static"), "{kind}");
    assert!(said(root.path(), &["--version"]).text().starts_with("sidelight "));
    assert!(said(root.path(), &["--help"]).text().contains("run"));
    said(root.path(), &["ca", "create", "--ca", "/x"]);
    assert!(root.path().join("x/ca.pem").is_file());
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn it_intercepts_by_a_name_of_its_hosts_file() {
    let root = empty_root();
    let issuer = Issuer::root("Empty Root Test Root");
    let origin = Origin::https("127.0.0.1:0", &world::identity(&issuer), &["http/1.1"]);
    issuer.write_to(&root.path().join("roots.pem"));
    std::fs::create_dir(root.path().join("etc")).expect("a folder");
    std::fs::write(root.path().join("etc/hosts"), format!("127.0.0.1 {NAME}\n")).expect("a hosts file");
    let options = ["--roots", "/roots.pem", "--mode", "explicit@127.0.0.1:0"];
    let sidelight = Sidelight::start(inside(root.path()), Path::new("/"), &options, 1);
    let proxy = sidelight.address("explicit");
    let ca = std::fs::read_to_string(root.path().join("ca/ca.pem")).expect("the CA's certificate");
    let tcp = exact::tcp(Some(proxy), &format!("{NAME}:{}", origin.address().port()), proxy).expect("a tunnel");
    let mut stream = exact::tls(tcp, NAME, client_config(&ca, &["http/1.1"]));
    std::io::Write::write_all(
        &mut stream,
        b"GET /bytes/1000 HTTP/1.1\r\nHost: origin.test\r\nConnection: close\r\n\r\n",
    )
    .expect("the request goes out");
    let mut answer = Vec::new();
    exact::read_to_end(&mut stream, &mut answer);
    assert!(answer.ends_with(&sidelight_testkit::origin::body(0, 1000)), "{}", String::from_utf8_lossy(&answer));
    sidelight.exchange("GET", "/bytes/1000", 200);
    sidelight.stop();
}
