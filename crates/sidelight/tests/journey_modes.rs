//! Every way in, over IPv4 and IPv6. In: the real program with many modes in one process, curl, GnuTLS and OpenSSL.
//! Out: the same body on each way, and each exchange reported with the mode that it came by.

use std::net::SocketAddr;
use std::process::Command;

use sidelight_testkit::process::{Finished, free_port, run};
use sidelight_testkit::world::{self, NAME, NAME6};
use sidelight_testkit::{Issuer, Origin, Sidelight, World};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");
const LENGTH: usize = 300_007;

/// An origin of both families at one port, and sidelight with these modes (`PORT` stands for the origin's port).
fn world_with(modes: &[&str]) -> (World, Origin) {
    let root = Issuer::root("Modes Test Root");
    let identity = world::identity(&root);
    let protocols = &["h2", "http/1.1"];
    let origin = Origin::https("127.0.0.1:0", &identity, protocols);
    let port = origin.address().port();
    let origin6 = Origin::https(&format!("[::1]:{port}"), &identity, protocols);
    let modes: Vec<String> = modes.iter().map(|mode| mode.replace("PORT", &port.to_string())).collect();
    let options: Vec<&str> = modes.iter().flat_map(|mode| ["--mode", mode]).collect();
    (World::around(PROGRAM, root, origin, &options, modes.len()), origin6)
}

/// curl that trusts sidelight's CA, with no proxy of its own accord.
fn curl(world: &World, arguments: &[String]) -> Finished {
    let mut command = world.hosts.command("curl");
    command.args(["--silent", "--show-error", "--cacert"]).arg(world.sidelight.ca_file()).args(arguments);
    run(&mut command)
}

/// The body arrives, and the exchange is reported with this kind of mode.
fn arrives(world: &World, mode: &str, path: &str, arguments: &[String]) {
    let done = curl(world, arguments);
    assert!(done.status.success(), "{mode}: {done}\n{}", world.sidelight.said());
    assert_eq!(done.stdout.len(), LENGTH, "{mode}");
    assert_eq!(done.stdout, sidelight_testkit::origin::body(0, LENGTH as u64), "{mode}: the body changed");
    world.sidelight.wait_for(&format!("{path} by {mode}"), "exchange", |line| {
        line["url"].as_str().is_some_and(|url| url.ends_with(path))
            && line["mode"].as_str().is_some_and(|named| named.starts_with(mode))
            && line["status"] == 200
    });
}

fn words(text: &[&str]) -> Vec<String> {
    text.iter().map(ToString::to_string).collect()
}

#[test]
fn explicit_and_socks5_over_both_families() {
    let (world, _origin6) =
        world_with(&["explicit@127.0.0.1:0", "explicit@[::1]:0", "socks5@127.0.0.1:0", "socks5@[::1]:0"]);
    let port = world.origin.address().port();
    let path = format!("/bytes/{LENGTH}");
    for host in [NAME, NAME6, "127.0.0.1", "[::1]"] {
        let url = format!("https://{host}:{port}{path}");
        let proxies = [
            ("explicit", format!("http://{}", world.sidelight.address("explicit"))),
            ("explicit", format!("http://{}", world.sidelight.address6("explicit"))),
            ("socks5", format!("socks5h://{}", world.sidelight.address("socks5"))),
            ("socks5", format!("socks5://{}", world.sidelight.address6("socks5"))),
        ];
        for (mode, proxy) in proxies {
            arrives(&world, mode, &path, &words(&["--proxy", &proxy, &url]));
        }
    }
    let ledger = world.sidelight.stop();
    assert_eq!(ledger["decrypted"], 16, "{ledger}");
}

#[test]
fn forward_and_sni_take_connections_meant_for_the_origin() {
    let (world, _origin6) = world_with(&[
        "forward:127.0.0.1:PORT@127.0.0.1:0",
        "forward:[::1]:PORT@[::1]:0",
        "sni:PORT@127.0.0.1:0",
        "sni:PORT@[::1]:0",
    ]);
    let port = world.origin.address().port();
    for mode in ["forward", "sni"] {
        for (host, listener) in [(NAME, world.sidelight.address(mode)), (NAME6, world.sidelight.address6(mode))] {
            let path = format!("/bytes/{LENGTH}?{mode}-{host}");
            let around = format!("{host}:{port}:{}:{}", bracketed(listener), listener.port());
            arrives(&world, mode, &path, &words(&["--connect-to", &around, &format!("https://{host}:{port}{path}")]));
        }
    }
    let ledger = world.sidelight.stop();
    assert_eq!(ledger["decrypted"], 4, "{ledger}");
}

