#!/usr/bin/env python3
"""Power cuts: a suite under load writes down all it does to its files; disks are made as a cut at any moment may leave
them; on each, everything acknowledged by then must be delivered or still in the queue.

  tests/crash/powercut.py --states 20000 --seed 1 --workers 2 --results build/crash/powercut.json

Most states are judged by reading the queue as qmgr and pickup do after a crash (tests/crash/recover.cc), some by
starting the whole suite on them (--full).
"""

import argparse
import collections
import ctypes
import functools
import json
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
import ledger
import load

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILT = TOP / "build" / "release" / "crash"
QUEUE = ("incoming", "active", "deferred", "hold", "corrupt", "maildrop")
PROFILES = ("nothing unsynced", "everything", "names without data", "data without names", "any mixture",
            "names up to a moment")


class Recording:
    """An instance with the recorder in it, used for a while, and what came of it."""

    def __init__(self, root, seed, seconds):
        self.root = pathlib.Path(root)
        self.notes = ctypes.CDLL(str(BUILT / "recorder.so"))
        self.sink = load.NextServer(lambda copy: self.note(f"relayed {copy.number} {copy.recipient}"))
        # Small segments, so that they are used up and used again.
        self.instance = load.make_instance(self.root, self.sink, queue_segment_size="1048576")
        self.book = ledger.Ledger()
        try:
            self.prepare()
            self.run(seed, seconds)
        finally:
            self.command("stop", check=False)
        self.history.read(self.root / "record")
        (self.root / "record").unlink()

    def note(self, text):
        self.notes.crash_record_note(text.encode())

    def command(self, action, check=True):
        return self.instance.command("postrider", action, check=check)

    def prepare(self):
        self.command("stop")
        for name in os.listdir(BUILT / "bin"):
            for place in (self.root / "libexec" / name, self.root / "sbin" / name):
                if place.exists():
                    replace_program(BUILT / "bin" / name, place)
        # As after an installation: qmgr makes what it needs, the first delivery makes the Maildir.
        spool = pathlib.Path(self.instance.queue_directory)
        for name in QUEUE:
            for child in (spool / name).iterdir():
                if child.name != "pool":
                    shutil.rmtree(child) if child.is_dir() else child.unlink()
        for child in (spool / "incoming" / "pool").iterdir():
            child.unlink()
        directories = [spool / name for name in QUEUE] + [self.root / "mail", self.root / "boxes.d"]
        self.history = disk.History(directories)
        disk.make_record(self.root / "record", directories)
        self.notes.crash_record_open(str(self.root / "record").encode())

    def run(self, seed, seconds):
        self.command("start")
        for part in range(2):
            traffic = load.Load(self.instance, self.book, f"{seed} {part}", pause=0.02,
                                acknowledged=lambda letter: self.note(f"promised {letter.number} "
                                                                      + " ".join(letter.recipients)))
            time.sleep(seconds / 2)
            if part == 0:
                self.command("stop")  # under load: processes drain, slots and segments change hands
                self.command("start")
            traffic.finish()
        self.instance.command("prqueue", "-f", check=False)
        time.sleep(0.5)

    def promised(self, cut):
        """(number, recipient) acknowledged before the cut, and those the next server had by then."""
        owed, relayed = set(), set()
        for sequence, text in self.history.notes:
            if sequence >= cut:
                break
            kind, number, *recipients = text.split()
            (owed if kind == "promised" else relayed).update((int(number), r) for r in recipients)
        return owed, relayed


def replace_program(new, place):
    before = place.stat()
    shutil.copy(new, f"{place}.new")
    if os.geteuid() == 0:
        os.chown(f"{place}.new", before.st_uid, before.st_gid)
    os.chmod(f"{place}.new", before.st_mode & 0o7777)
    os.replace(f"{place}.new", place)


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


def powercut_run(root, states, seed, workers=2, full=0, seconds=4.0, recordings=1, minutes=None,
                 say=lambda text: None):
    """(problems, figures). After so many minutes no further state is begun."""
    global RECORDING, JUDGE, SCRATCH
    began = time.monotonic()
    SCRATCH = tempfile.mkdtemp(prefix="postrider-powercut-", dir=memory_directory())
    try:
        return judge_recordings(root, states, seed, workers, full, seconds, recordings, minutes, say, began)
    finally:
        shutil.rmtree(SCRATCH, ignore_errors=True)


def judge_recordings(root, states, seed, workers, full, seconds, recordings, minutes, say, began):
    global RECORDING, JUDGE
    seen, profiles, problems = set(), collections.Counter(), []
    events = letters = whole = 0
    for part in range(recordings):
        RECORDING, JUDGE = Recording(root / f"recording{part}", f"{seed} {part}", seconds), None
        try:
            events += RECORDING.history.length
            letters += len(RECORDING.book.acknowledged)
            say(f"recording {part + 1}: {RECORDING.history.length} entries, {letters} letters acknowledged in all")
            count, share = states // recordings, 100
            shares = [(f"{seed} {part}", first, min(first + share, count)) for first in range(0, count, share)]
            with multiprocessing.get_context("fork").Pool(workers) as pool:
                for some, profile, trouble in pool.imap_unordered(judge_some, shares):
                    seen |= {(part, key) for key in some}
                    profiles += profile
                    problems += trouble
                    say(f"{sum(profiles.values())} states, {len(seen)} distinct, {len(problems)} bad")
                    if minutes and time.monotonic() - began > minutes * 60 * (part + 1) / recordings:
                        break  # the pool ends with what is left of it
            for number, state in states_of(RECORDING, f"{seed} {part} whole", 0, full // recordings):
                whole += 1
                problems += [f"suite on state {number} (cut {state.cut}, {PROFILES[state.profile]}): {p}"
                             for p in judge_whole(RECORDING, state)]
        finally:
            RECORDING.sink.close()
            RECORDING.instance.down()
    figures = {"seed": seed, "states": sum(profiles.values()), "distinct": len(seen), "bad": len(problems),
               "recordings": recordings, "entries": events, "letters": letters, "whole": whole,
               "profiles": dict(profiles), "seconds": round(time.monotonic() - began)}
    return problems, figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=int, default=20000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--recordings", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each recording runs")
    parser.add_argument("--full", type=int, default=40, help="states that the whole suite is started on")
    parser.add_argument("--minutes", type=float, help="stop there, with as many states as were judged")
    parser.add_argument("--results", type=pathlib.Path, help="where the figures go, as JSON")
    options = parser.parse_args()
    root = pathlib.Path(tempfile.mkdtemp(prefix="postrider-powercut-"))
    root.chmod(0o755)
    problems, figures = powercut_run(root, options.states, options.seed, options.workers, options.full,
                                     options.seconds, options.recordings, options.minutes,
                                     say=lambda text: print(text, flush=True))
    for problem in problems[:50]:
        print(problem)
    print(json.dumps(figures, indent=1))
    if options.results:
        options.results.parent.mkdir(parents=True, exist_ok=True)
        options.results.write_text(json.dumps(figures | {"problems": problems[:50]}, indent=1) + "\n")
    if problems:
        print(f"kept: {root}")
    else:
        shutil.rmtree(root, ignore_errors=True)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
