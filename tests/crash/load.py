"""Letters of every fate, by SMTP and by sendmail, and the places where they end.

  rider@example.test       the virtual agent's Maildir
  boxes@localhost          the local agent's mbox, by an alias
  relayed<n>@…             the next server takes it
  later<n>@…               the next server takes it the second time
  never<n>@…               the next server refuses it: back to its sender, a Maildir
"""

import pathlib
import random
import smtplib
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
import ledger  # noqa: E402
from harness import Instance, wait_until  # noqa: E402
from sink import Sink  # noqa: E402

WRITER = "writer@example.test"
RIDER = "rider@example.test"
BOXES = "boxes@localhost"
ELSEWHERE = "faraway.example"
# In lines: one too large for pickup's socket, so that it comes by maildrop/, and one with a content file.
SMALL, MEDIUM, LARGE = 3, 2_500, 12_000


class Verdicts:
    """What the next server says to RCPT."""

    def __init__(self):
        self.asked = set()
        self.lock = threading.Lock()

    def get(self, recipient, fallback):
        if recipient.startswith("never"):
            return "550 5.1.1 no such user here"
        with self.lock:
            if recipient.startswith("later") and recipient not in self.asked:
                self.asked.add(recipient)
                return "450 4.2.0 come again"
        return fallback


class NextServer(Sink):
    """`note(copy)` is called when a letter was received, before that is said."""

    def __init__(self, note=lambda copy: None):
        super().__init__(Verdicts())
        self.server.handle_error = self.handle_lost_client
        self.messages = self  # append() below
        self.copies, self.note = [], note

    def append(self, message):
        _, recipients, content = message
        for recipient in recipients:
            for copy in ledger.read_copies(content, recipient, "relayed", ledger.now()):
                self.note(copy)
                self.copies.append(copy)

    def handle_lost_client(self, *_):
        """A client that was killed is no news."""

    def __len__(self):
        return len(self.copies)


def settings(root, sink):
    """Of an instance whose letters end as above."""
    return {"relayhost": f"[127.0.0.1]:{sink.port}", "alias_maps": f"texthash:{root}/boxes",
            "minimal_backoff_time": "1s", "maximal_backoff_time": "2s",
            "service_throttle_time": "1s", "stale_lock_time": "5s", "smtpd_client_connection_rate_limit": "0"}


def make_instance(root, sink, **more):
    """Made and started."""
    root = pathlib.Path(root)
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)
    boxes = root / "boxes.d"
    boxes.mkdir(exist_ok=True)
    boxes.chmod(0o777)  # the agent appends as default_privs
    (root / "boxes").write_text(f"boxes {boxes}/box\n")
    instance = Instance(root, settings(root, sink) | more)
    instance.up("--user", f"{WRITER.split('@')[0]}:a secret")
    return instance


def collect(instance, sink):
    """Every copy there is now."""
    mail = instance.root / "mail" / "example.test"
    return (ledger.read_maildir(mail / "rider" / "Maildir", RIDER)
            + ledger.read_maildir(mail / "writer" / "Maildir", WRITER)
            + ledger.read_mbox(instance.root / "boxes.d" / "box", BOXES) + list(sink.copies))


class Load:
    """Runs until finish(). `acknowledged(letter)` is called as soon as the client has seen the promise."""

    def __init__(self, instance, book, seed, senders=3, submitters=1, pause=0.03, acknowledged=lambda letter: None):
        self.instance, self.book, self.pause = instance, book, pause
        self.acknowledged = acknowledged
        self.over = threading.Event()
        self.threads = []
        for kind, count in ((self.send_by_smtp, senders), (self.send_by_sendmail, submitters)):
            for number in range(count):
                chance = random.Random(f"{seed} {kind.__name__} {number}")
                self.threads.append(threading.Thread(target=self.run, args=(kind, chance), daemon=True))
        for thread in self.threads:
            thread.start()

    def run(self, send, chance):
        while not self.over.is_set():
            try:
                send(chance)
            except (OSError, smtplib.SMTPException):
                self.over.wait(0.02)  # nothing was promised; the server is soon back
            self.over.wait(chance.random() * 2 * self.pause)

    def new_letter(self, chance, medium=0.0):
        number = len(self.book.offered)
        ways = (RIDER, BOXES, *(f"{fate}{number}@{ELSEWHERE}" for fate in ("relayed", "later", "never")))
        count = chance.choice((1, 1, 1, 2, 3))
        recipients = chance.choices(ways, (8, 4, 6, 2, 2)) if count == 1 else chance.sample(ways, count)
        size = chance.random()
        return self.book.offer(WRITER, recipients, LARGE if size < 0.03 else MEDIUM if size < 0.03 + medium else SMALL)

    def send_by_smtp(self, chance):
        with smtplib.SMTP("127.0.0.1", self.instance.smtp, "client.example", timeout=20) as client:
            for _ in range(chance.choice((1, 1, 2, 5))):
                letter = self.new_letter(chance)
                began = ledger.now()
                refused = client.sendmail(letter.sender, letter.recipients, letter.text())
                letter.recipients = [r for r in letter.recipients if r not in refused]
                self.promised(letter, began)

    def promised(self, letter, began):
        self.acknowledged(letter)
        self.book.acknowledge(letter, began)

    def send_by_sendmail(self, chance):
        letter = self.new_letter(chance, medium=0.3)
        began = ledger.now()
        done = subprocess.run([pathlib.Path(self.instance.command_directory) / "sendmail", "-C",
                               self.instance.config_directory, "-i", "-f", letter.sender, *letter.recipients],
                              input=letter.text().encode(), capture_output=True)
        if done.returncode == 0:
            self.promised(letter, began)

    def finish(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
