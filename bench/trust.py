#!/usr/bin/env python3
"""What reading trust out of an image costs, beside reading and hashing the same archive once.

    bench/trust.py [--root DIR] [--sidelight PROGRAM] [--pass-through PROGRAM] [--megabytes N] [--rounds N] [--docker] [--json FILE]

In: a Debian root (made with debootstrap when none is named; needs root and a mirror), programs. Out: a table, and with --json the same
as a document: CPU time (median and least of the rounds), wall time and the largest resident memory of each command; ratios are
against the pass that reads and hashes the archive once in the same round. The archive is what `docker save` writes: the root (its
bundle in the first layer), a layer of this machine's own programs and libraries up to the wanted size, a layer of settings; then the
same with gzip and with zstd as OCI archives. Commands take turns, so that what else the machine does meets all of them alike.

Beside it: `sha256sum`, `openssl dgst -sha256`, and the recipe that people use today (docker create, docker cp, awk over openssl;
with --docker and a daemon that answers, else its two parts that need none). paranoia, which asks the nearest question, is left out:
it comes as source in Go alone and could not be installed by name where the figures of docs/performance.md were measured.
Memory is counted from some 19 MiB, which Python leaves to what it starts. Needs: openssl, awk, tar, gzip, zstd.
"""
import argparse
import hashlib
import json
import os
import pathlib
import shlex
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time

LEFT_OUT = ("var/cache", "var/lib/apt/lists", "proc", "sys", "dev", "run", "tmp", "var/log")
PROGRAMS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/bin", "/usr/sbin")
ROOT = "ISRG Root X1"
LIMIT = 300


def debian_root(folder):
    target = folder / "root"
    subprocess.run(["debootstrap", "--variant=minbase", "--include=ca-certificates,curl,openssl", "stable", target],
                   check=True, stdout=subprocess.DEVNULL, timeout=1200)
    return target


def plain(member):
    """As images have it: no time of the build in it."""
    member.mtime = 0
    return None if member.name.startswith(LEFT_OUT) and member.name not in LEFT_OUT else member


def root_layer(path, root):
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name in sorted(os.listdir(root)):
            tar.add(os.path.join(root, name), name, filter=plain)


def program_layer(path, room):
    """Real programs and libraries of this machine; each size once, so that copies are rare."""
    seen = set()
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for folder in PROGRAMS:
            for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
                file = os.path.join(folder, name)
                size = os.path.getsize(file) if os.path.isfile(file) and not os.path.islink(file) else 0
                if 50_000 < size <= room and size not in seen:
                    seen.add(size)
                    room -= size
                    tar.add(file, "opt/app/" + file.removeprefix("/usr/"), filter=plain)


def settings_layer(path, folder):
    file = folder / "app.conf"
    file.write_text("listen = 8080\n")
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(file, "etc/app.conf", filter=plain)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_archive(path, layers, config, kind, folder):
    """An OCI archive; with manifest.json beside the index where it is `docker save`'s."""
    stage = folder / "stage"
    shutil.rmtree(stage, ignore_errors=True)
    blobs = stage / "blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(data):
        name = hashlib.sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        return {"digest": f"sha256:{name}", "size": len(data)}

    described = []
    for layer in layers:
        if kind != "tar":
            packed = folder / "packed"
            with open(packed, "wb") as out:
                subprocess.run([*{"gzip": ["gzip", "-6", "-n"], "zstd": ["zstd", "-q", "-3"]}[kind], "-c", layer], stdout=out, check=True)
            layer = packed
        name = digest(layer)
        shutil.copyfile(layer, blobs / name)
        suffix = "" if kind == "tar" else f"+{kind}"
        described.append({"mediaType": f"application/vnd.oci.image.layer.v1.tar{suffix}", "digest": f"sha256:{name}",
                          "size": (blobs / name).stat().st_size})
    about = blob(json.dumps(config).encode()) | {"mediaType": "application/vnd.oci.image.config.v1+json"}
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": about, "layers": described}
    entry = blob(json.dumps(manifest).encode()) | {"mediaType": manifest["mediaType"]}
    (stage / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (stage / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    if kind == "tar":
        place = [f"blobs/sha256/{layer['digest'][7:]}" for layer in described]
        (stage / "manifest.json").write_text(json.dumps(
            [{"Config": f"blobs/sha256/{about['digest'][7:]}", "RepoTags": ["bench:1"], "Layers": place}]))
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name in sorted(os.listdir(stage)):
            tar.add(stage / name, name)
    shutil.rmtree(stage)


def make(args, folder):
    """The three archives, and the first layer as a tar."""
    root = pathlib.Path(args.root) if args.root else debian_root(folder)
    layers = [folder / f"layer{n}.tar" for n in range(3)]
    root_layer(layers[0], root)
    settings_layer(layers[2], folder)
    program_layer(layers[1], max(0, args.megabytes * 1_000_000 - layers[0].stat().st_size))
    lines = ["ADD rootfs.tar / # buildkit", "COPY app /opt/app # buildkit", "COPY app.conf /etc/ # buildkit"]
    config = {"architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/usr/bin"], "Cmd": ["/usr/bin/curl"]},
              "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(layer)}" for layer in layers]},
              "history": [{"created_by": line} for line in lines]}
    for kind in ("tar", "gzip", "zstd"):
        write_archive(folder / f"{kind}.tar", layers, config, kind, folder)
    return layers[0]


def run(command, times):
    """Runs once; CPU and wall seconds, memory in MiB, status. A shell line counts with all that it starts."""
    with open(os.devnull, "wb") as null:
        began = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=null, stderr=null)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    times.append((usage.ru_utime + usage.ru_stime, time.monotonic() - began, usage.ru_maxrss / 1024, process.returncode))


