//! A registry with TLS, tokens, a storage host and referrers, and everything that can capture a conversation with it, at once. In: what
//! clients do through the proxy. Out: captures, and what the timeline tells from each.
//!
//! client → mitmdump (flows) → sidelight (recording, HAR, packets with keys, content log) → sslsplit (its log) → nginx → docker-registry;
//! tcpdump listens between sidelight and sslsplit.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sidelight_testkit::peers::{self, TokenAuth, token_registry};
use sidelight_testkit::process::{Running, free_port, run};
use sidelight_testkit::{Hosts, Issuer, Leaf, Sidelight, world};

use super::kit::{PROGRAM, blocks, canonical, folder, timeline};

/// The registry, its token server, its storage.
pub(crate) const NAMES: [&str; 3] = ["registry.test", "tokens.test", "storage.test"];

/// What a manifest is referred to by; the registry itself knows none.
const REFERRERS: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":7}]}"#;

/// The servers.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    /// The names at their servers' own address.
    pub(crate) here: Hosts,
    /// The names as sidelight knows them: sslsplit's address.
    pub(crate) split: Hosts,
    pub(crate) root: Issuer,
    /// The ports of registry, token server and storage.
    pub(crate) ports: [u16; 3],
    _servers: (Running, Running, peers::Server),
}

