#!/usr/bin/env python3
"""Counts the instructions of the parts that do no I/O, so that a change shows its cost on any machine.

    bench/instructions.py [--update] [PART…]

In: the parts of bench/instructions, run under valgrind's callgrind. Out: instructions a turn, beside those of instructions.json; with --update the
file is written anew. A turn's count is that of a run with some turns less that of a run with none. Exit 1 where a part became more than 3 % dearer.
"""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
KEPT = HERE / "instructions.json"
TURNS = {"hello": 200, "http1": 50, "http2": 50, "filter": 200, "path": 20, "forge": 20, "relay": 1, "relay-tls": 1}
MORE = 1.03


def count(program, part, turns):
    said = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, part, str(turns)], capture_output=True, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", said.stderr)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true")
    parser.add_argument("parts", nargs="*", metavar="PART")
    args = parser.parse_args()
    strange = [part for part in args.parts if part not in TURNS]
    if strange:
        parser.error(f"no such part: {', '.join(strange)}; there are: {', '.join(TURNS)}")
    if not shutil.which("valgrind"):
        subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends", "valgrind"], check=True, stdout=sys.stderr)
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--package", "sidelight-instructions"], cwd=HERE, check=True)
    program = HERE / "target/release/sidelight-instructions"
    parts = args.parts or subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    dearer = False
    print(f"{'part':12} {'instructions':>16} {'before':>16} ratio")
    for part in parts:
        turns = TURNS[part]
        each = (count(program, part, turns) - count(program, part, 0)) // turns
        before = kept.get(part)
        ratio = each / before if before else 1
        dearer |= ratio > MORE
        print(f"{part:12} {each:16,} {before or 0:16,} {ratio:.3f}")
        kept[part] = each
    if args.update:
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    elif dearer:
        sys.exit(1)


if __name__ == "__main__":
    main()
