"""What fails under us: system calls, the disk's room, the administrator's care, the queue manager."""

import errno
import json
import os
import pathlib
import re
import signal
import sys

import pytest
from harness import TOP, wait_until
from sink import Sink

sys.path.insert(0, str(TOP / "tests" / "crash"))
import fail  # noqa: E402

pytestmark = pytest.mark.programs("smtp", "showq", "flush", "prqueue", "prsuper", "prcat", "sendmail", "pickup")


def flush_until_delivered(instance, count):
    """A queue manager that has just begun does not know all its mail yet."""
    user = instance.first_user()
    wait_until(lambda: instance.command("prqueue", "-f", check=False) and len(user.files()) >= count,
               lambda: f"{count} messages, there are {len(user.files())}\n{instance.log_tail()}", 60)
    return user.wait_for_mail(count)


def take_away_qmgr(instance):
    """Ends the queue manager, and master cannot start another until what this returns is called."""
    program = pathlib.Path(instance.root) / "libexec" / "qmgr"
    aside = program.with_name("qmgr.aside")
    program.rename(aside)
    for pid in instance.processes("qmgr"):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not instance.processes("qmgr"), "the end of qmgr")
    return lambda: aside.rename(program)


# ---- no queue manager

def test_prqueue_lists_what_waits_in_the_segments_of_a_stopped_system(make_instance):
    instance = make_instance(virtual_transport="retry:not today")
    first = instance.send("rider@example.test")
    deferred = pathlib.Path(instance.queue_directory) / "deferred"
    wait_until(lambda: any(deferred.rglob(first)), "the first letter put aside")
    # The queue manager is stopped, not gone: nothing is taken out of the journal any more.
    for pid in instance.processes("qmgr"):
        os.kill(pid, signal.SIGSTOP)
    second = instance.send("rider@example.test")
    os.kill(instance.master_pid, signal.SIGKILL)
    for pid in instance.processes("qmgr"):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(instance.processes(p) for p in ("master", "qmgr", "showq", "cleanup", "smtpd")),
               "everything ended")
    listed = instance.command("prqueue", "-p")
    assert "Mail system is down -- accessing queue directly" in listed.stderr
    assert first in listed.stdout and second in listed.stdout and "in 2 Requests." in listed.stdout
    objects = [json.loads(line) for line in instance.command("prqueue", "-j").stdout.splitlines()]
    assert {(o["queue_name"], o["queue_id"]) for o in objects} == {("deferred", first), ("incoming", second)}
    flushed = instance.command("prqueue", "-f", check=False)
    assert flushed.returncode == 69 and "Cannot flush mail queue - mail system is down" in flushed.stderr
    instance.up()
    instance.wait_for_log(rf"{second}: .*status=deferred")


def test_prqueue_lists_the_segments_while_only_qmgr_is_down(make_instance):
    instance = make_instance()
    bring_back = take_away_qmgr(instance)
    queue_id = instance.send("rider@example.test")
    listed = instance.command("prqueue", "-p")
    assert queue_id in listed.stdout and "in 1 Request." in listed.stdout
    assert "the queue manager is not running" in listed.stderr
    flushed = instance.command("prqueue", "-f", check=False)
    assert flushed.returncode == 69 and "Cannot flush mail queue" in flushed.stderr
    bring_back()
    assert instance.first_user().wait_for_mail()
    instance.wait_for_empty_queue()


# ---- failing system calls; `make crash-fail` tries them all

@pytest.fixture(scope="module")
def faults(instances):
    return fail.install(instances / "faults")


@pytest.fixture
def failing(make_instance, faults):
    instance = make_instance(**faults.settings())
    fail.let_preload(instance)
    yield instance
    faults.disarm()


