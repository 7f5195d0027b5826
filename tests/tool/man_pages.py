#!/usr/bin/env python3
"""Man pages: each passes mandoc's lint, and each program named on the command line has one.

  man_pages.py [program…]      (make passes every program it builds)
"""

import pathlib
import re
import subprocess
import sys

import tree

# Findings that are a matter of where the page is read, not of the page: a cross reference to a page
# of another package, and the operating system that a page without one is attributed to.
HARMLESS = re.compile(r"referenced manual not found|outdated mandoc.db lacks|operating system explicitly specified|"
                      r"no blank before trailing delimiter|lower case character in document title")


def main():
    pages = tree.files(".1", ".5", ".7", ".8")
    pages = [p for p in pages if p.startswith("man/")]
    findings = []
    # A page of one ".so" line is another name of the page it names.
    names = {p: tree.read(p).split()[1] for p in pages if tree.read(p).startswith(".so ")}
    for page, target in names.items():
        if f"man/{pathlib.Path(target).name}" not in pages:
            findings.append(f"{page}:1: there is no page {target}")
    written = [p for p in pages if p not in names]
    if written:
        # The completed ones, where make has made them.
        completed = [f"build/{p}" if (tree.TOP / "build" / p).is_file() else p for p in written]
        lint = subprocess.run(["mandoc", "-Tlint", "-Wstyle", *completed], cwd=tree.TOP,
                              capture_output=True, text=True)
        for line in (lint.stdout + lint.stderr).splitlines():
            if not HARMLESS.search(line):
                findings.append(line.removeprefix("mandoc: "))
    named = {pathlib.Path(p).stem for p in pages}
    programs = sys.argv[1:]
    findings += [f"man/: no page for the program {p}" for p in programs if p not in named]
    tree.finish("man", findings, f"{len(pages)} pages, {len(programs)} programs")


if __name__ == "__main__":
    sys.exit(main())
