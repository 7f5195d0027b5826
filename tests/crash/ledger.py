"""What was promised against what arrived.

A letter is a number: its text follows from the number and its length, so that every copy can be checked byte by
byte. `Ledger` notes which letters were acknowledged and for whom; `Copy` is one that was found in a mailbox, at the
next server, or come back as a bounce; `compare` says what is missing, what is damaged and what came twice.
"""

import collections
import pathlib
import re
import threading
import time

MARK = re.compile(rb"^X-Letter: (\d+) (\d+)\r?$", re.M)
RECEIVED_ID = re.compile(rb"\bid ([0-9A-Za-z]+)")
FINAL = re.compile(rb"^Final-Recipient: rfc822; *(\S+?)\r?$", re.M)

# `kind`: delivered, relayed or bounced. `when`: wall time. `intact`: the text is the letter's, to the last byte.
Copy = collections.namedtuple("Copy", "number recipient kind when queue_id intact")


def body_of(number, lines):
    return "".join(f"line {i} of letter {number}\n" for i in range(lines)) + f"end of letter {number}\n"


class Letter:
    """`lines` makes it short, or long enough for a content file of its own."""

    def __init__(self, number, sender, recipients, lines=3):
        self.number, self.sender, self.recipients, self.lines = number, sender, list(recipients), lines

    def text(self):
        return (f"From: <{self.sender}>\nTo: undisclosed-recipients:;\nSubject: letter {self.number}\n"
                f"X-Letter: {self.number} {self.lines}\n\n{body_of(self.number, self.lines)}")


class Ledger:
    """Used by many threads. A letter is offered before it is sent, and owed from its acknowledgement on."""

    def __init__(self):
        self.lock = threading.Lock()
        self.offered = {}
        self.acknowledged = {}  # number -> the wall time before it was sent

    def offer(self, sender, recipients, lines=3):
        with self.lock:
            letter = Letter(len(self.offered) + 1, sender, recipients, lines)
            self.offered[letter.number] = letter
            return letter

    def acknowledge(self, letter, began):
        with self.lock:
            self.acknowledged[letter.number] = began

    def owed(self):
        with self.lock:
            return {(number, rcpt) for number in self.acknowledged for rcpt in self.offered[number].recipients}


def read_copies(raw, recipient, kind, when):
    """What the message `raw` is: a copy of a letter, a bounce of one (for each recipient it names), or nothing."""
    head, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    mark = MARK.search(head)
    queue_id = RECEIVED_ID.search(head)
    queue_id = queue_id.group(1).decode() if queue_id else ""
    if mark:
        number, lines = int(mark.group(1)), int(mark.group(2))
        return [Copy(number, recipient, kind, when, queue_id, body == body_of(number, lines).encode())]
    mark = MARK.search(body)
    return [Copy(int(mark.group(1)), final.decode(), "bounced", when, queue_id, True)
            for final in FINAL.findall(body)] if mark else []


def read_maildir(directory, recipient):
    copies = []
    for folder in ("new", "cur"):
        for file in (pathlib.Path(directory) / folder).glob("*"):
            copies += read_copies(file.read_bytes(), recipient, "delivered", file.stat().st_mtime)
    return copies


FROM_LINE = re.compile(rb"\S+ +\w{3} ")
END = re.compile(rb"\nend of letter \d+\n")


def split_mbox(raw):
    """The messages of an mbox file, without their separators; quoting of lines in the text does not matter here.

    What a crash left of the next letter may follow the end of one: nobody was promised that."""
    messages = []
    for piece in (b"\n" + raw.removesuffix(b"\n")).split(b"\nFrom ")[1:]:
        if FROM_LINE.match(piece):
            messages.append(piece.partition(b"\n")[2])
        elif messages:
            messages[-1] += b"\nFrom " + piece
    return [until_end(message) for message in messages]


def until_end(message):
    at = message.find(b"\nend of letter ")
    while at >= 0:
        if end := END.match(message, at):
            return message[:end.end()]
        at = message.find(b"\nend of letter ", at + 1)
    return message


def read_mbox(path, recipient):
    path = pathlib.Path(path)
    if not path.exists():
        return []
    return [copy for raw in split_mbox(path.read_bytes())
            for copy in read_copies(raw, recipient, "delivered", path.stat().st_mtime)]


class Verdict:
    """`missing`: (number, recipient) owed and nowhere. `damaged`: copies that are not the letter.
    `duplicates`: lists of two copies and more for one recipient, oldest first."""

    def __init__(self, ledger, copies):
        by_owed = collections.defaultdict(list)
        self.unknown = [c for c in copies if c.number not in ledger.offered
                        or c.recipient not in ledger.offered[c.number].recipients]
        for copy in copies:
            by_owed[copy.number, copy.recipient].append(copy)
        self.missing = sorted(owed for owed in ledger.owed() if not any(c.intact for c in by_owed.get(owed, ())))
        self.damaged = [c for c in copies if not c.intact]
        self.duplicates = [sorted(found, key=lambda c: c.when) for found in by_owed.values()
                           if sum(c.intact for c in found) > 1]
        self.arrived = sum(any(c.intact for c in by_owed[owed]) for owed in ledger.owed() if owed in by_owed)
        self.kinds = collections.Counter(copy.kind for copy in copies)


# Who may repeat what, when it is killed: a message delivered twice under one queue id was repeated between its
# delivery and the note of it; one that is in the queue under two ids was taken twice.
DELIVERED_AGAIN = {"qmgr", "local", "virtual", "smtp", "master"}
TAKEN_TWICE = {"cleanup", "pickup", "smtpd", "bounce", "qmgr", "rewrite", "master"}


def explain(duplicate, kills, began):
    """The name of a killed process that explains the second copy; "" when none does.

    `kills` are (wall time, name); a kill explains a copy that came after it, of a letter that was on its way then."""
    first, last = duplicate[0], duplicate[-1]
    culprits = DELIVERED_AGAIN if first.queue_id == last.queue_id and first.kind != "bounced" else TAKEN_TWICE
    for when, name in reversed(kills):
        if began - 1 <= when <= last.when + 1 and name in culprits:
            return name
    return ""


def now():
    return time.time()
