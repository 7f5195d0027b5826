#!/usr/bin/env python3
"""Completes the man pages: a line

    .\\" parameters: smtpd

in man/*.N is followed, in build/man/*.N, by the list of the parameters that smtpd reads, as `prconf
--mdoc smtpd` prints it: a whole .Bl -tag list. `all` stands for every program. Pages without such a
line are copied.

  man.py prconf [page…]
"""

import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[1]
MARK = re.compile(r'^\.\\" parameters: *([\w-]+)$')


def parameters(prconf, room, known={}):
    if room not in known:
        arguments = [] if room == "all" else [room]
        known[room] = subprocess.run([prconf, "--mdoc", *arguments], check=True, capture_output=True, text=True).stdout
    return known[room]


def complete(prconf, page):
    lines = []
    for line in page.read_text().splitlines(keepends=True):
        lines.append(line)
        if match := MARK.match(line.rstrip("\n")):
            lines.append(parameters(prconf, match.group(1)))
    return "".join(lines)


def main():
    prconf, *pages = sys.argv[1:]
    folder = TOP / "build" / "man"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {pathlib.Path(page).name: pathlib.Path(page) for page in pages}
    for old in folder.iterdir():
        if old.name not in wanted:
            old.unlink()
    for name, page in wanted.items():
        text = complete(prconf, page)
        target = folder / name
        if not target.exists() or target.read_text() != text:
            target.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
