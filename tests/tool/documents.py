#!/usr/bin/env python3
"""Documents that name code tell the truth: every `file: function` of doc/life-of-a-message.md names
a function that the file has, and every relative link of a Markdown page leads to a file."""

import re
import sys

import tree

HOP = re.compile(r"`([\w./-]+\.(?:cc|h))`?:\s*`?([\w:~]+)(?:\(\))?`")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def without_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)


def hop_findings(page):
    findings, count = [], 0
    for number, line in enumerate(tree.read(page).splitlines(), 1):
        for file, function in HOP.findall(line):
            count += 1
            if not (tree.TOP / file).is_file():
                findings.append(f"{page}:{number}: there is no file {file}")
                continue
            name = re.escape(function.split("::")[-1])
            if not re.search(rf"(?<![\w.>]){name}\s*\(", without_comments(tree.read(file))):
                findings.append(f"{page}:{number}: {file} has no function {function}")
    return findings, count


def main():
    findings, hops = [], 0
    letter = "doc/life-of-a-message.md"
    if (tree.TOP / letter).is_file():
        findings, hops = hop_findings(letter)
        if hops == 0:
            findings.append(f"{letter}:1: names no `file: function`")
    pages = tree.files(".md")
    for page in pages:
        folder = (tree.TOP / page).parent
        for number, line in enumerate(tree.read(page).splitlines(), 1):
            for target in LINK.findall(line):
                if not (folder / target).exists():
                    findings.append(f"{page}:{number}: the link to {target} leads nowhere")
    tree.finish("documents", findings, f"{len(pages)} pages, {hops} hops")


if __name__ == "__main__":
    sys.exit(main())
