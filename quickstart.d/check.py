"""`./quickstart check`: builds everything, passes every test, counts them.

Unit tests and corpora run in the sanitize flavour, the system tests against the release build, the
checks on the sources. A test counts once, be it a Catch2 case, a pytest function, a corpus or a check.
What fails is run once more by itself, with nothing else on the machine: when it passes then, that is said
at the end as well, since it is a test to be mended.
"""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

import build
import packages
from paths import TOP
from say import say, step

# A unit test binary that runs longer hangs.
UNIT_SECONDS = 600
SYSTEM_SECONDS = 1200
# More failed tests than this are no accident.
MOST_AGAIN = 5
# Compiling every header alone takes minutes.
CHECK_SECONDS = 1800


class Tally:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.complaints = []
        self.unsteady = []  # failed, and passed when run again

    def add(self, passed, failed, what, output=""):
        self.passed += passed
        self.failed += failed
        if failed:
            self.complaints.append(what)
            say(f"FAILED {what}")
            say("".join(f"    {line}\n" for line in output.splitlines()[-80:]))


# As mk/flavours.mk has them: reports of the sanitizers with names and stacks.
SANITIZERS = {"UBSAN_OPTIONS": "print_stacktrace=1", "ASAN_OPTIONS": "detect_stack_use_after_return=1",
              "ASAN_SYMBOLIZER_PATH": shutil.which("llvm-symbolizer-19") or ""}


def run(command, seconds, **more):
    """(exit code, output); the code is None when it did not end in time."""
    try:
        done = subprocess.run([str(c) for c in command], cwd=TOP, stdout=subprocess.PIPE, timeout=seconds,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, errors="replace", **more)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        text = late.stdout or b""
        return None, (text if isinstance(text, str) else text.decode(errors="replace")) + \
            f"\nnot ended after {seconds} s"


def catch_counts(code, output):
    """(passed, failed) test cases of a Catch2 console report; a crash is one failure."""
    ok = re.search(r"^All tests passed \(.* in (\d+) test cases?\)", output, re.M)
    if ok and code == 0:
        return int(ok.group(1)), 0
    some = re.search(r"^test cases: +(\d+) \|(?: +(\d+) passed)?(?: \|)?(?: +(\d+) failed)?", output, re.M)
    if some and code is not None:
        return int(some.group(2) or 0), max(int(some.group(3) or 0), 1)
    return 0, 1


def made(pattern, flavour):
    return sorted(p for p in (TOP / "build" / flavour).glob(pattern)
                  if p.is_file() and os.access(p, os.X_OK) and p.suffix == "")


def unit_tests(tally):
    binaries = made("check/*", "sanitize")
    step(f"unit tests ({len(binaries)} rooms)")
    with concurrent.futures.ThreadPoolExecutor(build.JOBS) as pool:
        results = pool.map(lambda b: run([b], UNIT_SECONDS, env=os.environ | SANITIZERS), binaries)
        results = list(zip(binaries, results))
    for binary, (code, output) in results:
        what = f"unit tests of {binary.name}"
        passed, failed = catch_counts(code, output)
        if failed:
            say(f"failed, once more: {what}\n" + "\n".join(output.splitlines()[-40:]))
            code, output = run([binary], UNIT_SECONDS, env=os.environ | SANITIZERS)
            passed, failed = catch_counts(code, output)
            if not failed:
                tally.unsteady.append(what)
        tally.add(passed, failed, what, output)


def fuzz_replay(tally):
    fuzzers = made("fuzz/*", "sanitize")
    step(f"fuzz corpora ({len(fuzzers)})")
    for fuzzer in fuzzers:
        code, output = run([fuzzer, TOP / "tests" / "fuzz" / "corpus" / fuzzer.name], UNIT_SECONDS,
                           env=os.environ | SANITIZERS)
        tally.add(code == 0, code != 0, f"the corpus of {fuzzer.name}", output)


def source_checks(tally):
    names = re.search(r"^CHECKS := (.*)$", (TOP / "mk" / "checks.mk").read_text(), re.M).group(1).split()
    for name in names:
        goal = f"check-{name}"
        step(goal)
        code, output = run(build.make_command("release", f"-j{build.JOBS}", "-k", goal), CHECK_SECONDS)
        tally.add(code == 0, code != 0, goal, output)


def python_tests(tally, folder, title):
    if not list((TOP / folder).glob("test_*.py")):
        return
    step(title)
    passed, failed, skipped, output = pytest([folder])
    if skipped:
        say(f"           {skipped} skipped: what they need is not here")
    if 0 < len(failed) <= MOST_AGAIN:
        say(f"failed, once more: {' '.join(failed)}\n" + "\n".join(output.splitlines()[-80:]))
        better, _, _, output = pytest(failed)
        tally.unsteady += better
        passed += better
        failed = [name for name in failed if name not in better]
    tally.add(len(passed), len(failed), title, output)


def pytest(tests):
    """(passed, failed, number of skipped, output) of a run of folders or single tests, which it names."""
    with tempfile.TemporaryDirectory() as scratch:
        report = pathlib.Path(scratch) / "report.xml"
        command = ["/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable, "-B", "-m", "pytest",
                   "-q", "-p", "no:cacheprovider", "-o", "junit_family=xunit1", "--junitxml", report, *tests]
        code, output = run(command, SYSTEM_SECONDS)
        passed, failed, skipped = [], [], 0
        for case in xml.parse(report).getroot().iter("testcase") if report.exists() else []:
            if case.find("failure") is not None or case.find("error") is not None:
                failed.append(test_name(case))
            elif case.find("skipped") is not None:
                skipped += 1
            else:
                passed.append(test_name(case))
        if code != 0 and not failed:
            failed = list(tests)  # it did not even end
        return passed, list(dict.fromkeys(failed)), skipped, output


def test_name(case):
    """As pytest takes it: file::class::name."""
    file, module = case.get("file") or "", case.get("classname") or ""
    classes = module[len(file.removesuffix(".py")) + 1:].replace(".", "::")
    return "::".join(part for part in (file, classes, case.get("name")) if part)


def run_all(tally):
    packages.ensure("build", "check", "client")
    build.configure()
    for flavour, goals in (("release", ("all",)), ("sanitize", ("tests", "fuzzers"))):
        if not build.make(flavour, *goals, keep_going=True):
            tally.add(0, 1, f"building {' '.join(goals)} ({flavour})")
    unit_tests(tally)
    fuzz_replay(tally)
    source_checks(tally)
    python_tests(tally, "tests/tool", "the checks' own tests")
    python_tests(tally, "tests/system", "system tests")


def run_everything():
    tally = Tally()
    run_all(tally)
    for complaint in tally.complaints:
        say(f"failed: {complaint}")
    for name in tally.unsteady:
        say(f"failed at first, passed when run again: {name}")
    step("done")
    say(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.passed else 0
