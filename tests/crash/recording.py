"""What a suite did to its files under load: written down by tests/crash/recorder.cc, for powercut.py."""

import bisect
import copy
import ctypes
import os
import pathlib
import shutil

import disk
import ledger
import load
from load import wait_until

BUILT = pathlib.Path(__file__).resolve().parents[2] / "build" / "release" / "crash"
QUEUE = ("incoming", "active", "deferred", "hold", "corrupt", "maildrop")


class Recording:
    """An instance with the recorder in it, used for so many letters, and what came of it."""

    def __init__(self, root, seed, letters):
        self.root = pathlib.Path(root)
        self.notes = ctypes.CDLL(str(BUILT / "recorder.so"))
        self.sink = load.NextServer(lambda copy: self.note(f"relayed {copy.number} {copy.recipient}"))
        # Small segments, so that they are used up and used again.
        self.instance = load.make_instance(self.root, self.sink, queue_segment_size="1048576")
        self.book = ledger.Ledger()
        try:
            self.prepare()
            self.run(seed, letters)
        finally:
            self.command("stop", check=False)
        self.record = disk.entries_of(self.root / "record")
        (self.root / "record").unlink()
        self.history = self.read()
        self.promises, self.relays = self.notes_of("promised"), self.notes_of("relayed")

    def read(self, forgotten=None):
        """The history recorded; with a kind of sync to forget, as if no sync of that kind had been made."""
        history = copy.deepcopy(self.before)
        history.forgotten = forgotten
        history.read(self.record)
        return history

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
        self.before = disk.History(directories)
        disk.make_record(self.root / "record", directories)
        self.notes.crash_record_open(str(self.root / "record").encode())

    def run(self, seed, letters):
        self.command("start")
        for part in (1, 2):
            traffic = load.Load(self.instance, self.book, f"{seed} {part}", pause=0.02,
                                acknowledged=lambda letter: self.note(f"promised {letter.number} "
                                                                      + " ".join(letter.recipients)))
            wait_until(lambda: len(self.book.acknowledged) >= letters * part / 2, lambda: f"{letters} letters, there are "
                       f"{len(self.book.acknowledged)}\n{self.instance.log_tail()}", 120)
            if part == 1:
                self.command("stop")  # under load: processes drain, slots and segments change hands
                self.command("start")
            traffic.finish()
        self.instance.command("prqueue", "-f", check=False)
        self.instance.wait_for_empty_queue(60)

    def notes_of(self, wanted):
        """[(sequence, (number, recipient))]"""
        return [(sequence, (int(number), recipient)) for sequence, text in self.history.notes
                for kind, number, *recipients in [text.split()] if kind == wanted for recipient in recipients]

    def promised(self, cut):
        """(number, recipient) acknowledged before the cut, and those the next server had by then."""
        return tuple({letter for _, letter in noted[:bisect.bisect_left(noted, cut, key=disk.by_sequence)]}
                     for noted in (self.promises, self.relays))


def replace_program(new, place):
    before = place.stat()
    shutil.copy(new, f"{place}.new")
    if os.geteuid() == 0:
        os.chown(f"{place}.new", before.st_uid, before.st_gid)
    os.chmod(f"{place}.new", before.st_mode & 0o7777)
    os.replace(f"{place}.new", place)
