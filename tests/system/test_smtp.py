"""SMTP in, by real clients and by hand, into a Maildir."""

import re
import socket
import threading

import pytest
from harness import PATIENCE, Lines, run, wait_until


@pytest.mark.client("swaks")
@pytest.mark.parametrize("how", ["plain", "tls", "pipelined"])
def test_swaks_delivers_a_message(instance, user, how):
    options = {"plain": [], "tls": ["--tls", "--tls-verify", "--tls-ca-path", instance.ca_file],
               "pipelined": ["--pipeline"]}[how]
    run("swaks", "--server", f"localhost:{instance.smtp}", "--from", "a@elsewhere.example", "--to", user.address,
        "--header", f"Subject: {how}", "--body", "Hello", *options)
    [message] = user.wait_for_mail()
    assert f"Subject: {how}\n".encode() in message
    assert message.startswith(b"Return-Path: <a@elsewhere.example>\n")
    assert f"Delivered-To: {user.address}\n".encode() in message


def test_the_received_field_is_postfix_shaped(instance, user):
    queue_id = instance.send(user.address)
    [message] = user.wait_for_mail()
    assert re.search(r"^Received: from client\.example \(localhost \[127\.0\.0\.1\]\)\n"
                     r"\tby mail\.example\.test \(Postrider\) with ESMTP id " + queue_id + r"\n"
                     r"\tfor <" + re.escape(user.address) + r">; \w{3}, [ \d]\d \w{3} \d{4} [\d:]{8} [+-]\d{4} \(\w+\)\n",
                     message.decode(), re.M)


def test_bdat_carries_a_message_in_chunks(instance, user):
    with Lines(instance.smtp) as smtp:
        smtp.reply("220")
        assert any("CHUNKING" in line for line in smtp.ask("EHLO client.example", "250"))
        smtp.ask("MAIL FROM:<a@elsewhere.example> BODY=8BITMIME", "250")
        smtp.ask(f"RCPT TO:<{user.address}>", "250")
        chunks = [b"Subject: chunks\r\n\r\n.\r\n", b"..dots stay\r\n", b"last\r\n"]
        for chunk in chunks[:-1]:
            smtp.send(f"BDAT {len(chunk)}\r\n".encode() + chunk)
            smtp.reply("250")
        smtp.send(f"BDAT {len(chunks[-1])} LAST\r\n".encode() + chunks[-1])
        smtp.reply("250")
        smtp.ask("QUIT", "221")
    [message] = user.wait_for_mail()
    assert message.endswith(b"\n\n.\n..dots stay\nlast\n")


def test_a_dot_at_the_start_of_a_line_arrives_once(instance, user):
    instance.send(user.address, body=".one\n..two\n.\nend\n")
    [message] = user.wait_for_mail()
    assert message.endswith(b"\n\n.one\n..two\n.\nend\n")


SMUGGLED = [b"\n.\n", b"\n.\r", b"\r.\n", b"\r.\r", b"\n.\r\n", b"\r.\r\n", b"\r\n\0.\r\n", b"\r\n.\r\r\n",
            b"\r\r\n.\r\r\n", b"\r\n.\n", b"\r\n.\r"]


@pytest.mark.parametrize("ending", SMUGGLED, ids=lambda e: e.decode("latin-1").encode("unicode_escape").decode())
def test_a_false_end_of_data_never_makes_two_messages(instance, user, ending):
    with Lines(instance.smtp) as smtp:
        smtp.reply("220")
        smtp.ask("EHLO client.example", "250")
        smtp.ask("MAIL FROM:<a@elsewhere.example>", "250")
        smtp.ask(f"RCPT TO:<{user.address}>", "250")
        smtp.ask("DATA", "354")
        smtp.send(b"Subject: outer\r\n\r\nouter" + ending +
                  f"MAIL FROM:<forged@elsewhere.example>\r\nRCPT TO:<{user.address}>\r\nDATA\r\n".encode() +
                  b"Subject: smuggled\r\n\r\nsmuggled\r\n.\r\nQUIT\r\n")
        smtp.read_to_end()
    instance.wait_for_empty_queue()
    messages = [f.read_bytes() for f in user.files()]
    assert len(messages) <= 1
    assert not any(m.startswith(b"Return-Path: <forged@") for m in messages)


