//! The kit itself: what the journeys take for granted. In: openssl(1), ip(8), a shell. Out: certificates judged as meant, cables that carry, processes that end.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;

use sidelight_testkit::exact::{self, Script, Step};
use sidelight_testkit::netns::{Namespace, join, within};
use sidelight_testkit::pki::client_config;
use sidelight_testkit::process::{Finished, run};
use sidelight_testkit::{Hosts, Identity, Issuer, Leaf, Running};
use tempfile::TempDir;

fn openssl_verify(folder: &Path, root: &Issuer, identity: &Identity, name: &str) -> Finished {
    let root = root.write_to(&folder.join("root.pem"));
    let (chain, _) = identity.write_to(folder, "leaf");
    let mut openssl = Command::new("openssl");
    openssl.args(["verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", name, "-CAfile"]).arg(root);
    run(openssl.arg("-untrusted").arg(&chain).arg(&chain))
}

#[test]
fn openssl_judges_each_certificate_as_it_is_meant() {
    let folder = TempDir::new().expect("a temporary folder");
    let root = Issuer::root("Kit Root");
    let middle = root.intermediate("Kit Intermediate");
    let leaf = || Leaf::named(&["kit.test"]);
    let verdict = |identity: &Identity| openssl_verify(folder.path(), &root, identity, "kit.test");
    verdict(&middle.issue(&leaf())).success();
    verdict(&root.issue(&leaf().rsa())).success();
    for (identity, words) in [
        (middle.issue(&leaf().expired()), "certificate has expired"),
        (middle.issue(&leaf().not_yet_valid()), "certificate is not yet valid"),
        (middle.issue(&leaf().without_chain()), "unable to get local issuer certificate"),
        (middle.issue(&leaf().for_clients()), "unsuitable certificate purpose"),
        (middle.issue(&Leaf::named(&["other.test"])), "hostname mismatch"),
        (leaf().self_signed(), "self-signed certificate"),
    ] {
        let done = verdict(&identity);
        assert!(!done.status.success() && done.errors().contains(words), "{words}: {done}");
    }
}

#[test]
fn a_revocation_list_names_its_serials() {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("list.pem");
    std::fs::write(&file, Issuer::root("Kit Root").crl(&[0x4711])).expect("a file");
    let shown = run(Command::new("openssl").args(["crl", "-noout", "-text", "-in"]).arg(file)).success();
    assert!(shown.text().contains("Serial Number: 4711"), "{shown}");
}

#[test]
fn a_script_is_spoken_over_tls() {
    let root = Issuer::root("Kit Root");
    let steps = vec![Step::ReadUntil(b"?".to_vec()), Step::SendSlowly(b"yes".to_vec()), Step::HalfClose];
    let script = Script::over_tls(root.issue(&Leaf::named(&["kit.test"])).server_config(&[]), steps);
    let tcp = exact::tcp(None, "", script.address).expect("a connection");
    let mut stream = exact::tls(tcp, "kit.test", client_config(root.pem(), &[]));
    stream.write_all(b"are you there?").expect("the question goes out");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("a clean end");
    assert_eq!(answer, "yes");
    assert_eq!(script.received(), b"are you there?");
}

#[test]
fn a_cable_carries_both_families() {
    let [near, far] = [Namespace::new(), Namespace::new()];
    join((&near, &["10.90.0.1/24", "fd90::1/64"]), (&far, &["10.90.0.2/24", "fd90::2/64"]));
    for address in ["10.90.0.2:7000", "[fd90::2]:7000"] {
        let listener = far.listen(address);
        let client = within(near.name(), move || TcpStream::connect(address)).expect("a connection over the cable");
        let (mut served, from) = listener.accept().expect("a client");
        assert_eq!(from, client.local_addr().expect("an address"));
        served.write_all(b"hello").expect("words");
        drop(served);
        let mut heard = String::new();
        let mut client = client;
        client.read_to_string(&mut heard).expect("words");
        assert_eq!(heard, "hello");
    }
}

#[test]
fn names_are_seen_inside_only() {
    let folder = TempDir::new().expect("a temporary folder");
    let hosts = Hosts::new(folder.path(), &[("only-here.test", IpAddr::V4(Ipv4Addr::new(192, 0, 2, 77)))]);
    let found = run(hosts.command("getent").args(["hosts", "only-here.test"])).success();
    assert!(found.text().starts_with("192.0.2.77"), "{found}");
    let machine = std::fs::read_to_string("/etc/hosts").expect("the machine's hosts file");
    assert!(!machine.contains("only-here.test"));
}

#[test]
fn a_dropped_server_is_gone() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut server = Running::start(Command::new("sleep").arg("600"), &folder.path().join("log"));
    let entry = format!("/proc/{}", server.pid());
    server.until("running", || Path::new(&entry).exists());
    drop(server);
    assert!(!Path::new(&entry).exists());
}
