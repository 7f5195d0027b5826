"""The demonstration: a letter by SMTP and one by sendmail, awaited in the mailbox, read over POP3."""

import email.utils
import secrets
import subprocess
import time

from dialogue import Pop3, Smtp
from say import Failure, say, step
from service import wait_until

SENDER = "traveller@elsewhere.example"


def compose(root, sender, how):
    mark = secrets.token_hex(8)
    text = (f"From: A traveller <{sender}>\nTo: <{root.user}>\nSubject: A letter {how}\n"
            f"Date: {email.utils.formatdate()}\nMessage-ID: <{mark}@quickstart.invalid>\n\n"
            f"This letter came {how}.\n.a line that starts with a dot\nGood riding!\n")
    return mark, text


def in_mailbox(root, mark):
    maildir = root.mail_directory(root.user) / "Maildir"
    for folder in ("new", "cur"):
        for file in maildir.glob(f"{folder}/*"):
            try:
                if mark in file.read_text(errors="replace"):
                    return file
            except OSError:
                continue  # moved from new to cur meanwhile
    return None


def awaited(root, mark, since, what):
    wait_until(lambda: in_mailbox(root, mark), f"the delivery of the letter sent {what}", root)
    say(f"  {(time.monotonic() - since) * 1000:8.1f} ms  in the mailbox")


def by_smtp(root):
    step(f"a letter by SMTP, port {root.state['ports']['smtp']}")
    mark, text = compose(root, SENDER, "by SMTP")
    with Smtp(root.state["ports"]["smtp"]) as smtp:
        smtp.letter(SENDER, root.user, text, root.file("tls", "ca.pem"))
    awaited(root, mark, time.monotonic(), "by SMTP")
    return mark


def by_sendmail(root):
    command = [str(root.file("sbin", "sendmail")), "-C", str(root.etc), "-f", SENDER, "-i", root.user]
    step("a letter by " + " ".join(command))
    mark, text = compose(root, SENDER, "by sendmail")
    started = time.monotonic()
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"sendmail exited with {done.returncode}: {done.stderr}")
    say(f"  {(time.monotonic() - started) * 1000:8.1f} ms  accepted")
    awaited(root, mark, started, "by sendmail")
    return mark


def by_pop3(root, marks):
    step(f"reading them over POP3, port {root.state['ports']['pop3']}")
    with Pop3(root.state["ports"]["pop3"]) as pop3:
        pop3.login(root.user, root.password(root.user), root.file("tls", "ca.pem"))
        count = int(pop3.ask("STAT").split()[1])
        found = set()
        for number in range(max(1, count - len(marks) + 1), count + 1):
            text = "\n".join(pop3.lines(f"RETR {number}"))
            found |= {mark for mark in marks if mark in text and ".a line that starts with a dot" in text}
        pop3.ask("QUIT")
    if found != set(marks):
        raise Failure(f"POP3 showed {len(found)} of the {len(marks)} letters")
    say(f"               -- both letters read back" if len(marks) == 2 else "")


def demonstrate(root, services):
    marks = []
    if "smtp" in services:
        marks.append(by_smtp(root))
    if root.file("sbin", "sendmail").exists() and root.file("sbin", "prdrop").exists():
        marks.append(by_sendmail(root))
    if "pop3" in services and marks:
        by_pop3(root, marks)
