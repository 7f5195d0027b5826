#!/usr/bin/env python3
"""kill -9 of every process of a running suite, in turn and at random, under load; then everything that was promised
must have arrived.

  tests/crash/kill.py --kills 2000 --seed 1 --results build/crash/kill.json
"""

import argparse
import collections
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import ending
import ledger
import load

# Master now and then: it takes a restart by hand. Everything at once is what a crashing machine does, bar the disk.
MASTER_SHARE, ALL_SHARE = 0.015, 0.005


class Killer:
    def __init__(self, instance, chance):
        self.instance, self.chance = instance, chance
        self.kills = []  # (wall time, name)
        self.rounds = collections.deque()

    def processes(self):
        """{name: pids} of master and its descendants; a delivery worker goes by its agent's name."""
        master = self.master_pid()
        if not master:
            return {}
        everyone = {}
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                name, state = (entry / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
            except OSError:
                continue
            state, parent = state.split()[:2]
            if state != "Z":
                everyone[int(entry.name)] = (name, int(parent))
        found = collections.defaultdict(list)
        for pid, (name, parent) in everyone.items():
            if pid == master:
                found["master"].append(pid)
            elif parent == master:
                found[name].append(pid)
            elif everyone.get(parent, ("", 0))[1] == master:
                found[everyone[parent][0]].append(pid)
        return found

    def master_pid(self):
        try:
            pid = int((pathlib.Path(self.instance.queue_directory) / "pid" / "master.pid").read_text().split()[0])
            name, state = pathlib.Path(f"/proc/{pid}/stat").read_text().split("(", 1)[1].rsplit(")", 1)
        except (OSError, ValueError, IndexError):
            return None
        return pid if name == "master" and state.split()[0] != "Z" else None

    def kill(self, pid, name):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.kills.append((ledger.now(), name))

    def start(self):
        for _ in range(20):
            done = subprocess.run([pathlib.Path(self.instance.command_directory) / "postrider", "-c",
                                   self.instance.config_directory, "start"], capture_output=True, text=True)
            if done.returncode == 0:
                return
            time.sleep(0.2)
        raise AssertionError(f"no start after a kill: {done.stderr}{done.stdout}\n{self.instance.log_tail()}")

    def once(self):
        running = self.processes()
        masters = running.pop("master", [])
        kind = self.chance.random()
        if not masters or kind < MASTER_SHARE + ALL_SHARE:
            victims = [(pid, "master") for pid in masters]
            if kind < ALL_SHARE:
                victims += [(pid, name) for name, pids in running.items() for pid in pids]
            for pid, name in victims:
                self.kill(pid, name)
            self.start()
            return
        if not running:
            return
        # In turn: each name of those that ran when the round began. At random: any process.
        if self.chance.random() < 0.5:
            while self.rounds and self.rounds[0] not in running:
                self.rounds.popleft()
            if not self.rounds:
                self.rounds.extend(self.chance.sample(sorted(running), len(running)))
            name = self.rounds.popleft()
            self.kill(self.chance.choice(running[name]), name)
        else:
            pid, name = self.chance.choice([(pid, name) for name, pids in sorted(running.items()) for pid in pids])
            self.kill(pid, name)


def drain(instance, sink, book, seconds=120):
    """Flushes until all that is owed arrived and the queue is empty, or the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        instance.command("prqueue", "-f", check=False)
        time.sleep(0.5)
        if "Mail queue is empty" not in instance.command("prqueue", "-p", check=False).stdout:
            continue
        if not ledger.Verdict(book, load.collect(instance, sink)).missing:
            return
    # What is missing is named by the caller.


def kill_run(root, kills, seed, pause=0.08, say=lambda text: None):
    """(problems, figures). `root` is where the instance lives; it is stopped at the end."""
    began = time.monotonic()
    chance = random.Random(seed)
    sink = load.NextServer()
    instance = load.make_instance(root, sink)
    book = ledger.Ledger()
    killer = Killer(instance, chance)
    traffic = load.Load(instance, book, seed)
    try:
        while len(killer.kills) < kills:
            time.sleep(chance.random() * 2 * pause)
            killer.once()
            if len(killer.kills) % 100 == 0:
                say(f"{len(killer.kills)} kills, {len(book.acknowledged)} letters acknowledged")
        traffic.finish()
        if not killer.processes().get("master"):
            killer.start()
        drain(instance, sink, book)
        verdict = ledger.Verdict(book, load.collect(instance, sink))
        reasons = collections.Counter(
            ledger.explain(d, killer.kills, book.acknowledged.get(d[0].number, 0)) for d in verdict.duplicates)
        log = instance.log()
        problems = [f"letter {n} to {r} was acknowledged and is nowhere" for n, r in verdict.missing]
        # A worker killed while it appends leaves a piece of a letter in an mbox; nowhere else is that allowed.
        problems += [f"letter {c.number} to {c.recipient} is damaged" for c in verdict.damaged
                     if c.recipient != load.BOXES]
        problems += [f"letter {c.number} arrived for {c.recipient}, who was not to get it" for c in verdict.unknown]
        if reasons[""]:
            problems.append(f"{reasons['']} duplicates that no kill explains")
        if "Mail queue is empty" not in instance.command("prqueue", "-p", check=False).stdout:
            problems.append("the queue does not get empty:\n" + instance.command("prqueue", "-p", check=False).stdout)
        problems += [line for line in log.splitlines() if " panic: " in line or "AddressSanitizer" in line]
        problems += [f"a process died of a signal that nobody sent: {line}" for line in log.splitlines()
                     if "killed by signal" in line and "signal 9" not in line]
        figures = {"seed": seed, "kills": len(killer.kills), "letters": len(book.acknowledged),
                   "owed": len(book.owed()), "arrived": verdict.arrived, "missing": len(verdict.missing),
                   "duplicates": dict(reasons), "ends": dict(verdict.kinds), "seconds": round(time.monotonic() - began),
                   "by_process": dict(collections.Counter(name for _, name in killer.kills))}
        return problems, figures
    finally:
        traffic.over.set()
        instance.down()
        sink.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--seed", default="1")
    options = ending.parse(parser)
    return ending.run(options, "kill",
                      lambda root, say: kill_run(root / "instance", options.kills, options.seed, say=say))


if __name__ == "__main__":
    sys.exit(main())
