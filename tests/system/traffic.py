"""Letters sent while a test does something to the server."""

import re
import smtplib
import threading

from harness import wait_until

SUBJECT = re.compile(rb"^Subject: letter (\d+)\r?$", re.M)


class Load:
    """Letters sent one after another by several senders; `.acknowledged` are those that got their 250."""

    def __init__(self, instance, user, senders=4):
        self.instance, self.user = instance, user
        self.acknowledged = set()
        self.lock = threading.Lock()
        self.next = 0
        self.last_problem = None
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.send, daemon=True) for _ in range(senders)]
        for thread in self.threads:
            thread.start()

    def send(self):
        while not self.over.is_set():
            with self.lock:
                self.next += 1
                number = self.next
            try:
                self.instance.send(self.user.address, subject=f"letter {number}")
            except (OSError, smtplib.SMTPException, AssertionError) as problem:
                # Not acknowledged, so nothing is owed; a server that is gone is asked again shortly.
                self.last_problem = problem
                self.over.wait(0.05)
                continue
            with self.lock:
                self.acknowledged.add(number)

    def finish(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        return self.acknowledged

    def reach(self, count):
        wait_until(lambda: len(self.acknowledged) >= count, lambda: f"{count} acknowledged, there are "
                   f"{len(self.acknowledged)}; {self.last_problem!r}\n{self.instance.log_tail()}", 60)


def arrived(user):
    return {int(m.group(1)) for f in user.files() if (m := SUBJECT.search(f.read_bytes()))}


def all_arrived(instance, user, acknowledged):
    wait_until(lambda: acknowledged <= arrived(user),
               lambda: f"missing: {sorted(acknowledged - arrived(user))[:10]}\n{instance.log_tail()}", 120)
