"""What was delivered is read back byte for byte by the mail programs that people use."""

import mailbox
import os
import pathlib
import subprocess

import pytest
from harness import run

pytestmark = pytest.mark.programs("pop3d", "pop3-session", "auth", "keys")

BODIES = ["plain\n", ".dots\n..more\n.\n", "", "no newline at the end", "8-bit: \xe4\xf6\xfc\n", "x" * 900 + "\n",
          "\n\n\n", "From the start of a line\n"]


@pytest.fixture
def full_mailbox(instance, user):
    """A user with one message of each body; returns the user and the messages as POP3 would send them."""
    for number, body in enumerate(BODIES):
        instance.send(user.address, subject=f"number {number}", body=body)
        user.wait_for_mail(number + 1)
    return user, {m.replace(b"\n", b"\r\n") for m in user.wait_for_mail(len(BODIES))}


def test_python_reads_what_was_delivered(full_mailbox):
    user, expected = full_mailbox
    client = user.pop3()
    count, size = client.stat()
    got = [b"\r\n".join(client.retr(n + 1)[1]) + b"\r\n" for n in range(count)]
    assert set(got) == expected and len(got) == len(BODIES)
    assert size == sum(map(len, got))
    client.quit()


@pytest.mark.client("curl")
@pytest.mark.parametrize("scheme", ["pop3", "pop3s"])
def test_curl_reads_what_was_delivered(full_mailbox, instance, scheme):
    user, expected = full_mailbox
    port = getattr(instance, scheme)
    got = set()
    for number in range(1, len(BODIES) + 1):
        done = subprocess.run(["curl", "-sS", "--cacert", instance.ca_file, "--user",
                               f"{user.address}:{user.password}", f"{scheme}://localhost:{port}/{number}"],
                              capture_output=True)
        assert done.returncode == 0, done.stderr
        got.add(done.stdout)
    assert got == expected


@pytest.mark.client("mpop")
def test_mpop_fetches_all_byte_for_byte(full_mailbox, instance, tmp_path):
    user, expected = full_mailbox
    inbox = tmp_path / "inbox"
    for folder in ("", "new", "cur", "tmp"):
        (inbox / folder).mkdir()
    config = tmp_path / "mpoprc"
    config.write_text(f"account a\nhost localhost\nport {instance.pop3}\nuser {user.address}\n"
                      f"password {user.password}\nauth plain\ntls on\ntls_starttls on\n"
                      f"tls_trust_file {instance.ca_file}\nreceived_header off\ndelivery maildir {inbox}\n"
                      f"uidls_file {tmp_path}/uidls\n")
    config.chmod(0o600)
    run("mpop", "-C", config, "a")
    got = {f.read_bytes().replace(b"\n", b"\r\n") for f in (inbox / "new").iterdir()}
    assert got == expected
    assert not user.files(), "mpop deletes what it fetched"


@pytest.mark.client("fetchmail")
def test_fetchmail_fetches_all(full_mailbox, instance, tmp_path):
    user, _ = full_mailbox
    save = tmp_path / "save"
    save.write_text(f"#!/bin/sh\ncat > {tmp_path}/$$.eml\n")
    save.chmod(0o755)
    config = tmp_path / "fetchmailrc"
    config.write_text(f"poll localhost service {instance.pop3} protocol pop3 user '{user.address}' "
                      f"password '{user.password}' sslproto 'TLS1.2+' sslcertck sslcertfile '{instance.ca_file}' "
                      f"mda '{save}' fetchall no rewrite\n")
    config.chmod(0o600)
    run("fetchmail", "-f", config, "--pidfile", tmp_path / "pid", "--invisible",
        env=dict(os.environ, HOME=str(tmp_path), FETCHMAILHOME=str(tmp_path)))
    got = [f.read_text(errors="replace") for f in tmp_path.glob("*.eml")]
    assert len(got) == len(BODIES)
    assert all(any(f"Subject: number {n}\n" in text for text in got) for n in range(len(BODIES)))
    assert not user.files()


def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(instance, user):
    answers = set()
    for address, password in ((user.address, "wrong"), ("nobody-here@example.test", "wrong")):
        import poplib
        client = poplib.POP3("127.0.0.1", instance.pop3, timeout=30)
        client.stls(instance.tls())
        client.user(address)
        with pytest.raises(poplib.error_proto) as refused:
            client.pass_(password)
        answers.add(str(refused.value))
        client.close()
    assert len(answers) == 1 and "[AUTH]" in answers.pop()


def test_deleting_happens_at_quit_and_not_before(full_mailbox):
    user, _ = full_mailbox
    client = user.pop3()
    client.dele(1)
    client.close()  # gone without QUIT
    assert len(user.files()) == len(BODIES)
    client = user.pop3()
    client.dele(1)
    client.quit()
    assert len(user.files()) == len(BODIES) - 1
