"""OpenSMTPD: its defaults, with the limits on one client lifted. It does not make its queue durable (no fsync), which
its figures profit from."""

import os
import subprocess

from measure import Failure, wait_until
from peers import USERS, Packages

from servers import DOMAIN, FIRST_UID, Server, free_port, greeting, rsa_chain

CONFIGURATION = """
pki bench cert "{certificate}"
pki bench key "{key}"
table users file:{folder}/etc/users
table everybody {{ "@" = devnull }}
table virtuals file:{folder}/etc/virtuals
smtp limit max-mails 100000
smtp limit max-rcpt 1000
smtp max-message-size 100M
listen on 127.0.0.1 port {port} hostname mail.{domain} tls pki bench
listen on socket
action "maildir" maildir userbase <users> virtual <virtuals>
action "out" {out}
match from any for domain "{domain}" action "maildir"
match from any for any action "out"
"""


class OpenSmtpd(Server):
    name, label = "opensmtpd", "OpenSMTPD"
    package = Packages("opensmtpd")
    done_marks = ("result=Ok", 'result="Ok"')  # of an mda, of a relay
    # Its listen(2) queue holds five. Of more that come together, the kernel forgets some (SYN cookies), and they wait
    # for a greeting for ever.
    at_once = 5
    tls = False  # of Debian 12, it fails in every handshake with TLS 1.3
    process = None

    def marks(self, recipients):
        return recipients

    def configure(self):
        self.package.fetch()
        program = self.package.root / "usr/sbin/smtpctl"  # sendmail is a link to it
        os.chown(program, 0, USERS["opensmtpq"])
        program.chmod(0o2755)
        self.smtp = free_port(())
        for name in ("etc", "log", "spool", "empty"):
            (self.folder / name).mkdir()
        (self.folder / "spool").chmod(0o711)
        chain = rsa_chain(None)
        users = virtuals = ""
        for number in range(self.setup.users):
            uid, home = FIRST_UID + number, self.user_folder(number)
            home.mkdir(parents=True, mode=0o700)
            os.chown(home, uid, uid)
            users += f"u{number} {uid}:{uid}:{home}\n"
            virtuals += f"u{number}@{DOMAIN} u{number}\n"
        for name, text in (("users", users), ("virtuals", virtuals)):
            (self.folder / "etc" / name).write_text(text)
        out = 'mda "/usr/bin/wc -c" virtual <everybody>'
        if host := self.setup.settings.get("relayhost"):
            out = f'relay host smtp://{host.replace("[", "").replace("]", "")}'
        (self.folder / "etc" / "smtpd.conf").write_text(CONFIGURATION.format(
            folder=self.folder, certificate=chain.replace(".pem", ".crt"), key=chain.replace(".pem", ".key"),
            port=self.smtp, domain=DOMAIN, out=out))

    def inside(self, command):
        return self.package.inside(command, [(self.folder / "spool", "/var/spool/smtpd"),
                                             (self.folder / "empty", "/var/lib/opensmtpd/empty")])

    def start(self):
        log = open(self.log, "w")
        command = ["/usr/sbin/smtpd", "-d", "-f", self.folder / "etc" / "smtpd.conf"]
        self.process = self.group.spawn(self.inside(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(lambda: greeting(self.smtp) or self.process.poll() is not None, "a greeting from OpenSMTPD", 20)
        finally:
            if self.process.poll() is not None:
                raise Failure(f"smtpd ended: {self.log.read_text()[-400:]}")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)

    def sendmail(self, recipient):
        return ["/usr/sbin/sendmail", "-f", "load@bench.example", recipient]
