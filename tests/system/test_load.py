"""Many messages, every one counted."""

import concurrent.futures

import pytest

pytestmark = pytest.mark.programs("prqueue", "sendmail", "prdrop", "pickup")


def test_smtp_source_5000_messages_arrive(instance, user, postfix_client):
    postfix_client("smtp-source", "-s", 20, "-m", 5000, "-l", 4096, "-f", "load@elsewhere.example",
                   "-t", user.address, f"127.0.0.1:{instance.smtp}", seconds=300)
    assert len(user.wait_for_mail(5000, seconds=300)) == 5000
    instance.wait_for_empty_queue()
    assert len(user.files()) == 5000


def test_sendmail_500_times(instance, user):
    def submit(number):
        return instance.command("sendmail", "-f", "load@elsewhere.example", user.address,
                                stdin=f"Subject: number {number}\n\nHello\n").returncode

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert set(pool.map(submit, range(500))) == {0}
    messages = user.wait_for_mail(500, seconds=120)
    subjects = {line for m in messages for line in m.splitlines() if line.startswith(b"Subject: number ")}
    assert len(subjects) == 500
