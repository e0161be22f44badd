//! First use behind real scanning proxies. In: mitmproxy, squid, sslsplit and our own proxy, each before an origin, explicit or in the network's
//! way. Out: the record names the proxy's own CA, the command connects, and another proxy's CA is refused. Spec: docs/tofu.md.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use sidelight_testkit::netns::{Namespace, join};
use sidelight_testkit::peers;
use sidelight_testkit::process::{free_port, run};
use sidelight_testkit::world::{self, NAME};
use sidelight_testkit::{Finished, Hosts, Identity, Issuer, Leaf, Origin, Running, Sidelight};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");

/// The origin's, for its one name: what scanners copy into theirs must fit the names that are asked for.
fn identity(root: &Issuer) -> Identity {
    root.intermediate("Origin Test Intermediate").issue(&Leaf::named(&[NAME]))
}

/// An origin of a root that nobody knows, and where its clients are.
struct Scene {
    folder: tempfile::TempDir,
    root: Issuer,
    /// With the origin's name.
    client: Hosts,
    origin: Origin,
}

const CURL: &str = "exec curl --silent --show-error --max-time 30 --write-out '%{http_code}' \"$0\"";

/// Shell lines of other clients, each printing the status of the URL `$0`. All read their roots where they are told to by variables.
fn others() -> [(&'static str, String); 5] {
    let python =
        "-c 'import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=30).status, end=\"\")' \"$0\"";
    let node = "node -e 'require(\"https\").get(process.argv[1], (answer) => { process.stdout.write(String(answer.statusCode)); \
                answer.resume(); })' \"$0\"";
    [
        ("wget (GnuTLS)", "wget --quiet --timeout 30 --tries 1 --output-document - \"$0\" && printf 204".to_owned()),
        ("Python up to 3.12", format!("exec /usr/bin/python3 {python}")),
        ("Python from 3.13", format!("exec {} {python}", peers::python().display())),
        ("Node", format!("exec {node}")),
        ("Go", format!("exec {} \"$0\"", peers::go_client("status.go").display())),
    ]
}

impl Scene {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        // squid gives up root's rights and reads its files as somebody else.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let root = Issuer::root("Origin Test Root");
        let origin = Origin::https("127.0.0.1:0", &identity(&root), &["http/1.1"]);
        let client = world::names(folder.path());
        root.write_to(&folder.path().join("origin-root.pem"));
        Self { folder, root, client, origin }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A client, started by `sidelight tofu`. Roots go into the environment: this machine's stores are not ours.
    fn start(&self, options: &[&str], variables: &[(&str, &str)]) -> Finished {
        self.start_as(CURL, options, variables)
    }

    /// As [`Self::start`], with another client than curl: a shell's line that prints the status of the URL `$0`.
    fn start_as(&self, client: &str, options: &[&str], variables: &[(&str, &str)]) -> Finished {
        let port = self.origin.address().port();
        let mut command = self.client.command(PROGRAM);
        command.args([
            "tofu",
            "--policy",
            "tofu",
            "--install",
            "environment",
            "--record-may-vanish",
            "--deadline",
            "1s",
        ]);
        command.args(["--host", &format!("{NAME}:{port}")]).arg("--pins").arg(self.path("known-roots"));
        command.args(options).args(["--", "sh", "-c", client, &format!("https://{NAME}:{port}/status/204")]);
        command.envs(variables.iter().copied()).env("TMPDIR", self.folder.path());
        run(&mut command)
    }

    /// Begins a record; starts twice through a proxy: named by an option, and by the variable that curl reads, too.
    #[track_caller]
    fn adopts_explicit(&self, proxy: SocketAddr, ca: &Path, options: &[&str]) {
        self.begin();
        let url = format!("http://{proxy}");
        let variables = [("HTTPS_PROXY", url.as_str())];
        let first = self.start(&[&["--via-proxy", &url], options].concat(), &variables);
        self.adopted(&first, ca);
        let second = self.start(options, &variables).success();
        assert_eq!(second.text(), "204", "{second}");
        assert!(second.errors().contains("the recorded key"), "{second}");
        self.refuses_others(&url);
    }

    fn begin(&self) {
        let mut init = Command::new(PROGRAM);
        run(init.args(["tofu", "pins", "init", "--pins"]).arg(self.path("known-roots"))).success();
    }

    /// It was adopted, the record holds the key of this certificate, and the command connected.
    #[track_caller]
    fn adopted(&self, first: &Finished, ca: &Path) {
        assert!(first.status.success() && first.text() == "204", "{first}");
        assert!(first.errors().contains("adopted on first use"), "{first}");
        let script = "openssl x509 -in \"$0\" -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64";
        let key = run(Command::new("sh").args(["-c", script]).arg(ca)).success().text();
        let record = std::fs::read_to_string(self.path("known-roots")).unwrap();
        assert!(record.contains(&format!(" sha256//{} ", key.trim())), "{record}\nhas not {key}");
    }

    /// Another proxy at the same place is refused.
    fn refuses_others(&self, url: &str) {
        let place: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
        let state = self.path("another");
        std::fs::create_dir(&state).unwrap();
        let roots = self.path("origin-root.pem");
        let options = ["--roots", roots.to_str().unwrap(), "--mode", "explicit@127.0.0.1:0"];
        let other = Sidelight::start(self.client.command(PROGRAM), &state, &options, 1);
        // Recorded for the way through the first proxy; the record is rewritten to mean the other one's place.
        let record = std::fs::read_to_string(self.path("known-roots")).unwrap();
        let moved = other.address("explicit");
        std::fs::write(self.path("known-roots"), record.replace(&place.to_string(), &moved.to_string())).unwrap();
        let url = format!("http://{moved}");
        let refused = self.start(&["--via-proxy", &url], &[("HTTPS_PROXY", &url)]);
        assert_eq!(refused.status.code(), Some(121), "{refused}");
        assert!(refused.text().is_empty(), "the command ran: {refused}");
        other.stop();
    }
}

#[test]
fn mitmproxy_explicit() {
    let scene = Scene::new();
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut mitmdump = scene.client.command(peers::mitmdump());
    mitmdump.args(["--listen-host", "127.0.0.1", "-p", &address.port().to_string(), "--set", "ssl_insecure=true"]);
    mitmdump.args(["--set", &format!("confdir={}", scene.folder.path().display())]);
    let mut running = Running::start(&mut mitmdump, &scene.path("mitmdump.log"));
    running.until_it_listens(&scene.client, address);
    // It sends the leaf alone, so that there is no key to adopt: its CA is given beside.
    let ca = scene.path("mitmproxy-ca-cert.pem");
    scene.begin();
    let refused = scene.start(&["--via-proxy", &format!("http://{address}")], &[]);
    assert_eq!(refused.status.code(), Some(125), "{refused}");
    assert!(refused.errors().contains("CN=mitmproxy") && refused.errors().contains("--issuers FILE"), "{refused}");
    scene.adopts_explicit(address, &ca, &["--issuers", ca.to_str().unwrap()]);
    let log = std::fs::read_to_string(scene.path("mitmdump.log")).unwrap();
    assert!(!log.contains("handshake failed") && !log.contains("rror"), "the look broke off: {log}");
}

/// A CA with its key in files: what scanners are given.
fn scanner_ca(scene: &Scene) -> (PathBuf, PathBuf) {
    let (ca, key) = (scene.path("ca.pem"), scene.path("ca.key"));
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/O=Night Scanner/CN=Scanner CA",
    ]);
    openssl.args(["-addext", "keyUsage=critical,keyCertSign,cRLSign"]);
    run(openssl.arg("-keyout").arg(&key).arg("-out").arg(&ca)).success();
    (ca, key)
}

