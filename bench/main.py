"""Measures the suite beside its peers: `make bench`, `make bench-quick`; README.md in this folder says how.

  main.py full [--runs N] [S1 …]              all of them; writes doc/performance.md
  main.py quick [--before COMMIT] [--peer]    a before and after of a few scenarios, printed
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import report  # noqa: E402
from measure import Failure  # noqa: E402
from peers import BUILD, TOP, run  # noqa: E402
from scenarios import PROGRAMS, S8, SCENARIOS  # noqa: E402
from servers import Ours  # noqa: E402
# Of quickstart.d, which servers.py makes known.
import packages  # noqa: E402
import say as voice  # noqa: E402

# A scenario that took this long has its median from what there is, so that the whole ends in time.
TURN_SECONDS, FEWEST_TURNS = 90, 3
started = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - started:6.1f} s] {text}", flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("full", "quick"))
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=" ".join(SCENARIOS))
    parser.add_argument("--runs", type=int, default=5, help="how often each server is measured, in turn")
    parser.add_argument("--scale", type=float, default=1.0, help="1: as documented; less: fewer messages each run")
    parser.add_argument("--before", metavar="COMMIT", help="quick: the commit to compare this checkout with")
    parser.add_argument("--peer", action="store_true", help="quick: the other servers too")
    parser.add_argument("--json", metavar="FILE", help="quick: also write the figures there")
    options = parser.parse_intermixed_args()
    for key in options.scenarios:
        if key not in SCENARIOS:
            parser.error(f"no scenario {key}: {' '.join(SCENARIOS)}")
    if os.geteuid() != 0:
        parser.error("the servers change users, and their costs are read from control groups: run it as root")
    options.runs = max(options.runs, 1)
    return options


@contextlib.contextmanager
def instances():
    """Where servers keep their files: on the disk of the checkout, open to the users that mail is delivered as."""
    base = os.environ.get("BENCH_DIRECTORY") or "/var/tmp"
    folder = tempfile.mkdtemp(prefix="bench-", dir=base)
    os.chmod(folder, 0o755)
    print(f"instances: {folder}", flush=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def checkout_of(commit):
    """A built checkout of another commit, below build/bench."""
    name = run(["git", "-C", TOP, "rev-parse", "--short=12", commit + "^{commit}"]).strip()
    folder = BUILD / f"before-{name}"
    if not folder.exists():
        run(["git", "-C", TOP, "worktree", "prune"])
        run(["git", "-C", TOP, "worktree", "add", "--detach", folder, name])
    say(f"building {name}")
    jobs = f"-j{os.cpu_count() or 2}"
    for command in (["autoconf"], ["./configure"], ["make", "--no-print-directory", "FLAVOUR=release", jobs, "all"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)} of {name}: {(done.stderr or done.stdout)[-800:]}")
    return folder, name


class Contestant:
    """One server in one scenario: its figures, or why it has none."""

    def __init__(self, server):
        self.server, self.label = server, server.label
        self.runs, self.calls, self.trouble = [], {}, None

    def attempt(self, what, *words):
        if self.trouble is None:
            try:
                return what(*words)
            except (Failure, OSError, subprocess.SubprocessError, ValueError) as failure:
                self.trouble = str(failure)
                say(f"    {self.label}: {failure}")
        return None

    def count_calls(self, scenario):
        """A machine that cannot count them has its figures all the same."""
        if self.trouble is None:
            try:
                self.calls = scenario.trace(self.server)
            except (Failure, OSError, subprocess.SubprocessError) as failure:
                say(f"    {self.label}: system calls are not counted: {failure}")

    def result(self):
        return {"label": self.label, "runs": self.runs, "calls": self.calls, "trouble": self.trouble}


def measured(scenario, servers, traces=True):
    """Every contestant after its turns; a server that fails does not stop the others."""
    contestants = [Contestant(server) for server in servers]
    with contextlib.ExitStack() as stack:
        for one in contestants:
            one.attempt(stack.enter_context, one.server)
            one.attempt(scenario.prepare, one.server)
        begun = time.monotonic()
        for turn in range(scenario.runs):
            if turn >= FEWEST_TURNS and time.monotonic() - begun > TURN_SECONDS:
                say(f"    slow today: {turn} runs instead of {scenario.runs}")
                break
            for one in contestants:
                if figures := one.attempt(scenario.once, one.server, turn + 1):
                    one.runs.append(figures)
        if traces and scenario.traced:
            for one in contestants:
                if one.server.traced:
                    one.count_calls(scenario)
        try:
            scenario.finish()
        except Failure as failure:
            for one in contestants:
                one.trouble = one.trouble or str(failure)
    return contestants


def spread(values):
    return f"{min(values):.3g}–{max(values):.3g}"


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def show(scenario, contestants):
    for figure, title, better, _ in scenario.figures:
        cells = []
        first = None
        for one in contestants:
            values = [run[figure] for run in one.runs if figure in run]
            if not values:
                continue
            value = statistics.median(values)
            cell = f"{one.label} {number(value)} ({spread(values)})"
            if first is None:
                first = value
            elif value and first:
                cell += f" = {value / first:.2f}×"
            cells.append(cell)
        print(f"    {title:22} " + "   ".join(cells), flush=True)


def quick(options):
    earlier = checkout_of(options.before) if options.before else None
    found = {}
    with instances() as folder:
        for key in options.scenarios or ["S1", "S2"]:
            scenario = SCENARIOS[key](options.scale, options.runs)
            setup = scenario.setup()
            servers = []
            if earlier:
                servers.append(Ours(setup, f"{folder}/before", earlier[0], f"before ({earlier[1]})"))
            servers.append(Ours(setup, f"{folder}/now", label="now" if earlier else "Postrider"))
            if options.peer:
                servers += [peer(setup, f"{folder}/{peer.name}") for peer in scenario.peers]
            say(f"{key}: {scenario.title}")
            contestants = measured(scenario, servers, traces=False)
            show(scenario, contestants)
            found[key] = [one.result() for one in contestants]
    if options.json:
        with open(options.json, "w") as file:
            json.dump(found, file, indent=1)
    return any(one["trouble"] for results in found.values() for one in results)


def limits(folder):
    runs = []
    for turn in range(3):
        place = os.path.join(folder, f"limits{turn}")
        os.mkdir(place)
        runs.append(json.loads(run([PROGRAMS / "limits", place])))
        shutil.rmtree(place)
    return {name: statistics.median(r[name] for r in runs) for name in runs[0]}


def full(options):
    packages.ensure("bench")
    results = report.load()
    results["machine"] = report.machine()
    with instances() as folder:
        if not options.scenarios or "limits" not in results:
            say("what the machine can do")
            results["limits"] = limits(folder)
        for key in options.scenarios or list(SCENARIOS):
            scenario = SCENARIOS[key](options.scale, options.runs)
            say(f"{key}: {scenario.title}")
            setup = scenario.setup()
            servers = [Ours(setup, f"{folder}/postrider"),
                       *(peer(setup, f"{folder}/{peer.name}") for peer in scenario.peers)]
            if isinstance(scenario, S8):
                found = asleep(scenario, servers[0])
            elif hasattr(scenario, "points"):
                found = curves(scenario, servers)
            else:
                contestants = measured(scenario, servers)
                show(scenario, contestants)
                found = {"contestants": [one.result() for one in contestants]}
            for peer in scenario.peers:
                results.setdefault("versions", {})[peer.label] = peer.package.version()
            results["scenarios"][key] = found | {"commit": report.commit(), "scale": options.scale}
            report.save(results)
    say(f"written: {report.write(results)}")
    # Another server's trouble is in the page; ours is an error.
    return any(one.get("trouble") for s in results["scenarios"].values() for one in (s, *s.get("contestants", ())[:1]))


def curves(scenario, servers):
    """{label: [(x, y)…]}"""
    series, trouble = {}, None
    for server in servers:
        one = Contestant(server)
        with contextlib.ExitStack() as stack:
            one.attempt(stack.enter_context, server)
            one.attempt(scenario.prepare, server)
            for x in scenario.points:
                if found := one.attempt(scenario.at, server, x):
                    series.setdefault(one.label, []).append((x, found[scenario.y]))
        trouble = trouble or one.trouble
    say(f"    {series}")
    return {"series": series, "trouble": trouble}


def asleep(scenario, ours):
    rows, trouble = [], None
    try:
        with ours:
            scenario.prepare(ours)
            for row in scenario.curve(ours):
                rows.append(row)
                say(f"    {row}")
    except (Failure, OSError, subprocess.SubprocessError) as failure:
        trouble = str(failure)
        say(f"    {failure}")
    return {"asleep": rows, "trouble": trouble}


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    try:
        return 1 if {"full": full, "quick": quick}[options.what](options) else 0
    except (Failure, voice.Failure) as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
