"""Makes system calls of a running instance fail, one after another, and sees what becomes of the mail.

For every way a letter can take (by SMTP, with a content file, to the next server, back to its sender, from
sendmail, by way of maildrop/, through an alias), every process that serves it and every kind of call: the first
call fails, then the second, until none is left, with each error such a call can give. Then:

  - the sender was told an error, or the letter arrives, once the fault is over, without anybody's help;
  - nobody waits for ever, and no process dies of a signal;
  - the next letter is taken and delivered;
  - in the end the queue is empty, and `prsuper -s` finds nothing to mend.

Then the same with processes that are started anew before each letter, so that the calls of their start-up fail,
too: up to three of each kind, the first, the last and one in the middle.

`make crash-fail` does both; `--warm` and `--cold` one of them; `--only program/call` a part. failing_calls.cc is what
makes the calls fail.
"""

import argparse
import collections
import errno
import mmap
import os
import pathlib
import poplib
import re
import shutil
import smtplib
import struct
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "system"))
import ending  # noqa: E402
from harness import Instance, wait_until  # noqa: E402
from sink import Sink  # noqa: E402

E = errno
# What Linux or a network file system can answer, and what a limit of the process or the system makes of it.
# Peers that die are the business of the kill tests.
ERRORS = {
    "open": (E.EMFILE, E.EIO), "create": (E.ENOSPC, E.EDQUOT, E.EMFILE), "read": (E.EIO, E.EINTR),
    "receive": (E.EINTR, E.ENOMEM), "take": (E.EINTR,), "put": (E.EINTR,),
    "write": (E.ENOSPC, E.EIO, E.EDQUOT, E.EINTR), "send": (E.EINTR, E.ENOBUFS),
    "fsync": (E.EIO, E.ENOSPC, E.EDQUOT), "fdatasync": (E.EIO, E.ENOSPC), "rename": (E.ENOSPC, E.EIO),
    "link": (E.ENOSPC, E.EIO), "unlink": (E.EIO,), "mkdir": (E.ENOSPC,), "truncate": (E.EIO, E.EINTR),
    "allocate": (E.ENOSPC, E.EINTR, E.EIO), "stat": (E.EIO,), "change": (E.EIO,), "list": (E.EMFILE,), "entry": (E.EIO,),
    "lock": (E.ENOLCK, E.EINTR), "socket": (E.EMFILE,), "connect": (E.ECONNREFUSED, E.EINTR),
    "accept": (E.EMFILE, E.EINTR), "dup": (E.EMFILE,), "memfd": (E.EMFILE, E.ENOSPC),
    "watch": (E.ENOSPC, E.ENOMEM), "wait": (E.EINTR,), "fork": (E.EAGAIN,), "thread": (E.EAGAIN,), "map": (E.ENOMEM,), "close": (E.EIO, E.EINTR),
}
# How long a client waits for an answer before we call it a hang.
PATIENCE = float(os.environ.get("FAIL_PATIENCE", 90))


