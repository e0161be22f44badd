//! Real clients after a start of `tofu` in a container: as root (changed stores) and without rights (variables), with a proxy that is
//! named, and with one in the network's way. In: scanning proxies. Out: each client reaches the name in scope, and not the other one.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;

use sidelight_testkit::netns::{Namespace, join};
use sidelight_testkit::process::{free_port, run};
use sidelight_testkit::{Finished, Hosts, Identity, Issuer, Leaf, Origin, Running, Sidelight, peers};

use crate::engine::{Engine, NAME};

/// A name for which the CA may not speak, behind the same proxy.
const OTHER: &str = "other.test";
const CLIENTS: [&str; 7] = ["curl", "git", "go", "java", "node", "python", "wget"];

/// The scripts and programs of the clients, in a folder that containers get.
fn clients(engine: &Engine) -> String {
    let folder = engine.path("peers");
    std::fs::create_dir(&folder).unwrap();
    for name in ["reach.sh", "reach.py", "reach.js"] {
        std::fs::copy(peers::script(name), folder.join(name)).unwrap();
    }
    std::fs::copy(peers::go_client("reach.go"), folder.join("reach")).unwrap();
    run(Command::new("javac").args(["--release", "17", "-d"]).arg(&folder).arg(peers::script("Reach.java"))).success();
    format!("-v {}:/peers:ro", folder.display())
}

/// An origin's certificate, for its one name: what scanners copy into theirs must fit the names that are asked for.
fn identity(root: &Issuer, name: &str) -> Identity {
    root.intermediate("Origin Test Intermediate").issue(&Leaf::named(&[name]))
}

/// Starts all clients in a container, as root and as nobody; each must reach the first URL and refuse the second.
#[track_caller]
fn each_client_keeps_to_the_scope(engine: &Engine, options: &str, urls: [&str; 2]) {
    let options = format!("{options} {} {}", engine.pins(), clients(engine));
    let start = |further: &str| {
        let line = format!("run --rm {options} {further} sidelight:debian-clients sh /peers/reach.sh");
        let words: Vec<&str> = line.split_whitespace().chain(urls).collect();
        engine.docker(&words).success()
    };
    let root = start("");
    assert!(root.errors().contains("adopted on first use"), "{root}");
    let nobody = start("--user 65534 --read-only --cap-drop ALL --security-opt no-new-privileges --tmpfs /tmp");
    assert!(nobody.errors().contains("the recorded key"), "{nobody}");
    for said in [&root, &nobody] {
        // Java does not keep to the constraints of anchors, which is told.
        assert!(said.errors().contains("Java does not keep to the names"), "{said}");
        let told = table(said);
        for client in CLIENTS {
            let answer = |url: &str| told.get(&(client, url)).copied().unwrap_or("is not told");
            assert_eq!(answer(urls[0]), "ok", "{client}: {said}");
            if client == "java" {
                assert_eq!(answer(urls[1]), "ok", "Java keeps to constraints now; tell users: {said}");
            } else {
                assert!(answer(urls[1]).starts_with("no ") && is_of_trust(answer(urls[1])), "{client}: {said}");
            }
        }
    }
}

/// Whether the client speaks of the certificate, and not of something that has nothing to do with it.
fn is_of_trust(answer: &str) -> bool {
    let answer = answer.to_ascii_lowercase();
    ["certificate", "permitted subtree"].iter().any(|words| answer.contains(words))
}

fn table(said: &Finished) -> BTreeMap<(&str, &str), &str> {
    let text = std::str::from_utf8(&said.stdout).unwrap();
    text.lines().filter_map(row).collect()
}

