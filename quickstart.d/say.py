"""What quickstart says, and how it stops: to stderr when stdout belongs to --json."""

import sys
import time

out = sys.stdout
started = time.monotonic()


class Failure(Exception):
    """Something the person at the keyboard can mend; its text says how."""


def say(text=""):
    print(text, file=out, flush=True)


def step(text):
    """A stage of the work, with the seconds since the start."""
    say(f"[{time.monotonic() - started:6.1f} s] {text}")


class Progress:
    """One line that counts, redrawn on a terminal, written every few seconds elsewhere."""

    EVERY = 5.0

    def __init__(self, total):
        self.total = max(total, 1)
        self.done = 0
        self.shown = 0.0
        self.terminal = out.isatty()

    def advance(self, text):
        self.done += 1
        self.total = max(self.total, self.done)
        line = f"  [{self.done:4}/{self.total}] {text}"
        if self.terminal:
            print(f"\r\033[K{line[:100]}", end="", file=out, flush=True)
        elif time.monotonic() - self.shown >= self.EVERY:
            self.shown = time.monotonic()
            say(line)

    def end(self):
        if self.terminal and self.done:
            print("\r\033[K", end="", file=out, flush=True)
