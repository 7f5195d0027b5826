"""What a server costs: CPU time, memory, system calls of a whole process tree.

The tree lives in a control group of its own, so processes that came and went are counted too.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

V1 = pathlib.Path("/sys/fs/cgroup/cpuacct")
V2 = pathlib.Path("/sys/fs/cgroup")


class Failure(Exception):
    """Why there is no figure; its text is shown beside the scenario."""


class Group:
    """A control group; `enter` is for subprocess's preexec_fn."""

    def __init__(self, name):
        self.v1 = V1.is_dir()
        self.path = (V1 if self.v1 else V2) / f"bench-{os.getpid()}-{name}"
        try:
            self.path.mkdir()
        except OSError as error:
            raise Failure(f"cannot make a control group ({error}); the bench runs as root") from None

    def enter(self):
        (self.path / "cgroup.procs").write_text("0")

    def run(self, command, **more):
        return subprocess.run([str(c) for c in command], preexec_fn=self.enter, **more)

    def spawn(self, command, **more):
        return subprocess.Popen([str(c) for c in command], preexec_fn=self.enter, **more)

    def processes(self):
        return [int(pid) for pid in (self.path / "cgroup.procs").read_text().split()]

    def cpu(self):
        """User and system seconds of all that ever ran in it."""
        if self.v1:
            return int((self.path / "cpuacct.usage").read_text()) / 1e9
        return int(re.search(r"usage_usec (\d+)", (self.path / "cpu.stat").read_text()).group(1)) / 1e6

    def memory(self):
        """Bytes of PSS: pages shared with others count in part."""
        total = 0
        for pid in self.processes():
            try:
                text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
                total += int(re.search(r"^Pss: +(\d+)", text, re.M).group(1)) * 1024
            except (OSError, AttributeError):
                continue
        return total

    def memory_of(self, name):
        """Bytes of PSS of the processes called `name`."""
        total = 0
        for pid in self.processes():
            try:
                if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == name:
                    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
                    total += int(re.search(r"^Pss: +(\d+)", text, re.M).group(1)) * 1024
            except (OSError, AttributeError):
                continue
        return total

    def clear(self):
        """Ends what is still in it."""
        for wanted in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + 5
            while self.processes() and time.monotonic() < deadline:
                for pid in self.processes():
                    try:
                        os.kill(pid, wanted)
                    except ProcessLookupError:
                        pass
                time.sleep(0.02)

    def end(self):
        self.clear()
        try:
            self.path.rmdir()
        except OSError:
            pass


class Tracer:
    """System calls and context switches of a group while the `with` lasts: `counts`, by the titles below. Of the
    processes that are there when it begins and of their children."""

    EVENTS = {"raw_syscalls:sys_enter": "system calls", "context-switches": "context switches",
              "syscalls:sys_enter_fsync": "fsync", "syscalls:sys_enter_fdatasync": "fdatasync",
              "task-clock": None}  # the last one shows that perf counts at all

    def __init__(self, group, scratch):
        self.group = group
        self.file = scratch / "perf"
        self.counts = {}

    def __enter__(self):
        if not shutil.which("perf"):
            raise Failure("perf is not installed (Debian: linux-perf)")
        self.process = subprocess.Popen(
            ["perf", "stat", "-x", ",", "-o", self.file, "-e", ",".join(self.EVENTS), "-p",
             ",".join(str(pid) for pid in self.group.processes())], stderr=subprocess.DEVNULL)
        time.sleep(0.5)  # perf does not say when it has begun
        if self.process.poll() is not None:
            raise Failure("perf cannot count here")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        for line in self.file.read_text().splitlines():
            words = line.split(",")
            if len(words) > 2 and self.EVENTS.get(words[2]) and words[0].isdigit():
                self.counts[self.EVENTS[words[2]]] = int(words[0])


def wait_until(condition, what, seconds=60.0):
    deadline = time.monotonic() + seconds
    pause = 0.002
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise Failure(f"not within {seconds:.0f} s: {what}")
        time.sleep(pause)
        pause = min(pause * 1.3, 0.05)
    return value


class LogCounter:
    """Counts the lines of a growing file that have one of some texts, from now on."""

    def __init__(self, path, texts):
        self.path, self.texts = pathlib.Path(path), [text.encode() for text in texts]
        self.offset = self.path.stat().st_size if self.path.exists() else 0
        self.found = 0

    def count(self):
        if self.path.exists():
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                new = file.read()
            whole = new[:new.rfind(b"\n") + 1]
            self.found += sum(whole.count(text) for text in self.texts)
            self.offset += len(whole)
        return self.found
