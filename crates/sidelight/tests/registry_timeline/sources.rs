//! One pull and one push, captured by everything at once: sidelight's own recording, HAR, packets with a key log, content log, mitmproxy,
//! sslsplit. In: skopeo's conversation with a registry in TLS that takes tokens. Out: the same steps from each.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use sidelight_testkit::peers::{self, TokenAuth, token_registry};
use sidelight_testkit::process::{Running, free_port, run};
use sidelight_testkit::{Hosts, Issuer, Leaf, Sidelight, world};

use super::kit::{PROGRAM, blocks, folder, image, skopeo, timeline, told};

const NAMES: [&str; 2] = ["registry.test", "tokens.test"];

/// A registry in TLS that takes tokens of a server of ours.
struct World {
    folder: tempfile::TempDir,
    hosts: Hosts,
    root: Issuer,
    tls: SocketAddr,
    tokens: SocketAddr,
    _servers: (Running, Running, peers::Server),
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Makes a key and a certificate by which it speaks for itself.
pub(crate) fn signer(folder: &Path) -> (String, std::path::PathBuf) {
    let (key, bundle) = (folder.join("token.key"), folder.join("token.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]);
    run(openssl.args(["-subj", "/CN=tokens", "-keyout"]).arg(&key).arg("-out").arg(&bundle)).success();
    (key.display().to_string(), bundle)
}

impl World {
    fn start() -> Self {
        let folder = folder();
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let hosts = Hosts::new(folder.path(), &NAMES.map(|name| (name, here)));
        let (key, bundle) = signer(folder.path());
        let (tokens, plain, tls) = (local(free_port()), local(free_port()), local(free_port()));
        let mut serve = Command::new(PROGRAM);
        serve.args(["registry", "token", "serve", "--listen", &tokens.to_string(), "--key", &key]);
        let mut server =
            Running::start(serve.args(["--issuer", "tester", "--service", NAMES[0]]), &folder.path().join("serve.log"));
        server.until_it_listens(&hosts, tokens);
        let realm = format!("http://{}:{}/token", NAMES[1], tokens.port());
        let auth = TokenAuth { realm: &realm, service: NAMES[0], issuer: "tester", bundle: &bundle };
        let mut registry = token_registry(folder.path(), plain, &auth);
        registry.until_it_listens(&hosts, plain);
        let root = Issuer::root("Registry Test Root");
        let identity = root.issue(&Leaf::named(&[NAMES[0]]));
        let nginx = peers::nginx(&hosts, folder.path(), &identity, &[tls], plain);
        Self { folder, hosts, root, tls, tokens, _servers: (server, registry, nginx) }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Pushes and pulls through `proxy`, trusting `ca`.
    fn push_and_pull(&self, proxy: SocketAddr, ca: &Path) {
        let certs = self.folder.path().join("certs");
        std::fs::create_dir_all(&certs).expect("a folder");
        std::fs::copy(ca, certs.join("ca.crt")).expect("a certificate");
        let certs = certs.to_str().expect("a path of text");
        let archive = image(self.folder.path());
        let name = format!("docker://{}:{}/team/app:1", NAMES[0], self.tls.port());
        let client = || {
            let mut command = self.hosts.command("skopeo");
            for name in ["HTTP_PROXY", "HTTPS_PROXY"] {
                command.env(name, format!("http://{proxy}"));
            }
            command
        };
        skopeo(client(), &["copy", "--dest-cert-dir", certs, &archive, &name]).success();
        let out = format!("dir:{}", self.path("pulled"));
        skopeo(client(), &["copy", "--src-cert-dir", certs, &name, &out]).success();
    }
}

/// What a timeline's blocks tell, without the order of blocks.
#[track_caller]
fn all_told(world: &World, arguments: &[&str]) -> Vec<Vec<String>> {
    let (document, status) = timeline(world.folder.path(), arguments);
    assert_eq!(status, 0, "{document:#}");
    blocks(&document).into_iter().map(told).collect()
}

#[test]
fn every_capture_tells_the_same_steps() {
    let world = World::start();
    let at = |name: &str| world.path(name);
    let roots = world.root.write_to(&world.folder.path().join("root.pem"));
    let [store, har, pcap, keys, log, flows] =
        ["rec.sidelight", "a.har", "a.pcapng", "keys.log", "a.log", "a.flows"].map(at);
    let options = [
        "--roots",
        roots.to_str().expect("a path of text"),
        "--mode",
        "explicit@127.0.0.1:0",
        "--store",
        &store,
        "--har",
        &har,
        "--pcap",
        &pcap,
        "--pcap-content",
        "tls",
        "--keylog",
        &keys,
        "--log",
        &log,
        "--show-secrets",
    ];
    let sidelight = Sidelight::start(world.hosts.command(world::binary(PROGRAM)), world.folder.path(), &options, 1);
    let mut mitmdump = world.hosts.command(peers::mitmdump());
    let front = local(free_port());
    mitmdump.args(["-q", "--listen-host", "127.0.0.1", "-p", &front.port().to_string(), "--set", "ssl_insecure=true"]);
    mitmdump.args(["--mode", &format!("upstream:http://{}", sidelight.address("explicit"))]);
    mitmdump.args(["--set", &format!("confdir={}", at("mitm")), "-w", &flows]);
    let mut recorder = Running::start(&mut mitmdump, &world.folder.path().join("mitmdump.log"));
    recorder.until_it_listens(&world.hosts, front);
    world.push_and_pull(front, &world.folder.path().join("mitm/mitmproxy-ca-cert.pem"));
    sidelight.stop();
    end(&mut recorder);

    let own = all_told(&world, &["--store", &store]);
    assert_eq!(own.len(), 2, "{own:#?}");
    assert!(own[0][0].ends_with(": ok") && own[1][0].ends_with(": ok"), "{own:#?}");
    let pull: Vec<&String> = own[1].iter().filter(|it| it.starts_with("layer")).collect();
    assert!(pull.len() == 2 && pull.iter().all(|it| it.contains(" done verified ")), "{own:#?}");
    assert!(own[1].iter().any(|it| it.starts_with("token") && it.contains("repository:team/app:pull")), "{own:#?}");
    let ways: [(&str, Vec<&str>); 5] = [
        ("HAR", vec![&har]),
        ("packets with keys", vec![&pcap, "--keylog", &keys]),
        ("content log", vec![&log]),
        ("mitmproxy", vec![&flows]),
        ("recording as a file", vec![&store]),
    ];
    for (what, arguments) in ways {
        // Through mitmproxy skopeo is another process to sidelight; what it did is the same.
        assert_eq!(all_told(&world, &arguments), own, "{what}");
    }
    sslsplit_tells_the_same(&world, &own);
}

/// sslsplit stands in the place of the registry and of the token server, at another address of this machine, and writes what passed.
fn sslsplit_tells_the_same(world: &World, own: &[Vec<String>]) {
    let split = world.folder.path().join("split");
    std::fs::create_dir_all(&split).expect("a folder");
    let there = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let hosts = Hosts::new(&split, &NAMES.map(|name| (name, there)));
    let identity = world.root.issue(&Leaf::named(&[NAMES[0]]));
    let (chain, key) = identity.write_to(&split, "leaf");
    // What it answers with is a certificate that skopeo trusts, so that nothing has to trust its own.
    let (both, capture) = (split.join("both.pem"), split.join("content.log"));
    let text = [std::fs::read(&chain).expect("a chain"), std::fs::read(&key).expect("a key")].concat();
    std::fs::write(&both, text).expect("a file");
    let mut sslsplit = Command::new("sslsplit");
    sslsplit
        .args(["-D", "-u", "root", "-k"])
        .arg(&key)
        .arg("-c")
        .arg(&chain)
        .arg("-A")
        .arg(&both)
        .arg("-L")
        .arg(&capture);
    let from_there =
        |to: SocketAddr| [there.to_string(), to.port().to_string(), to.ip().to_string(), to.port().to_string()];
    sslsplit.arg("ssl").args(from_there(world.tls)).arg("http").args(from_there(world.tokens));
    let mut recorder = Running::start(&mut sslsplit, &split.join("out"));
    recorder.until_it_listens(&hosts, SocketAddr::new(there, world.tls.port()));
    recorder.until_it_listens(&hosts, SocketAddr::new(there, world.tokens.port()));
    let certs = split.join("certs");
    std::fs::create_dir_all(&certs).expect("a folder");
    world.root.write_to(&certs.join("ca.crt"));
    let name = format!("docker://{}:{}/team/app:1", NAMES[0], world.tls.port());
    let out = format!("dir:{}", split.join("pulled").display());
    let certs = certs.to_str().expect("a path of text");
    let finished = skopeo(hosts.command("skopeo"), &["copy", "--src-cert-dir", certs, &name, &out]);
    assert!(finished.status.success(), "{finished}\n{}", recorder.said());
    end(&mut recorder);
    let told = all_told(world, &[capture.to_str().expect("a path of text")]);
    assert_eq!(told, own[1..], "sslsplit");
}

/// Ends a recorder in order, and waits for its last writing.
fn end(recorder: &mut Running) {
    let pid = Pid::from_raw(i32::try_from(recorder.pid()).expect("a process id")).expect("a process id");
    kill_process(pid, Signal::TERM).expect("the recorder still runs");
    let gone = format!("/proc/{}/stat", pid.as_raw_nonzero());
    recorder.until("it ends", || std::fs::read_to_string(&gone).map_or(true, |stat| stat.contains(") Z ")));
}
