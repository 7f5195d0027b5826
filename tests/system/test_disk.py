"""A full disk is said to the client, loses nothing, and is over when there is room again."""

import os
import pathlib
import shutil
import smtplib
import subprocess

import pytest
from harness import wait_until
from sink import Sink

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


# ---- the whole queue directory on a file system of its own

class OwnFileSystem:
    """The instance's queue directory is the root of a file system in memory."""

    def __init__(self, server, size):
        self.server = server
        self.directory = pathlib.Path(server.queue_directory)
        server.down()
        shutil.rmtree(self.directory)
        self.directory.mkdir(mode=0o755)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "queue", self.directory], check=True)
        try:
            server.up()
        except BaseException:
            self.end()
            raise

    def fill(self):
        """Takes all the room there is; returns the file that has it."""
        filler = self.directory / "filler"
        with open(filler, "wb", buffering=0) as file:
            for piece in (1 << 20, 1 << 12):
                try:
                    while file.write(b"x" * piece):
                        pass
                except OSError:
                    continue
        return filler

    def end(self):
        self.server.down()
        subprocess.run(["umount", self.directory], check=True)


@pytest.fixture
def sink():
    one = Sink({"later@faraway.example": "451 4.3.0 not now"})
    yield one
    one.close()


@pytest.fixture
def full_disk(make_instance, sink):
    server = make_instance(relayhost=f"[127.0.0.1]:{sink.port}", minimal_backoff_time="1s", maximal_backoff_time="2s",
                           transport_retry_time="1s")
    disk = OwnFileSystem(server, "160m")
    yield server, disk
    disk.end()


def refused(server, recipient, size):
    """The whole reply to a letter of `size` bytes; None when it was taken."""
    client = server.smtp_client()
    try:
        client.ehlo()
        client.mail("someone@elsewhere.example")
        for code, text in (client.rcpt(recipient), client.data(b"Subject: too much\r\n\r\n" + b"y" * 70 * (size // 70))):
            if code != 250:
                return f"{code} {text.decode()}"
        return None
    finally:
        client.close()


@pytest.mark.programs("smtp", "sendmail", "prdrop", "pickup", "prsuper")
def test_a_full_queue_loses_nothing_and_goes_on_by_itself(full_disk, sink):
    server, disk = full_disk
    taken = [server.send("someone@faraway.example", subject="before")]
    wait_until(lambda: len(sink.messages) == 1, "the first letter")
    filler = disk.fill()
    # The journal has room of its own; what needs a file has none.
    taken.append(server.send("later@faraway.example", subject="while full"))
    server.wait_for_log(taken[-1] + ": .*status=deferred")
    server.wait_for_log(taken[-1] + ": cannot be put aside: .*No space left")
    assert refused(server, "someone@faraway.example", 1_000_000) == "452 4.3.1 Insufficient system storage"
    local = server.command("sendmail", "someone@faraway.example", stdin="Subject: local\n\n" + "z" * 9000, check=False)
    assert local.returncode == 75, local
    assert not list((disk.directory / "maildrop").glob("m*"))
    sink.verdicts.clear()
    filler.unlink()
    wait_until(lambda: refused(server, "someone@faraway.example", 1_000_000) is None, "room for a large letter")
    server.command("sendmail", "someone@faraway.example", stdin="Subject: local\n\nhello\n")
    wait_until(lambda: len(sink.messages) == 4, lambda: f"4 letters, not {len(sink.messages)}\n{server.log_tail()}")
    server.wait_for_empty_queue()
    server.down()
    assert server.command("prsuper", "-s").stderr == ""
