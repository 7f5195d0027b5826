#!/usr/bin/env python3
"""Writes the figures of the last crash runs into doc/reliability.md, between its marks.

  tests/crash/report.py build/crash doc/reliability.md
"""

import json
import pathlib
import re
import sys


def number(value):
    return f"{value:,}".replace(",", " ")


def kill_rows(figures):
    by_process = ", ".join(f"{name} {count}" for name, count in
                           sorted(figures["by_process"].items(), key=lambda item: -item[1]))
    reasons = ", ".join(f"{name or 'unexplained'} {count}" for name, count in
                        sorted(figures["duplicates"].items(), key=lambda item: -item[1]))
    return [("kill -9", f"{number(figures['kills'])} ({by_process})"),
            ("letters acknowledged, deliveries owed", f"{number(figures['letters'])}, {number(figures['owed'])}"),
            ("arrived", number(figures["arrived"])),
            ("lost", f"**{number(figures['missing'])}**"),
            ("delivered more than once, by the process whose end explains it",
             f"{number(sum(figures['duplicates'].values()))} ({reasons})" if reasons else "0"),
            ("time", f"{figures['seconds']} s, seed {figures['seed']}")]


def powercut_rows(figures):
    profiles = ", ".join(f"{name} {number(count)}" for name, count in sorted(figures["profiles"].items()))
    syncs = ", ".join(f"{kind} {one['bad']} of {one['states']}" for kind, one in sorted(figures["syncs"].items()))
    return [("entries recorded, letters acknowledged",
             f"{number(figures['entries'])}, {number(figures['letters'])} in {figures['recordings']} recordings"),
            ("states, distinct", f"{number(figures['states'])}, {number(figures['distinct'])}"),
            ("what survived of the unsynced", profiles),
            ("states with the whole suite started on them", number(figures["whole"])),
            ("bad states when all syncs of a kind are left out", syncs),
            ("states that lost or tore anything", f"**{number(figures['bad'])}**"),
            ("time", f"{figures['seconds']} s, seed {figures['seed']}")]


def fail_rows(figures):
    outcomes = figures["outcomes"]

    def calls(part):
        one = figures[part]
        return f"{number(one['calls'])}, {number(one['tried'])}, {number(one['struck'])}"

    return [("programs whose calls failed", f"{len(figures['processes'])} ({', '.join(figures['processes'])})"),
            ("at work: calls, errors tried, calls that failed", calls("warm")),
            ("just started: calls, errors tried, calls that failed", calls("cold")),
            ("the letter was taken, refused with an error; mailboxes read",
             ", ".join(number(outcomes.get(kind, 0)) for kind in ("taken", "refused", "read"))),
            ("taken and lost, hung, processes that died of a signal, queues not empty and sound",
             ", ".join(f"**{number(outcomes.get(kind, 0))}**" for kind in ("lost", "hung", "died", "left"))),
            ("time", f"{figures['seconds']} s")]


ROWS = {"kill": kill_rows, "powercut": powercut_rows, "fail": fail_rows}


def main():
    results, page = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    text = page.read_text()
    for name, rows in ROWS.items():
        file = results / f"{name}.json"
        if not file.exists():
            continue
        figures = rows(json.loads(file.read_text()))
        table = "| | |\n|---|---|\n" + "".join(f"| {what} | {how} |\n" for what, how in figures)
        text, found = re.subn(rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda m: m.group(1) + table + m.group(2), text,
                              flags=re.S)
        if not found:
            raise SystemExit(f"{page} has no <!-- {name} --> … <!-- end -->")
    page.write_text(text)


if __name__ == "__main__":
    main()
