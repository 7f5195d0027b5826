"""The other mail servers: Debian's packages, unpacked below build/bench/peers and never installed.

A peer's programs find themselves where Debian puts them, because they run in a mount namespace of their own in
which the unpacked files lie over /usr, /etc, /var/spool and /var/lib. Nothing outside that namespace changes.
"""

import pathlib
import shutil
import subprocess

from measure import Failure

TOP = pathlib.Path(__file__).resolve().parents[1]
BUILD = TOP / "build" / "bench"

# Users that the packages' installation would have made: name, uid, home.
USERS = {"postfix": 62001, "postdrop": 62002, "opensmtpd": 62003, "opensmtpq": 62004, "dovecot": 62005,
         "dovenull": 62006, "devnull": 62007}


def run(command, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise Failure(f"{command[0]} {command[1]} failed: {done.stderr.strip()[-400:]}")
    return done.stdout


class Packages:
    """A Debian package and those of its dependencies that this machine lacks."""

    def __init__(self, name):
        self.name = name
        self.folder = BUILD / "peers" / name
        self.root = self.folder / "root"

    def fetch(self):
        if (self.folder / "complete").exists():
            return self
        shutil.rmtree(self.folder, ignore_errors=True)
        downloads = self.folder / "debs"
        downloads.mkdir(parents=True)
        plan = run(["apt-get", "install", "-s", "--no-install-recommends", self.name])
        wanted = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")] or [self.name]
        run(["apt-get", "download", "-q", *wanted], cwd=downloads)
        for package in downloads.glob("*.deb"):
            run(["dpkg", "-x", package, self.root])
        for name in ("lib", "bin", "sbin"):  # /lib is /usr/lib on the machine it comes to lie over
            if (self.root / name).is_dir():
                shutil.copytree(self.root / name, self.root / "usr" / name, symlinks=True, dirs_exist_ok=True)
        self.add_system_files()
        (self.folder / "complete").touch()
        return self

    def add_system_files(self):
        etc = self.root / "etc"
        etc.mkdir(exist_ok=True)
        for file, line in (("passwd", "{0}:x:{1}:{1}::/nonexistent:/usr/sbin/nologin\n"), ("group", "{0}:x:{1}:\n")):
            text = pathlib.Path("/etc", file).read_text()
            names = {entry.split(":")[0] for entry in text.splitlines()}
            text += "".join(line.format(name, uid) for name, uid in USERS.items() if name not in names)
            (etc / file).write_text(text)
        # Every name the servers look up is in /etc/hosts; none shall wait for a name server.
        (etc / "resolv.conf").write_text("lookup file\nnameserver 127.0.0.1\noptions attempts:1 timeout:1\n")

    def version(self):
        file = next((self.folder / "debs").glob(f"{self.name}_*.deb"))
        return run(["dpkg-deb", "-f", file, "Version"]).strip()

    def inside(self, command, binds=()):
        """The command line that runs `command` where the package seems installed; binds: (directory, place)."""
        for _, place in binds:
            (self.root / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
        lines = ["set -e"]
        for place in ("usr", "etc", "var/spool", "var/lib"):
            if (self.root / place).is_dir():
                lines.append(f"mount -t overlay overlay -o lowerdir={self.root}/{place}:/{place} /{place}")
        lines += [f"mount --bind {directory} {place}" for directory, place in binds]
        lines.append('exec "$@"')
        return ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", "\n".join(lines), "sh", *command]