def test_commands_sent_with_starttls_are_not_obeyed(instance, user):
    with Lines(instance.smtp) as smtp:
        smtp.reply("220")
        smtp.ask("EHLO client.example", "250")
        smtp.send(b"STARTTLS\r\nMAIL FROM:<injected@elsewhere.example>\r\n")
        if smtp.line().startswith("521"):
            assert smtp.read_to_end() == b"", "hanging up is the answer"
            return
        smtp.start_tls(instance.ca_file)
        smtp.ask("EHLO client.example", "250")
        smtp.ask(f"RCPT TO:<{user.address}>", "503")


def test_strangers_may_not_relay_and_unknown_recipients_are_refused(make_instance):
    instance = make_instance(mynetworks="192.0.2.1/32")
    with Lines(instance.smtp) as smtp:
        smtp.reply("220")
        smtp.ask("EHLO client.example", "250")
        smtp.ask("MAIL FROM:<a@elsewhere.example>", "250")
        smtp.ask("RCPT TO:<b@faraway.example>", "454 4.7.1")
        smtp.ask(f"RCPT TO:<nobody-here@{instance.domain}>", "550 5.1.1")
        smtp.ask(f"RCPT TO:<{instance.user}>", "250")
        smtp.ask("QUIT", "221")
    instance.wait_for_log(r"NOQUEUE: reject: RCPT from \S+\[127\.0\.0\.1\]: 454 4\.7\.1 <b@faraway\.example>: "
                          r"Relay access denied; from=<a@elsewhere\.example> to=<b@faraway\.example> proto=ESMTP "
                          r"helo=<client\.example>")


def test_a_thousand_clients_at_once_are_served_by_one_process(make_instance):
    instance = make_instance(smtpd_client_connection_count_limit="0")
    user = instance.new_user()
    clients = [Lines(instance.smtp) for _ in range(1000)]
    try:
        for client in clients:
            client.reply("220")
        for step, code in ((b"EHLO client.example\r\n", "250"), (b"MAIL FROM:<a@elsewhere.example>\r\n", "250"),
                           (f"RCPT TO:<{user.address}>\r\n".encode(), "250"), (b"DATA\r\n", "354"),
                           (b"Subject: one of many\r\n\r\nHello\r\n.\r\n", "250")):
            for client in clients:
                client.send(step)
            for client in clients:
                client.reply(code)
        assert len(instance.processes("smtpd")) == 1
    finally:
        for client in clients:
            client.close()
    user.wait_for_mail(1000, seconds=120)


def test_a_session_survives_a_reload(instance, user):
    with Lines(instance.smtp) as smtp:
        smtp.reply("220")
        smtp.ask("EHLO client.example", "250")
        smtp.ask("MAIL FROM:<a@elsewhere.example>", "250")
        mark = instance.log_mark()
        instance.command("postrider", "reload")
        instance.wait_for_log(r"reload -- version", since=mark)
        smtp.ask(f"RCPT TO:<{user.address}>", "250")
        smtp.ask("DATA", "354")
        smtp.ask("Subject: across a reload\r\n\r\n.", "250")
        smtp.ask("QUIT", "221")
    user.wait_for_mail()


def test_a_client_that_says_nothing_does_not_hold_up_the_next(instance, user):
    silent = [socket.create_connection(("127.0.0.1", instance.smtp), timeout=PATIENCE) for _ in range(20)]
    try:
        instance.send(user.address)
        user.wait_for_mail()
    finally:
        for one in silent:
            one.close()


def test_parallel_senders_lose_nothing(instance, user):
    failures = []

    def send_some():
        try:
            for _ in range(20):
                instance.send(user.address)
        except Exception as problem:  # shown in the test's thread
            failures.append(problem)

    threads = [threading.Thread(target=send_some) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(user.wait_for_mail(160, seconds=60)) == 160
    wait_until(lambda: "Mail queue is empty" in instance.command("prqueue", "-p").stdout, "an empty queue")
