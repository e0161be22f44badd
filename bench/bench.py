#!/usr/bin/env python3
"""sidelight beside its peers, in one run: requests, downloads, new connections, idle connections, a reader that stands still.

    bench/bench.py [--quick | --smoke] [--only MEASURE]… [--peers NAME]… [--rounds N] [--json FILE] [--sidelight PROGRAM]

In: nothing; what is missing is installed (nginx, haproxy, sslsplit, squid from Debian, mitmproxy from PyPI) or built (the clients and hudsucker, in
this folder; sidelight's release build). Out: a table for each measure, with ratios to the best peer, and JSON. Needs root: everything runs in
namespaces of network, mounts and processes of its own, and ends with them. The steady figure is the CPU time of a proxy's process tree; rates and
times are context. Rounds are interleaved: each round asks every peer once; medians are told, and the spread with them.
"""
import argparse
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time

import measures
import peers
import tables

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
PACKAGES = {"nginx": "nginx-light", "haproxy": "haproxy", "sslsplit": "sslsplit", "squid": "squid-openssl", "dnsmasq": "dnsmasq-base", "ip": "iproute2"}
STREAM = ("/usr/lib/nginx/modules/ngx_stream_module.so", "libnginx-mod-stream")


def set_up(args):
    """Installs and builds what is missing. Gives the programs by name."""
    missing = {package for program, package in PACKAGES.items() if not shutil.which(program)}
    if not pathlib.Path(STREAM[0]).exists():
        missing.add(STREAM[1])
    if missing:
        print(f"installing {' '.join(sorted(missing))}", file=sys.stderr)
        quiet = dict(check=True, stdout=subprocess.DEVNULL, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
        subprocess.run(["apt-get", "update", "-q"], **quiet)
        subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *sorted(missing)], **quiet)
    # A look whether it runs needs no fast clients, and what the checkout has built already serves for them.
    profile, target = ("debug", ROOT / "target") if args.smoke else ("release", HERE / "target")
    command = ["cargo", "build", "--locked", "--quiet", "--target-dir", target] + (["--release"] if profile == "release" else [])
    subprocess.run(command, cwd=HERE, check=True)
    programs = {name: str(target / profile / file) for name, file in (("load", "load"), ("hudsucker", "hudsucker-peer"))}
    programs["sidelight"] = args.sidelight or str(ROOT / "target/release/sidelight")
    if not args.sidelight:
        subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--package", "sidelight"], cwd=ROOT, check=True)
    if not args.smoke:
        programs["mitmdump"] = mitmdump()
    return programs


def mitmdump():
    """mitmproxy in a folder of its own."""
    found = ROOT / "target/peers/mitmproxy/bin/mitmdump"
    if not found.exists():
        subprocess.run([sys.executable, "-m", "venv", found.parent.parent], check=True)
        subprocess.run([found.parent / "pip", "install", "--quiet", "mitmproxy"], check=True)
    return str(found)


def enter_namespaces():
    """Starts this script again where nothing of the machine is touched."""
    if os.environ.get("SIDELIGHT_BENCH_INSIDE"):
        return
    os.environ["SIDELIGHT_BENCH_INSIDE"] = "1"
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private", sys.executable, *sys.argv]
    sys.exit(subprocess.run(command).returncode)


def versions(programs):
    """What was measured."""
    def first(*command):
        said = subprocess.run(command, capture_output=True, text=True)
        return (said.stdout + said.stderr).strip().splitlines()[0]
    told = {"sidelight": first(programs["sidelight"], "--version"), "nginx": first("nginx", "-v"), "haproxy": first("haproxy", "-v"),
            "squid": first("squid", "-v"), "sslsplit": first("sslsplit", "-V")}
    if programs.get("mitmdump"):
        told["mitmproxy"] = first(programs["mitmdump"], "--version")
    lock = (HERE / "Cargo.lock").read_text().split('name = "hudsucker"')[1].splitlines()[1]
    told["hudsucker"] = lock.split('"')[1]
    return told


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="less of each, under six minutes")
    parser.add_argument("--smoke", action="store_true", help="a little of each, to see that it runs")
    parser.add_argument("--only", action="append", choices=[measure.name for measure in measures.ALL], default=[])
    parser.add_argument("--peers", action="append", default=[], help="these alone")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--sidelight", help="this program, instead of the release build")
    args = parser.parse_args()
    if args.sidelight and not os.access(args.sidelight, os.X_OK):
        parser.error(f"--sidelight {args.sidelight}: no program there")
    if os.geteuid() != 0:
        sys.exit("the bench needs root: it works in namespaces of its own")
    if not os.environ.get("SIDELIGHT_BENCH_INSIDE"):
        set_up(args)
    enter_namespaces()
    programs = set_up(args)
    scale = measures.SMOKE if args.smoke else measures.QUICK if args.quick else measures.FULL
    with tempfile.TemporaryDirectory(prefix="sidelight-bench.") as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        with measures.Scene(folder, programs, scale) as scene:
            known = peers.all_of(folder, programs)
            strange = set(args.peers) - {peer.name for peer in known}
            if strange:
                parser.error(f"--peers {', '.join(sorted(strange))}: no such peer; there are: {'; '.join(peer.name for peer in known)}")
            chosen = [peer for peer in known if not args.peers or peer.name in args.peers]
            results = run(scene, chosen, args, scale)
    kernel = platform.release().partition("-")[0]
    told = {"date": time.strftime("%Y-%m-%d"), "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, Linux {kernel}",
            "versions": versions(programs), "measures": results}
    if args.json:
        args.json.write_text(json.dumps(told, indent=1) + "\n")
    print(tables.text(told))
    if any(row.get("error") for rows in results.values() for row in rows):
        sys.exit(1)


def run(scene, chosen, args, scale):
    """Every measure, with every peer that can take part, in rounds."""
    results = {}
    for measure in measures.ALL:
        if args.only and measure.name not in args.only:
            continue
        able = [peer for peer in chosen if measure.fits(peer) and (not peer.only or measure.name in peer.only)]
        direct = [None] if measure.direct else []
        seen = {}
        for turn in range(args.rounds or scale.rounds):
            for peer in direct + able:
                name = peer.name if peer else "direct"
                print(f"{measure.name}, round {turn + 1}: {name}", file=sys.stderr)
                try:
                    seen.setdefault(name, []).append(measure.run(scene, peer))
                except (RuntimeError, subprocess.SubprocessError, OSError) as error:
                    print(f"  failed: {error}", file=sys.stderr)
                    seen.setdefault(name, []).append({"error": str(error)})
        results[measure.name] = tables.gather(seen, measure)
    return results


if __name__ == "__main__":
    main()