#[test]
fn squid_explicit() {
    let scene = Scene::new();
    let (ca, key) = scanner_ca(&scene);
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let folder = scene.folder.path().display();
    let certgen = "/usr/lib/squid/security_file_certgen";
    run(Command::new(certgen).args(["-c", "-s"]).arg(scene.path("db")).args(["-M", "4MB"])).success();
    let text = format!(
        "http_port {address} ssl-bump tls-cert={} tls-key={} generate-host-certificates=on dynamic_cert_mem_cache_size=4MB\n\
         sslcrtd_program {certgen} -s {folder}/db -M 4MB\nsslcrtd_children 1 startup=1\n\
         ssl_bump bump all\nsslproxy_cert_error allow all\ntls_outgoing_options flags=DONT_VERIFY_PEER\n\
         http_access allow all\ncache deny all\naccess_log none\ncache_log {folder}/cache.log\npid_filename none\n\
         coredump_dir none\nvisible_hostname squid.test\nshutdown_lifetime 0 seconds\npinger_enable off\n",
        ca.display(),
        key.display()
    );
    std::fs::write(scene.path("squid.conf"), text).unwrap();
    for name in ["db", "ca.pem", "ca.key"] {
        run(Command::new("chown").args(["-R", "proxy"]).arg(scene.path(name))).success();
    }
    std::fs::write(scene.path("cache.log"), "").unwrap();
    run(Command::new("chown").arg("proxy").arg(scene.path("cache.log"))).success();
    let mut squid = scene.client.command("squid");
    squid.args(["-N", "-f"]).arg(scene.path("squid.conf"));
    let mut running = Running::start(&mut squid, &scene.path("squid.log"));
    running.until_it_listens(&scene.client, address);
    scene.adopts_explicit(address, &ca, &[]);
    let log = std::fs::read_to_string(scene.path("cache.log")).unwrap();
    assert!(!log.contains("rror"), "the look broke off: {log}");
}

