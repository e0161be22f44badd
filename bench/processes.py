"""A proxy as a process that is watched. In: a peer. Out: its CPU seconds, memory and time to listen; everything started ends with it."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def family(pid):
    """The process and all that it started, for several fork a child that does the work."""
    pids, found = [pid], []
    while pids:
        pid = pids.pop()
        found.append(pid)
        try:
            for thread in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                pids.extend(int(child) for child in thread.read_text().split())
        except FileNotFoundError:
            continue
    return found


def of_status(pids, key):
    kib = 0
    for pid in pids:
        found = re.search(rf"^{key}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)
        kib += int(found[1]) if found else 0
    return kib


class Running:
    """A peer that listens."""

    def __init__(self, peer, folder, h2=False):
        self.port, self.peer = free_port(), peer
        self.out = pathlib.Path(tempfile.mkdtemp(dir=folder))
        command = peer.h2_command if h2 and peer.h2_command else peer.command
        command = [self.fill(str(part), folder) for part in command]
        self.log = open(self.out / "log", "wb")
        begun = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env={**os.environ, **peer.environment})
        self.until_it_listens()
        self.start = time.monotonic() - begun

    def fill(self, part, folder):
        file = re.fullmatch(r"\{conf:(.*)\}", part)
        if file:
            text = (folder / file[1]).read_text().format(port=self.port)
            path = self.out / file[1]
            path.write_text(text)
            self.out.chmod(0o755)
            return str(path)
        return part.format(port=self.port, out=self.out)

    def until_it_listens(self):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.peer.name} ended with {self.process.returncode}: {(self.out / 'log').read_text()[-500:]}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.002)
        self.stop()
        raise RuntimeError(f"{self.peer.name} does not listen")

    def cpu(self):
        """CPU seconds of the whole family, those that have ended included."""
        total = 0
        for pid in family(self.process.pid):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(field) for field in fields[11:15])
        return total / TICKS

    def settled_cpu(self):
        """The same once it rests: recorders write on for a while."""
        before, quiet = self.cpu(), 0
        for _ in range(200):
            time.sleep(0.05)
            now = self.cpu()
            quiet = quiet + 1 if now == before else 0
            before = now
            if quiet >= 6:
                break
        return before

    def peak(self):
        """The largest resident memory, MiB, summed over the family."""
        return of_status(family(self.process.pid), "VmHWM") / 1024

    def resident(self):
        """Resident memory now, KiB; what processes share is counted once."""
        total = 0
        for pid in family(self.process.pid):
            total += int(re.search(r"^Pss:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])
        return total

    def stop(self):
        pids = family(self.process.pid)
        for sign in (signal.SIGTERM, signal.SIGKILL):
            for pid in pids:
                try:
                    os.kill(pid, sign)
                except ProcessLookupError:
                    pass
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                continue
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
