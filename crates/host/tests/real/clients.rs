//! Real clients in the environment of `run`: they trust our CA and still trust what they trusted, and the machine is not changed.

use sidelight_host::run_env::{RunDirectory, RunEnvironment, RunInputs};
use sidelight_testkit::{Issuer, Leaf, Origin};
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// Programs, each with the arguments before the URL.
const CLIENTS: &[&[&str]] = &[
    &["curl", "--silent", "--show-error", "--max-time", "20", "--output", "/dev/null"],
    &["wget", "--quiet", "--timeout=20", "--tries=1", "--output-document=/dev/null"],
    &["python3", "-c", "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=20).read()"],
    &["/usr/lib/apt/apt-helper", "download-file"],
    &["node", "-e", "fetch(process.argv[1]).then(r => r.text()).catch(e => { console.error(e); process.exit(1) })"],
    &["java", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/Fetch.java")],
];

#[test]
fn our_ca_and_the_users_own_are_trusted() {
    let (ours, users, strange) =
        (Issuer::root("sidelight test CA"), Issuer::root("the user's CA"), Issuer::root("strange CA"));
    let serve =
        |issuer: &Issuer| Origin::https("127.0.0.1:0", &issuer.issue(&Leaf::named(&["localhost"])), &["http/1.1"]);
    let origins = [serve(&ours), serve(&users), serve(&strange)];
    let base = tempfile::tempdir().unwrap();
    let bundle = users.write_to(&base.path().join("users.pem"));
    // The host's bundle is the user's, as where an administrator put a CA into it.
    let root = base.path().join("root");
    std::fs::create_dir_all(root.join("etc/ssl/certs")).unwrap();
    std::fs::copy(&bundle, root.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    let run = RunDirectory::create(base.path()).unwrap();
    let inputs = RunInputs { ca_der: ours.der(), ca_pem: ours.pem(), proxy: None, environment: &|_| None, root: &root };
    let made = RunEnvironment::prepare(&inputs, run.path()).unwrap();

    for client in CLIENTS {
        let works: Vec<bool> = origins.iter().map(|origin| fetch(client, origin, &made.set, base.path())).collect();
        assert_eq!(works, [true, true, false], "{client:?}: ours, the user's, a strange one");
    }
}

fn fetch(client: &[&str], origin: &Origin, set: &[(OsString, OsString)], folder: &Path) -> bool {
    let url = format!("https://localhost:{}/", origin.address().port());
    let mut command = Command::new(client[0]);
    command.args(&client[1..]).arg(url).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", folder);
    command.envs(set.iter().cloned());
    if client[0].ends_with("apt-helper") {
        command.arg(folder.join("downloaded"));
    }
    command.output().unwrap().status.success()
}
