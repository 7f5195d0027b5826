"""A full disk is said to the client, loses nothing, and is over when there is room again."""

import os
import pathlib
import smtplib
import subprocess

import pytest
from harness import wait_until
from sink import Sink
from traffic import Load, all_arrived

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


# ---- a directory of the instance on a file system of its own

def in_memory(size):
    def mount(directory):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "test", directory], check=True)
    return mount


def ext4_that_turns_read_only(directory):
    """On its first error, as Debian's installer sets it up for /."""
    image = image_beside(directory, "256M")
    subprocess.run(["mkfs.ext4", "-q", "-e", "remount-ro", image], check=True)
    mount_image(image, directory)
    (directory / "lost+found").rmdir()


def part_of_btrfs(directory):
    """A subvolume, which can be read-only and have a quota."""
    image = image_beside(directory, "256M")
    subprocess.run(["mkfs.btrfs", "-q", "--mixed", image], check=True, capture_output=True)
    mount_image(image, directory)
    subprocess.run(["btrfs", "-q", "subvolume", "create", directory / "part"], check=True)
    subprocess.run(["umount", directory], check=True)
    mount_image(image, directory, "subvol=part")


def image_beside(directory, size):
    image = directory.with_name(directory.name + ".image")
    subprocess.run(["truncate", "-s", size, image], check=True)
    return image