class Faults:
    """The control file of failing_calls.cc; the layout is there."""

    HEAD = struct.Struct("<IIiIQQQ32s32s152s")
    NAMES, MOST_CALLS = HEAD.size, 64
    PROGRAMS = NAMES + MOST_CALLS * 32
    PROGRAM, MOST_PROGRAMS = 32 + MOST_CALLS * 8, 40

    def __init__(self, folder):
        path = folder / "failing_calls"
        self.environment = {"LD_PRELOAD": str(folder / "failing_calls.so"), "FAILING_CALLS": str(path)}
        path.write_bytes(bytes(self.PROGRAMS + self.MOST_PROGRAMS * self.PROGRAM))
        path.chmod(0o666)
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 0)

    def settings(self):
        """What an instance needs in its main.cf, beside what makes retries quick."""
        preload = " ".join(f"{name}={value}" for name, value in self.environment.items())
        return {"import_environment": f"MAIL_CONFIG TZ LANG=C {preload}", "minimal_backoff_time": "1s",
                "maximal_backoff_time": "2s", "transport_retry_time": "1s", "service_throttle_time": "1s"}

    @staticmethod
    def text(field):
        return field.split(b"\0", 1)[0].decode("utf-8", "replace")

    def calls(self):
        return [self.text(self.memory[at:at + 32]) for at in range(self.NAMES, self.PROGRAMS, 32)]

    def counts(self):
        """{(program, call): how many so far}"""
        found, calls = {}, self.calls()
        for number in range(self.MOST_PROGRAMS):
            at = self.PROGRAMS + number * self.PROGRAM
            name = self.text(self.memory[at:at + 32])
            counts = struct.unpack_from(f"<{self.MOST_CALLS}Q", self.memory, at + 32)
            for call, count in zip(calls, counts):
                if name and call:
                    found[name, call] = found.get((name, call), 0) + count
        return found

    def arm(self, program, call, error, kth, times=1, match=""):
        """The kth call from now on fails, and `times - 1` after it. With `match`, only reads of files are counted
        that are opened from now on under a path which has it in it."""
        first = self.counts().get((program, call), 0) + kth
        self.disarm()
        self.HEAD.pack_into(self.memory, 0, 0, self.calls().index(call), error, 0, first, first + times, 0,
                            program.encode(), match.encode(), b"")
        struct.pack_into("<I", self.memory, 0, 1)

    def arm_disk(self, error):
        """From now on nobody can write to any disk."""
        self.disarm()
        self.HEAD.pack_into(self.memory, 0, 0, 63, error, 0, 0, 0, 0, b"*", b"", b"")
        struct.pack_into("<I", self.memory, 0, 1)

    def disarm(self):
        """What struck is still known afterwards."""
        struct.pack_into("<I", self.memory, 0, 0)

    def struck(self):
        return self.HEAD.unpack_from(self.memory, 0)[6]

    def where(self):
        return self.text(self.HEAD.unpack_from(self.memory, 0)[9])


def library():
    made = TOP / "build" / "crash" / "failing_calls.so"
    subprocess.run(["make", "-s", str(made.relative_to(TOP))], cwd=TOP, check=True, capture_output=True)
    return made