SAMPLE = (("smtp", "cleanup", "fdatasync"), ("smtp", "cleanup", "write"), ("smtp", "smtpd", "accept"),
          ("smtp", "smtpd", "receive"), ("smtp", "qmgr", "read"), ("smtp", "qmgr", "memfd"), ("smtp", "qmgr", "write"),
          ("smtp", "qmgr", "dup"), ("smtp", "virtual", "dup"), ("smtp", "virtual-worker", "create"),
          ("smtp", "virtual-worker", "fsync"), ("smtp", "virtual-worker", "rename"), ("large", "cleanup", "create"),
          ("large", "cleanup", "fsync"), ("large", "qmgr", "unlink"), ("large", "qmgr", "dup"), ("relay", "qmgr", "receive"),
          ("maildrop", "prdrop", "create"), ("maildrop", "prdrop", "fsync"), ("maildrop", "prdrop", "rename"),
          ("maildrop", "pickup", "unlink"), ("maildrop", "pickup", "open"), ("sendmail", "pickup", "accept"),
          ("sendmail", "pickup", "receive"), ("sendmail", "sendmail", "connect"), ("bounce", "bounce", "read"), ("bounce", "smtp", "write"),
          ("submission", "smtpd", "receive"))
COLD_SAMPLE = (("cleanup", "socket"), ("qmgr", "create"), ("virtual", "watch"), ("rewrite", "thread"), ("master", "fork"))


def test_a_failing_call_costs_an_error_or_a_retry_and_never_the_letter(instances, make_instance, faults):
    sink = Sink({"refused@faraway.example": "550 5.1.1 no such user here"})
    instance = make_instance(**faults.settings(), relayhost=f"[127.0.0.1]:{sink.port}")
    fail.let_preload(instance)
    walk = fail.Walk(instance, sink, faults)
    try:
        for way in dict.fromkeys(way for way, _, _ in SAMPLE):
            counted = walk.count(way)
            for _, program, call in (one for one in SAMPLE if one[0] == way):
                n = counted.get((program, call), 1)  # some are made a little later than we count
                walk.group(way, program, call, n, most=2, errors=fail.ERRORS[call][:1])
        counted = walk.count("smtp", cold=True)
        for program, call in COLD_SAMPLE:
            walk.group("smtp", program, call, counted[program, call], True, most=2, errors=fail.ERRORS[call][:1])
        walk.finish()
    finally:
        faults.disarm()
        sink.close()
    assert not walk.findings, "\n".join(walk.findings)
    assert walk.struck > len(SAMPLE) / 2


