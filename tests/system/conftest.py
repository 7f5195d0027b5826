"""The whole suite, driven from outside: each instance is what ./quickstart sets up.

`instance` is shared by all tests of a run and never reconfigured; a test that needs other settings,
kills processes or counts everything in the queue takes one of its own from `make_instance`.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import TOP, Instance, run  # noqa: E402


# What every test needs: a letter in, and into a mailbox.
CORE = ("master", "postrider", "smtpd", "cleanup", "qmgr", "rewrite", "virtual", "prqueue")


def pytest_configure(config):
    config.addinivalue_line("markers", "root: needs root, for real users and walls")
    config.addinivalue_line("markers", "client(name): needs a program of that name")
    config.addinivalue_line("markers", "programs(name…): needs these of our own beside the core")


def pytest_runtest_setup(item):
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root")
    for marker in item.iter_markers("client"):
        if not shutil.which(marker.args[0]):
            pytest.skip(f"needs {marker.args[0]}")
    wanted = [*CORE, *(name for marker in item.iter_markers("programs") for name in marker.args)]
    absent = [name for name in wanted if not (TOP / "build" / "release" / "bin" / name).exists()]
    if absent:
        pytest.skip(f"not built: {' '.join(absent)}")


@pytest.fixture(scope="session")
def instances():
    """Where instances are: not under pytest's own folder, since recipients of their own uid must get through."""
    base = pathlib.Path(tempfile.mkdtemp(prefix="postrider-test-"))
    base.chmod(0o755)
    yield base
    if os.environ.get("KEEP_INSTANCES"):
        print(f"instances are kept in {base}")
    else:
        shutil.rmtree(base, ignore_errors=True)


def maker(base, name, made):
    def make(*, master_cf="", **settings):
        one = Instance(base / f"{name}{len(made)}", settings, master_cf)
        made.append(one)
        one.up()
        return one
    return make


@pytest.fixture
def make_instance(instances, request):
    """make_instance(name=value…) -> Instance, stopped when the test ends."""
    made = []
    name = "".join(c if c.isalnum() else "_" for c in request.node.name.removeprefix("test_"))[:40]
    yield maker(instances, name, made)
    for one in made:
        one.down()


@pytest.fixture(scope="session")
def make_lasting_instance(instances):
    """The same for fixtures of a wider scope: stopped at the end of the run."""
    made = []
    yield maker(instances, "lasting", made)
    for one in made:
        one.down()


@pytest.fixture(scope="session")
def instance(make_lasting_instance):
    return make_lasting_instance()


@pytest.fixture
def user(instance):
    """A fresh mailbox of the shared instance."""
    return instance.new_user()


@pytest.fixture(scope="session")
def postfix_client():
    """postfix_client(program, argument…) runs smtp-source or smtp-sink of Debian's postfix package, which is
    unpacked below build/ and never installed."""
    folder = TOP / "build" / "clients" / "postfix"
    programs = folder / "usr" / "sbin"
    if not (programs / "smtp-source").exists():
        folder.mkdir(parents=True, exist_ok=True)
        fetched = subprocess.run(["apt-get", "download", "-q", "postfix"], cwd=folder, capture_output=True, text=True)
        packages = list(folder.glob("postfix_*.deb"))
        if fetched.returncode != 0 or not packages:
            pytest.skip("cannot download Debian's postfix package")
        subprocess.run(["dpkg", "-x", packages[0], folder], check=True)
    environment = dict(os.environ, LD_LIBRARY_PATH=str(folder / "usr" / "lib" / "postfix"))

    def client(program, *arguments, **more):
        return run(programs / program, *arguments, env=environment, **more)

    return client
