#!/usr/bin/env python3
"""No path of the machine that built it: not in the sources, not in the programs given as arguments."""

import re
import sys

import tree

HOMES = re.compile(rb"/home/[a-z][a-z0-9_-]*/|/Users/[A-Za-z]+/")


def occurrences(text, needle):
    return [number for number, line in enumerate(text.split(b"\n"), 1) if needle.search(line)]


def main():
    top = re.escape(str(tree.TOP).encode())
    # A checkout in / or /src says nothing about anybody; a longer path does.
    here = re.compile(top + rb"\b") if str(tree.TOP).count("/") > 1 else None
    findings = []
    names = tree.files()
    for name in names:
        text = (tree.TOP / name).read_bytes()
        if here:
            findings += [f"{name}:{n}: the path of this checkout" for n in occurrences(text, here)]
        if not name.startswith("tests/"):
            findings += [f"{name}:{n}: somebody's home directory" for n in occurrences(text, HOMES)]
    for program in sys.argv[1:]:
        if here and here.search((tree.TOP / program).read_bytes()):
            findings.append(f"{program}: holds the path of this checkout")
    tree.finish("paths", findings, f"{len(names)} files, {len(sys.argv) - 1} programs")


if __name__ == "__main__":
    sys.exit(main())
