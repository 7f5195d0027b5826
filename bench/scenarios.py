"""What is measured. Each scenario is set up once, then done several times on each server in turn."""

import json
import poplib
import socket
import statistics
import subprocess
import time

from dovecot import Dovecot
from measure import Failure, Tracer, wait_until
from opensmtpd import OpenSmtpd
from peers import TOP
from servers import DOMAIN, PASSWORD, Postfix, Setup, free_port

PROGRAMS = TOP / "build" / "release" / "bench"
PATIENCE = 90.0


def generator(*arguments, **options):
    words = [PROGRAMS / "load", *arguments, *(f"{k}={v}" for k, v in {"seconds": int(PATIENCE), **options}.items())]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE + 30)
    if done.returncode != 0:
        raise Failure(f"load {arguments[0]}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def complete(result, key, wanted):
    """A figure of a run in which something failed is no figure."""
    if result["failed"] or result[key] != wanted:
        raise Failure(f"{result[key]} of {wanted} {key}; {result['failed']} failed: {result['complaint']}")


class Scenario:
    key = title = ""
    peers = (Postfix, OpenSmtpd)
    counts = {"postrider": 4000, "postfix": 1500, "opensmtpd": 600}
    least = 20  # operations in a run
    # (figure, what is printed above it, +1: more is better / -1: less, target as a ratio to the best peer or None)
    figures = (("rate", "messages/s", 1, None), ("cpu", "CPU ms each", -1, None))
    traced = True

    def __init__(self, scale=1.0, runs=5):
        self.scale, self.runs = scale, runs

    def setup(self):
        return Setup({"default_transport": "discard:"})

    def finish(self):
        """Ends what setup() began."""

    def count(self, server):
        return max(int(self.counts[server.name] * self.scale), self.least)

    def prepare(self, server):
        """Once, after the start; the server's processes are there afterwards."""
        self.load(server, max(self.count(server) // 5, self.least), 0)

    def load(self, server, count, run):
        """The work; returns extra figures."""
        raise NotImplementedError

    def once(self, server, run):
        count = self.count(server)
        before, begun = server.group.cpu(), time.monotonic()
        extra = self.load(server, count, run) or {}
        seconds = time.monotonic() - begun
        time.sleep(0.05)  # what is done after the answer belongs to it
        cpu = server.group.cpu() - before
        return {"rate": count / seconds, "cpu": 1000 * cpu / count, **extra}

    def trace(self, server):
        """System calls and context switches of each operation, of a short run."""
        count = max(self.count(server) // 4, self.least)
        with Tracer(server.group, server.folder) as tracer:
            self.load(server, count, self.runs + 1)
        return {name: calls / count for name, calls in tracer.counts.items()}


class Send(Scenario):
    """Messages by SMTP, counted when they have left the queue."""

    recipient = "nobody@sink.example"
    sessions, bytes, recipients = 20, 4096, 1

    def recipient_of(self, server, run):
        return self.recipient

    def load(self, server, count, run):
        finished = server.finished()
        sent = generator("send", port=server.smtp, messages=count, sessions=min(self.sessions, server.at_once, count),
                         bytes=self.bytes, recipients=self.recipients, to=self.recipient_of(server, run))
        complete(sent, "messages", count)
        wait_until(lambda: finished.count() >= count * server.marks(self.recipients),
                   f"{count} messages out of the queue", PATIENCE)
        return {"accepted": count / sent["seconds"], "p99": 1000 * sent["p99"]}


class S1(Send):
    key, title = "S1", "SMTP in, queued, discarded: 20 sessions, 4 kB"
    figures = (("rate", "messages/s", 1, 5), ("cpu", "CPU ms each", -1, 5), ("p99", "p99 ms", -1, None))


class S1Source(S1):
    """The same with the generator that others use, for comparison with figures from elsewhere."""

    key, title = "S1s", "S1 driven by Postfix's smtp-source"
    figures = (("rate", "messages/s", 1, None), ("cpu", "CPU ms each", -1, None))
    traced = False

    def load(self, server, count, run):
        finished = server.finished()
        command = Postfix.package.fetch().inside(["/usr/sbin/smtp-source", "-s", min(self.sessions, server.at_once),
                                                  "-m", count, "-l", self.bytes, "-f", "load@bench.example",
                                                  "-t", self.recipient, f"127.0.0.1:{server.smtp}"])
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode != 0:
            raise Failure(f"smtp-source: {done.stderr.strip()[-300:]}")
        wait_until(lambda: finished.count() >= count, f"{count} messages out of the queue", PATIENCE)


class S2(Send):
    key, title = "S2", "SMTP in, one Maildir: 20 sessions, 4 kB"
    figures = (("rate", "messages/s", 1, 3), ("cpu", "CPU ms each", -1, 4), ("p99", "p99 ms", -1, None))
    counts = {"postrider": 3000, "postfix": 1000, "opensmtpd": 500}

    def setup(self):
        return Setup(users=self.runs + 2)

    def recipient_of(self, server, run):
        return f"u{run}@{DOMAIN}"  # an empty mailbox each time

    def load(self, server, count, run):
        before = server.delivered()
        extra = super().load(server, count, run)
        if server.delivered() - before != count:
            raise Failure(f"{server.delivered() - before} of {count} messages are in the mailbox")
        return extra


class S3(Send):
    key, title = "S3", "SMTP in, relayed to a sink: 20 sessions, 4 kB"
    figures = S1.figures
    counts = {"postrider": 3000, "postfix": 1000, "opensmtpd": 300}

    def setup(self):
        port = free_port(())
        self.sent = 0
        self.sink = subprocess.Popen([PROGRAMS / "load", "sink", f"port={port}"], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
        self.sink.stdout.readline()
        return Setup({"relayhost": f"[127.0.0.1]:{port}"})

    def load(self, server, count, run):
        extra = super().load(server, count, run)
        self.sent += count
        return extra

    def finish(self):
        taken = json.loads(self.sink.communicate(timeout=60)[0])["messages"]
        if taken < self.sent:
            raise Failure(f"the sink took {taken} of {self.sent} messages")


class S4a(Send):
    key, title = "S4a", "SMTP in, queued, discarded: 20 sessions, 100 kB"
    figures = (("rate", "messages/s", 1, 3), ("cpu", "CPU ms each", -1, None))
    counts = {"postrider": 1500, "postfix": 600, "opensmtpd": 300}
    bytes = 100_000


class S4b(Send):
    key, title = "S4b", "SMTP in, one message to 50 mailboxes: 20 sessions, 4 kB"
    figures = (("rate", "deliveries/s", 1, 3), ("cpu", "CPU ms each", -1, None))
    counts = {"postrider": 100, "postfix": 50, "opensmtpd": 8}
    least = 4
    recipients = 50
    recipient = f"u%@{DOMAIN}"

    def setup(self):
        return Setup(users=50)

    def once(self, server, run):
        figures = super().once(server, run)
        return figures | {"rate": figures["rate"] * 50, "cpu": figures["cpu"] / 50}


class S5(Scenario):
    """Each server holds what it can in reason: the price of one session does not depend on it."""

    key, title = "S5", "idle SMTP sessions, memory of each"
    counts = {"postrider": 10_000, "postfix": 150, "opensmtpd": 800}
    figures = (("plain", "kB each (PSS)", -1, None), ("tls", "kB each with TLS", -1, None),
               ("opened", "opened/s", 1, None), ("greeting", "ms to greet one more", -1, None))
    limits = {"plain": 8, "tls": 40, "greeting": 50}
    traced = False

    def setup(self):
        return Setup({"smtpd_client_connection_count_limit": "0"})

    def prepare(self, server):
        """Fresh processes: those that served many keep memory for the next."""
        server.restart()
        self.greet(server)
        server.settle()
        server.at_rest = server.group.memory()

    def hold(self, server, count, tls):
        words = [PROGRAMS / "load", "hold", f"port={server.smtp}", f"connections={count}", f"tls={tls}",
                 f"at_once={server.at_once}", f"seconds={PATIENCE:.0f}"]
        holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            line = holder.stdout.readline()
            if not line:
                raise Failure("the connections could not be opened in time")
            opened = json.loads(line)
            complete(opened, "open", count)
            time.sleep(0.2)
            each = (server.group.memory() - server.at_rest) / count / 1024
            return each, count / opened["seconds"], statistics.median(self.greet(server) for _ in range(9))
        finally:
            holder.stdin.close()
            holder.wait(PATIENCE)

    @staticmethod
    def greet(server):
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", server.smtp), timeout=60) as client:
            client.recv(1)
            return 1000 * (time.monotonic() - begun)

    def once(self, server, run):
        count = self.count(server)
        self.prepare(server)
        plain, opened, greeting = self.hold(server, count, 0)
        server.settle()
        figures = {"plain": plain, "opened": opened, "greeting": greeting}
        if server.tls:
            figures["tls"], _, greeting = self.hold(server, count, 1)
            figures["greeting"] = max(figures["greeting"], greeting)
            server.settle()
        return figures


class S6(Scenario):
    key, title = "S6", "sendmail, one after another, discarded"
    figures = (("wall", "ms each", -1, 3), ("cpu", "CPU ms each", -1, 3))
    counts = {"postrider": 300, "postfix": 150, "opensmtpd": 150}

    def load(self, server, count, run):
        letter = server.folder / "letter"
        letter.write_text("From: <load@bench.example>\nSubject: bench\n\n" + ("X" * 78 + "\n") * 12)
        finished = server.finished()
        command = server.inside([PROGRAMS / "spawn", count, letter, *server.sendmail("nobody@sink.example")])
        done = server.group.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"sendmail: {done.stderr.strip()}")
        wait_until(lambda: finished.count() >= count, f"{count} messages out of the queue", PATIENCE)
        return {"wall": 1000 * json.loads(done.stdout)["seconds"] / count}


class S7(Scenario):
    key, title = "S7", "new TLS 1.3 sessions by STARTTLS, RSA-2048: 20 at once"
    peers = (Postfix,)
    counts = {"postrider": 2000, "postfix": 800}
    figures = (("rate", "handshakes/s", 1, 1.5), ("cpu", "CPU ms each", -1, None))

    def setup(self):
        return Setup(rsa=True)

    def load(self, server, count, run):
        complete(generator("tls", port=server.smtp, handshakes=count), "handshakes", count)


class S8(Send):
    """Fresh mail while others sleep; ours alone, against itself with an empty queue."""

    key, title = "S8", "fresh mail while deferred messages sleep"
    peers = ()
    sleeping = (0, 10_000, 100_000, 1_000_000)
    figures = ()
    traced = False

    def curve(self, server):
        """A row for each number of sleeping messages."""
        there = 0
        for wanted in self.sleeping:
            wanted = int(wanted * self.scale)
            if wanted > there:
                server.command("postrider", "stop")
                server.sleep_more(wanted - there)
                there = wanted
            restart = self.restart(server) if wanted else None
            self.wait_scanned(server, wanted)
            runs = [self.once(server, 0) for _ in range(self.runs)]
            yield {"sleeping": wanted, "rate": statistics.median(r["rate"] for r in runs),
                   "cpu": statistics.median(r["cpu"] for r in runs), "restart": restart,
                   "qmgr_mb": server.group.memory_of("qmgr") / 2**20}

    def restart(self, server):
        """Seconds from the start command to the first fresh message's leaving."""
        finished = server.finished()
        begun = time.monotonic()
        server.command("postrider", "start")
        while True:
            try:
                complete(generator("send", port=server.smtp, messages=1, sessions=1, to=self.recipient), "messages", 1)
                break
            except Failure:
                if time.monotonic() > begun + 60:
                    raise
        wait_until(lambda: finished.count() >= 1, "a message delivered after the restart")
        return time.monotonic() - begun

    @staticmethod
    def wait_scanned(server, sleeping):
        """Until qmgr has stopped to work by itself."""
        def quiet():
            before = server.group.cpu()
            time.sleep(0.5)
            return server.group.cpu() - before < 0.01
        wait_until(quiet, "a quiet queue manager", 120)


class Sizes(S1):
    """S1 against the size of messages."""

    key, title = "sizes", "CPU against message size (S1's route)"
    peers = (Postfix,)
    counts = {"postrider": 600, "postfix": 200}
    x_title, y_title, y = "bytes of a message", "CPU ms each", "cpu"
    points = (1024, 4096, 16_384, 65_536, 262_144, 1_048_576)

    def at(self, server, bytes_each):
        self.bytes = bytes_each
        self.scale_of_point = min(1.0, 262_144 / bytes_each)
        return self.once(server, 0)

    def count(self, server):
        return max(int(super().count(server) * getattr(self, "scale_of_point", 1.0)), 20)


class Held(S5):
    """Memory against the number of sessions held."""

    key, title = "held", "memory against idle sessions held"
    peers = ()
    x_title, y_title, y = "sessions", "MB (PSS) above the server at rest", "mb"
    points = (10, 100, 1000, 5000, 10_000)

    def at(self, server, count):
        self.prepare(server)
        each, _, _ = self.hold(server, count, 0)
        server.settle()
        return {"mb": each * count / 1024}


class M1a(Scenario):
    key, title = "M1a", "POP3: 1,000 messages of 4 kB fetched, 10 clients"
    peers = (Dovecot,)
    counts = {"postrider": 40, "dovecot": 40}
    figures = (("rate", "sessions/s", 1, 3), ("cpu", "CPU ms each", -1, None))
    messages = 1000
    ahead = 0

    def setup(self):
        return Setup(users=10)

    def prepare(self, server):
        for number in range(10):
            server.fill(number, int(self.messages * self.scale) or 10, 4096)
        self.load(server, 10, 0)

    def load(self, server, count, run):
        done = generator("pop3", port=server.pop3, sessions=count, clients=10, user=f"u%@{DOMAIN}", password=PASSWORD,
                         ahead=self.ahead)
        complete(done, "sessions", count)
        if done["messages"] != count * (int(self.messages * self.scale) or 10):
            raise Failure(f"{done['messages']} messages fetched in {count} sessions")


class M1b(Scenario):
    key, title = "M1b", "POP3: a maildrop of 100,000 messages opened"
    peers = (Dovecot,)
    counts = {"postrider": 1, "dovecot": 1}
    messages = 100_000
    figures = (("open", "ms until STAT is answered", -1, 3), ("cpu", "CPU ms each", -1, None))
    traced = False

    def count(self, server):
        return 1

    def prepare(self, server):
        server.fill(0, int(self.messages * self.scale), 1024)
        self.load(server, 1, 0)

    def load(self, server, count, run):
        begun = time.monotonic()
        client = poplib.POP3("127.0.0.1", server.pop3, timeout=PATIENCE)
        client.user(f"u0@{DOMAIN}")
        client.pass_(PASSWORD)
        there = client.stat()[0]
        seconds = time.monotonic() - begun
        client.quit()
        if there != int(self.messages * self.scale):
            raise Failure(f"{there} messages in the maildrop")
        return {"open": 1000 * seconds}


class M1c(M1a):
    key, title = "M1c", "M1a by clients that pipeline, as mpop does"
    figures = (("rate", "sessions/s", 1, None), ("cpu", "CPU ms each", -1, None))
    ahead = 50


SCENARIOS = {s.key: s for s in (S1, S1Source, S2, S3, S4a, S4b, S5, S6, S7, M1a, M1b, M1c, Sizes, Held, S8)}
