"""The bench works: not what it finds."""

import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

import pytest

from harness import PATIENCE, TOP

sys.path.insert(0, str(TOP / "bench"))
import measure  # noqa: E402
import plot  # noqa: E402
import report  # noqa: E402

LOAD = TOP / "build" / "release" / "bench" / "load"


@pytest.fixture(scope="module")
def load():
    """load(mode, name=value…) -> what the generator printed."""
    made = subprocess.run(["make", "--no-print-directory", "FLAVOUR=release", "build/release/bench/load"], cwd=TOP,
                          capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr

    def run(mode, **options):
        done = subprocess.run([LOAD, mode, *(f"{name}={value}" for name, value in options.items())],
                              capture_output=True, text=True, timeout=4 * PATIENCE)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    return run


def test_every_message_the_generator_counts_is_delivered(load, instance, user):
    sent = load("send", port=instance.smtp, messages=40, sessions=8, to=user.address)
    assert (sent["messages"], sent["failed"]) == (40, 0)
    assert len(user.wait_for_mail(40)) == 40


def test_the_generator_reports_what_was_refused(load, instance):
    sent = load("send", port=instance.smtp, messages=5, sessions=2, to=f"nobody-of-that-name@{instance.domain}")
    assert (sent["messages"], sent["failed"]) == (0, 5)
    assert sent["complaint"].startswith("550")


def test_pop3_clients_fetch_all_messages(load, instance, user):
    load("send", port=instance.smtp, messages=10, sessions=2, to=user.address)
    user.wait_for_mail(10)
    fetched = load("pop3", port=instance.pop3, sessions=2, clients=1, user=user.address, password=user.password)
    assert (fetched["sessions"], fetched["messages"], fetched["failed"]) == (2, 20, 0)


def can_make_groups():
    try:
        measure.Group("probe").end()
        return True
    except measure.Failure:
        return False


@pytest.mark.root
def test_a_quick_run_gives_figures_and_leaves_nothing_behind(load, tmp_path):
    if not can_make_groups():
        pytest.skip("needs control groups")
    figures = tmp_path / "figures"
    done = subprocess.run([sys.executable, "-B", TOP / "bench" / "main.py", "quick", "S1", "--runs", "1", "--scale",
                           "0.01", "--json", figures], capture_output=True, text=True, timeout=8 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    (ours,) = json.loads(figures.read_text())["S1"]
    assert ours["trouble"] is None
    assert ours["runs"][0]["rate"] > 0 and ours["runs"][0]["cpu"] > 0
    folder = re.search(r"^instances: (.*)$", done.stdout, re.M).group(1)
    assert not pathlib.Path(folder).exists()


def runs(label, **figures):
    return {"label": label, "runs": [figures], "calls": {}, "trouble": None}


def test_a_figure_is_judged_against_the_best_of_the_others():
    contestants = [runs("Postrider", rate=1000, cpu=1.0), runs("Postfix", rate=100, cpu=4.0),
                   runs("OpenSMTPD", rate=250, cpu=8.0)]
    found = {title: words for title, *words in report.verdicts("S1", contestants)}
    assert found["messages/s"] == ["4.00× OpenSMTPD", "≥ 5×", "**missed**"]
    assert found["CPU ms each"] == ["4.00× Postfix", "≥ 5×", "**missed**"]
    contestants[0] = runs("Postrider", rate=1250, cpu=0.5)
    assert [words[-1] for words in report.verdicts("S1", contestants)] == ["met", "met"]


def test_plots_are_well_formed():
    drawing = xml.fromstring(plot.lines("a < b", "x", "y", {"one & two": [(0, 1.0), (1_000_000, 2.5)]}))
    assert len(drawing.findall("{http://www.w3.org/2000/svg}polyline")) == 1
    assert len(xml.fromstring(plot.bars("b", "y", {"S1": {"a": 1.0, "b": 3.0}}))) > 5