pub(crate) fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Where sslsplit stands.
const SPLIT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Makes a key and a certificate by which it speaks for itself.
pub(crate) fn signer(folder: &Path) -> (String, PathBuf) {
    signer_of(folder, &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
}

/// The same of this kind of key.
pub(crate) fn signer_of(folder: &Path, kind: &[&str]) -> (String, PathBuf) {
    let (key, bundle) = (folder.join("token.key"), folder.join("token.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=tokens"]).args(kind);
    run(openssl.arg("-keyout").arg(&key).arg("-out").arg(&bundle)).success();
    (key.display().to_string(), bundle)
}

impl World {
    /// Starts the servers. `redirects`: blobs are read from the storage host. `long`: tokens are longer than one TLS record of Go.
    pub(crate) fn start(redirects: bool, long: bool) -> Self {
        Self::start_with(redirects, long, false)
    }

    /// The servers with the user of [`peers::REGISTRY_LOGIN`] alone.
    pub(crate) fn start_with_users() -> Self {
        Self::start_with(false, false, true)
    }

    fn start_with(redirects: bool, long: bool, users: bool) -> Self {
        let folder = folder();
        let split_folder = folder.path().join("split");
        std::fs::create_dir_all(&split_folder).expect("a folder");
        let hosts = Hosts::new(folder.path(), &NAMES.map(|name| (name, IpAddr::V4(Ipv4Addr::LOCALHOST))));
        let split = Hosts::new(&split_folder, &NAMES.map(|name| (name, IpAddr::V4(SPLIT))));
        let kind: &[&str] =
            if long { &["-newkey", "rsa:4096"] } else { &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] };
        let (key, bundle) = signer_of(folder.path(), kind);
        let ports = [(); 3].map(|()| free_port());
        let [plain, tokens] = [(); 2].map(|()| local(free_port()));
        let mut serve = Command::new(PROGRAM);
        serve.args(["registry", "token", "serve", "--listen", &tokens.to_string(), "--key", &key]);
        serve.args(["--issuer", "tester", "--service", NAMES[0]]);
        if long {
            serve.arg("--cert").arg(&bundle);
        }
        if users {
            std::fs::write(folder.path().join("htpasswd"), peers::HTPASSWD).expect("users");
            serve.arg("--users").arg(folder.path().join("htpasswd"));
        }
        let mut server = Running::start(&mut serve, &folder.path().join("serve.log"));
        server.until_it_listens(&hosts, tokens);
        let realm = format!("https://{}:{}/token", NAMES[1], ports[1]);
        let auth = TokenAuth { realm: &realm, service: NAMES[0], issuer: "tester", bundle: &bundle };
        let mut registry = token_registry(folder.path(), plain, &auth);
        registry.until_it_listens(&hosts, plain);
        let root = Issuer::root("Registry Test Root");
        let identity = root.issue(&Leaf::named(&NAMES));
        let (chain, key) = identity.write_to(folder.path(), "others");
        let limits =
            "add_header RateLimit-Limit '100;w=21600' always; add_header RateLimit-Remaining '76;w=21600' always;";
        let pass = format!(
            "proxy_pass http://{plain}; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https;"
        );
        let mut locations = format!(
            "location ~ ^/v2/.*/manifests/ {{ {pass} {limits} }}
             location ~ ^/v2/.*/referrers/ {{ default_type application/vnd.oci.image.index.v1+json; return 200 '{REFERRERS}'; }}"
        );
        if redirects {
            locations += &format!(
                "location ~ ^/v2/.*/blobs/sha256: {{
                   if ($request_method = GET) {{ return 307 https://{}:{}$uri?signature=secret; }} {pass} }}",
                NAMES[2], ports[2]
            );
        }
        let stored = folder.path().join("registry/docker/registry/v2/blobs/sha256");
        let tls = |port: u16, location: &str| {
            let (chain, key) = (chain.display(), key.display());
            let listen = local(port);
            format!("server {{ listen {listen} ssl; ssl_certificate {chain}; ssl_certificate_key {key}; {location} }}")
        };
        let blobs = format!(
            "default_type application/octet-stream; location ~ ^/v2/.*/blobs/sha256:(..)(.*)$ {{ alias {}/$1/$1$2/data; }}",
            stored.display()
        );
        let token_server = format!("location / {{ proxy_pass http://{tokens}; }}");
        let servers = tls(ports[1], &token_server) + &tls(ports[2], &blobs);
        let nginx =
            peers::nginx_with(&hosts, folder.path(), &identity, &[local(ports[0])], plain, [&locations, &servers]);
        Self { folder, here: hosts, split, root, ports, _servers: (server, registry, nginx) }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The registry's name and port.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", NAMES[0], self.ports[0])
    }

    /// What the timeline of these arguments tells, block by block; blocks that began at the same moment have no order.
    #[track_caller]
    pub(crate) fn told(&self, arguments: &[&str]) -> Vec<Vec<String>> {
        let (document, _) = timeline(self.folder.path(), arguments);
        let mut told: Vec<_> = blocks(&document).into_iter().map(canonical).collect();
        told.sort();
        told
    }

    /// All blocks, as they are.
    #[track_caller]
    pub(crate) fn blocks(&self, arguments: &[&str]) -> Vec<Value> {
        blocks(&timeline(self.folder.path(), arguments).0).into_iter().cloned().collect()
    }
}

/// sslsplit in the place of registry, token server and storage.
pub(crate) fn sslsplit(world: &World) -> Running {
    let place = world.folder.path().join("split");
    let identity = world.root.issue(&Leaf::named(&NAMES));
    let (chain, key) = identity.write_to(&place, "leaf");
    // What it answers with is a certificate that the others trust, so that nothing has to trust its own.
    let both = place.join("both.pem");
    let text = [std::fs::read(&chain).expect("a chain"), std::fs::read(&key).expect("a key")].concat();
    std::fs::write(&both, text).expect("a file");
    let mut command = Command::new("sslsplit");
    command.args(["-D", "-u", "root", "-k"]).arg(&key).arg("-c").arg(&chain).arg("-A").arg(&both);
    command.arg("-L").arg(world.path("split.log"));
    // TLS all of it: of plain connections it now and then swallows the first request.
    for port in world.ports {
        command.args(["ssl", &*SPLIT.to_string(), &port.to_string(), "127.0.0.1", &port.to_string()]);
    }
    let mut recorder = Running::start(&mut command, &place.join("out"));
    for port in world.ports {
        recorder.until_it_listens(&world.split, SocketAddr::from((SPLIT, port)));
    }
    recorder
}

/// Everything that captures.
pub(crate) struct Recorders {
    /// Where clients find their proxy.
    pub(crate) proxy: SocketAddr,
    /// The CA that they trust.
    pub(crate) authority: PathBuf,
    sidelight: Sidelight,
    others: Vec<Running>,
    packets: PathBuf,
}

impl Recorders {
    /// Starts them.
    pub(crate) fn start(world: &World) -> Self {
        let folder = world.folder.path();
        let split = sslsplit(world);
        let mut tcpdump = Command::new("tcpdump");
        let ports = world.ports.map(|port| format!("port {port}")).join(" or ");
        let filter = format!("host {SPLIT} and ({ports})");
        tcpdump.args([
            "-i",
            "lo",
            "-s",
            "0",
            "-B",
            "32768",
            "-U",
            "--immediate-mode",
            "-w",
            &world.path("wire.pcap"),
            &filter,
        ]);
        let mut packets = Running::start(&mut tcpdump, &folder.join("tcpdump.log"));
        let said = folder.join("tcpdump.log");
        packets.until("listening", || std::fs::read_to_string(&said).is_ok_and(|text| text.contains("listening on")));
        let roots = world.root.write_to(&folder.join("root.pem")).display().to_string();
        let [store, har, pcap, keys, log] =
            ["rec.sidelight", "a.har", "a.pcapng", "keys.log", "a.log"].map(|it| world.path(it));
        let options =
            ["--roots", &roots, "--mode", "explicit@127.0.0.1:0", "--store", &store, "--har", &har, "--pcap", &pcap];
        let more = ["--pcap-content", "tls", "--keylog", &keys, "--log", &log, "--show-secrets"];
        let command = world.split.command(world::binary(PROGRAM));
        let sidelight = Sidelight::start(command, folder, &[&options[..], &more[..]].concat(), 1);
        let front = local(free_port());
        let mut command = world.split.command(peers::mitmdump());
        command.args([
            "-q",
            "--listen-host",
            "127.0.0.1",
            "-p",
            &front.port().to_string(),
            "--set",
            "ssl_insecure=true",
        ]);
        command.args(["--mode", &format!("upstream:http://{}", sidelight.address("explicit"))]);
        command.args(["--set", &format!("confdir={}", world.path("mitm")), "-w", &world.path("a.flows")]);
        let mut mitmdump = Running::start(&mut command, &folder.join("mitmdump.log"));
        mitmdump.until_it_listens(&world.split, front);
        let authority = folder.join("mitm/mitmproxy-ca-cert.pem");
        let others = vec![mitmdump, split, packets];
        Self { proxy: front, authority, sidelight, others, packets: folder.join("wire.pcap") }
    }

    /// A folder that holds the CA as skopeo and docker want it.
    pub(crate) fn certificates(&self, world: &World) -> String {
        let certs = world.folder.path().join("certs");
        std::fs::create_dir_all(&certs).expect("a folder");
        std::fs::copy(&self.authority, certs.join("ca.crt")).expect("a certificate");
        certs.display().to_string()
    }

    /// A command that goes by the proxy.
    pub(crate) fn client(&self, world: &World, program: &str) -> Command {
        let mut command = world.split.command(program);
        for name in ["HTTP_PROXY", "HTTPS_PROXY"] {
            command.env(name, format!("http://{}", self.proxy));
            command.env(name.to_lowercase(), format!("http://{}", self.proxy));
        }
        command
    }

    /// What they said.
    pub(crate) fn said(&self) -> String {
        let others = self.others.iter().map(Running::said);
        std::iter::once(self.sidelight.said()).chain(others).collect::<Vec<_>>().join("\n")
    }

    /// Ends them all in order.
    pub(crate) fn stop(self) {
        let Self { sidelight, mut others, packets, .. } = self;
        sidelight.stop();
        // tcpdump ends last, and once nothing more comes to it.
        let length = || std::fs::metadata(&packets).map_or(0, |it| it.len());
        let (last, mut before) = (others.len() - 1, 0);
        for (at, recorder) in others.iter_mut().enumerate() {
            if at == last {
                recorder.until("silence on the wire", || std::mem::replace(&mut before, length()) == length());
            }
            end(recorder);
        }
    }
}

/// The captures that a [`Recorders`] leaves, by name, as arguments of the timeline; the first is sidelight's own recording.
pub(crate) fn captures(world: &World) -> Vec<(&'static str, Vec<String>)> {
    let at = |name: &str| world.path(name);
    let export = at("export.har");
    let mut command = Command::new(PROGRAM);
    command.args([
        "flows",
        "export",
        "--format",
        "har",
        "--show-secrets",
        "--store",
        &at("rec.sidelight"),
        "-o",
        &export,
    ]);
    run(&mut command).success();
    vec![
        ("recording", vec!["--store".to_owned(), at("rec.sidelight")]),
        ("HAR", vec![at("a.har")]),
        ("exported HAR", vec![export]),
        ("packets with keys", vec![at("a.pcapng"), "--keylog".to_owned(), at("keys.log")]),
        ("tcpdump with keys", vec![at("wire.pcap"), "--keylog".to_owned(), at("keys.log")]),
        ("content log", vec![at("a.log")]),
        ("mitmproxy", vec![at("a.flows")]),
        ("sslsplit", vec![at("split.log")]),
    ]
}

/// Every capture tells what sidelight's own recording tells, which is returned.
#[track_caller]
pub(crate) fn all_tell_the_same(world: &World) -> Vec<Value> {
    all_tell_the_same_but(world, &[])
}

/// The same, but that the content log, which holds digests of single bodies and not the bodies, tells nothing of the whole of these: by
/// action and digest.
#[track_caller]
pub(crate) fn all_tell_the_same_but(world: &World, in_pieces: &[(&str, &str)]) -> Vec<Value> {
    let captures = captures(world);
    let told = |arguments: &[String]| world.told(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let own = told(&captures[0].1);
    let mut own_by_log: Vec<_> = world
        .blocks(&["--store", &world.path("rec.sidelight")])
        .into_iter()
        .map(|it| canonical(&without_wholes(it, in_pieces)))
        .collect();
    own_by_log.sort();
    for (what, arguments) in &captures[1..] {
        let (own, other) = (if *what == "content log" { &own_by_log } else { &own }, told(arguments));
        let lines = |of: &[Vec<String>], but: &[Vec<String>]| -> Vec<String> {
            of.iter().flatten().filter(|it| !but.iter().flatten().any(|known| known == *it)).cloned().collect()
        };
        let (only, missing) = (lines(&other, own), lines(own, &other));
        assert!(other == *own, "{what}\nonly there: {only:#?}\nmissing there: {missing:#?}");
    }
    world.blocks(&["--store", &world.path("rec.sidelight")])
}

/// A block as a source tells it that holds no pieces of these.
fn without_wholes(mut block: Value, in_pieces: &[(&str, &str)]) -> Value {
    let action = block["action"].clone();
    let is_one = |step: &Value| in_pieces.iter().any(|(of, digest)| action == **of && step["reference"] == **digest);
    let mut count = 0;
    for step in block["steps"].as_array_mut().expect("steps").iter_mut().filter(|it| is_one(it)) {
        assert_eq!(step["digest"], "verified", "{step:#}");
        step["digest"] = "not_recorded".into();
        count += 1;
    }
    if count > 0 {
        let steps = if count == 1 { "step" } else { "steps" };
        let note = format!(
            "{count} {steps} with content that was not recorded whole: digests not verified (recordings keep more with --body-limit)"
        );
        block["verdict"]["notes"].as_array_mut().expect("notes").push(note.into());
    }
    block
}

/// Ends a recorder in order, and waits for its last writing.
pub(crate) fn end(recorder: &Running) {
    let pid = Pid::from_raw(i32::try_from(recorder.pid()).expect("a process id")).expect("a process id");
    kill_process(pid, Signal::TERM).expect("the recorder still runs");
    let gone = format!("/proc/{}/stat", pid.as_raw_nonzero());
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::fs::read_to_string(&gone).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < deadline, "it does not end:\n{}", recorder.said());
        std::thread::sleep(Duration::from_millis(20));
    }
}