/// `CLIENT URL ANSWER`.
fn row(line: &str) -> Option<((&str, &str), &str)> {
    let mut parts = line.splitn(3, ' ');
    Some(((parts.next()?, parts.next()?), parts.next()?))
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn clients_with_a_named_proxy() {
    let engine = Engine::with_clients();
    let root = Issuer::root("Origin Test Root");
    let origins = [NAME, OTHER].map(|name| Origin::https("127.0.0.1:0", &identity(&root, name), &["http/1.1"]));
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let hosts = Hosts::new(&engine.path(""), &[(NAME, loopback), (OTHER, loopback)]);
    let proxy = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut mitmdump = hosts.command(peers::mitmdump());
    mitmdump.args(["-q", "--listen-host", "127.0.0.1", "-p", &proxy.port().to_string()]);
    mitmdump.args(["--set", "ssl_insecure=true", "--set", &format!("confdir={}", engine.path("mitm").display())]);
    let mut running = Running::start(&mut mitmdump, &engine.path("mitmdump.log"));
    running.until_it_listens(&hosts, proxy);

    // mitmproxy sends its leaf alone, so its CA is given beside.
    let ca = engine.path("mitm").join("mitmproxy-ca-cert.pem");
    let [port, other] = origins.each_ref().map(|origin| origin.address().port());
    let options = format!(
        "--network host -e HTTPS_PROXY=http://{proxy} -e https_proxy=http://{proxy} -e TLS_TOFU_HOST={NAME} \
         -e TLS_TOFU_PORT={port} -e SIDELIGHT_ISSUERS=/ca.pem -v {}:/ca.pem:ro",
        ca.display()
    );
    let urls = [format!("https://{NAME}:{port}/"), format!("https://{OTHER}:{other}/")];
    each_client_keeps_to_the_scope(&engine, &options, [&urls[0], &urls[1]]);

    // Named to us alone, by our own option: the same record counts, and the client is told by its own.
    let options = options.replace(&format!("-e HTTPS_PROXY=http://{proxy} -e https_proxy"), "-e SIDELIGHT_VIA_PROXY");
    let curl = format!("curl --silent --fail --max-time 30 --proxy http://{proxy} {}", urls[0]);
    let line = format!("run --rm {options} {} sidelight:debian-clients {curl}", engine.pins());
    let said = engine.line(&line).success();
    assert_eq!(said.text(), "a local origin\n", "{said}");
    assert!(said.errors().contains("the recorded key"), "{said}");
}

#[test]
#[ignore = "needs the static program of `cargo xtask dist`"]
fn clients_with_a_proxy_in_the_way() {
    let engine = Engine::with_clients();
    // A container that holds the network of all others, and does nothing.
    let holder = engine.own("network");
    let names = format!("--add-host {NAME}:10.93.2.2 --add-host {OTHER}:10.93.2.3");
    let line = format!("run --detach --rm --name {holder} --network none {names} --init --entrypoint /bin/sleep");
    engine.line(&format!("{line} sidelight:debian-clients 600")).success();
    let pid = engine.line(&format!("inspect --format {{{{.State.Pid}}}} {holder}")).success().text();
    let client = Namespace::of_process(pid.trim().parse().unwrap());
    let [router, far] = [Namespace::new(), Namespace::new()];
    join((&client, &["10.93.1.2/24"]), (&router, &["10.93.1.1/24"]));
    join((&far, &["10.93.2.2/24", "10.93.2.3/24"]), (&router, &["10.93.2.1/24"]));
    // No other routes: name servers are not reached, and known at once to be so.
    client.ip(&["route", "add", "10.93.2.0/24", "via", "10.93.1.1"]);
    far.ip(&["route", "add", "default", "via", "10.93.2.1"]);
    router.sysctl("net.ipv4.ip_forward", "1");
    router.nft(
        "table ip sidelight { chain in { type nat hook prerouting priority dstnat; \
         ip daddr 10.93.2.0/24 tcp dport 443 redirect to :8443; }; }",
    );
    let root = Issuer::root("Origin Test Root");
    let _origins = [(NAME, "10.93.2.2:443"), (OTHER, "10.93.2.3:443")]
        .map(|(name, address)| Origin::on(far.listen(address), &identity(&root, name), &["http/1.1"]));
    let roots = root.write_to(&engine.path("origin-root.pem"));
    let hosts = Hosts::new(&engine.path(""), &[]).inside(&router);
    let options = ["--roots", roots.to_str().unwrap(), "--fail-open-for", "0", "--mode", "transparent@10.93.1.1:8443"];
    let program = env!("CARGO_BIN_EXE_sidelight");
    let sidelight = Sidelight::start(hosts.command(program), &engine.path(""), &options, 1);

    let options = format!("--network container:{holder} -e TLS_TOFU_HOST={NAME}");
    each_client_keeps_to_the_scope(&engine, &options, [&format!("https://{NAME}/"), &format!("https://{OTHER}/")]);
    sidelight.stop();
    engine.line(&format!("kill {holder}"));
}