def mount_image(image, directory, *options):
    done = subprocess.run(["mount", "-o", ",".join(["loop", *options]), image, directory], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no loop mounts of this file system here: {done.stderr}")


class OwnFileSystem:
    """A directory of an instance, with what is in it, on the file system that mount(directory) makes."""

    def __init__(self, server, directory, mount):
        self.server, self.directory = server, pathlib.Path(directory)
        server.down()
        former = self.directory.with_name(self.directory.name + ".former")
        self.directory.rename(former)
        self.directory.mkdir()
        self.mounted = False
        try:
            mount(self.directory)
            self.mounted = True
            subprocess.run(["cp", "-a", f"{former}/.", self.directory], check=True)
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

    def remount(self, option):
        """Waits until nobody writes, which a file system without an error insists on."""
        wait_until(lambda: subprocess.run(["mount", "-o", f"remount,{option}", self.directory]).returncode == 0,
                   f"{self.directory} mounted {option}")

    def set_read_only(self, value):
        """Of a subvolume: what is open stays open."""
        subprocess.run(["btrfs", "property", "set", self.directory, "ro", "true" if value else "false"], check=True)

    def break_it(self):
        """The kernel notes an error in the file system."""
        device = subprocess.run(["findmnt", "-no", "SOURCE", self.directory], capture_output=True, text=True).stdout
        switch = pathlib.Path("/sys/fs/ext4") / pathlib.Path(device.strip()).name / "trigger_fs_error"
        if not switch.exists():
            pytest.skip("this kernel has no trigger_fs_error")
        switch.write_text("x")

    def mend_it(self):
        """As an administrator would, with the server stopped."""
        self.server.down()
        image = self.directory.with_name(self.directory.name + ".image")
        subprocess.run(["umount", self.directory], check=True)
        assert subprocess.run(["e2fsck", "-p", image], capture_output=True).returncode in (0, 1)
        mount_image(image, self.directory)
        self.server.up()

    def end(self):
        self.server.down()
        if self.mounted:
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
    disk = OwnFileSystem(server, server.queue_directory, in_memory("160m"))
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
    server.command("sendmail", "later@faraway.example", stdin="Subject: local\n\nhello\n")
    local = server.command("sendmail", "someone@faraway.example", stdin="Subject: local\n\n" + "z" * 90_000, check=False)
    assert local.returncode == 75, local
    assert not list((disk.directory / "maildrop").glob("m*"))
    sink.verdicts.clear()
    filler.unlink()
    wait_until(lambda: refused(server, "someone@faraway.example", 1_000_000) is None, "room for a large letter")
    server.command("sendmail", "someone@faraway.example", stdin="Subject: local\n\nhello\n")
    wait_until(lambda: len(sink.messages) == 5, lambda: f"5 letters, not {len(sink.messages)}\n{server.log_tail()}")
    server.wait_for_empty_queue()
    server.down()
    assert server.command("prsuper", "-s").stderr == ""


# ---- a file system that turns read-only, and a quota

@pytest.fixture
def own_file_system(make_instance):
    made = []

    def make(directory, mount):
        server = make_instance(minimal_backoff_time="1s", maximal_backoff_time="2s", transport_retry_time="1s")
        disk = OwnFileSystem(server, directory(server), mount)
        made.append(disk)
        return server, disk

    yield make
    for disk in made:
        disk.end()


def mailboxes(server):
    return server.root / "mail"


def queue(server):
    return server.queue_directory


def test_mail_for_mailboxes_that_are_read_only_waits_until_they_are_not(own_file_system):
    server, disk = own_file_system(mailboxes, in_memory("64m"))
    user = server.first_user()
    load = Load(server, user)
    load.reach(20)
    disk.remount("ro")
    before = len(user.files())
    load.reach(len(load.acknowledged) + 20)
    server.wait_for_log("status=deferred .*Read-only file system")
    assert len(user.files()) == before
    disk.remount("rw")
    load.reach(len(load.acknowledged) + 20)
    all_arrived(server, user, load.finish())
    assert "status=bounced" not in server.log()


@pytest.mark.client("mkfs.btrfs")
def test_a_queue_that_is_read_only_for_a_while_loses_nothing_and_goes_on_by_itself(own_file_system):
    server, disk = own_file_system(queue, part_of_btrfs)
    user = server.first_user()
    load = Load(server, user)
    load.reach(20)
    disk.set_read_only(True)
    # Open files are written to as before; what needs a name has none.
    assert refused(server, user.address, 1_000_000).startswith("451 ")
    disk.set_read_only(False)
    wait_until(lambda: refused(server, user.address, 1_000_000) is None, "a large letter taken")
    load.reach(len(load.acknowledged) + 20)
    all_arrived(server, user, load.finish())
    server.wait_for_empty_queue()


@pytest.mark.programs("sendmail", "prdrop", "pickup", "prsuper")
@pytest.mark.client("mkfs.ext4")
def test_a_broken_queue_takes_nothing_and_has_everything_when_it_is_mended(own_file_system):
    server, disk = own_file_system(queue, ext4_that_turns_read_only)
    user = server.first_user()
    load = Load(server, user)
    load.reach(50)
    disk.break_it()
    wait_until(lambda: refused(server, user.address, 100), "a refusal")
    for size in (100, 1_000_000):
        answer = refused(server, user.address, size)
        assert answer and answer[0] == "4", answer
    local = server.command("sendmail", user.address, stdin="Subject: local\n\nhello\n", check=False)
    assert local.returncode == 75, local
    acknowledged = load.finish()
    disk.mend_it()
    all_arrived(server, user, acknowledged)
    server.send(user.address, subject=f"letter {max(acknowledged) + 1}")
    all_arrived(server, user, acknowledged | {max(acknowledged) + 1})
    server.wait_for_empty_queue()
    server.down()
    assert server.command("prsuper", "-s").stderr == ""


@pytest.mark.programs("bounce")
@pytest.mark.client("mkfs.btrfs")
def test_mail_over_a_quota_of_the_file_system_is_returned_and_leaves_nothing(own_file_system):
    """As one over the quota of a Maildir: EDQUOT is the recipient's, unlike ENOSPC."""
    server, disk = own_file_system(mailboxes, part_of_btrfs)
    user = server.first_user()
    subprocess.run(["btrfs", "quota", "enable", disk.directory], check=True)
    subprocess.run(["btrfs", "qgroup", "limit", "2M", disk.directory], check=True)
    assert refused(server, user.address, 4_000_000) is None
    server.wait_for_log("dsn=5.2.2, status=bounced .*quota")
    assert not user.files() and not list((user.directory / "Maildir" / "tmp").glob("*"))
    subprocess.run(["btrfs", "qgroup", "limit", "none", disk.directory], check=True)
    assert refused(server, user.address, 4_000_000) is None
    user.wait_for_mail()
