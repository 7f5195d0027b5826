#!/usr/bin/env python3
"""Installs what conf/install.manifest lists, with its owners and modes.

  install.py --programs DIR [--destdir DIR] [--set name=value…] [--create-users]
  install.py --check program…     hold the manifest against the programs that are built

Paths in the manifest use the parameters' names; --set gives each its value. Without root, or where a
named account does not exist under --destdir, owners are left as they are and this is said once.
"""

import argparse
import grp
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[1]
MANIFEST = TOP / "conf" / "install.manifest"
USERS = {"postrider": "Postrider queue", "prnet": "Postrider network", "prkeys": "Postrider keys"}
GROUPS = ("prdrop",)


def entries():
    """(kind, path, owner, group, mode, source) of each line; "" where a line is shorter."""
    for number, line in enumerate(MANIFEST.read_text().splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if words:
            if words[0] not in ("dir", "place", "conf", "data", "program", "link", "man") or len(words) < 5:
                sys.exit(f"{MANIFEST}:{number}: not a manifest line: {line}")
            yield tuple(words + [""] * (6 - len(words)))


def account(kind, name):
    """The number of a user or group, None when there is no such account."""
    try:
        return pwd.getpwnam(name).pw_uid if kind == "user" else grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def missing_accounts():
    users = [u for u in USERS if account("user", u) is None]
    groups = [g for g in GROUPS if account("group", g) is None]
    return users, groups


def create_accounts():
    users, groups = missing_accounts()
    for group in groups:
        subprocess.run(["groupadd", "--system", group], check=True)
    for user in users:
        subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
                        "--shell", "/usr/sbin/nologin", "--comment", USERS[user], user], check=True)


class Installer:
    def __init__(self, programs, values, destdir="", kinds=None, hard_links=False):
        self.destdir = destdir
        self.programs = pathlib.Path(programs)
        self.values = values
        self.only = kinds
        self.link_programs = hard_links
        self.as_root = os.geteuid() == 0
        self.installed = set()
        self.without_owner = set()

    def expand(self, text):
        def value(match):
            if match.group(1) not in self.values:
                sys.exit(f"install: no value for ${match.group(1)}")
            return self.values[match.group(1)]
        while "$" in text:
            text = re.sub(r"\$(\w+)", value, text)
        return text

    def place(self, path):
        return pathlib.Path(self.destdir + path)

    def own(self, target, owner, group, mode):
        """Owner before mode: chown clears set-gid."""
        if self.as_root and owner != "-":
            uid, gid = account("user", owner), account("group", group)
            self.without_owner |= {name for name, number in ((owner, uid), (group, gid)) if number is None}
            os.chown(target, -1 if uid is None else uid, -1 if gid is None else gid)
        if mode != "-":
            os.chmod(target, int(mode, 8))

    def copy(self, source, target, owner, group, mode):
        """Through a new name, so that what runs keeps its file; unchanged files stay untouched."""
        target.parent.mkdir(parents=True, exist_ok=True)
        new = target.with_name(target.name + ".installing")
        new.unlink(missing_ok=True)
        plain = self.link_programs and int(mode, 8) == 0o755
        if target.exists() and target.stat().st_mtime_ns == source.stat().st_mtime_ns \
                and target.stat().st_size == source.stat().st_size:
            if not (plain and target.samefile(source)):
                self.own(target, owner, group, mode)
            return
        if plain:
            try:
                os.link(source, new)
                os.replace(new, target)
                return
            except OSError:
                pass  # another file system
        shutil.copy2(source, new)
        self.own(new, owner, group, mode)
        os.replace(new, target)

    def install(self, kind, path, owner, group, mode, source):
        path, source = self.expand(path), self.expand(source)
        target = self.place(path)
        if kind in ("dir", "place"):
            new = not target.exists()
            target.mkdir(parents=True, exist_ok=True)
            if new or kind == "dir":
                self.own(target, owner, group, mode)
        elif kind == "conf":
            if target.exists() and target.read_bytes() != (TOP / source).read_bytes():
                self.copy(TOP / source, target.with_name(target.name + ".new"), owner, group, mode)
            else:
                self.copy(TOP / source, target, owner, group, mode)
        elif kind == "data":
            text = (TOP / source).read_text()
            for name, value in self.values.items():
                text = text.replace(f"@{name}@", value)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            self.own(target, owner, group, mode)
        elif kind == "program":
            if not (self.programs / source).exists():
                return
            self.copy(self.programs / source, target, owner, group, mode)
        elif kind == "link":
            if source not in self.installed:
                return
            new = target.with_name(target.name + ".installing")
            new.unlink(missing_ok=True)
            new.symlink_to(os.path.relpath(source, os.path.dirname(path)))
            os.replace(new, target)
        elif kind == "man":
            # Pages that the build completed come before those written by hand.
            pages = {p.name: p for folder in (TOP / "man", TOP / "build" / "man")
                     for p in sorted(folder.glob("*.[1578]"))}
            for page in pages.values():
                self.copy(page, target / f"man{page.suffix[1:]}" / page.name, owner, group, mode)
        self.installed.add(path)

    def run(self):
        for entry in entries():
            if self.only is None or entry[0] in self.only:
                self.install(*entry)
        if self.only:
            return  # an instance of quickstart, which says whose it is
        if self.without_owner:
            print(f"install: no account {', '.join(sorted(self.without_owner))} here; "
                  "their files stay with who installs", file=sys.stderr)
        elif not self.as_root:
            print("install: not root, so owners were not set", file=sys.stderr)


def install(programs, values, **options):
    os.umask(0o022)
    Installer(programs, values, **options).run()


def check(built):
    listed = {e[5]: e for e in entries() if e[0] == "program"}
    findings = [f"conf/install.manifest:1: the program {p} is built but not installed"
                for p in built if p not in listed]
    for kind, path, owner, group, mode, source in entries():
        if kind in ("conf", "data") and not (TOP / source).is_file():
            findings.append(f"conf/install.manifest:1: {source} does not exist")
        if kind != "link" and not re.fullmatch(r"[0-7]{4}", mode):
            findings.append(f"conf/install.manifest:1: {path} has no four-digit mode")
        # Nothing is writable for others, but the drop directory, which its sticky bit guards.
        elif kind != "link" and int(mode, 8) & 0o022 and (path, mode) != ("$queue_directory/maildrop", "1770"):
            findings.append(f"conf/install.manifest:1: {path} would be writable by others than its owner")
    for finding in findings:
        print(finding)
    print(f"manifest: {len(listed)} programs listed, {len(built)} built, "
          f"{'ok' if not findings else f'{len(findings)} findings'}")
    return 1 if findings else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--programs", default="build/release/bin")
    parser.add_argument("--destdir", default="")
    parser.add_argument("--set", action="append", default=[], metavar="name=value")
    parser.add_argument("--create-users", action="store_true")
    parser.add_argument("--check", nargs="*", metavar="program")
    options = parser.parse_args()
    if options.check is not None:
        return check(options.check)
    if os.geteuid() == 0 and options.create_users:
        create_accounts()
    users, groups = missing_accounts()
    if os.geteuid() == 0 and not options.destdir and (users or groups):
        sys.exit("install: these accounts do not exist: " + " ".join(users + groups) +
                 "\n  make install CREATE_USERS=yes creates them")
    install(options.programs, dict(s.split("=", 1) for s in options.set), destdir=options.destdir)
    return 0


if __name__ == "__main__":
    sys.exit(main())