def install(folder):
    """Library and control file, in a folder that every user of an instance can read."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    shutil.copy(library(), folder / "failing_calls.so")
    (folder / "failing_calls.so").chmod(0o755)
    return Faults(folder)


def let_preload(instance):
    """Nothing is preloaded into a set-gid or a static program: copies that are neither take their place."""
    for name in ("sendmail", "prdrop"):
        made = TOP / "build" / "release" / "crash" / name
        subprocess.run(["make", "-s", str(made.relative_to(TOP))], cwd=TOP, check=True, capture_output=True)
        program = pathlib.Path(instance.command_directory) / name
        plain = program.with_name(name + ".plain")
        shutil.copyfile(made, plain)
        plain.chmod(0o755)
        plain.replace(program)


def wake_pickup_soon(instance):
    """Where it is not told of a letter, it is found by the next wake-up."""
    path = instance.master_cf_path
    path.write_text(re.sub(r"^(pickup\s.*\s)60(\s+1\s+pickup)$", r"\g<1>2\2", path.read_text(), flags=re.M))
    instance.command("postrider", "reload")


class Mail:
    """The ways of a letter. Each sends one whose subject is `letter <number>` and says whether it was
    acknowledged; `arrived` are the numbers of those that came where they should."""

    SUBJECT = re.compile(rb"^Subject: letter (\d+)\r?$", re.M)

    def __init__(self, instance, sink, faults):
        self.instance, self.sink, self.faults = instance, sink, faults
        self.reader = instance.first_user()
        self.seen = set()
        self.numbers = set()
        self.relayed = 0

    def arrived(self):
        files = [f for f in self.reader.files() if f not in self.seen]
        for file in files:
            self.seen.add(file)
            self.note(file.read_bytes())
        messages = self.sink.messages[self.relayed:]
        self.relayed += len(messages)
        for _, _, content in messages:
            self.note(content)
        return self.numbers

    def note(self, content):
        self.numbers |= {int(n) for n in self.SUBJECT.findall(content)}

    def smtp(self, number, recipient=None, sender="someone@elsewhere.example", size=100):
        message = f"From: <{sender}>\r\nSubject: letter {number}\r\n\r\n" + ("x" * 70 + "\r\n") * (size // 72 + 1)

        def dialogue(client):
            client.mail(sender)
            client.rcpt(recipient or self.reader.address)
            return client.data(message.encode())[0] == 250

        return self.converse(self.instance.smtp, dialogue)

    @staticmethod
    def converse(port, dialogue):
        began = time.monotonic()
        try:
            client = smtplib.SMTP("127.0.0.1", port, "client.example", timeout=PATIENCE)
            try:
                return dialogue(client)
            finally:
                client.close()
        except (smtplib.SMTPException, OSError) as problem:
            # smtplib calls a time-out a lost connection.
            if time.monotonic() - began >= PATIENCE:
                raise AssertionError(f"no answer in {PATIENCE} s") from problem
            return False

    def large(self, number):
        return self.smtp(number, size=400_000)

    def relay(self, number):
        return self.smtp(number, "someone@faraway.example")

    def bounce(self, number):
        return self.smtp(number, "refused@faraway.example", self.reader.address)

    def alias(self, number):
        return self.smtp(number, "postmaster@mail.example.test")

    def maildrop(self, number):
        """Too large for pickup's socket."""
        return self.sendmail(number, 70_000)

    def sendmail(self, number, size=0):
        program = pathlib.Path(self.instance.command_directory) / "sendmail"
        done = subprocess.run([program, "-C", self.instance.config_directory, "-f", self.reader.address, self.reader.address],
                              input=f"Subject: letter {number}\n\nhello\n" + ("x" * 70 + "\n") * (size // 71), text=True, capture_output=True,
                              env=os.environ | self.faults.environment, timeout=PATIENCE)
        if done.returncode < 0:
            raise AssertionError(f"sendmail died of signal {-done.returncode}")
        return done.returncode == 0

    def submission(self, number):
        """With TLS and a password: keys and auth."""
        def dialogue(client):
            client.starttls(context=self.instance.tls())
            client.login(self.reader.address, self.reader.password)
            client.mail(self.reader.address)
            client.rcpt(self.reader.address)
            return client.data(f"Subject: letter {number}\r\n\r\nhello\r\n".encode())[0] == 250

        return self.converse(self.instance.submission, dialogue)

    def pop3(self, number):
        """Reads the first letter and says that none is owed. Letters stay, whatever fails."""
        before = {f.name.split(":")[0] for f in self.reader.files()}
        try:
            client = self.reader.pop3()
            client.retr(1)
            client.quit()
        except TimeoutError:
            raise AssertionError("no answer from POP3") from None
        except (poplib.error_proto, OSError, EOFError):
            pass
        lost = before - {f.name.split(":")[0] for f in self.reader.files()}
        assert not lost, f"reading lost {lost}"
        return False


# POP3 first: a session looks at each letter of the mailbox, and those of the other ways make it large.
WAYS = ("pop3", "smtp", "large", "relay", "bounce", "alias", "sendmail", "maildrop", "submission")


class Walk:
    def __init__(self, instance, sink, faults, say=lambda text: None):
        self.instance, self.faults, self.say = instance, faults, say
        self.mail = Mail(instance, sink, faults)
        self.number = 0
        self.log_read = 0
        self.findings = []
        self.calls = collections.Counter()
        self.outcomes = collections.Counter()
        self.tried = self.struck = 0

    def letter(self, way):
        self.number += 1
        return self.number, getattr(self.mail, way)(self.number)

    def settle(self, numbers, seconds=120):
        """Waits until all have arrived. Nobody helps but time: deferred mail is tried again every second."""
        wait_until(lambda: numbers <= self.mail.arrived(),
                   lambda: f"lost: {sorted(numbers - self.mail.arrived())}\n{self.instance.log_tail(40)}", seconds)

    def good_letter(self, way):
        """One that must get through, though perhaps not at once: a service may be pausing."""
        def gets_through():
            number, acknowledged = self.letter(way)
            return way == "pop3" or (acknowledged and number)
        number = wait_until(gets_through, lambda: f"no letter is taken by {way}\n{self.instance.log_tail(40)}", 60)
        if way != "pop3":
            self.settle({number})

    def count(self, way, cold=False):
        """{(program, call): calls} for one letter when nothing fails."""
        self.good_letter(way)
        self.good_letter(way)
        before = self.faults.counts()
        if cold:
            self.restart()
        mark = self.instance.log_mark()
        self.good_letter(way)
        self.rest(way, mark)
        return {key: n - before.get(key, 0) for key, n in self.faults.counts().items() if n > before.get(key, 0)}

    def rest(self, way, mark):
        """Waits until nothing is left to do for the letters in the log since then."""
        if way == "pop3":
            self.instance.wait_for_log("Disconnected", mark)
            return
        syncs = [self.syncs()]

        def removed():
            syncs.append(self.syncs())
            log = self.instance.log(mark)
            taken = set(re.findall(r"(\w+): from=<.* \(queue active\)$", log, re.M))
            return taken and taken <= set(re.findall(r"(\w+): removed$", log, re.M))

        wait_until(removed, lambda: f"an end of all letters\n{self.instance.log_tail()}")
        # What came of the last one was not known at the look before, so there is another sync to come.
        wait_until(lambda: self.syncs() > syncs[-2], "outcomes made durable")

    def syncs(self):
        return self.faults.counts().get(("qmgr", "fdatasync"), 0)

    def restart(self):
        self.instance.command("postrider", "reload", check=False)

    def crashes(self):
        with open(self.instance.log_file, errors="replace") as file:
            file.seek(self.log_read)
            new = file.read()
        self.log_read += len(new.encode())
        return re.findall(r"^.*killed by signal.*$", new, re.M)

    def one(self, way, program, call, error, kth, cold=False):
        """One letter while one call fails. Returns its number when it is owed to its recipient."""
        self.faults.arm(program, call, error, kth)
        try:
            if cold:
                self.restart()
            number, acknowledged = self.letter(way)
            if acknowledged:
                # Most faults strike on the way; the fault is over when it struck or the letter is there.
                wait_until(lambda: self.faults.struck() or number in self.mail.arrived(), "a letter or a fault", 120)
        finally:
            self.faults.disarm()
        self.tried += 1
        if self.faults.struck():
            self.struck += 1
            self.outcomes["read" if way == "pop3" else "taken" if acknowledged else "refused"] += 1
        return number if acknowledged else None

    def group(self, way, program, call, counted, cold=False, most=None, errors=None):
        """Every call of one kind in one program, or `most` of them spread over all, with each error."""
        owed = {}
        self.calls[program, call] += counted
        ks = range(1, counted + 1)
        if most and counted > most:
            ks = sorted({1 + i * (counted - 1) // (most - 1) for i in range(most)}) if most > 1 else [1]
        for error in errors or ERRORS[call]:
            if error == E.EDQUOT and way == "bounce" and program == "virtual-worker":
                continue  # a full mailbox refuses for good, and a notice that is refused has nowhere to go
            for kth in ks:
                what = f"{way}: {program}: {call} {kth} of {counted} fails with {E.errorcode[error]}"
                try:
                    number = self.one(way, program, call, error, kth, cold)
                except AssertionError as finding:
                    number = None
                    self.find("hung", what, str(finding))
                for crash in self.crashes():
                    self.find("died", what + f" ({self.faults.where()})", crash)
                if number:
                    owed[number] = what
        try:
            self.settle(set(owed))
        except AssertionError as finding:
            for number in sorted(set(owed) - self.mail.arrived()):
                self.find("lost", owed[number], "acknowledged and not delivered")
            self.say(str(finding))
        try:
            self.good_letter(way)
        except AssertionError as finding:
            self.find("hung", f"{way}: {program}: {call}", f"the next letter: {finding}")

    def find(self, kind, what, text):
        self.outcomes[kind] += 1
        self.findings.append(f"{what}: {text}")
        self.say(f"FOUND {self.findings[-1]}")

    def finish(self):
        """The queue drains and is sound."""
        try:
            self.instance.wait_for_empty_queue(120)
        except AssertionError as finding:
            self.find("left", "at the end", str(finding))
        self.instance.down()
        queue = pathlib.Path(self.instance.queue_directory)
        checked = self.instance.command("prsuper", "-s", check=False)
        if checked.returncode != 0 or checked.stderr or checked.stdout:
            self.find("left", "at the end, prsuper -s", checked.stderr + checked.stdout)
        kept = [f.name for f in (queue / "corrupt").iterdir()]
        if kept:
            self.find("left", "at the end", f"in corrupt/: {kept}")


def walk(root, chosen, say, cold=False, most=None, ways=WAYS):
    """The Walk, finished. `root` is where the instance lives; it is stopped at the end."""
    faults = install(root)
    sink = Sink({"refused@faraway.example": "550 5.1.1 no such user here"})
    instance = Instance(root, faults.settings() | {"relayhost": f"[127.0.0.1]:{sink.port}"})
    started = set()  # a start is the same on every way
    try:
        instance.up()
        let_preload(instance)
        wake_pickup_soon(instance)
        one = Walk(instance, sink, faults, say)
        one.good_letter("smtp")  # for POP3 to read
        for way in ways:
            counted = {key: n for key, n in sorted(one.count(way, cold).items())
                       if key[1] in ERRORS and chosen(key) and key[0] not in started}
            say(f"{way}{', cold' if cold else ''}: {sum(counted.values())} calls")
            for (program, call), n in counted.items():
                began = time.monotonic()
                one.group(way, program, call, n, cold, most)
                say(f"  {program} {call}: {n} calls, {time.monotonic() - began:.1f} s")
            if cold:
                started |= {program for program, _ in counted}
        one.finish()
        return one
    finally:
        faults.disarm()
        instance.down()
        sink.close()


def fail_run(root, chosen, ways, parts, most=None, most_cold=3, say=lambda text: None):
    """(problems, figures) of the parts: warm, cold."""
    began = time.monotonic()
    problems, figures = [], {"processes": set(), "outcomes": collections.Counter()}
    for part in parts:
        cold = part == "cold"
        one = walk(root / part, chosen, say, cold, most_cold if cold else most, ways)
        problems += [f"{part}: {finding}" for finding in one.findings]
        figures["processes"] |= {program for program, _ in one.calls}
        figures["outcomes"] += one.outcomes
        figures[part] = {"calls": sum(one.calls.values()), "tried": one.tried, "struck": one.struck}
    figures |= {"processes": sorted(figures["processes"]), "seconds": round(time.monotonic() - began)}
    return problems, figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="program/call", help="a part of it: program, or program/call")
    parser.add_argument("--way", action="append", choices=WAYS, help="only these ways of a letter")
    parser.add_argument("--most", type=int, help="so many calls of each kind, spread over all")
    parser.add_argument("--most-cold", type=int, default=3, help="the same for processes that are just started")
    parser.add_argument("--warm", action="store_const", const="warm", help="only processes that have been at work")
    parser.add_argument("--cold", action="store_const", const="cold", help="only processes that are just started")
    options = ending.parse(parser)
    program, _, call = options.only.partition("/")

    def chosen(key):
        return (not program or key[0] == program) and (not call or key[1] == call)

    parts = [part for part in (options.warm, options.cold) if part] or ["warm", "cold"]
    return ending.run(options, "fail", lambda root, say: fail_run(root, chosen, options.way or WAYS, parts, options.most,
                                                                  options.most_cold, say))


if __name__ == "__main__":
    sys.exit(main())
