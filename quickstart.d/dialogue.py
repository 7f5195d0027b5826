"""A line protocol spoken to a port, shown as it goes with the time each answer took."""

import base64
import socket
import ssl
import time

from say import Failure, say

LIMIT = 1 << 20


class Dialogue:
    def __init__(self, port, show=True):
        self.show = show
        self.asked = time.monotonic()
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def line(self):
        raw = self.file.readline(LIMIT)
        if not raw:
            raise Failure("the server closed the connection")
        text = raw.decode("utf-8", "replace").rstrip("\r\n")
        if self.show:
            # The first line of an answer carries the time it took.
            took = f"{(time.monotonic() - self.asked) * 1000:8.1f} ms" if self.asked else " " * 11
            say(f"  {took}  S: {text}")
            self.asked = None
        return text

    def send(self, text, shown=None):
        if self.show:
            say(f"               C: {shown or text}")
        self.asked = time.monotonic()
        self.socket.sendall(text.encode() + b"\r\n")

    def start_tls(self, ca_file):
        """Checks the certificate against the instance's own authority."""
        context = ssl.create_default_context(cafile=str(ca_file))
        self.file.close()
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.file = self.socket.makefile("rb")
        if self.show:
            say(f"               -- {self.socket.version()} {self.socket.cipher()[0]}")


class Smtp(Dialogue):
    def reply(self, code):
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        if not lines[-1].startswith(str(code)):
            raise Failure(f"SMTP: expected {code}, got: {lines[-1]}")
        return lines

    def ask(self, text, code, shown=None):
        self.send(text, shown)
        return self.reply(code)

    def letter(self, sender, recipient, text, ca_file=None):
        """One message, over TLS when the server offers it and `ca_file` is given. Returns the last reply."""
        self.reply(220)
        offered = self.ask("EHLO traveller.example.test", 250)
        if ca_file and any("STARTTLS" in line for line in offered):
            self.ask("STARTTLS", 220)
            self.start_tls(ca_file)
            self.ask("EHLO traveller.example.test", 250)
        self.ask(f"MAIL FROM:<{sender}>", 250)
        self.ask(f"RCPT TO:<{recipient}>", 250)
        self.ask("DATA", 354)
        for line in text.splitlines():
            self.send("." + line if line.startswith(".") else line, shown=line)
        last = self.ask(".", 250)[-1]
        self.ask("QUIT", 221)
        return last


class Pop3(Dialogue):
    def ok(self):
        line = self.line()
        if not line.startswith("+OK"):
            raise Failure(f"POP3: {line}")
        return line

    def ask(self, text, shown=None):
        self.send(text, shown)
        return self.ok()

    def lines(self, text):
        """A multi-line answer, byte-stuffing undone."""
        self.ask(text)
        found = []
        while (line := self.line()) != ".":
            found.append(line[1:] if line.startswith(".") else line)
        return found

    def login(self, user, password, ca_file=None):
        self.ok()
        if ca_file and "STLS" in self.lines("CAPA"):
            self.ask("STLS")
            self.start_tls(ca_file)
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return self.ask(f"AUTH PLAIN {token}", shown="AUTH PLAIN (user and password)")
