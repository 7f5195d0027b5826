#!/usr/bin/env python3
"""Power cuts: a suite under load writes down all it does to its files; disks are made as a cut at any moment may leave
them; on each, everything acknowledged by then must be delivered or still in the queue.

  tests/crash/powercut.py --states 20000 --seed 1 --workers 2 --results build/crash/powercut.json

Most states are judged by reading the queue as qmgr and pickup do after a crash (tests/crash/recover.cc), some by
starting the whole suite on them (--full).
"""

import argparse
import collections
import functools
import multiprocessing
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import disk
import ending
import ledger
import load
from recording import BUILT, QUEUE, Recording

# Where a lost sync only repeats a delivery: the outcomes.
NOT_NEEDED = ("active",)
PROFILES = ("nothing unsynced", "everything", "names without data", "data without names", "any mixture",
            "names up to a moment")


@functools.lru_cache(4096)
def copies_in(content):
    return ledger.read_copies(content, "", "", 0)


class Judge:
    """Judges states of one recording; each worker process has its own."""

    def __init__(self, recording):
        self.recording = recording
        self.scratch = pathlib.Path(tempfile.mkdtemp(dir=SCRATCH))
        # It ends with the worker process, which closes its input.
        self.reader = subprocess.Popen([BUILT / "recover"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def judge(self, state):
        """(a hash of the state, what is missing, what else is wrong)"""
        owed, present = self.recording.promised(state.cut)
        keys = [len(owed)]
        wrong = []
        spool = pathlib.Path(self.recording.instance.queue_directory)
        for name in QUEUE:
            (self.scratch / name).mkdir()
            keys += disk.lay_down(state, str(spool / name), self.scratch / name)
        present |= self.in_mailboxes(state, keys, wrong)
        present |= self.in_queue(wrong)
        for name in QUEUE:
            shutil.rmtree(self.scratch / name)
        return hash(tuple(keys)), sorted(owed - present), wrong

    def in_mailboxes(self, state, keys, wrong):
        found = set()
        root = self.recording.root
        for watched, recipients in (("mail", None), ("boxes.d", load.BOXES)):
            top = str(root / watched)
            for path, node in state.walk(state.history.top[top], top):
                if node.is_directory:
                    keys.append(path)
                    continue
                content, key = state.content(node)
                keys.append((path, key))
                if recipients:
                    letters = [c for part in ledger.split_mbox(content) for c in copies_in(part)]
                    found |= {(c.number, c.recipient or recipients) for c in letters if c.intact}
                    continue
                if "/new/" not in path and "/cur/" not in path:
                    continue
                owner = load.RIDER if "/rider/" in path else load.WRITER
                for copy in copies_in(content):
                    found.add((copy.number, copy.recipient or owner))
                    if not copy.intact:
                        wrong.append(f"{path} is a torn letter {copy.number}")
                if not content:
                    wrong.append(f"{path} is empty")
        return found

    def in_queue(self, wrong):
        found = set()
        self.reader.stdin.write(f"{self.scratch}\n".encode())
        self.reader.stdin.flush()
        while (line := self.reader.stdout.readline().decode().rstrip("\n")) != "done":
            word, _, rest = line.partition(" ")
            if word == "failed":
                wrong.append(f"the queue cannot be opened: {rest}")
                return found
            if word != "letter":
                raise AssertionError(f"recover said {line!r}")
            length = int(rest.split()[1])
            recipients = []
            while (line := self.reader.stdout.readline().decode().rstrip("\n")) != "content":
                recipients.append(line.removeprefix("to "))
            for copy in copies_in(self.reader.stdout.read(length)):
                if copy.intact:
                    # A bounce names whom it is about; it stands for that, as long as its own recipient is left.
                    found |= {(copy.number, copy.recipient or r) for r in recipients}
        return found


def states_of(recording, seed, first, last):
    """The states of these numbers: cuts everywhere, more of them right behind a promise or a sync."""
    promises = [sequence for sequence, text in recording.history.notes if text.startswith("promised")]
    for number in range(first, last):
        chance = random.Random(f"{seed} {number}")
        cut = chance.randrange(1, recording.history.length + 2)
        if chance.random() < 0.4 and promises:
            cut = chance.choice(promises) + 1
        profile = chance.choices(disk.PROFILES, (2, 1, 2, 2, 6, 3))[0]
        yield number, disk.State(recording.history, cut, profile, chance)


JUDGE = None


def judge_some(arguments):
    """In a worker process: a share of the states."""
    seed, first, last = arguments
    global JUDGE
    JUDGE = JUDGE or Judge(RECORDING)
    seen, profiles, problems = set(), collections.Counter(), []
    for number, state in states_of(RECORDING, seed, first, last):
        key, missing, wrong = JUDGE.judge(state)
        seen.add(key)
        profiles[PROFILES[state.profile]] += 1
        if missing or wrong:
            where = f"cut {state.cut} of {RECORDING.history.length}, {PROFILES[state.profile]}"
            problems.append(f"state {number} ({where}): "
                            + "; ".join([f"letter {n} to {r} is nowhere" for n, r in missing[:5]] + wrong[:5]))
    return seen, profiles, problems


def judge_whole(recording, state):
    """The suite itself on the state: started, drained, and its mail counted. A list of problems."""
    spool = pathlib.Path(recording.instance.queue_directory)
    for watched in recording.history.directories:
        path = pathlib.Path(watched)
        for child in path.iterdir():
            shutil.rmtree(child) if child.is_dir() else child.unlink()
        disk.lay_down(state, watched, path, owners=True)
    (spool / "incoming" / "pool").mkdir(exist_ok=True, mode=0o700)
    if os.geteuid() == 0:
        owner = (spool / "incoming").stat()
        os.chown(spool / "incoming" / "pool", owner.st_uid, owner.st_gid)
    owed, relayed = recording.promised(state.cut)
    recording.sink.copies.clear()
    problems = []
    recording.command("start")
    deadline = time.monotonic() + 120
    try:
        while True:
            recording.instance.command("prqueue", "-f", check=False)
            there = relayed | {(c.number, c.recipient) for c in load.collect(recording.instance, recording.sink)
                               if c.intact}
            if owed <= there and "Mail queue is empty" in recording.instance.command("prqueue", "-p").stdout:
                break
            if time.monotonic() > deadline:
                problems += [f"letter {n} to {r} is nowhere" for n, r in sorted(owed - there)[:5]]
                listing = recording.instance.command("prqueue", "-p", check=False).stdout
                problems.append(f"after two minutes there is left:\n{listing}{recording.instance.log_tail()}")
                break
            time.sleep(0.1)
    finally:
        recording.command("stop", check=False)
    return problems


def memory_directory():
    """Where the states of a queue fit into memory; None: only on the disk."""
    if not os.access("/dev/shm", os.W_OK):
        return None
    there = os.statvfs("/dev/shm")
    return "/dev/shm" if there.f_bavail * there.f_frsize > 256 << 20 else None


RECORDING = SCRATCH = None


def powercut_run(root, states, seed, workers=2, full=0, letters=200, recordings=1, minutes=None, without_syncs=0,
                 say=lambda text: None):
    """(problems, figures). After so many minutes no further state is begun."""
    global SCRATCH
    SCRATCH = tempfile.mkdtemp(prefix="postrider-powercut-", dir=memory_directory())
    run = Run(workers, minutes, say)
    try:
        for part in range(recordings):
            run.recording(root / f"recording{part}", f"{seed} {part}", letters, states // recordings,
                          full // recordings, without_syncs if part == recordings - 1 else 0, (part + 1) / recordings)
        return run.problems, run.figures | {"seed": seed, "recordings": recordings}
    finally:
        shutil.rmtree(SCRATCH, ignore_errors=True)


class Run:
    """All recordings of a run, and what was found on their states."""

    def __init__(self, workers, minutes, say):
        self.workers, self.minutes, self.say = workers, minutes, say
        self.began = time.monotonic()
        self.seen, self.profiles, self.problems = set(), collections.Counter(), []
        self.entries = self.letters = self.whole = 0
        self.syncs = {}

    @property
    def figures(self):
        return {"states": sum(self.profiles.values()), "distinct": len(self.seen), "bad": len(self.problems),
                "entries": self.entries, "letters": self.letters, "whole": self.whole, "profiles": dict(self.profiles),
                "syncs": self.syncs, "seconds": round(time.monotonic() - self.began)}

    def recording(self, root, seed, letters, states, full, without_syncs, done):
        global RECORDING
        RECORDING = Recording(root, seed, letters)
        try:
            self.entries += RECORDING.history.length
            self.letters += len(RECORDING.book.acknowledged)
            self.say(f"{RECORDING.history.length} entries, {self.letters} letters acknowledged in all")
            for seen, profiles, problems in self.judged(seed, states):
                self.seen |= {(seed, key) for key in seen}
                self.profiles += profiles
                self.problems += problems
                self.say(f"{sum(self.profiles.values())} states, {len(self.seen)} distinct, {len(self.problems)} bad")
                if self.minutes and time.monotonic() - self.began > self.minutes * 60 * done:
                    break
            for number, state in states_of(RECORDING, f"{seed} whole", 0, full):
                self.whole += 1
                self.problems += [f"suite on state {number} (cut {state.cut}, {PROFILES[state.profile]}): {p}"
                                  for p in judge_whole(RECORDING, state)]
            if without_syncs:
                self.forget_syncs(seed, without_syncs)
        finally:
            RECORDING.sink.close()
            RECORDING.instance.down()

    def judged(self, seed, states, share=100):
        """What judge_some() says of each share of so many states. The pool ends with the iteration."""
        global JUDGE
        JUDGE = None
        shares = [(seed, first, min(first + share, states)) for first in range(0, states, share)]
        with multiprocessing.get_context("fork").Pool(self.workers) as pool:
            yield from pool.imap_unordered(judge_some, shares)

    def forget_syncs(self, seed, most):
        """Would a sync that is missing be seen? Each kind is left out on states until some are bad."""
        made = RECORDING.history.syncs
        for kind in sorted(made):
            RECORDING.history = RECORDING.read(forgotten=kind)
            tried = bad = 0
            for _, profiles, problems in self.judged(seed, most, share=50):
                tried, bad = tried + sum(profiles.values()), bad + len(problems)
                if bad:
                    break
            self.syncs[" ".join(kind)] = {"made": made[kind], "states": tried, "bad": bad}
            self.say(f"without syncs of a {kind[1]} in {kind[0]}: {bad} of {tried} states are bad")
            if not bad and kind[0] not in NOT_NEEDED:
                self.problems.append(f"{made[kind]} syncs of a {kind[1]} in {kind[0]} are not missed on {tried} states")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=int, default=20000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--recordings", type=int, default=4)
    parser.add_argument("--letters", type=int, default=600, help="how many are acknowledged in each recording")
    parser.add_argument("--full", type=int, default=40, help="states that the whole suite is started on")
    parser.add_argument("--without-syncs", type=int, default=400, metavar="STATES",
                        help="for each kind of sync, try so many states as if none had been made, until some are bad")
    parser.add_argument("--minutes", type=float, help="stop there, with as many states as were judged")
    parser.add_argument("--seed", default="1")
    options = ending.parse(parser)
    chosen = {name: getattr(options, name) for name in
              ("states", "seed", "workers", "full", "letters", "recordings", "minutes", "without_syncs")}
    return ending.run(options, "powercut", lambda root, say: powercut_run(root, say=say, **chosen))


if __name__ == "__main__":
    sys.exit(main())