def recipe(args, folder, first_layer):
    """What people do today: list the subjects of the bundle of an image, and look for one."""
    split = ("awk 'BEGIN{c=\"openssl x509 -noout -subject\"} {print | c} /END CERTIFICATE/{close(c)}' | grep -c '%s'" % ROOT)
    bundle = "etc/ssl/certs/ca-certificates.crt"
    found = [("tar -xO of the bundle, awk over openssl x509", ["sh", "-c", f"tar -xOf {shlex.quote(str(first_layer))} {bundle} | {split}"])]
    if args.docker:
        loaded = subprocess.run(["docker", "load", "-i", folder / "tar.tar"], capture_output=True, timeout=LIMIT)
        if loaded.returncode == 0:
            line = f"id=$(docker create bench:1) && docker cp $id:/{bundle} - | tar -xO | {split}; docker rm $id"
            found.append(("docker create, docker cp, awk over openssl (without load and daemon)", ["sh", "-c", line]))
            line = f"docker load -qi {shlex.quote(str(folder / 'tar.tar'))}; {line}"
            found.append(("the same with docker load (without the daemon's own time)", ["sh", "-c", line]))
        else:
            print("no docker daemon answers: left out", file=sys.stderr)
    return found


def commands(args, folder, first_layer):
    archive = folder / "tar.tar"
    trust = [args.sidelight, "trust"]
    docker, gzip, zstd = (f"{scheme}:{folder}/{kind}.tar" for scheme, kind in
                          (("docker-archive", "tar"), ("oci-archive", "gzip"), ("oci-archive", "zstd")))
    found = []
    if pathlib.Path(args.pass_through).exists():
        found.append(("read and hash once (the same reader, nothing looked for)", [args.pass_through, docker]))
    found += [
        ("openssl dgst -sha256", ["openssl", "dgst", "-sha256", str(archive)]),
        ("sha256sum", ["sha256sum", str(archive)]),
        ("trust audit", [*trust, "audit", docker]),
        ("trust list", [*trust, "list", docker]),
        ("trust list --as auto", [*trust, "list", "--as", "auto", docker]),
        (f"trust find '{ROOT}'", [*trust, "find", ROOT, docker]),
        (f"trust find --first '{ROOT}'", [*trust, "find", "--first", ROOT, docker]),
    ]
    for kind, source in (("gzip", gzip), ("zstd", zstd)):
        if pathlib.Path(args.pass_through).exists():
            found.append((f"{kind}: read and hash once", [args.pass_through, source]))
        found.append((f"{kind}: trust audit", [*trust, "audit", source]))
        found.append((f"{kind}: trust find --first", [*trust, "find", "--first", ROOT, source]))
    return found + recipe(args, folder, first_layer)


def measured(args, folder, first_layer):
    table = commands(args, folder, first_layer)
    times = {name: [] for name, _ in table}
    for turn in range(args.rounds + 1):
        for name, command in table:
            run(command, times[name])
            # The first round fills the caches and does not count.
            if turn == 0:
                status = times[name].pop()[3]
                if status not in (0, 1):
                    print(f"{name}: ended with status {status}", file=sys.stderr)
    base = None
    rows = []
    for name, runs in times.items():
        cpu, wall, memory, _ = (statistics.median(column) for column in zip(*runs))
        base = base or cpu
        rows.append({"name": name, "cpu_s": round(cpu, 4), "cpu_least_s": round(min(run[0] for run in runs), 4), "wall_s": round(wall, 4),
                     "ratio": round(cpu / base, 2), "peak_mib": round(memory, 1)})
    return rows


def main():
    parser = argparse.ArgumentParser(description="What reading trust out of an image costs.")
    here = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("--root", help="a Debian root to make the image of; it is only read")
    parser.add_argument("--sidelight", default=str(here / "target/release/sidelight"))
    parser.add_argument("--pass-through", default=str(here / "target/release/examples/read_image"),
                        help="made by: cargo build --release -p sidelight-image --example read_image")
    parser.add_argument("--megabytes", type=int, default=190)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--docker", action="store_true", help="load the image into the daemon that answers, and run the recipe there")
    parser.add_argument("--keep", help="make the archives in this folder and leave them there; what is there is used again")
    parser.add_argument("--json", help="write the table as a document here")
    args = parser.parse_args()
    folder = pathlib.Path(args.keep or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    try:
        first_layer = folder / "layer0.tar"
        if not (folder / "zstd.tar").exists():
            first_layer = make(args, folder)
        # What making took is not to be counted for what is started next.
        pathlib.Path("/proc/self/clear_refs").write_text("5")
        rows = measured(args, folder, first_layer)
        sizes = {kind: (folder / f"{kind}.tar").stat().st_size for kind in ("tar", "gzip", "zstd")}
    finally:
        if not args.keep:
            shutil.rmtree(folder)
    print(f"archive {sizes['tar'] / 1e6:.0f} MB, gzip {sizes['gzip'] / 1e6:.0f} MB, zstd {sizes['zstd'] / 1e6:.0f} MB; {args.rounds} rounds")
    print(f"{'command':70} {'CPU s':>7} {'least':>7} {'wall s':>7} {'ratio':>6} {'peak MiB':>9}")
    for row in rows:
        print(f"{row['name']:70} {row['cpu_s']:7.3f} {row['cpu_least_s']:7.3f} {row['wall_s']:7.3f} {row['ratio']:6.2f} {row['peak_mib']:9.1f}")
    if args.json:
        document = {"v": 1, "type": "bench-trust", "bytes": sizes, "rounds": args.rounds, "rows": rows}
        pathlib.Path(args.json).write_text(json.dumps(document, indent=2) + "\n")


main()
