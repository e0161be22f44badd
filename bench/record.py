#!/usr/bin/env python3
"""What recording costs, beside mitmproxy and sslsplit on the same traffic in the same run.

    bench/record.py [--sidelight PROGRAM] [--mitmdump PROGRAM] [--requests N] [--mebibytes N] [--rounds N]

In: programs, and how much traffic. Out: a table of CPU time per request and per GiB, the largest resident memory, and the size of
what was written, for each recorder; ratios are against sidelight that records nothing. Wall time is not told: machines are noisy.
The traffic: h2load (Debian: nghttp2-client) with requests of 512 bytes of JSON over eight connections kept alive (sslsplit ends
each after one request), then one download; the origin is nginx. Recorders take turns, the median of the rounds is told.
Needs: nginx, h2load, curl, openssl; sslsplit and mitmdump are left out with a word when they are not there.
"""
import argparse
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process):
    for _ in range(400):
        if process.poll() is not None:
            sys.exit(f"a recorder ended with status {process.returncode} before it listened")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


def family(pid):
    """The process and its descendants: sslsplit forks a child that does the work."""
    pids, found = [pid], []
    while pids:
        pid = pids.pop()
        found.append(pid)
        for thread in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
            pids.extend(int(child) for child in thread.read_text().split())
    return found


def cpu(pid):
    total = 0
    for one in family(pid):
        fields = pathlib.Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def peak(pid):
    kib = 0
    for one in family(pid):
        for line in pathlib.Path(f"/proc/{one}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                kib += int(line.split()[1])
    return kib / 1024


def settle(pid):
    """Waits until what was recorded is written: the process uses no more CPU time."""
    before, quiet = cpu(pid), 0
    for _ in range(200):
        time.sleep(0.1)
        now = cpu(pid)
        quiet = quiet + 1 if now - before < 0.011 else 0
        before = now
        if quiet >= 8:
            return


class Origin:
    def __init__(self, folder, mebibytes):
        self.port = free_port()
        key, cert = folder / "key.pem", folder / "cert.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert],
            check=True, capture_output=True)
        site = folder / "site"
        site.mkdir()
        (site / "small.json").write_text('{"items": [' + ", ".join(str(n) for n in range(130)) + "]}")
        with open(site / "large", "wb") as large:
            for _ in range(mebibytes):
                large.write(os.urandom(1 << 20))
        (folder / "nginx.conf").write_text(
            f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/nginx.log; user root;\n"
            "events { worker_connections 512; }\n"
            "http { access_log off; sendfile on; keepalive_requests 1000000; types { application/json json; }\n"
            + "".join(f"{name}_temp_path {folder}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            + f"server {{ listen 127.0.0.1:{self.port} ssl; ssl_certificate {cert}; ssl_certificate_key {key}; root {site}; }} }}\n")
        self.process = subprocess.Popen(["nginx", "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL)
        wait_for(self.port, self.process)


def recorders(args, folder, origin):
    """Name, and the command that listens at {port} and writes into {out}."""
    ours = [args.sidelight, "proxy", "--quiet", "--roots", str(folder / "cert.pem"), "--mode", f"forward:127.0.0.1:{origin.port}@{{port}}"]
    found = [
        ("sidelight, recording nothing", ours + ["--no-store"]),
        ("sidelight, store", ours + ["--store", "{out}/flows.sidelight"]),
        ("sidelight, --har", ours + ["--no-store", "--har", "{out}/flows.har"]),
        ("sidelight, --log", ours + ["--no-store", "--log", "{out}/flows.log"]),
        ("sidelight, --pcap", ours + ["--no-store", "--pcap", "{out}/flows.pcapng"]),
        ("sidelight, store, --har, --pcap", ours + ["--store", "{out}/flows.sidelight", "--har", "{out}/flows.har", "--pcap", "{out}/flows.pcapng"]),
    ]
    if shutil.which(args.mitmdump):
        theirs = [args.mitmdump, "-q", "--listen-host", "127.0.0.1", "-p", "{port}", "--mode", f"reverse:https://127.0.0.1:{origin.port}",
                  "--set", "ssl_insecure=true", "--set", f"confdir={folder}/conf"]
        found += [("mitmdump", theirs), ("mitmdump -w", theirs + ["-w", "{out}/flows"])]
    else:
        print("mitmdump is not there: left out", file=sys.stderr)
    if shutil.which("sslsplit"):
        split = ["sslsplit", "-D", "-u", "root", "-k", str(folder / "key.pem"), "-c", str(folder / "cert.pem")]
        spec = ["https", "127.0.0.1", "{port}", "127.0.0.1", str(origin.port)]
        found += [("sslsplit", split + spec), ("sslsplit -L", split + ["-L", "{out}/content.log"] + spec),
                  ("sslsplit -X", split + ["-X", "{out}/flows.pcap"] + spec)]
    else:
        print("sslsplit is not there: left out", file=sys.stderr)
    return found


def measure(command, args, folder):
    out, port = pathlib.Path(tempfile.mkdtemp(dir=folder)), free_port()
    command = [part.format(port=port, out=out) for part in command]
    environment = dict(os.environ, XDG_DATA_HOME=str(folder / "data"), XDG_STATE_HOME=str(folder / "state"))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        wait_for(port, process)
        base = f"https://127.0.0.1:{port}"
        subprocess.run(["curl", "-sk", "-o", "/dev/null", f"{base}/small.json"], check=True)
        settle(process.pid)
        start = cpu(process.pid)
        said = subprocess.run(["h2load", "--h1", "-n", str(args.requests), "-c", "8", f"{base}/small.json"],
                              capture_output=True, text=True, check=True).stdout
        if f" {args.requests} succeeded" not in said:
            print(f"not every request succeeded: {command[0]}", file=sys.stderr)
        settle(process.pid)
        per_request = (cpu(process.pid) - start) / args.requests
        start = cpu(process.pid)
        subprocess.run(["curl", "-sk", "-o", "/dev/null", f"{base}/large"], check=True)
        settle(process.pid)
        per_gib = (cpu(process.pid) - start) / args.mebibytes * 1024
        memory = peak(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
    size = sum(file.stat().st_size for file in out.iterdir()) / (1 << 20)
    shutil.rmtree(out)
    return per_request * 1e6, per_gib, memory, size


def main():
    parser = argparse.ArgumentParser(description="What recording costs, beside its peers.")
    here = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("--sidelight", default=str(here / "target/release/sidelight"))
    parser.add_argument("--mitmdump", default=str(here / "target/peers/mitmproxy/bin/mitmdump"))
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--mebibytes", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="recorders whose name contains this")
    args = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp())
    origin = Origin(folder, args.mebibytes)
    try:
        table = [(name, command) for name, command in recorders(args, folder, origin) if args.only in name]
        results = {name: [] for name, _ in table}
        for _ in range(args.rounds):
            for name, command in table:
                results[name].append(measure(command, args, folder))
        base = None
        print(f"{'recorder':34} {'µs/request':>11} {'ratio':>6} {'s/GiB':>7} {'ratio':>6} {'peak MiB':>9} {'written MiB':>12}")
        for name, rows in results.items():
            request, gib, memory, size = (statistics.median(column) for column in zip(*rows))
            base = base or (request, gib)
            print(f"{name:34} {request:11.0f} {request / base[0]:6.2f} {gib:7.2f} {gib / base[1]:6.2f} {memory:9.0f} {size:12.1f}")
    finally:
        origin.process.terminate()
        origin.process.wait()
        shutil.rmtree(folder)


main()
