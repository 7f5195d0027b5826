"""The Debian packages of mk/packages.txt: which are missing, and installing them."""

import os
import shutil
import subprocess

from paths import TOP
from say import Failure, say, step


def listed(*purposes):
    for line in (TOP / "mk" / "packages.txt").read_text().splitlines():
        words = line.split("#", 1)[0].split()
        if len(words) >= 2 and words[1] in purposes:
            yield words[0]


def missing(*purposes):
    wanted = list(listed(*purposes))
    if not shutil.which("dpkg-query"):
        return []  # not Debian: configure says what it does not find
    known = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted],
                           capture_output=True, text=True).stdout
    installed = {line.split()[0] for line in known.splitlines() if line.endswith(" installed")}
    return [package for package in wanted if package not in installed]


def ensure(*purposes):
    """Installs what is missing for `purposes`; as root, or through sudo."""
    packages = missing(*purposes)
    if not packages:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    prefix = []
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            raise Failure("packages are missing, and there is neither root nor sudo to install them:\n  "
                          + " ".join(command))
        prefix = ["sudo"]
    step(f"installing {len(packages)} packages: {' '.join(packages)}")
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    log = TOP / "build" / "packages.log"
    log.parent.mkdir(exist_ok=True)
    with open(log, "w") as sink:
        for line in (["apt-get", "update", "-q"], command):
            done = subprocess.run(prefix + line, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL,
                                  env=environment)
    if done.returncode != 0:
        say(log.read_text()[-2000:])
        raise Failure(f"apt-get could not install them (all its output: {log}); by hand:\n  "
                      + " ".join(command))