def test_a_disk_that_takes_nothing_is_said_and_is_over_when_it_is_over(failing, faults):
    user = failing.first_user()
    failing.send(user.address)
    user.wait_for_mail(1)
    expected = 1
    for error, code in ((errno.ENOSPC, 452), (errno.EDQUOT, 452), (errno.EIO, 451), (errno.EROFS, 451)):
        faults.arm_disk(error)
        for size in (100, 1_000_000):
            with failing.smtp_client() as client:
                client.mail("someone@elsewhere.example")
                client.rcpt(user.address)
                answer, text = client.data(b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * (size // 72))
                assert answer == code, text
        local = failing.command("sendmail", user.address, stdin="hello", check=False, env=faults.environment)
        assert local.returncode == 75, local
        faults.disarm()
        failing.send(user.address, subject="after")
        failing.command("sendmail", user.address, stdin="Subject: after\n\nhello\n")
        expected += 2
        user.wait_for_mail(expected)
    failing.wait_for_empty_queue()
    assert len(user.files()) == expected
    failing.down()
    assert failing.command("prsuper", "-s").stderr == ""


def test_a_process_that_gets_no_thread_or_watch_says_so_and_is_started_again(failing, faults):
    # The first watches are of the loop, before there is a log.
    for count, (call, kth, error, said) in enumerate((
            ("thread", 1, errno.EAGAIN, "Resource temporarily unavailable"),
            ("watch", 5, errno.ENOSPC, "no room to watch another descriptor")), 1):
        faults.arm("qmgr", call, error, kth)
        mark = failing.log_mark()
        for pid in failing.processes("qmgr"):
            os.kill(pid, signal.SIGKILL)
        failing.wait_for_log(rf"qmgr\[\d+\]: fatal: {said}", mark)
        faults.disarm()
        failing.wait_for_log(r"process .*/qmgr pid \d+ exit status 1", mark)
        failing.send(failing.user)
        failing.first_user().wait_for_mail(count)


def test_a_deferred_message_that_cannot_be_read_for_a_moment_is_not_corrupt(failing, faults):
    failing.command("prconf", "-e", "virtual_transport=retry:later", "minimal_backoff_time=1h", "maximal_backoff_time=2h")
    failing.command("postrider", "reload")
    queue_id = failing.send("rider@example.test")
    failing.wait_for_log(queue_id + ": .*status=deferred")
    wait_until(lambda: queue_id in failing.command("prqueue", "-p").stdout, "the message on its shelf")
    faults.arm("qmgr", "open", errno.EMFILE, 1, 3)
    failing.command("prqueue", "-i", queue_id)
    failing.wait_for_log(queue_id + ": .*Too many open files; will try again")
    faults.disarm()
    failing.command("prconf", "-e", "virtual_transport=virtual")
    failing.command("postrider", "reload")
    flush_until_delivered(failing, 1)
    assert not os.listdir(pathlib.Path(failing.queue_directory) / "corrupt")


def test_a_segment_that_cannot_be_read_is_not_used_again(failing, faults):
    # A letter of which only the journal knows, and whose writer is no more: nobody holds the segment.
    bring_back = take_away_qmgr(failing)
    failing.send("rider@example.test")
    for pid in failing.processes("cleanup"):
        os.kill(pid, signal.SIGKILL)
    faults.arm("qmgr", "read", errno.EIO, 1, 1_000_000, match="incoming/seg.")
    mark = failing.log_mark()
    bring_back()
    wait_until(lambda: len(re.findall("seg.*Input/output error", failing.log(mark))) >= 3, "three tries to read it")
    faults.disarm()
    assert failing.first_user().wait_for_mail(1)


# ---- careless administrators

def test_what_a_careless_administrator_did_is_mended_and_every_message_delivered(make_instance):
    instance = make_instance(virtual_transport="retry:later", minimal_backoff_time="1h", maximal_backoff_time="2h")
    ids = [instance.send("rider@example.test", subject=f"letter {n}") for n in range(4)]
    wait_until(lambda: all(i in instance.command("prqueue", "-p").stdout for i in ids) and
               len(list(pathlib.Path(instance.queue_directory).glob("deferred/?/*"))) == 4, "four messages on the shelf")
    instance.down()
    queue = pathlib.Path(instance.queue_directory)
    first, second, third, fourth = (next(queue.glob(f"deferred/?/{i}")) for i in ids)
    first.rename(queue / "incoming" / "restored")
    second.rename(queue / "maildrop" / second.name)
    (queue / "hold" / "copy").write_bytes(third.read_bytes())
    fourth.chmod(0o644)
    (queue / "active" / "notes").write_text("what I did")
    if os.geteuid() == 0:  # who is not root runs everything as one user, and owns it
        os.chown(fourth, 0, 0)
        os.chown(queue / "deferred", 0, 0)
        (queue / "hold").chmod(0o755)
        found = instance.command("postrider", "check", check=False).stderr
        assert str(queue / "hold") in found and str(queue / "deferred") in found
        instance.command("postrider", "set-permissions")
    mended = instance.command("prsuper", "-s").stderr
    for name in ("incoming/restored", f"maildrop/{second.name}", "active/notes", fourth.name):
        assert re.search(rf"{name}: .*\(repaired\)", mended), mended
    assert instance.command("prsuper", "-s").stderr == ""
    assert sorted(os.listdir(queue / "corrupt")) in (["copy", "notes"], [third.name, "notes"])
    # Of two copies the one on hold counts: somebody put it there.
    instance.settings["virtual_transport"] = "virtual"
    instance.up()
    instance.command("prsuper", "-H", third.name)
    letters = flush_until_delivered(instance, 4)
    assert {n for n in range(4) if any(f"Subject: letter {n}\n".encode() in one for one in letters)} == {0, 1, 2, 3}
