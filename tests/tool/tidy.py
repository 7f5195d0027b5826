#!/usr/bin/env python3
"""clang-tidy over sources, a dozen of a room at a time: most of its work is on the headers they share.

  tidy.py --clang-tidy PROGRAM --flags "…" --stamps DIR source…

Sources that do not compile together (two local functions of the same name) are split until they do.
What was clean stays so until a source, any header or .clang-tidy changes.
"""

import argparse
import concurrent.futures
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import tree

TOGETHER = 12
DOES_NOT_COMPILE = "[clang-diagnostic-error]"
FINDING = re.compile(r"^(?:\./|/.*?/)?([\w/.-]+\.(?:cc|h):\d+:\d+: (?:error|warning): .*)$")


def batches(sources):
    """Sources of one folder, a dozen at a time; each main alone."""
    by_folder = {}
    for source in sources:
        main = source.endswith("main.cc")
        by_folder.setdefault(source if main else os.path.dirname(source), []).append(source)
    for names in by_folder.values():
        for start in range(0, len(names), TOGETHER):
            yield names[start:start + TOGETHER]


class Tidy:
    def __init__(self, options):
        self.program, self.flags = options.clang_tidy, options.flags.split()
        self.stamps = pathlib.Path(options.stamps)
        self.stamps.mkdir(parents=True, exist_ok=True)
        common = hashlib.sha256(options.flags.encode())
        for name in [".clang-tidy", *tree.files(".h")]:
            common.update((tree.TOP / name).read_bytes())
        self.common = common.digest()

    def stamp(self, sources):
        digest = hashlib.sha256(self.common)
        for source in sources:
            digest.update(source.encode() + (tree.TOP / source).read_bytes())
        return self.stamps / digest.hexdigest()[:32]

    def judge(self, sources):
        """What clang-tidy says of these sources, [] when nothing."""
        stamp = self.stamp(sources)
        if stamp.exists():
            return []
        findings = self.run(sources)
        if not findings:
            stamp.touch()
        return findings

    def run(self, sources):
        with tempfile.TemporaryDirectory() as folder:
            unit = pathlib.Path(folder) / "unit.cc"
            unit.write_text("".join(f'#include "{source}"\n' for source in sources))
            done = subprocess.run([self.program, "--quiet", f"--config-file={tree.TOP}/.clang-tidy", unit, "--",
                                   *self.flags], cwd=tree.TOP, capture_output=True, text=True)
        if DOES_NOT_COMPILE in done.stdout and len(sources) > 1:
            middle = len(sources) // 2
            return self.run(sources[:middle]) + self.run(sources[middle:])
        if done.returncode == 0:
            return []
        found = [match.group(1) for line in done.stdout.splitlines()
                 if (match := FINDING.match(line.replace(str(tree.TOP) + "/", "")))]
        return sorted(set(found)) or [f"{sources[0]}:1: clang-tidy failed: {done.stderr[-500:]}"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--clang-tidy", default="clang-tidy-19")
    parser.add_argument("--flags", default="")
    parser.add_argument("--stamps", required=True)
    parser.add_argument("sources", nargs="*")
    options = parser.parse_args()
    tidy = Tidy(options)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        findings = [f for found in pool.map(tidy.judge, batches(sorted(options.sources))) for f in found]
    tree.finish("tidy", findings, f"{len(options.sources)} sources")


if __name__ == "__main__":
    sys.exit(main())
