"""Nothing acknowledged is lost when the power goes: a sample of `make crash-powercut`."""

import pathlib
import subprocess
import sys

import pytest
from harness import TOP

sys.path.insert(0, str(TOP / "tests" / "crash"))
import powercut  # noqa: E402

pytestmark = pytest.mark.programs("sendmail", "prdrop", "pickup", "local", "smtp", "bounce")


@pytest.fixture(scope="module")
def recorder():
    done = subprocess.run(["make", "-s", "FLAVOUR=release", "crash-programs"], cwd=TOP, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_disk_after_a_power_cut_at_any_moment_still_has_every_acknowledged_letter(instances, recorder):
    problems, figures = powercut.powercut_run(pathlib.Path(instances) / "powercut", states=300, seed=1, workers=2,
                                              full=2, letters=200, without_syncs=200)
    assert not problems, "\n".join(problems[:20])
    assert figures["letters"] >= 200 and figures["distinct"] > 100 and figures["whole"] == 2
    # A sync that the suite left out would be seen.
    for kind in ("incoming", "deferred", "maildrop", "mail", "boxes.d"):
        assert figures["syncs"][f"{kind} file"]["bad"] and figures["syncs"][f"{kind} directory"]["bad"], figures["syncs"]