#[test]
fn our_own_proxy_explicit() {
    let scene = Scene::new();
    let roots = scene.path("origin-root.pem");
    let options = ["--roots", roots.to_str().unwrap(), "--mode", "explicit@127.0.0.1:0"];
    let sidelight = Sidelight::start(scene.client.command(PROGRAM), scene.folder.path(), &options, 1);
    scene.adopts_explicit(sidelight.address("explicit"), &sidelight.ca_file(), &[]);
    sidelight.stop();
}

/// A client, a router that redirects HTTPS to itself, and the origin, each in a network of its own.
struct Routed {
    scene: Scene,
    router: Namespace,
    _others: [Namespace; 2],
}

impl Routed {
    fn new() -> Self {
        let [client, router, origin] = [Namespace::new(), Namespace::new(), Namespace::new()];
        join((&client, &["10.92.1.2/24"]), (&router, &["10.92.1.1/24"]));
        join((&origin, &["10.92.2.2/24"]), (&router, &["10.92.2.1/24"]));
        // No other routes: name servers are not reached, and known at once to be so.
        client.ip(&["route", "add", "10.92.2.0/24", "via", "10.92.1.1"]);
        origin.ip(&["route", "add", "default", "via", "10.92.2.1"]);
        router.sysctl("net.ipv4.ip_forward", "1");
        let mut scene = Scene::new();
        let listener = origin.listen("10.92.2.2:443");
        scene.origin = Origin::on(listener, &identity(&scene.root), &["http/1.1"]);
        let names = [(NAME, IpAddr::V4(Ipv4Addr::new(10, 92, 2, 2)))];
        scene.client = Hosts::new(scene.folder.path(), &names).inside(&client);
        router.nft(
            "table ip sidelight { chain in { type nat hook prerouting priority dstnat; \
             ip daddr 10.92.2.2 tcp dport 443 redirect to :8443; }; }",
        );
        Self { scene, router, _others: [client, origin] }
    }

    /// First use by a client that knows of no proxy, and a second.
    #[track_caller]
    fn adopts(&self, ca: &Path) {
        self.scene.begin();
        self.scene.adopted(&self.scene.start(&[], &[]), ca);
        let second = self.scene.start(&[], &[]).success();
        assert!(second.errors().contains("the recorded key"), "{second}");
    }
}

#[test]
fn our_own_proxy_in_the_way() {
    let routed = Routed::new();
    let scene = &routed.scene;
    let roots = scene.path("origin-root.pem");
    let options = ["--roots", roots.to_str().unwrap(), "--mode", "transparent@10.92.1.1:8443"];
    let place = scene.client.inside(&routed.router);
    let sidelight = Sidelight::start(place.command(PROGRAM), scene.folder.path(), &options, 1);
    routed.adopts(&sidelight.ca_file());
    sidelight.stop();
}

#[test]
fn sslsplit_in_the_way() {
    let routed = Routed::new();
    let scene = &routed.scene;
    let (ca, key) = scanner_ca(scene);
    let place = scene.client.inside(&routed.router);
    let mut sslsplit = place.command("sslsplit");
    sslsplit.args(["-D", "-u", "root", "-k"]).arg(key).arg("-c").arg(&ca).arg("-e").arg("netfilter");
    sslsplit.args(["ssl", "10.92.1.1", "8443"]);
    let mut running = Running::start(&mut sslsplit, &scene.path("sslsplit.log"));
    running.until("listening", || place.reaches(([10, 92, 1, 1], 8443).into()));
    // It names its CA by issuer and serial number in every leaf, which OpenSSL and Java compare with those of what they trust.
    routed.adopts(&ca);
    for (name, line) in others() {
        let started = scene.start_as(&line, &[], &[]);
        assert!(started.status.success() && started.text() == "204", "{name}: {started}");
    }
    // What is no longer there is not taken for a change.
    drop(running);
    let unreachable = scene.start(&[], &[]);
    assert_eq!(unreachable.status.code(), Some(125), "{unreachable}");
}
