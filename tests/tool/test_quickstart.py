"""quickstart sets up instances side by side, and leaves alone what is already right.

The programs are stand-ins: what is tested is the setting up, not the server.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import shutil

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "quickstart.d"), str(TOP / "mk")]
import configuration  # noqa: E402
import packages  # noqa: E402
import root as roots  # noqa: E402
import service  # noqa: E402
from say import Failure  # noqa: E402

# Starts a process named master, that writes its pid where the real one does, and stops it.
POSTRIDER = """#!/bin/sh
root=$(dirname "$2")
case $3 in
  start) "$root/libexec/master" "$root" </dev/null >/dev/null 2>&1 & ;;
  stop) kill $(cat "$root/spool/pid/master.pid") ;;
  reload) echo reloaded >> "$root/log/maillog" ;;
esac
"""
MASTER = """#!/usr/bin/python3
import os, signal, sys
open(sys.argv[1] + "/spool/pid/master.pid", "w").write(f"{os.getpid()}\\n")
signal.pause()
"""


@pytest.fixture
def programs(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("postrider", POSTRIDER), ("master", MASTER), ("cleanup", ""), ("qmgr", ""), ("smtpd", ""),
                       ("prdrop", "")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def make_root():
    base = pathlib.Path(tempfile.mkdtemp())
    base.chmod(0o755)
    made = []

    def make(name="one"):
        made.append(roots.Root(base / name))
        made[-1].prepare()
        return made[-1]

    yield make
    for one in made:
        service.stop(one)
    shutil.rmtree(base)


def test_a_second_run_changes_nothing(programs, make_root):
    root = make_root()
    configuration.write_all(root, programs)
    stamps = {p: p.stat().st_mtime_ns for p in root.etc.iterdir()}
    again = roots.Root(root.path)
    again.prepare()
    assert configuration.write_all(again, programs) == (False, False, False)
    assert {p: p.stat().st_mtime_ns for p in root.etc.iterdir()} == stamps
    assert again.state == root.state


def test_instances_have_ports_of_their_own(programs, make_root):
    ports = [set(make_root(name).state["ports"].values()) for name in ("one", "two")]
    assert len(ports[0]) == len(roots.SERVICES)
    assert not ports[0] & ports[1]


def test_only_services_whose_programs_exist_are_listed_and_announced(programs, make_root):
    root = make_root()
    configuration.write_all(root, programs)
    services = configuration.services(root)
    assert services == ["smtp", "submission", "submissions"]
    master_cf = (root.etc / "master.cf").read_text()
    assert f"127.0.0.1:{root.state['ports']['smtp']} inet" in master_cf
    assert "pop3d" not in master_cf
    facts = root.facts(services)
    assert facts["smtp"] == root.state["ports"]["smtp"] and facts["pop3"] is None
    assert set(facts) == {
        "smtp", "submission", "submissions", "lmtp", "pop3", "pop3s", "imap", "imaps", "host", "domain", "user",
        "password", "ca_file", "config_directory", "queue_directory", "mail_directory", "command_directory",
        "log_file", "master_pid"}


def test_a_setting_is_kept_and_reaches_main_cf(programs, make_root):
    root = make_root()
    root.state["set"]["message_size_limit"] = "1234"
    root.save()
    again = roots.Root(root.path)
    configuration.write_all(again, programs)
    assert "\nmessage_size_limit = 1234\n" in (root.etc / "main.cf").read_text()


def test_users_have_mailboxes_and_hashed_passwords(programs, make_root):
    root = make_root()
    assert root.add_user("anna", "secret:with:colons") == "anna@example.test"
    configuration.write_all(root, programs)
    line = [l for l in (root.etc / "passwd").read_text().splitlines() if l.startswith("anna@")][0]
    assert "{SHA512-CRYPT}$6$" in line and "secret" not in line
    assert (root.etc / "passwd").stat().st_mode & 0o077 == 0
    assert root.mail_directory("anna@example.test").stat().st_mode & 0o777 == 0o700
    assert "anna@example.test example.test/anna/Maildir/\n" in (root.etc / "mailboxes").read_text()


@pytest.mark.parametrize("name", ["../x", "a/b", "-x", "a@b@c", "a b", ".hidden", ""])
def test_a_user_name_that_would_leave_its_directory_is_refused(make_root, name):
    with pytest.raises(Failure):
        make_root().add_user(name, "secret")


def test_up_starts_reloads_and_leaves_alone(programs, make_root):
    root = make_root()
    changes = configuration.write_all(root, programs)
    service.bring_up(root, changes, [])
    first = root.master_pid()
    assert first
    service.bring_up(root, configuration.write_all(root, programs), [])
    assert root.master_pid() == first and not root.log.exists()
    root.state["set"]["myhostname"] = "other.example"
    service.bring_up(root, configuration.write_all(root, programs), [])
    assert root.master_pid() == first and root.log.read_text() == "reloaded\n"
    assert service.stop(root)
    assert root.master_pid() is None and not service.stop(root)


def test_a_taken_port_is_replaced_when_the_instance_starts(programs, make_root):
    import socket
    root = make_root()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", root.state["ports"]["smtp"]))
        taken.listen()
        root.replace_taken_ports()
        assert root.state["ports"]["smtp"] != taken.getsockname()[1]


def test_every_package_is_listed_once_with_a_purpose():
    listed = list(packages.listed("build", "check", "client", "bench"))
    lines = [l for l in (TOP / "mk" / "packages.txt").read_text().splitlines() if l and not l.startswith("#")]
    assert len(listed) == len(set(listed)) == len(lines)


def test_every_package_has_its_reason_in_the_documentation():
    told = (TOP / "doc" / "dependencies.md").read_text()
    # The last tools of the table are named as their packages are.
    tools = {"make", "autoconf", "pkg-config", "ccache", "curl", "swaks", "fetchmail", "mpop", "mutt"}
    silent = [p for p in packages.listed("build", "check", "client", "bench") if f"`{p}`" not in told and p not in tools]
    assert silent == []
