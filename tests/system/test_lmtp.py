"""Mail handed to a mailbox server by LMTP."""

import os
import pathlib
import socket
import threading

import pytest
from harness import wait_until

pytestmark = pytest.mark.programs("lmtp", "bounce")


class MailboxServer:
    """Takes every recipient at RCPT, and judges each after the message: `verdicts` by recipient."""

    def __init__(self, path, verdicts):
        self.verdicts, self.messages = verdicts, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        os.chmod(path, 0o666)
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=[client], daemon=True).start()

    def talk(self, client):
        lines = client.makefile("rb")

        def say(text):
            client.sendall(text.encode() + b"\r\n")

        recipients = []
        say("220 mailboxes LMTP")
        while raw := lines.readline():
            command = raw.decode().strip()
            if command.startswith("LHLO"):
                say("250-mailboxes\r\n250-PIPELINING\r\n250 8BITMIME")
            elif command.startswith("MAIL"):
                recipients = []
                say("250 2.1.0 Ok")
            elif command.startswith("RCPT"):
                recipients.append(command[9:].split(">")[0])
                say("250 2.1.5 Ok")
            elif command == "DATA":
                say("354 go on")
                content = []
                while (line := lines.readline()) not in (b".\r\n", b""):
                    content.append(line)
                self.messages.append((recipients, b"".join(content)))
                for recipient in recipients:
                    say(self.verdicts.get(recipient, f"250 2.0.0 <{recipient}> Saved"))
            elif command == "QUIT":
                return
            else:
                say("500 5.5.1 what?")

    def close(self):
        self.listener.close()


def test_each_recipient_has_its_own_answer(make_instance):
    instance = make_instance(virtual_transport="lmtp:unix:private/mailboxes", virtual_mailbox_maps="")
    path = pathlib.Path(instance.queue_directory) / "private" / "mailboxes"
    server = MailboxServer(path, {f"full@{instance.domain}": "452 4.2.2 over quota"})
    body = b"Subject: to two\r\n\r\nHello\r\n"
    client = instance.smtp_client()
    client.sendmail("someone@elsewhere.example", [f"good@{instance.domain}", f"full@{instance.domain}"], body)
    client.quit()
    wait_until(lambda: server.messages, lambda: "a delivery\n" + instance.log_tail())
    recipients, content = server.messages[0]
    assert len(recipients) == 2 and content.endswith(b"\r\n\r\nHello\r\n")
    instance.wait_for_log(rf"lmtp\[\d+\]: \w+: to=<good@[^>]+>, relay=[^\[]+\[private/mailboxes\], delay=.*, "
                          r"dsn=2\.0\.0, status=sent \(250 2\.0\.0 <good@.*> Saved\)")
    instance.wait_for_log(r"to=<full@[^>]+>, relay=[^\[]+\[private/mailboxes\], .*dsn=4\.2\.2, status=deferred \(host "
                          r".* said: 452 4\.2\.2 over quota \(in reply to end of DATA command\)\)")
    server.close()
