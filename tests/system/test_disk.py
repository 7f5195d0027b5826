"""A full disk is said to the client, loses nothing, and is over when there is room again."""

import os
import pathlib
import smtplib
import subprocess

import pytest
from harness import wait_until

pytestmark = pytest.mark.root


@pytest.fixture
def small_queue(make_instance):
    """An instance whose journal is on a file system of its own, with room for one segment and a little."""
    server = make_instance()
    server.down()
    incoming = pathlib.Path(server.queue_directory) / "incoming"
    owner = incoming.stat()
    for entry in sorted(incoming.rglob("*"), reverse=True):
        entry.rmdir() if entry.is_dir() else entry.unlink()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=100m,mode=700,uid={owner.st_uid},gid={owner.st_gid}",
                    "queue", incoming], check=True)
    server.up()
    yield server, incoming
    server.down()
    subprocess.run(["umount", incoming], check=True)


def submit(server, recipient, size):
    client = smtplib.SMTP("127.0.0.1", server.smtp, "client.example", timeout=60)
    client.mail("a@elsewhere.example")
    client.rcpt(recipient)
    code, _ = client.data(b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * (size // 72))
    client.quit()
    return code


def test_a_full_disk_answers_452_and_recovers(small_queue):
    server, incoming = small_queue
    user = server.first_user()
    # Held mail stays in the queue's file system only until it is put aside, so the filler takes the room.
    free = os.statvfs(incoming).f_bavail * os.statvfs(incoming).f_frsize
    filler = incoming / "filler"
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(free - 1_000_000, 1))
    # A letter with a content file of its own does not fit; whatever the journal has room for is taken.
    answers = [submit(server, user.address, 3_000_000) for _ in range(3)]
    assert set(answers) == {452}, answers
    filler.unlink()
    before = len(user.files())
    wait_until(lambda: submit(server, user.address, 3_000_000) == 250, "250 once there is room")
    wait_until(lambda: len(user.files()) > before, "the letter that was accepted")
    server.wait_for_empty_queue()