fn bracketed(address: SocketAddr) -> String {
    if address.is_ipv6() { format!("[{}]", address.ip()) } else { address.ip().to_string() }
}

#[test]
fn gnutls_and_openssl_take_the_leaf() {
    let (world, _origin6) = world_with(&["forward:127.0.0.1:PORT@127.0.0.1:0"]);
    let listener = world.sidelight.address("forward");
    let (ca, port) = (world.sidelight.ca_file(), listener.port().to_string());
    let ca = ca.display();
    for client in [
        format!("gnutls-cli --x509cafile {ca} --sni-hostname {NAME} --verify-hostname {NAME} --port {port} 127.0.0.1"),
        format!(
            "openssl s_client -quiet -no_ign_eof -verify_return_error -x509_strict -purpose sslserver -CAfile {ca} \
             -servername {NAME} -verify_hostname {NAME} -connect {listener}"
        ),
    ] {
        // The client's input stays open until the answer is there, or it would leave before it came.
        let line = format!("(printf 'GET /bytes/5 HTTP/1.0\\r\\n\\r\\n'; sleep 2) | {client}");
        let done = run(Command::new("sh").args(["-c", &line]));
        assert!(done.status.success(), "{done}\n{}", world.sidelight.said());
        assert!(done.text().contains("200 OK"), "{done}");
    }
    let ledger = world.sidelight.stop();
    assert_eq!(ledger["decrypted"], 2, "{ledger}");
}

#[test]
fn reverse_speaks_tls_for_clients_that_do_not() {
    let (world, _origin6) =
        world_with(&["reverse:https://origin.test:PORT@127.0.0.1:0", "reverse:https://origin.test:PORT@[::1]:0"]);
    let path = format!("/bytes/{LENGTH}");
    for listener in [world.sidelight.address("reverse"), world.sidelight.address6("reverse")] {
        arrives(&world, "reverse", &path, &words(&[&format!("http://{listener}{path}")]));
    }
}

#[test]
fn upstream_chains_behind_another_proxy_with_its_password() {
    let (parent, _origin6) = world_with(&["explicit@127.0.0.1:0"]);
    // The outer proxy is sidelight too: it asks for a password and relays everything untouched.
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let program = || parent.hosts.command(world::binary(PROGRAM));
    let outer_modes = ["--mode", "explicit@127.0.0.1:0", "--mode", "socks5@127.0.0.1:0"];
    let guard = ["--proxy-auth", "kim:secret", "--pass", "*"];
    let outer = Sidelight::start(program(), &folder.path().join("outer"), &[&outer_modes[..], &guard].concat(), 2);
    let roots = parent.root.write_to(&folder.path().join("roots.pem"));
    let roots = roots.to_str().expect("a path in UTF-8");
    let url = format!("https://{NAME}:{}/bytes/{LENGTH}", parent.origin.address().port());
    for scheme in ["http", "socks5"] {
        let kind = if scheme == "http" { "explicit" } else { "socks5" };
        let mode = format!("upstream:{scheme}://kim:secret@{}@127.0.0.1:0", outer.address(kind));
        let inner = Sidelight::start(program(), &folder.path().join(scheme), &["--roots", roots, "--mode", &mode], 1);
        let mut curl = parent.hosts.command("curl");
        curl.args(["--silent", "--show-error", "--cacert"]).arg(inner.ca_file());
        curl.args(["--proxy", &format!("http://{}", inner.address("upstream")), &url]);
        let done = run(&mut curl);
        assert!(done.status.success(), "{scheme}: {done}\n{}\n{}", inner.said(), outer.said());
        assert_eq!(done.stdout.len(), LENGTH);
        inner.exchange("GET", &format!("/bytes/{LENGTH}"), 200);
    }
    let mode = format!("upstream:http://kim:wrong@{}@127.0.0.1:0", outer.address("explicit"));
    let inner = Sidelight::start(program(), &folder.path().join("wrong"), &["--roots", roots, "--mode", &mode], 1);
    let mut curl = parent.hosts.command("curl");
    curl.args(["--silent", "--proxy", &format!("http://{}", inner.address("upstream")), &url]);
    assert!(!run(&mut curl).status.success());
    inner.finding("proxy_auth_required");
    assert_eq!(outer.stop()["relayed"], 2);
}

