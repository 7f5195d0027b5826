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
                                              full=2, seconds=2.0)
    assert not problems, "\n".join(problems[:20])
    assert figures["letters"] > 10 and figures["distinct"] > 100 and figures["whole"] == 2
