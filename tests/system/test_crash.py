"""Nothing acknowledged is lost when processes are killed. Duplicates are allowed; loss is not."""

import os
import pathlib
import random
import signal
import sys

import pytest
from harness import TOP, wait_until
from sink import Sink
from traffic import Load, all_arrived

sys.path.insert(0, str(TOP / "tests" / "crash"))
import kill  # noqa: E402


@pytest.mark.parametrize("name", ["smtpd", "cleanup", "qmgr", "virtual", "rewrite", "anvil", "keys", "auth"])
def test_a_killed_process_is_replaced_and_no_letter_is_lost(make_instance, name):
    instance = make_instance()
    user = instance.first_user()
    load = Load(instance, user)
    load.reach(20)
    for _ in range(3):
        before = len(load.acknowledged)
        for pid in instance.processes(name):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        load.reach(before + 10)
    all_arrived(instance, user, load.finish())


def test_master_killed_takes_its_children_along_and_the_next_start_recovers(make_instance):
    instance = make_instance()
    user = instance.first_user()
    load = Load(instance, user)
    load.reach(20)
    os.kill(instance.master_pid, signal.SIGKILL)
    wait_until(lambda: not any(instance.processes(p) for p in ("smtpd", "cleanup", "qmgr")), "the children ended")
    instance.up()
    load.reach(len(load.acknowledged) + 10)
    all_arrived(instance, user, load.finish())


def test_everything_killed_at_once_loses_nothing(make_instance):
    instance = make_instance()
    user = instance.first_user()
    load = Load(instance, user)
    chance = random.Random(1)
    for _ in range(3):
        load.reach(len(load.acknowledged) + chance.randrange(5, 40))
        pids = [instance.master_pid] + [p for name in ("qmgr", "cleanup", "smtpd", "virtual", "rewrite")
                                        for p in instance.processes(name)]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        instance.up()
    load.reach(len(load.acknowledged) + 10)
    all_arrived(instance, user, load.finish())


@pytest.mark.programs("sendmail", "prdrop", "pickup", "local", "smtp", "bounce")
def test_a_hundred_kills_under_load_lose_nothing(instances):
    """A sample of `make crash-kill`: letters of every fate, every process in turn and at random."""
    problems, figures = kill.kill_run(pathlib.Path(instances) / "kills", kills=100, seed=1)
    assert not problems, "\n".join(problems[:20])
    assert figures["kills"] >= 100 and figures["letters"] > 50 and len(figures["by_process"]) > 5


@pytest.mark.programs("smtp", "prqueue")
def test_a_letter_put_aside_whose_note_is_lost_is_delivered_once_from_its_file(make_instance):
    """doc/queue.md, "A message is spilled", steps 4 and 5."""
    address = "later@faraway.example"
    sink = Sink({address: "451 4.3.0 not now"})
    instance = make_instance(relayhost=f"[127.0.0.1]:{sink.port}")
    spool = pathlib.Path(instance.queue_directory)
    queue_id = instance.send(address)
    wait_until(lambda: list(spool.glob(f"deferred/?/{queue_id}")), lambda: "put aside\n" + instance.log_tail())
    for pids in kill.Killer(instance, random).processes().values():
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    notes = list(spool.glob("active/outcome.*"))
    assert notes
    for note in notes:
        note.unlink()
    sink.verdicts.clear()
    instance.up()
    wait_until(lambda: instance.command("prqueue", "-f") and sink.messages, lambda: "delivery\n" + instance.log_tail())
    instance.wait_for_empty_queue()
    assert len(sink.messages) == 1
    assert not list(spool.glob("deferred/?/*"))
    sink.close()
