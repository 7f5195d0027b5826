"""An instance as the tests see it, and the ways of asking it."""

import itertools
import json
import os
import pathlib
import poplib
import re
import smtplib
import socket
import ssl
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = 30.0
serial = itertools.count(1)


def wait_until(condition, what, seconds=PATIENCE):
    """The first true value of condition(); fails the test when there is none in time."""
    deadline = time.monotonic() + seconds
    pause = 0.005
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s still not: {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)
    return value


class Lines:
    """A line protocol by hand: bytes out, replies in."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        line = self.file.readline()
        assert line.endswith(b"\r\n"), f"not a line: {line!r}"
        return line[:-2].decode("utf-8", "replace")

    def reply(self, code):
        """The lines of one SMTP reply, whose last one starts with `code`."""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        assert lines[-1].startswith(code), f"expected {code}, got {lines}"
        return lines

    def ask(self, text, code):
        self.send(text.encode() + b"\r\n")
        return self.reply(code)

    def read_to_end(self):
        """All until the other side closes; nothing when it resets the connection."""
        try:
            return self.file.read()
        except OSError:
            return b""

    def start_tls(self, ca_file):
        context = ssl.create_default_context(cafile=ca_file)
        self.file.close()
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.file = self.socket.makefile("rb")


class User:
    def __init__(self, instance, address, password):
        self.instance, self.address, self.password = instance, address, password
        name, domain = address.split("@")
        self.directory = instance.root / "mail" / domain / name

    def files(self):
        return [f for folder in ("new", "cur") for f in (self.directory / "Maildir" / folder).glob("*")]

    def wait_for_mail(self, count=1, seconds=PATIENCE):
        """Waits until `count` messages are there, and returns their bytes, oldest first."""
        wait_until(lambda: len(self.files()) >= count, lambda: f"{count} messages for {self.address}, there are "
                   f"{len(self.files())}\n{self.instance.log_tail()}", seconds)
        return [f.read_bytes() for f in sorted(self.files(), key=lambda f: f.stat().st_mtime_ns)]

    def pop3(self):
        client = poplib.POP3("127.0.0.1", self.instance.pop3, timeout=PATIENCE)
        client.stls(self.instance.tls())
        client.user(self.address)
        client.pass_(self.password)
        return client


class Instance:
    """The keys of `./quickstart --json` are attributes: .smtp, .pop3, .config_directory, .log_file, …"""

    def __init__(self, root, settings, master_cf=""):
        self.root = pathlib.Path(root)
        self.settings = settings
        self.master_cf = master_cf
        self.facts = {}

    def __getattr__(self, name):
        try:
            return self.__dict__["facts"][name]
        except KeyError:
            raise AttributeError(name) from None

    # --- its life -----------------------------------------------------------------------------

    def quickstart(self, *arguments):
        done = subprocess.run([TOP / "quickstart", *arguments, "--root", self.root], cwd=TOP, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"quickstart {arguments}: {done.stderr}{done.stdout}"
        return done.stdout

    def up(self, *arguments):
        sets = [word for name, value in self.settings.items() for word in ("--set", f"{name}={value}")]
        self.facts = json.loads(self.quickstart("up", "--quiet", "--json", *sets, *arguments))
        if self.master_cf and self.master_cf not in self.master_cf_path.read_text():
            with open(self.master_cf_path, "a") as file:
                file.write(self.master_cf)
            self.command("postrider", "reload")

    def down(self):
        if (self.root / "instance.json").exists():
            self.quickstart("down")

    @property
    def master_cf_path(self):
        return pathlib.Path(self.config_directory) / "master.cf"

    def new_user(self):
        name, password = f"u{next(serial)}", "a secret"
        self.up("--user", f"{name}:{password}")
        return User(self, f"{name}@{self.domain}", password)

    def first_user(self):
        return User(self, self.user, self.password)

    # --- asking it ----------------------------------------------------------------------------

    def command(self, name, *arguments, stdin=None, check=True, env=None):
        """One of its commands, with its configuration; returns the CompletedProcess (text). `env` is added to ours."""
        option = "-C" if name == "sendmail" else "-c"
        done = subprocess.run([pathlib.Path(self.command_directory) / name, option, self.config_directory,
                               *map(str, arguments)], input=stdin, capture_output=True, text=True,
                              env=os.environ | (env or {}))
        assert not check or done.returncode == 0, f"{name} {arguments}: {done.stderr}{done.stdout}"
        return done

    def tls(self):
        context = ssl.create_default_context(cafile=self.ca_file)
        context.check_hostname = False  # the clients connect to 127.0.0.1; the chain is checked
        return context

    def smtp_client(self, port=None):
        return smtplib.SMTP("127.0.0.1", port or self.smtp, "client.example", timeout=PATIENCE)

    def send(self, recipient, subject="a letter", body="Hello\n", sender="someone@elsewhere.example"):
        """One message by SMTP. Returns the queue id the server named."""
        message = f"From: <{sender}>\nTo: <{recipient}>\nSubject: {subject}\n\n{body}"
        with self.smtp_client() as client:
            client.ehlo()
            client.mail(sender)
            code, text = client.rcpt(recipient)
            assert code == 250, text
            code, text = client.data(message.replace("\n", "\r\n").encode())
            assert code == 250, text
        return text.decode().rsplit(" ", 1)[-1]

    def wait_for_empty_queue(self, seconds=PATIENCE):
        wait_until(lambda: "Mail queue is empty" in self.command("prqueue", "-p").stdout,
                   lambda: "an empty queue:\n" + self.command("prqueue", "-p").stdout, seconds)

    # --- its log ------------------------------------------------------------------------------

    def log(self, since=0):
        path = pathlib.Path(self.log_file)
        return path.read_text(errors="replace")[since:] if path.exists() else ""

    def log_tail(self, lines=20):
        return "\n".join(self.log().splitlines()[-lines:])

    def log_mark(self):
        """Where the log ends now, for `since`."""
        return len(self.log())

    def wait_for_log(self, pattern, since=0, seconds=PATIENCE):
        """The first match of the regular expression in the log."""
        return wait_until(lambda: re.search(pattern, self.log(since), re.M),
                          lambda: f"{pattern!r} in the log:\n{self.log_tail()}", seconds)

    # --- its processes ------------------------------------------------------------------------

    def processes(self, name):
        """Process ids of this instance's program `name`."""
        found = []
        program = str(self.root / "libexec" / name)
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                # An ordinary user may not ask what a process runs that gave up its privileges, but how it was called.
                if words[0] == name.encode() and str(self.root / "etc").encode() in words:
                    found.append(int(entry.name))
                elif str((entry / "exe").readlink()).removesuffix(" (deleted)") == program:
                    found.append(int(entry.name))
            except OSError:
                continue
        return found


def run(*command, stdin=None, check=True, seconds=PATIENCE, **more):
    done = subprocess.run([str(c) for c in command], input=stdin, capture_output=True, text=True, timeout=seconds,
                          errors="replace", **more)
    assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done
