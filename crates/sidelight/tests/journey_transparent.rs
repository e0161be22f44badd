//! Connections that know of no proxy, taken off the wire by a router. In: three network namespaces, nftables rules, the real program, curl.
//! Out: the body arrives over IPv4 and IPv6, by SO_ORIGINAL_DST and by TPROXY, and the exchange is reported with its true destination.

mod wireshark;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sidelight_testkit::netns::{Namespace, join};
use sidelight_testkit::process::run;
use sidelight_testkit::world::{self, NAME, NAME6};
use sidelight_testkit::{Hosts, Issuer, Origin, Sidelight};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sidelight");
const ORIGIN: Ipv4Addr = Ipv4Addr::new(10, 92, 2, 2);
const ORIGIN6: Ipv6Addr = Ipv6Addr::new(0xfd92, 2, 0, 0, 0, 0, 0, 2);

/// A client and an origin with a router between them; sidelight runs on the router.
struct Routed {
    client: Namespace,
    router: Namespace,
    origins: [Origin; 2],
    hosts: Hosts,
    folder: tempfile::TempDir,
    root: Issuer,
    _origin: Namespace,
}

impl Routed {
    fn new() -> Self {
        let [client, router, origin] = [Namespace::new(), Namespace::new(), Namespace::new()];
        join((&client, &["10.92.1.2/24", "fd92:1::2/64"]), (&router, &["10.92.1.1/24", "fd92:1::1/64"]));
        join((&origin, &["10.92.2.2/24", "fd92:2::2/64"]), (&router, &["10.92.2.1/24", "fd92:2::1/64"]));
        for (namespace, net) in [(&client, 1), (&origin, 2)] {
            namespace.ip(&["route", "add", "default", "via", &format!("10.92.{net}.1")]);
            namespace.ip(&["-6", "route", "add", "default", "via", &format!("fd92:{net}::1")]);
        }
        router.sysctl("net.ipv4.ip_forward", "1");
        router.sysctl("net.ipv6.conf.all.forwarding", "1");
        let root = Issuer::root("Router Test Root");
        let identity = world::identity(&root);
        let serve = |address: &str| Origin::on(origin.listen(address), &identity, &["h2", "http/1.1"]);
        let origins = [serve("10.92.2.2:443"), serve("[fd92:2::2]:443")];
        let folder = tempfile::TempDir::new().expect("a temporary folder");
        let names = [(NAME, IpAddr::V4(ORIGIN)), (NAME6, IpAddr::V6(ORIGIN6))];
        let hosts = Hosts::new(folder.path(), &names);
        Self { client, router, origins, hosts, folder, root, _origin: origin }
    }

    fn sidelight(&self, modes: &[&str], more: &[&str]) -> Sidelight {
        let roots = self.root.write_to(&self.folder.path().join("roots.pem"));
        let options = [&["--roots", roots.to_str().expect("a path in UTF-8")], modes, more].concat();
        let program = self.hosts.inside(&self.router).command(world::binary(PROGRAM));
        Sidelight::start(program, self.folder.path(), &options, modes.len() / 2)
    }

    /// curl in the client's namespace reaches both origins through the router; sidelight shows it.
    fn check(&self, sidelight: &Sidelight, mode: &str) {
        for (name, address) in [(NAME, IpAddr::V4(ORIGIN)), (NAME6, IpAddr::V6(ORIGIN6))] {
            let mut curl = self.hosts.inside(&self.client).command("curl");
            curl.args(["--silent", "--show-error", "--cacert"]).arg(sidelight.ca_file());
            curl.arg(format!("https://{name}/bytes/700001"));
            let done = run(&mut curl);
            assert!(done.status.success(), "{done}\n{}", sidelight.said());
            assert_eq!(done.stdout, sidelight_testkit::origin::body(0, 700_001));
            let url = format!("https://{name}/bytes/700001");
            let seen = sidelight.wait_for(&url, "exchange", |line| line["url"] == url.as_str());
            assert!(seen["mode"].as_str().is_some_and(|named| named.starts_with(mode)), "{seen}");
            let upstream = seen["upstream"].as_str().unwrap_or_default();
            assert!(upstream.contains(&address.to_string()), "{seen}");
        }
        assert_eq!(self.origins.each_ref().map(|origin| origin.requests().len()), [1, 1]);
    }
}

#[test]
fn by_redirect() {
    let routed = Routed::new();
    let pcap = wireshark::file(routed.folder.path(), "routed.pcapng");
    let modes = ["--mode", "transparent@10.92.1.1:8443", "--mode", "transparent@[fd92:1::1]:8443"];
    let sidelight = routed.sidelight(&modes, &["--pcap", &pcap, "--pcap-content", "both"]);
    routed.router.nft(
        "table inet sidelight { chain in { type nat hook prerouting priority dstnat; \
         iifname \"v*\" ip daddr 10.92.2.2 tcp dport 443 redirect to :8443; \
         ip6 daddr fd92:2::2 tcp dport 443 redirect to :8443; }; }",
    );
    routed.check(&sidelight, "transparent");
    let ledger = sidelight.stop();
    assert_eq!(ledger["decrypted"], 2, "{ledger}");
    // Both legs as they would be without a router that reads along: the client's is with the origin's own address.
    let capture = wireshark::Capture::new(pcap, 443);
    capture.is_sound();
    let body = sidelight_testkit::origin::body(0, 700_001);
    let bodies = capture.http2_bodies();
    assert!(
        bodies.len() == 6 && bodies.iter().all(|found| *found == body),
        "two legs and the content, of two connections"
    );
    for (filter, name) in [("ip.dst == 10.92.2.2", NAME), ("ipv6.dst == fd92:2::2", NAME6)] {
        let mut seen =
            capture.fields(&format!("{filter} and http2.headers.path"), &["frame.interface_id", "tcp.dstport"]);
        seen.sort();
        assert_eq!(seen, ["0\t443", "1\t443", "2\t80"], "{name}");
        assert!(capture.tshark(&["-q", "-z", "hosts"]).contains(name), "the name of the service is in the file");
    }
}

#[test]
fn by_tproxy() {
    let routed = Routed::new();
    let sidelight = routed.sidelight(&["--mode", "tproxy@127.0.0.1:8443", "--mode", "tproxy@[::1]:8443"], &[]);
    routed.router.nft(
        "table inet sidelight { chain in { type filter hook prerouting priority mangle; \
         ip daddr 10.92.2.2 tcp dport 443 tproxy ip to 127.0.0.1:8443 meta mark set 1 accept; \
         ip6 daddr fd92:2::2 tcp dport 443 tproxy ip6 to [::1]:8443 meta mark set 1 accept; }; }",
    );
    for family in ["-4", "-6"] {
        routed.router.ip(&[family, "rule", "add", "fwmark", "1", "lookup", "100"]);
        routed.router.ip(&[family, "route", "add", "local", "default", "dev", "lo", "table", "100"]);
    }
    routed.check(&sidelight, "tproxy");
    let ledger = sidelight.stop();
    assert_eq!(ledger["decrypted"], 2, "{ledger}");
}
