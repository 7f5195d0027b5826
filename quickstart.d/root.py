"""One instance's directory: what is where, and what is remembered between runs (instance.json).

  etc/        main.cf master.cf aliases passwd mailboxes owners      tls/   ca.pem and the server's pair
  spool/ data/ log/maillog                                           mail/  <domain>/<user>/Maildir
  sbin/ libexec/ bin/   the programs as `make install` lays them down
"""

import hashlib
import json
import os
import pathlib
import secrets
import socket

from paths import TOP
from say import Failure, say

DOMAIN = "example.test"
HOST = "mail.example.test"
SERVICES = ("smtp", "submission", "submissions", "lmtp", "pop3", "pop3s", "imap", "imaps")
# Mailbox owners of an instance started by root: ids of their own, so that walls between users are
# real, and no entry in /etc/passwd.
FIRST_UID = 61000


def reachable(path):
    """May any user go through every directory above `path`?"""
    existing = path
    while not existing.exists():
        existing = existing.parent
    return all(p.stat().st_mode & 0o001 for p in (existing, *existing.parents))


def free_port(taken):
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in taken:
            return port


def usable(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Root:
    def __init__(self, directory):
        self.path = pathlib.Path(directory).absolute()
        self.as_root = os.geteuid() == 0
        self.state = {}
        self.aliases_changed = False
        if self.path.exists():
            self.path = self.path.resolve()
        if self.file("instance.json").exists():
            self.state = json.loads(self.file("instance.json").read_text())

    def file(self, *names):
        return self.path.joinpath(*names)

    @property
    def etc(self):
        return self.file("etc")

    @property
    def spool(self):
        return self.file("spool")

    @property
    def log(self):
        return self.file("log", "maillog")

    @property
    def exists(self):
        return bool(self.state)

    @property
    def user(self):
        """The address of the first user: the one that the demonstration writes to."""
        return next(iter(self.state["users"]))

    def password(self, address):
        return self.state["users"][address]["password"]

    def prepare(self):
        """Makes the directory and its state; harmless when both are there."""
        if self.as_root and not self.path.exists() and not reachable(self.path):
            # Mail is delivered as its owner, who must get there: not inside /root.
            name = hashlib.sha256(str(self.path).encode()).hexdigest()[:12]
            elsewhere = pathlib.Path("/var/lib/postrider-quickstart") / name
            elsewhere.mkdir(parents=True, exist_ok=True)
            elsewhere.parent.chmod(0o755)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.symlink_to(elsewhere)
            say(f"{self.path} is inside a directory that others may not enter: it links to {elsewhere}")
            self.path = elsewhere
        elif self.as_root and not reachable(self.path):
            raise Failure(f"mail is delivered as its owner, who cannot reach {self.path}: some directory "
                          "above it is closed to others; choose another with --root")
        for name in ("etc", "log", "tls", "mail"):
            self.file(name).mkdir(parents=True, exist_ok=True, mode=0o755)
        if self.state and self.state["as_root"] != self.as_root:
            raise Failure(f"{self.path} was set up by {'root' if self.state['as_root'] else 'an ordinary user'}: "
                          "go on as the same, or use another --root")
        if not self.state:
            self.state = {"as_root": self.as_root, "ports": {}, "users": {}, "set": {}}
            self.add_user("rider", secrets.token_hex(6))
        self.choose_ports()
        self.save()

    def choose_ports(self):
        ports = self.state["ports"]
        for service in SERVICES:
            if service not in ports:
                ports[service] = free_port(ports.values())

    def replace_taken_ports(self):
        """Another program may have taken a port while the instance was down."""
        ports = self.state["ports"]
        for service, port in ports.items():
            if not usable(port):
                ports[service] = free_port(ports.values())
                say(f"port {port} is taken by another program: {service} moves to {ports[service]}")
        self.save()

    def add_user(self, name, password):
        """`name` alone is a user of the instance's domain. Returns the address."""
        address = name if "@" in name else f"{name}@{DOMAIN}"
        if not all(c.isalnum() or c in "@._+-" for c in address) or address.startswith((".", "-", "@")) \
                or address.count("@") != 1 or "/" in address or ".." in address:
            raise Failure(f"--user {name}: not a user name")
        users = self.state["users"]
        uid = users.get(address, {}).get("uid", FIRST_UID + len(users) if self.as_root else os.getuid())
        gid = uid if self.as_root else os.getgid()
        users[address] = {"password": password, "uid": uid, "gid": gid}
        return address

    def mail_directory(self, address):
        user, domain = address.split("@")
        return self.file("mail", domain, user)

    def save(self):
        new = self.file("instance.json.new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(self.state, indent=1) + "\n")
        os.replace(new, self.file("instance.json"))

    def master_pid(self):
        """None when no master runs."""
        try:
            pid = int((self.spool / "pid" / "master.pid").read_text().split()[0])
            # pid (name) state …; a process that nobody has waited for yet is not running
            name, state = pathlib.Path(f"/proc/{pid}/stat").read_text().split("(", 1)[1].rsplit(")", 1)
        except (OSError, ValueError, IndexError):
            return None
        return pid if name == "master" and state.split()[0] != "Z" else None

    def facts(self, services):
        """What --json prints. `services` are those whose programs exist."""
        ports = {s: self.state["ports"][s] if s in services else None for s in SERVICES}
        return {**ports, "host": "127.0.0.1", "domain": DOMAIN, "user": self.user,
                "password": self.password(self.user), "ca_file": str(self.file("tls", "ca.pem")),
                "config_directory": str(self.etc), "queue_directory": str(self.spool),
                "mail_directory": str(self.mail_directory(self.user)),
                "command_directory": str(self.file("sbin")), "log_file": str(self.log),
                "master_pid": self.master_pid()}
