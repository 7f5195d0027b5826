"""Dialogues as text, each played step by step, byte by byte, pipelined and under TLS.

The notation is explained in tests/dialogs/README.md.
"""

import base64
import fnmatch
import os
import pathlib
import re

import pytest
from harness import TOP, Lines, serial, wait_until

WAYS = ("steps", "bytes", "pipelined", "tls")
PORTS = ("smtp", "submission", "submissions", "pop3", "pop3s")
# RFC 2920 3.1: after these the client waits before it goes on. RFC 2449 6.8 says the same of POP3's.
WAITS_AFTER = ("EHLO", "HELO", "DATA", "STARTTLS", "AUTH", "QUIT", "BDAT")
ESCAPE = re.compile(rb"\\(r|n|0|t|\\|x[0-9a-fA-F]{2})")
PLAIN = {b"r": b"\r", b"n": b"\n", b"0": b"\0", b"t": b"\t", b"\\": b"\\"}


class Dialogue:
    def __init__(self, path):
        self.name, self.ways, self.settings, self.steps, self.arrivals = path.stem, WAYS, {}, [], None
        self.port, self.mail = "smtp", []
        for number, line in enumerate(path.read_text().splitlines(), 1):
            kind, text = line[:2], line[3:]
            if line.startswith("play:"):
                self.ways = tuple(line[5:].split())
                assert set(self.ways) <= set(WAYS), f"{path}:{number}: {line}"
            elif line.startswith("port:"):
                self.port = line[5:].strip()
                assert self.port in PORTS, f"{path}:{number}: {line}"
            elif line.startswith("instance:"):
                self.settings = dict(word.split("=", 1) for word in line[9:].split())
            elif kind in ("C:", "C!", "S:", "S*", "S$"):
                self.steps.append((kind, text, number))
            elif kind == "M:":
                self.mail.append(unescape(text))
            elif kind == "D:":
                self.arrivals = int(text)
            else:
                assert not line or line.startswith("#"), f"{path}:{number}: not understood: {line}"


def unescape(text):
    text = re.sub(r"\{(.)\*(\d+)\}", lambda m: m[1] * int(m[2]), text)
    return ESCAPE.sub(lambda m: PLAIN.get(m[1]) or bytes([int(m[1][1:], 16)]), text.encode())


def expand(text, user):
    def plain(password):
        return base64.b64encode(f"\0{user.address}\0{password}".encode()).decode()
    return text.replace("{user}", user.address).replace("{password}", user.password) \
        .replace("{plain}", plain(user.password)).replace("{wrong}", plain("wrong"))


def reply_matches(lines, kind, pattern):
    return lines[-1].startswith(pattern.strip()) if kind == "S*" else fnmatch.fnmatchcase(lines[0], pattern)


class Player:
    def __init__(self, client, way, user):
        self.client, self.way, self.user, self.unsent = client, way, user, b""

    def say(self, kind, text):
        data = expand(text, self.user).encode() + b"\r\n" if kind == "C:" else unescape(expand(text, self.user))
        if self.way == "bytes":
            for i in range(len(data)):
                self.client.send(data[i:i + 1])
        elif self.way == "pipelined":
            self.unsent += data
        else:
            self.client.send(data)

    def flush(self):
        if self.unsent:
            self.client.send(self.unsent)
            self.unsent = b""

    def hear(self, kind, text, number):
        pattern = expand(text, self.user).replace("{queue}", "[0-9A-F]*")
        if kind == "S$":
            rest = self.client.read_to_end()
            assert rest == b"", f"line {number}: expected the end, got {rest!r}"
            return
        while True:
            line = self.client.line()
            if kind == "S*" and line[3:4] == "-":
                continue
            break
        assert reply_matches([line], kind, pattern), f"line {number}: expected {pattern!r}, got {line!r}"


def play(client, way, dialogue, user):
    """Pipelined, what is expected is remembered until the client has to wait."""
    player, expected = Player(client, way, user), []
    for index, (kind, text, number) in enumerate(dialogue.steps):
        if kind in ("C:", "C!"):
            player.say(kind, text)
            continue
        if way != "pipelined":
            player.hear(kind, text, number)
            continue
        expected.append((kind, text, number))
        said = [t for k, t, _ in dialogue.steps[:index] if k in ("C:", "C!")]
        last = said[-1].split()[0].upper() if said and said[-1].split() else ""
        following = dialogue.steps[index + 1][0] if index + 1 < len(dialogue.steps) else "S$"
        if not said or last in WAITS_AFTER or last == "." or following == "S$":
            player.flush()
            for one in expected:
                player.hear(*one)
            expected = []
    player.flush()
    for one in expected:
        player.hear(*one)


DIALOGUES = [Dialogue(path) for path in sorted((TOP / "tests" / "dialogs").glob("*.txt"))]
CASES = [pytest.param(d, way, id=f"{d.name}-{way}") for d in DIALOGUES for way in d.ways]


@pytest.fixture(scope="session")
def configured(instances):
    """The shared instance does for most; dialogues with settings of their own share one per settings."""
    from conftest import maker
    made, by_settings = [], {}
    make = maker(instances, "dialogue", made)

    def get(settings):
        key = tuple(sorted(settings.items()))
        if key not in by_settings:
            by_settings[key] = make(**settings)
        return by_settings[key]
    yield get
    for one in made:
        one.down()


@pytest.fixture(scope="session")
def reader(instance):
    return instance.new_user()


def fill(user, messages):
    """Leaves exactly these messages in the user's mailbox, as a delivery would have."""
    owner = user.directory.stat()

    def give(path):
        if os.geteuid() == 0:
            os.chown(path, owner.st_uid, owner.st_gid)

    maildir = user.directory / "Maildir"
    for part in (maildir, maildir / "cur", maildir / "new", maildir / "tmp"):
        part.mkdir(exist_ok=True)
        give(part)
    for file in user.files():
        file.unlink(missing_ok=True)
    for message in messages:
        # A name is a message for good: it may not come back with another content.
        file = maildir / "new" / f"{1700000000 + next(serial)}.M1P1.host"
        file.write_bytes(message)
        give(file)


@pytest.mark.parametrize("dialogue, way", CASES)
def test_dialogue(dialogue, way, instance, reader, configured):
    server = configured(dialogue.settings) if dialogue.settings else instance
    if dialogue.port.startswith("pop3"):
        fill(reader, dialogue.mail)
    before = len(reader.files())
    with Lines(getattr(server, dialogue.port)) as client:
        if dialogue.port in ("submissions", "pop3s"):
            client.start_tls(server.ca_file)
        if way == "tls":
            if dialogue.port == "pop3":
                assert client.line().startswith("+OK")
                client.send(b"STLS\r\n")
                assert client.line().startswith("+OK")
            else:
                client.reply("220")
                client.ask("EHLO tls.example", "250")
                client.ask("STARTTLS", "220")
            client.start_tls(server.ca_file)
            # The greeting was before TLS.
            rest = Dialogue.__new__(Dialogue)
            rest.steps = dialogue.steps[1:]
            play(client, way, rest, reader)
        else:
            play(client, way, dialogue, reader)
    if dialogue.arrivals is not None:
        if dialogue.arrivals > 0:
            wait_until(lambda: len(reader.files()) >= before + dialogue.arrivals, "the messages that were accepted")
        server.wait_for_empty_queue()
        assert len(reader.files()) == before + dialogue.arrivals
