#!/usr/bin/env python3
"""What single commands of sidelight cost, beside the nearest command of a peer.

    bench/commands.py [--sidelight PROGRAM] [--flows N] [--rounds N] [--json FILE]

In: the release build; openssl; mitmproxy below target/peers (bench.py installs it). Out: CPU milliseconds (user and system, median and range of the
rounds), wall time and the largest resident memory of each command as a whole process. Commands take turns, so that what else the machine does meets all
alike. `diagnose` beside `openssl s_client` at the same server, `flows list` over N flows beside mitmdump reading its own file of a hundredth of them,
told for each flow; `tofu` with nothing to do, `registry token verify` and `--version` alone. `trust audit` is in trust.py.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
MITMPROXY = ROOT / "target/peers/mitmproxy/bin"

FLOWS = """
import sys
from mitmproxy.io import FlowWriter
from mitmproxy.test import tflow
with open(sys.argv[1], "wb") as out:
    writer = FlowWriter(out)
    for number in range(int(sys.argv[2])):
        writer.add(tflow.tflow(resp=True))
"""


def quietly(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, **options)


def prepare(folder, sidelight, count):
    """Keys, a server, a token, recordings. Gives the commands by name, and the server."""
    quietly("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "20", "-subj", "/CN=Bench CA",
            "-keyout", folder / "ca.key", "-out", folder / "ca.pem")
    quietly("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-keyout", folder / "leaf.key",
            "-out", folder / "leaf.csr")
    (folder / "leaf.ext").write_text("subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\nkeyUsage=digitalSignature\n")
    quietly("openssl", "x509", "-req", "-in", folder / "leaf.csr", "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-days", "10", "-extfile",
            folder / "leaf.ext", "-out", folder / "leaf.pem")
    claims = ["--issuer", "bench", "--service", "svc", "--scope", "repository:team/app:pull"]
    token = quietly(sidelight, "registry", "token", "mint", "--key", folder / "ca.key", *claims, text=True).stdout.strip()
    store, mitm = folder / "million.sidelight", folder / "flows.mitm"
    quietly("cargo", "run", "--quiet", "--release", "--locked", "--example", "large_store", "--package", "sidelight-sink", "--", store, count, cwd=ROOT)
    few = max(1, count // 100)
    if (MITMPROXY / "python").exists():
        quietly(MITMPROXY / "python", "-c", FLOWS, mitm, few)
    known = ["--issuer", "bench", "--service", "svc", "--roots", folder / "ca.pem"]
    # Last of all: whoever calls ends it.
    server = subprocess.Popen(["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", folder / "leaf.pem", "-key", folder / "leaf.key", "-www"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    port = next(line for line in server.stdout if line.startswith("ACCEPT")).rsplit(":", 1)[1].strip()
    commands = {
        "sidelight --version": [sidelight, "--version"],
        "sidelight diagnose": [sidelight, "diagnose", f"localhost:{port}", "--roots", folder / "ca.pem"],
        "openssl s_client": ["openssl", "s_client", "-connect", f"localhost:{port}", "-servername", "localhost", "-CAfile", folder / "ca.pem"],
        "sidelight registry token verify": [sidelight, "registry", "token", "verify", token, "--registry", "2", *known],
        "sidelight tofu, nothing to do": [sidelight, "tofu", "--host", f"localhost:{port}", "--roots", folder / "ca.pem", "--install", "environment",
                                          "--record-may-vanish", "--", "/bin/true"],
        f"sidelight flows list, {count:,} flows": [sidelight, "flows", "list", "--store", store],
        "sidelight flows list -n 20": [sidelight, "flows", "list", "-n", "20", "--store", store],
    }
    if mitm.exists():
        commands[f"mitmdump -nr, {few:,} flows"] = [MITMPROXY / "mitmdump", "-nr", mitm, "--set", f"confdir={folder}"]
    return commands, server


def measure(command, environment):
    begun = time.monotonic()
    process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    error = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}: {error[-500:].decode(errors='replace')}")
    return {"cpu_ms": (used.ru_utime + used.ru_stime) * 1000, "wall_ms": (time.monotonic() - begun) * 1000, "mib": used.ru_maxrss / 1024}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sidelight", default=ROOT / "target/release/sidelight")
    parser.add_argument("--flows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    if not os.access(args.sidelight, os.X_OK):
        parser.error(f"--sidelight {args.sidelight}: no program there")
    with tempfile.TemporaryDirectory(prefix="sidelight-bench.") as folder:
        folder = pathlib.Path(folder)
        environment = {**os.environ, "HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), "XDG_DATA_HOME": str(folder / "data"), "NO_PROXY": "*"}
        commands, server = prepare(folder, str(args.sidelight), args.flows)
        seen = {name: [] for name in commands}
        try:
            for _ in range(args.rounds):
                for name, command in commands.items():
                    seen[name].append(measure(command, environment))
        finally:
            server.terminate()
            server.wait()
    print("| command | CPU ms | from – to | wall ms | MiB |\n| --- | ---: | ---: | ---: | ---: |")
    told = {}
    for name, rounds in seen.items():
        middle = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
        cpu = [one["cpu_ms"] for one in rounds]
        told[name] = {**middle, "cpu_ms_range": [min(cpu), max(cpu)]}
        print(f"| `{name}` | {middle['cpu_ms']:,.1f} | {min(cpu):,.1f} – {max(cpu):,.1f} | {middle['wall_ms']:,.1f} | {middle['mib']:.0f} |")
    if args.json:
        args.json.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