#[test]
fn plain_http_through_the_proxy_goes_to_changing_hosts_on_one_connection() {
    let root = Issuer::root("Modes Test Root");
    let other = Origin::plain("127.0.0.1:0");
    let world = World::around(PROGRAM, root, Origin::plain("127.0.0.1:0"), &["--mode", "explicit@127.0.0.1:0"], 1);
    let url = |origin: &Origin, path: &str| format!("http://{NAME}:{}{path}", origin.address().port());
    let proxy = format!("http://{}", world.sidelight.address("explicit"));
    let urls = [url(&world.origin, "/bytes/3"), url(&other, "/bytes/4"), url(&world.origin, "/bytes/5")];
    let done = curl(&world, &[words(&["--verbose", "--proxy", &proxy]), urls.to_vec()].concat()).success();
    assert_eq!(done.stdout.len(), 12);
    assert!(done.errors().contains("Re-using existing connection"), "curl opened a new connection each time: {done}");
    for path in ["/bytes/3", "/bytes/4", "/bytes/5"] {
        world.sidelight.exchange("GET", path, 200);
    }
    assert_eq!((world.origin.requests().len(), other.requests().len()), (2, 1));
}

#[test]
fn a_password_is_asked_for_and_a_loop_is_refused() {
    let world =
        World::with(PROGRAM, &["http/1.1"], &["--mode", "explicit@127.0.0.1:0", "--proxy-auth", "kim:secret"], 1);
    let through = world.through();
    let url = through.url("/bytes/10");
    let with = |user: &str| run(&mut through.curl(&["--proxy-user", user, &url]));
    let wrong = with("kim:wrong");
    assert!(wrong.errors().contains("407"), "{wrong}");
    assert_eq!(with("kim:secret").success().stdout.len(), 10);
    let own = world.sidelight.address("explicit");
    for host in ["127.0.0.1", "127.0.0.9", "localhost", NAME] {
        let url = format!("https://{host}:{}/", own.port());
        let looped = run(&mut through.curl(&["--proxy-user", "kim:secret", &url]));
        assert!(!looped.status.success(), "{host}: {looped}");
    }
    let loops = world
        .sidelight
        .of_type("finding")
        .into_iter()
        .filter(|line| line.to_string().contains("leads back to this proxy"));
    assert!(loops.count() >= 1, "no finding names the loop\n{}", world.sidelight.said());
    assert_eq!(world.origin.connections(), 1);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let mut program = Command::new(world::binary(PROGRAM));
    program.args(["proxy", "--ephemeral-ca", "--mode", &format!("explicit@{address}")]);
    let done = run(&mut program);
    assert_eq!(done.status.code(), Some(3), "{done}");
    assert!(done.errors().contains(&address.to_string()), "the address is not named: {done}");
    let mut program = Command::new(world::binary(PROGRAM));
    program.args(["proxy", "--ephemeral-ca", "--mode", "sideways@127.0.0.1:1"]);
    let done = run(&mut program);
    assert_eq!(done.status.code(), Some(2), "{done}");
    assert!(done.errors().contains("sideways"), "{done}");
}

#[test]
fn nothing_listens_beyond_loopback_unless_asked() {
    let port = free_port();
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let program = Command::new(world::binary(PROGRAM));
    let sidelight = Sidelight::start(program, folder.path(), &["--mode", &format!("explicit@{port}")], 1);
    for line in sidelight.of_type("listening") {
        let address: SocketAddr = line["address"].as_str().and_then(|text| text.parse().ok()).expect("an address");
        assert!(address.ip().is_loopback(), "{line}");
    }
}
