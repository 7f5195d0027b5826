"""The servers under measurement, behind one face.

A server is made for a scenario's needs (settings in the notation of main.cf, see `Setup`), started, asked and
stopped. `group` is the control group of all its processes.
"""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

from measure import Failure, Group, LogCounter, wait_until
from peers import BUILD, TOP, Packages, run

sys.path.insert(0, str(TOP / "quickstart.d"))
from root import FIRST_UID, free_port  # noqa: E402

DOMAIN = "example.test"
PASSWORD = "a-secret"


def greeting(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as client:
            client.settimeout(2)
            return client.recv(1)
    except OSError:
        return b""


class Setup:
    """What a scenario asks of a server."""

    def __init__(self, settings=None, users=1, rsa=False):
        self.settings = settings or {}  # of main.cf; the other servers' configurations follow these
        self.users = users              # u0@example.test, u1@…, each with a Maildir
        self.rsa = rsa                  # an RSA-2048 key instead of P-256


class Server:
    """name and label; smtp and pop3 are ports."""

    name = label = ""
    done_marks = (": removed\n",)  # lines of the log that say that a message has left the queue
    tls = True
    at_once = 100  # how many clients may arrive together
    traced = True  # perf can follow its processes

    def __init__(self, setup, folder):
        self.setup = setup
        self.folder = pathlib.Path(folder)
        self.group = None

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for parent in (self.folder, *self.folder.parents):
            if not parent.stat().st_mode & 0o001:
                raise Failure(f"{parent} is closed to others, so mail cannot be delivered below it")
        self.group = Group(self.folder.name)
        try:
            self.configure()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            self.group.end()
            shutil.rmtree(self.folder, ignore_errors=True)

    def configure(self):
        """Writes what start() needs."""

    def start(self):
        raise NotImplementedError

    def launch(self, command):
        """Runs what starts a daemon; not through pipes, whose ends the daemon may keep."""
        said = self.folder / "start.log"
        with open(said, "w") as file:
            done = self.group.run(self.inside(command), stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=60)
        if done.returncode != 0:
            raise Failure(f"{command[0]}: {said.read_text()[-600:]}")

    def restart(self):
        self.stop()
        self.group.clear()
        self.start()

    def stop(self):
        """What is left of it afterwards is ended by the group."""

    def finished(self):
        """counter.count(): messages that left the queue from now on."""
        return LogCounter(self.log, self.done_marks)

    @property
    def log(self):
        return self.folder / "log" / "maillog"

    def user_folder(self, number):
        return self.folder / "mail" / DOMAIN / f"u{number}"

    def maildir(self, number):
        return self.user_folder(number) / "Maildir"

    def delivered(self):
        """How many messages are in all mailboxes."""
        return sum(len(os.listdir(new)) for n in range(self.setup.users)
                   if (new := self.maildir(n) / "new").is_dir())

    def sendmail(self, recipient):
        """The command that submits standard input; runs inside()."""
        raise NotImplementedError

    def inside(self, command):
        """The command line that runs `command` where the server's programs are."""
        return command

    def marks(self, recipients):
        """How many such lines one message makes."""
        return 1

    def settle(self):
        """Waits until the server has forgotten clients that left."""
        def idle():
            before = self.group.cpu()
            time.sleep(0.2)
            return self.group.cpu() - before < 0.01
        wait_until(idle, f"an idle {self.label}", 60)

    def fill(self, number, count, size):
        """Lays messages into a user's Maildir/new."""
        uid = self.user_folder(number).stat().st_uid
        maildir = self.maildir(number)
        for folder in (maildir, *(maildir / name for name in ("new", "cur", "tmp"))):
            folder.mkdir(mode=0o700, exist_ok=True)
            os.chown(folder, uid, uid)
        text = f"From: <load@bench.example>\nTo: <u{number}@{DOMAIN}>\nSubject: bench\n\n".encode()
        text += (b"X" * 78 + b"\n") * ((size - len(text)) // 79)
        for message in range(count):
            path = maildir / "new" / f"{1700000000 + message // 1000}.M{message}.bench"
            path.write_bytes(text)
            os.chown(path, uid, uid)


class Ours(Server):
    """Any checkout of Postrider that is built; an instance as its quickstart sets it up."""

    name = "postrider"

    def __init__(self, setup, folder, checkout=TOP, label="Postrider"):
        super().__init__(setup, folder)
        self.checkout, self.label = checkout, label

    def quickstart(self, *arguments):
        done = self.group.run([self.checkout / "quickstart", *arguments, "--root", self.folder], cwd=self.checkout,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Failure(f"quickstart {arguments[0]}: {done.stderr[-600:]}")
        return done.stdout

    def configure(self):
        settings = {"default_process_limit": "200", **self.setup.settings}
        if self.setup.rsa:
            settings["smtpd_tls_chain_files"] = rsa_chain("prkeys")
        self.options = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        for number in range(self.setup.users):
            self.options += ["--user", f"u{number}:{PASSWORD}"]

    def start(self):
        self.facts = json.loads(self.quickstart("up", "--quiet", "--json", *self.options))
        self.smtp, self.pop3 = self.facts["smtp"], self.facts["pop3"]

    def command(self, name, *arguments):
        run([self.folder / "sbin" / name, "-c", self.folder / "etc", *arguments], preexec_fn=self.group.enter)

    def sleep_more(self, count):
        """Lays `count` deferred messages into the stopped server's queue."""
        spool = self.folder / "spool"
        run([TOP / "build" / "release" / "bench" / "deferred_fill", spool, count, (spool / "deferred").stat().st_uid],
            timeout=300)

    def stop(self):
        if (self.folder / "instance.json").exists():
            self.quickstart("down")

    def sendmail(self, recipient):
        return [self.folder / "sbin" / "sendmail", "-C", self.folder / "etc", "-f", "load@bench.example", recipient]


def rsa_chain(owner):
    """The path of an RSA-2048 key and certificate that `owner` (a user, or None) may read."""
    chain = BUILD / "tls" / f"{owner or 'root'}.pem"
    if not chain.exists():
        chain.parent.mkdir(parents=True, exist_ok=True)
        key, certificate = chain.with_suffix(".key"), chain.with_suffix(".crt")
        run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj",
             f"/CN=mail.{DOMAIN}", "-keyout", key, "-out", certificate])
        chain.touch(mode=0o600)
        chain.write_text(key.read_text() + certificate.read_text())
    chain.chmod(0o400)
    if owner:
        shutil.chown(chain, owner)
    return str(chain)


class Postfix(Server):
    name, label = "postfix", "Postfix"
    package = Packages("postfix")

    def configure(self):
        self.package.fetch()
        self.smtp = free_port(())
        for name in ("etc", "log", "mail", "spool", "data"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", 62001, 62001)
        tables = {"mailboxes": "", "owners": "", "aliases": ""}
        for number in range(self.setup.users):
            uid = FIRST_UID + number
            home = self.user_folder(number)
            home.mkdir(parents=True, mode=0o700)
            os.chown(home, uid, uid)
            tables["mailboxes"] += f"u{number}@{DOMAIN} {DOMAIN}/u{number}/Maildir/\n"
            tables["owners"] += f"u{number}@{DOMAIN} {uid}\n"
        for name, text in tables.items():
            (self.folder / "etc" / name).write_text(text)
        etc = self.folder / "etc"
        settings = {
            "compatibility_level": "3.6", "queue_directory": self.folder / "spool",
            "data_directory": self.folder / "data", "daemon_directory": "/usr/lib/postfix/sbin",
            "command_directory": "/usr/sbin", "shlib_directory": "/usr/lib/postfix", "mail_owner": "postfix",
            "setgid_group": "postdrop", "maillog_file": self.log, "maillog_file_prefixes": self.folder / "log",
            "myhostname": f"mail.{DOMAIN}", "mydomain": DOMAIN,
            "mydestination": "$myhostname, localhost.$mydomain, localhost", "inet_interfaces": "loopback-only",
            "inet_protocols": "ipv4", "mynetworks": "127.0.0.0/8",
            "alias_maps": f"texthash:{etc}/aliases", "alias_database": "",
            "virtual_mailbox_domains": DOMAIN, "virtual_mailbox_base": self.folder / "mail",
            "virtual_mailbox_maps": f"texthash:{etc}/mailboxes", "virtual_uid_maps": f"texthash:{etc}/owners",
            "virtual_gid_maps": f"texthash:{etc}/owners", "virtual_minimum_uid": "1",
            "smtpd_tls_security_level": "may", "smtpd_tls_chain_files": rsa_chain(None),
            "default_process_limit": "200", "in_flow_delay": "0", **self.setup.settings,
        }
        (etc / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        (etc / "master.cf").write_text(self.master_cf())

    def master_cf(self):
        """Debian's, without chroot, and listening where we want it."""
        lines = []
        for line in (self.package.root / "usr/share/postfix/master.cf.dist").read_text().splitlines():
            words = line.split()
            if len(words) >= 8 and not line.startswith(("#", " ")):
                words[4] = "n"
                if words[0] == "smtp" and words[1] == "inet":
                    words[0] = f"127.0.0.1:{self.smtp}"
                line = " ".join(words)
            lines.append(line)
        return "\n".join(lines) + "\n"

    def start(self):
        self.launch(["/usr/sbin/postfix", "-c", self.folder / "etc", "start"])
        wait_until(lambda: greeting(self.smtp), "a greeting from Postfix")

    def sendmail(self, recipient):
        return ["/usr/sbin/sendmail", "-C", self.folder / "etc", "-f", "load@bench.example", recipient]

    def inside(self, command):
        return self.package.inside(command)
