"""doc/performance.md and its plots, from build/bench/results.json.

The page keeps its last section, from "## What we make of it" on, as people wrote it.
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import time

import plot
from peers import BUILD, TOP, run
from scenarios import SCENARIOS

RESULTS = BUILD / "results.json"
PAGE = TOP / "doc" / "performance.md"
PLOTS = TOP / "doc" / "performance"
OWN_WORDS = "## What we make of it"
OURS = "Postrider"


def load():
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    found.setdefault("scenarios", {})
    return found


def save(results):
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1))


def commit():
    changed = run(["git", "-C", TOP, "status", "--porcelain", "--untracked-files=no"]).strip()
    return run(["git", "-C", TOP, "rev-parse", "--short=12", "HEAD"]).strip() + (" and changes" if changed else "")


def machine():
    processor = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal: +(\d+)", pathlib.Path("/proc/meminfo").read_text())
    place = os.environ.get("BENCH_DIRECTORY") or "/var/tmp"
    disk = subprocess.run(["findmnt", "-no", "FSTYPE,OPTIONS", "-T", place], capture_output=True, text=True).stdout
    return {"processor": processor.group(1) if processor else "unknown", "cores": os.cpu_count(),
            "memory": round(int(memory.group(1)) / 2**20), "kernel": os.uname().release,
            "file system": " ".join(disk.split()), "date": time.strftime("%Y-%m-%d")}


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def medians(contestant, figure):
    values = [one[figure] for one in contestant["runs"] if figure in one]
    return (statistics.median(values), min(values), max(values)) if values else None


def cell(found):
    return f"**{number(found[0])}** ({number(found[1])}–{number(found[2])})" if found else "–"


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head),
            *("| " + " | ".join(str(word) for word in row) + " |" for row in rows), ""]


def ratio(contestants, figure, better):
    """(ours against the best of the others, its name), more is better; None when either has no figure."""
    found = {one["label"]: medians(one, figure) for one in contestants}
    ours = found.pop(OURS, None)
    others = {label: value[0] for label, value in found.items() if value and value[0]}
    if not ours or not ours[0] or not others:
        return None
    best = max(others, key=lambda label: others[label] * better)
    return (ours[0] / others[best]) if better > 0 else (others[best] / ours[0]), best


def verdicts(key, contestants):
    """What the figures say about what we want of them."""
    scenario = SCENARIOS[key]
    for figure, title, better, wanted in scenario.figures:
        found = ratio(contestants, figure, better)
        limit = getattr(scenario, "limits", {}).get(figure)
        ours = medians(contestants[0], figure)
        if limit and ours:
            yield title, number(ours[0]), f"≤ {limit}", "met" if ours[0] <= limit else "**missed**"
        elif found:
            times = f"{found[0]:.2f}× {found[1]}"
            yield title, times, f"≥ {wanted}×" if wanted else "", \
                ("met" if found[0] >= wanted else "**missed**") if wanted else ""


def summary(results):
    rows = []
    for key, found in results["scenarios"].items():
        for what in verdicts(key, found["contestants"]) if "contestants" in found else ():
            rows.append((key, *what))
    rows += key_verdicts(results)
    rows += asleep_verdicts(results["scenarios"].get("S8", {}).get("asleep"))
    return ["## In short", "",
            "Ours against the best of the others in the same run. A ratio above 1 is in our favour.", "",
            *table(("", "figure", "found", "wanted", ""), rows)]


def key_verdicts(results):
    """What S7 costs more for having its key in another process: by the loops that have it here and there."""
    found, contestants = results.get("limits", {}), results["scenarios"].get("S7", {}).get("contestants")
    ours = medians(contestants[0], "cpu") if contestants else None
    if not ours or "apart RSA-2048 ms" not in found:
        return []
    more = found["apart RSA-2048 ms"] - found["engine RSA-2048 ms"]
    share = 100 * more / (ours[0] - more)
    return [("S7", "CPU for the key's being in another process", f"{share:.0f} % more", "≤ 10 %",
             "met" if share <= 10 else "**missed**")]


def asleep_verdicts(rows):
    if not rows or len(rows) < 2:
        return []
    first, last = rows[0], rows[-1]
    share = 100 * last["rate"] / first["rate"]
    word = ("**missed**", "met")
    asleep = f"{last['sleeping']:,} asleep"
    seconds, megabytes = last["restart"], last["qmgr_mb"]
    return [("S8", f"rate with {asleep}", f"{share:.0f} % of an empty queue's", "≥ 95 %", word[share >= 95]),
            ("S8", f"restart to first delivery, {asleep}", f"{seconds:.2f} s", "≤ 3 s", word[seconds <= 3]),
            ("S8", f"memory of qmgr, {asleep}", f"{megabytes:.0f} MB", "≤ 400 MB", word[megabytes <= 400])]


def scenario_part(key, found):
    scenario = SCENARIOS[key]
    lines = [f"### {key}: {scenario.title}", ""]
    head = ["", *(title for _, title, _, _ in scenario.figures)]
    calls = sorted({name for one in found["contestants"] for name in one["calls"]}, reverse=True)
    rows = []
    for one in found["contestants"]:
        rows.append([one["label"], *(cell(medians(one, figure)) for figure, *_ in scenario.figures),
                     *(number(one["calls"][name]) if name in one["calls"] else "–" for name in calls)])
    lines += table(head + [f"{name} each" for name in calls], rows)
    lines += [f"{one['label']}: {trouble(one)}  " for one in found["contestants"] if one["trouble"]]
    return lines + [f"Median (least–most) of {max(len(one['runs']) for one in found['contestants'])} runs; "
                    f"commit {found['commit']}{shortened(found)}.", ""]


def shortened(found):
    return f"; shortened runs, SCALE={found['scale']}" if found["scale"] != 1 else ""


def trouble(one):
    return f"after {len(one['runs'])} runs, " + " ".join(one["trouble"].split())[:300]


def curve_part(key, found):
    scenario = SCENARIOS[key]
    labels = list(found["series"])
    if not labels:
        return [f"### {scenario.title}", "", " ".join((found["trouble"] or "").split())[:300], ""]
    (PLOTS / f"{key}.svg").write_text(plot.lines(scenario.title, scenario.x_title, scenario.y_title, found["series"]))
    places = [x for x, _ in found["series"][labels[0]]]
    values = {label: dict(map(tuple, found["series"][label])) for label in labels}
    return [f"### {scenario.title}", "", f"![{scenario.title}](performance/{key}.svg)", "",
            *table((scenario.x_title, *labels),
                   ((f"{x:,}", *(number(values[label][x]) if x in values[label] else "–" for label in labels))
                    for x in places))]


def asleep_part(found):
    rows = found["asleep"]
    lines = ["### S8: fresh mail while deferred messages sleep", ""]
    if rows:
        (PLOTS / "S8.svg").write_text(plot.lines(
            "fresh messages a second while others sleep", "messages asleep", "messages/s",
            {OURS: [(row["sleeping"], row["rate"]) for row in rows]}))
        lines += ["![rate against messages asleep](performance/S8.svg)", "", *table(
            ("asleep", "messages/s", "CPU ms each", "restart to first delivery, s", "qmgr, MB (PSS)"),
            ((f"{row['sleeping']:,}", number(row["rate"]), number(row["cpu"]),
              number(row["restart"]) if row["restart"] else "–", number(row["qmgr_mb"])) for row in rows))]
    lines += [f"Commit {found['commit']}{shortened(found)}.", ""]
    return lines + ([" ".join(found["trouble"].split())[:300], ""] if found["trouble"] else [])


def limits_part(results):
    found = results["limits"]
    lines = ["## What the machine can do", "", "By plain loops, without a mail server.", ""]
    rows = [(f"{name.split()[1]} records of 4 kB, then one fdatasync: records/s", number(value))
            for name, value in found.items() if name.startswith("append")]
    rows += [(f"files of 4 kB made and synced by {name.split()[1]} threads: files/s", number(value))
             for name, value in found.items() if name.startswith("files")]
    rows += [("a short command and its answer of 4 kB by TCP, two processes: µs", number(value))
             for name, value in found.items() if name.startswith("exchange")]
    for start, what in (("handshake", "OpenSSL alone"), ("engine", "our engine, the key in the same process, CPU"),
                        ("apart", "our engine, the key in another process, CPU of both")):
        rows += [(f"TLS 1.3 handshake in memory, {name.split()[1]}, {what}: ms of the server's side", number(value))
                 for name, value in found.items() if name.startswith(start)]
    return lines + table(("", ""), rows)


def overview_plots(results):
    groups = {title: {} for title in ("rate", "cpu")}
    for key in ("S1", "S2", "S3", "S4a"):
        for one in results["scenarios"].get(key, {}).get("contestants", ()):
            for figure, values in groups.items():
                if found := medians(one, figure):
                    values.setdefault(key, {})[one["label"]] = found[0]
    lines = []
    for figure, title, axis in (("rate", "messages a second", "messages/s"), ("cpu", "CPU of a message", "ms")):
        if groups[figure]:
            (PLOTS / f"{figure}.svg").write_text(plot.bars(title, axis, groups[figure]))
            lines += [f"![{title}](performance/{figure}.svg)", ""]
    return lines


def own_words():
    text = PAGE.read_text() if PAGE.exists() else ""
    return text[text.index(OWN_WORDS):] if OWN_WORDS in text else f"{OWN_WORDS}\n"


def write(results):
    kept = own_words()
    PLOTS.mkdir(parents=True, exist_ok=True)
    here = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in results.get("versions", {}).items())
    lines = ["# Performance", "",
             "Written by `make bench`; the last section is ours. How it is measured, and how each server is configured, "
             "is in [bench/README.md](../bench/README.md).", "",
             f"{here['date']}: {here['processor']}, {here['cores']} cores, {here['memory']} GiB, Linux {here['kernel']}, "
             f"{here['file system']}. {versions}", "", *summary(results), *overview_plots(results)]
    if "limits" in results:
        lines += limits_part(results)
    lines += ["## Side by side", ""]
    for key in SCENARIOS:
        if found := results["scenarios"].get(key):
            if "contestants" in found:
                lines += scenario_part(key, found)
            elif "series" in found:
                lines += curve_part(key, found)
            else:
                lines += asleep_part(found)
    PAGE.write_text("\n".join(lines) + "\n" + kept)
    return PAGE
