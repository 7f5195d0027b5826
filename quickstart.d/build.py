"""Configure and make, with a line that moves."""

import os
import subprocess

from paths import TOP
from say import Failure, Progress, say, step

JOBS = os.cpu_count() or 2
# What make prints for each thing it makes (mk/rules.mk).
VERBS = ("CXX", "AR", "LINK", "PCH", "ALONE")


def configured():
    config = TOP / "build" / "config.mk"
    sources = [TOP / "configure.ac", TOP / "mk" / "config.mk.in", TOP / "mk" / "packages.txt",
               TOP / "mk" / "probe.cc"]
    return config.exists() and config.stat().st_mtime >= max(s.stat().st_mtime for s in sources)


def configure():
    if configured():
        return
    step("configuring")
    log = TOP / "build" / "configure.log"
    log.parent.mkdir(exist_ok=True)
    with open(log, "w") as sink:
        for command in (["autoconf"], ["./configure"]):
            if subprocess.run(command, cwd=TOP, stdout=sink, stderr=sink).returncode != 0:
                break
        else:
            os.utime(TOP / "build" / "config.mk")
            return
    say("".join("  " + line for line in log.read_text().splitlines(keepends=True)[-15:]))
    raise Failure(f"configure failed (all its output: {log})")


def make_command(flavour, *goals):
    return ["make", "--no-print-directory", f"FLAVOUR={flavour}", *goals]


def pending(flavour, *goals):
    """How many things make would make."""
    plan = subprocess.run(make_command(flavour, "-n", *goals), cwd=TOP, capture_output=True, text=True)
    return sum(1 for line in plan.stdout.splitlines() if line.startswith("printf '  %-5s"))


def make(flavour, *goals, keep_going=False):
    """Makes `goals`; False when that failed. What the compiler said is shown either way."""
    count = pending(flavour, *goals)
    if count:
        step(f"building {count} files ({' '.join(goals)}, {flavour})")
    progress = Progress(count)
    command = make_command(flavour, f"-j{JOBS}", *(["-k"] if keep_going else []), *goals)
    with subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        for line in run.stdout:
            words = line.split()
            if len(words) == 2 and words[0] in VERBS:
                progress.advance(f"{words[0]} {words[1]}")
            elif "Nothing to be done" not in line:
                progress.end()
                say(line.rstrip("\n"))
    progress.end()
    return run.returncode == 0


def programs(flavour="release"):
    """Builds every program; returns where they are."""
    configure()
    if not make(flavour, "all"):
        raise Failure("the build failed; what the compiler said is above")
    return TOP / "build" / flavour / "bin"
