"""What the checks share: the tree's root, its files, and how a finding is shown.

A check is a program that prints one "file:line: text" per finding, then one summary line, and
exits 1 when there was any.
"""

import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]


def files(*suffixes):
    """Tracked and new files (ignored ones left out), relative to TOP; all, or those so ending."""
    try:
        names = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=TOP, check=True, capture_output=True, text=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        # A release tarball has no repository: every file outside build/ is the tree's.
        names = [str(p.relative_to(TOP)) for p in TOP.rglob("*") if p.is_file()]
        names = [n for n in names if not n.startswith(("build/", "run/", ".git/"))]
    kept = (n for n in names if n and (not suffixes or n.endswith(suffixes)))
    return sorted(n for n in kept if (TOP / n).is_file())


def read(name):
    return (TOP / name).read_text(encoding="utf-8", errors="replace")


def make_list(variable):
    """The words of a `NAME := …` in the Makefile, continuation lines joined."""
    text = re.sub(r"\\\n\s*", " ", read("Makefile"))
    return re.search(rf"^{variable} := (.*)$", text, re.M).group(1).split()


def finish(check, findings, subject):
    for finding in findings:
        print(finding)
    print(f"{check}: {subject}, {'ok' if not findings else f'{len(findings)} findings'}")
    sys.exit(1 if findings else 0)
