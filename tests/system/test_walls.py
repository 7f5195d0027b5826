"""The walls between processes are real: seen from /proc, as root."""

import os
import pathlib
import pwd

import pytest
from harness import Lines

pytestmark = [pytest.mark.root, pytest.mark.programs("pop3d", "pop3-session", "auth", "keys")]


def status(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def assert_walled_in(instance, pid, owner):
    facts = status(pid)
    assert set(facts["Uid"]) == {str(pwd.getpwnam(owner).pw_uid)}
    assert facts["Groups"] in ([], [str(pwd.getpwnam(owner).pw_gid)])
    assert facts["NoNewPrivs"] == ["1"]
    assert facts["Seccomp"] == ["2"], "no system call filter"
    assert int(facts["CapEff"][0], 16) == 0 and int(facts["CapPrm"][0], 16) == 0


@pytest.mark.parametrize("program, port", [("smtpd", "smtp"), ("pop3d", "pop3")])
def test_what_talks_to_strangers_is_in_an_empty_root(instance, program, port):
    with Lines(getattr(instance, port)) as client:
        client.line()
        for pid in instance.processes(program):
            assert_walled_in(instance, pid, "prnet")
            root = pathlib.Path(f"/proc/{pid}/root")
            assert os.readlink(root) != "/"
            files = [f for f in root.rglob("*") if f.is_file() and not f.is_symlink()]
            assert files == [], "there is something to read in its root"
            held = [os.readlink(f) for f in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
            spool = str(instance.queue_directory)
            secrets = [path for path in held if path.startswith(spool) or "tls/server.pem" in path
                       or path.endswith("/passwd")]
            assert secrets == [], "it holds files it must not"


@pytest.mark.parametrize("program, owner", [("cleanup", "postrider"), ("qmgr", "postrider"), ("keys", "prkeys")])
def test_others_run_as_their_owner(instance, user, program, owner):
    instance.send(user.address)
    user.wait_for_mail()
    pids = instance.processes(program)
    assert pids
    for pid in pids:
        assert set(status(pid)["Uid"]) == {str(pwd.getpwnam(owner).pw_uid)}


def test_a_pop3_session_runs_as_the_owner_of_its_mailbox(instance):
    anna, boris = instance.new_user(), instance.new_user()
    for user in (anna, boris):
        instance.send(user.address)
        user.wait_for_mail()
    owner = {u.address: u.directory.stat().st_uid for u in (anna, boris)}
    assert owner[anna.address] != owner[boris.address]
    client = anna.pop3()
    uids = {uid for pid in instance.processes("pop3-session") for uid in status(pid)["Uid"]}
    assert str(owner[anna.address]) in uids
    assert str(owner[boris.address]) not in uids
    client.quit()


def test_mail_belongs_to_its_recipient_and_nobody_else_may_read_it(instance, user):
    instance.send(user.address)
    user.wait_for_mail()
    [message] = user.files()
    assert message.stat().st_uid == user.directory.stat().st_uid
    assert message.stat().st_mode & 0o077 == 0
