"""What is measured. In: a scene (origin, names, clients) and a peer, or none for a direct connection. Out: figures by name."""
import collections
import contextlib
import dataclasses
import json
import pathlib
import sqlite3
import subprocess
import time

from processes import Running, free_port

GIB = 1 << 30


@dataclasses.dataclass
class Scale:
    """How much of each."""
    rounds: int
    requests: int
    bulk: int  # bytes
    connections: int
    hosts: int
    single: int
    idle: tuple
    stall: float  # seconds


FULL = Scale(3, 60_000, GIB, 4_000, 1_200, 100, (1_000, 9_000), 5)
QUICK = Scale(1, 20_000, GIB // 4, 1_000, 400, 40, (1_000,), 2)
SMOKE = Scale(1, 200, 1 << 22, 20, 10, 4, (20,), 0.2)


class Scene:
    """The origin, the names, and the clients' program."""

    def __init__(self, folder, programs, scale):
        self.folder, self.load, self.scale = folder, programs["load"], scale
        self.next_host = 1
        self.started = []

    def __enter__(self):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        # Some resolve even a numeric address only where the machine has one beside loopback (AI_ADDRCONFIG).
        subprocess.run(["ip", "link", "add", "other", "type", "veth", "peer", "name", "another"], check=True)
        subprocess.run(["ip", "address", "add", "198.18.0.1/24", "dev", "other"], check=True)
        subprocess.run(["ip", "link", "set", "other", "up"], check=True)
        names = self.folder / "resolv.conf"
        names.write_text("nameserver 127.0.0.1\n")
        # Where it is a link, what it leads to is covered.
        subprocess.run(["mount", "--bind", names, pathlib.Path("/etc/resolv.conf").resolve(strict=False)], check=True)
        self.spawn(["dnsmasq", "--no-daemon", "--no-hosts", "--no-resolv", "--listen-address=127.0.0.1", "--bind-interfaces", "--pid-file=",
                    "--cache-size=0", "--local-ttl=3600", "--address=/bench.test/127.0.0.1", "--user=root"])
        # Peers and rounds each take hosts that no one saw before.
        hosts = 1 + self.scale.hosts + self.scale.rounds * 12 * (self.scale.hosts + self.scale.single)
        subprocess.run([self.load, "certificates", self.folder / "certs", str(hosts)], check=True, stdout=subprocess.DEVNULL)
        ca = self.folder / "ca"
        ca.mkdir()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "20", "-subj",
                        "/CN=Bench Interception CA", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", ca / "ca.key", "-out", ca / "ca.pem"],
                       check=True, capture_output=True)
        (ca / "ca.key").chmod(0o600)
        self.origin()
        return self

    def origin(self):
        site = self.folder / "site"
        site.mkdir()
        (site / "1k").write_bytes(b"{" + b" " * 1022 + b"}")
        with open(site / "big", "wb") as big:
            big.truncate(self.scale.bulk)
        certs = self.folder / "certs"
        temp = "".join(f"{name}_temp_path {self.folder}/origin-{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        fixed = f"ssl_certificate {certs}/h0.bench.test.pem; ssl_certificate_key {certs}/h0.bench.test.pem;"
        each = f"ssl_certificate {certs}/$ssl_server_name.pem; ssl_certificate_key {certs}/$ssl_server_name.pem;"
        listen = "listen 127.0.0.1:443 ssl http2 backlog=4096"
        conf = self.folder / "origin.conf"
        conf.write_text(
            f"daemon off; worker_processes 2; worker_rlimit_nofile 20000; user root; pid {self.folder}/origin.pid; error_log {self.folder}/origin.log crit;\n"
            "events { worker_connections 19000; }\n"
            f"http {{ access_log off; {temp} default_type application/json; keepalive_requests 10000000; http2_max_requests 10000000; keepalive_timeout 600s;\n"
            f"  sendfile on; tcp_nodelay on; ssl_session_cache shared:s:4m; root {site};\n"
            f"  server {{ {listen}; server_name h0.bench.test; {fixed} }}\n  server {{ {listen} default_server; {each} }} }}\n".replace(
                f"{listen}; server_name", "listen 127.0.0.1:443 ssl http2; server_name"))
        self.spawn(["nginx", "-c", conf])
        time.sleep(0.3)

    def spawn(self, command):
        log = open(self.folder / f"{pathlib.Path(command[0]).name}-{len(self.started)}.log", "wb")
        self.started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def __exit__(self, *_):
        for process in self.started:
            process.terminate()
        for process in self.started:
            process.wait(10)

    def ask(self, verb, running, *options):
        """What the clients saw."""
        said = subprocess.run(self.command(verb, running, *options), capture_output=True, text=True, timeout=900)
        if said.returncode:
            raise RuntimeError(said.stderr.strip()[-300:])
        return json.loads(said.stdout)

    def command(self, verb, running, *options):
        at = ["--at", f"127.0.0.1:{running.port if running else 443}"]
        if running and running.peer.connect:
            at += ["--connect", "443"]
        return [self.load, verb, *at, *map(str, options)]

    def hosts(self, count):
        """The first of hosts that nobody saw before."""
        first, self.next_host = self.next_host, self.next_host + count
        return first


class Measure:
    """One measure. `figures`: the columns, with their units; the first is the one that counts, the less the better."""
    direct = True
    name, title, figures = "", "", {}

    def fits(self, peer):
        return True

    def run(self, scene, peer):
        raise NotImplementedError

    @staticmethod
    def part(peer, share, count, least=1):
        return max(least, int(count * (getattr(peer, share) if peer else 1)))


class Requests(Measure):
    def __init__(self, h2):
        self.h2 = h2
        self.name = "requests-h2" if h2 else "requests-h1"
        self.title = f"Requests, HTTP/{2 if h2 else '1.1'}, 1 KiB, eight kept connections"
        self.figures = {"cpu_us": "CPU µs a request", "rate": "requests/s", "p50_us": "p50 µs", "p99_us": "p99 µs"}

    def fits(self, peer):
        return peer.h2 or not self.h2

    def run(self, scene, peer):
        count = self.part(peer, "share", scene.scale.requests, 64)
        options = ["--h2"] if self.h2 else []
        if not peer:
            seen = scene.ask("requests", None, "--count", count, *options)
            return {"rate": seen["rate"], **seen["times"]}
        with Running(peer, scene.folder, self.h2) as running:
            scene.ask("requests", running, "--count", 64, *options)
            before = running.settled_cpu()
            seen = scene.ask("requests", running, "--count", count, *options)
            cpu = running.settled_cpu() - before
            return {"cpu_us": cpu * 1e6 / seen["requests"], "rate": seen["rate"], **seen["times"]}


class Bulk(Measure):
    def __init__(self, connections):
        self.connections = connections
        self.name = f"bulk-{connections}"
        self.title = f"Download on {connections} connection{'s' if connections > 1 else ''}"
        self.figures = {"cpu_s_gib": "CPU s a GiB", "mb_s": "MB/s", "peak_mib": "peak MiB"}

    def run(self, scene, peer):
        options = ["--connections", self.connections]
        if not peer:
            return {"mb_s": scene.ask("bulk", None, *options)["mb_per_s"]}
        # The slow ones get one download less wide, never a smaller file: memory is measured too.
        with Running(peer, scene.folder) as running:
            scene.ask("requests", running, "--count", 8)
            before = running.settled_cpu()
            seen = scene.ask("bulk", running, *options)
            cpu = running.settled_cpu() - before
            return {"cpu_s_gib": cpu * GIB / seen["bytes"], "mb_s": seen["mb_per_s"], "peak_mib": running.peak()}


class Connections(Measure):
    def __init__(self, name, title, new_hosts=False, resume=False):
        self.name, self.title, self.new_hosts, self.resume = name, title, new_hosts, resume
        self.figures = {"cpu_us": "CPU µs each", "rate": "connections/s", "p50_us": "p50 µs"}

    def fits(self, peer):
        return peer.connect and peer.forges if self.new_hosts else True

    def run(self, scene, peer):
        count = self.part(peer, "share_new", scene.scale.hosts if self.new_hosts else scene.scale.connections, 4)
        options = ["--count", count] + (["--resume"] if self.resume else [])
        if self.new_hosts:
            options += ["--hosts-from", scene.hosts(count)]
        if not peer:
            seen = scene.ask("connections", None, *options)
            return {"rate": seen["rate"], "p50_us": seen["times"]["p50_us"]}
        with Running(peer, scene.folder) as running:
            scene.ask("connections", running, "--count", 8)
            before = running.settled_cpu()
            seen = scene.ask("connections", running, *options)
            cpu = running.settled_cpu() - before
            return {"cpu_us": cpu * 1e6 / count, "rate": seen["rate"], "p50_us": seen["times"]["p50_us"]}


class Single(Measure):
    def __init__(self, new_hosts):
        self.new_hosts = new_hosts
        self.name = "one-new-host" if new_hosts else "one-connection"
        self.title = f"One new connection at a time, {'each to a new host' if new_hosts else 'a known host'}: up to the answer's first byte"
        self.figures = {"p50_us": "p50 µs", "p99_us": "p99 µs"}

    def fits(self, peer):
        return peer.connect and peer.forges if self.new_hosts else True

    def run(self, scene, peer):
        count = self.part(peer, "share_new", scene.scale.single, 4)
        options = ["--count", count, "--at-once", 1]
        if self.new_hosts:
            options += ["--hosts-from", scene.hosts(count)]
        if not peer:
            return scene.ask("connections", None, *options)["times"]
        with Running(peer, scene.folder) as running:
            scene.ask("connections", running, "--count", 4)
            return scene.ask("connections", running, *options)["times"]


class Idle(Measure):
    direct = False
    name, title = "idle", "Connections that say nothing"
    figures = {"kib_each": "KiB each", "base_mib": "MiB without"}

    def run(self, scene, peer):
        with Running(peer, scene.folder) as running:
            scene.ask("requests", running, "--count", 64)
            base = running.resident()
            told = {"base_mib": base / 1024}
            for count in scene.scale.idle:
                with subprocess.Popen(scene.command("idle", running, "--count", count), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as held:
                    if held.stdout.readline().strip() != "ready":
                        raise RuntimeError(f"{count} connections did not come about")
                    running.settled_cpu()
                    told["kib_each"] = (running.resident() - base) / count
                    held.stdin.close()
                    held.wait(60)
            return told


class Stall(Measure):
    direct = False
    name, title = "stall", "A download whose reader stands still: growth of memory"
    figures = {"kib": "KiB"}

    def run(self, scene, peer):
        with Running(peer, scene.folder) as running:
            scene.ask("requests", running, "--count", 64)
            base = running.resident()
            with subprocess.Popen(scene.command("stall", running), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as held:
                if held.stdout.readline().strip() != "ready":
                    raise RuntimeError("the download did not begin")
                time.sleep(scene.scale.stall)
                grown = running.resident() - base
                held.stdin.close()
                held.wait(60)
            return {"kib": grown}


class Kept(Measure):
    """Requests and downloads at once, then what the recording has of them. With `wait` nothing may be missing; with `drop` what is missing must be told."""
    direct = False
    name, title = "kept", "What a recording has of requests made during downloads"
    figures = {"missing": "exchanges not whole", "cut": "of them told as cut", "made": "made", "lost": "bytes told as lost"}

    def fits(self, peer):
        return peer.records

    def run(self, scene, peer):
        with Running(peer, scene.folder) as running:
            with subprocess.Popen(scene.command("bulk", running, "--connections", 4), stdout=subprocess.PIPE) as bulk:
                made = scene.ask("requests", running, "--count", scene.scale.requests)["requests"] + 4
                bulk.communicate(timeout=900)
            running.settled_cpu()
        store = running.out / "flows.sidelight"
        def said(*command):
            done = subprocess.run([peer.command[0], "flows", *command, "--json", "--store", store], capture_output=True, text=True, check=True)
            return [json.loads(line) for line in done.stdout.splitlines()]
        # A list tells the losses of connections without exchanges alone; the recording has them of all.
        with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as recording:
            lost = recording.execute("SELECT coalesce(sum(lost_to_server + lost_to_client), 0) FROM connection").fetchone()[0]
        lost += sum(loss["bytes"] for loss in said("stats")[0]["losses"])
        outcomes = collections.Counter(flow["outcome"] for flow in said("list") if flow["kind"] == "exchange")
        missing, cut = made - outcomes["complete"], outcomes.total() - outcomes["complete"]
        if missing < 0 or (missing and ("wait" in peer.command or not lost)):
            raise RuntimeError(f"{missing} of {made} exchanges are not whole, {lost} bytes told as lost")
        return {"missing": missing, "cut": cut, "made": made, "lost": lost}


class Start(Measure):
    direct = False
    name, title = "start", "From the start to listening"
    figures = {"ms": "ms", "cpu_ms": "CPU ms"}

    def run(self, scene, peer):
        with Running(peer, scene.folder) as running:
            return {"ms": running.start * 1000, "cpu_ms": running.cpu() * 1000}


ALL = [
    Requests(False), Requests(True), Bulk(1), Bulk(4),
    Connections("connections", "New connections to one host, full handshakes"),
    Connections("connections-resumed", "New connections to one host, sessions resumed where the proxy lets them", resume=True),
    Connections("new-hosts", "New connections, each to a new host", new_hosts=True),
    Single(False), Single(True), Idle(), Stall(), Kept(), Start(),
]
