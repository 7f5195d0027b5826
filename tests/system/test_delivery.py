"""Where mail goes after it was accepted: next servers, aliases, back to its sender."""

import email
import re
import socket

import pytest
from harness import wait_until
from sink import Sink

pytestmark = pytest.mark.programs("smtp", "local", "bounce", "error", "prqueue")


@pytest.fixture
def sink():
    one = Sink({"refused@faraway.example": "550 5.1.1 no such user here",
                "later@faraway.example": "451 4.3.0 not now"})
    yield one
    one.close()


@pytest.fixture
def relay(make_instance, sink):
    return make_instance(relayhost=f"[127.0.0.1]:{sink.port}")


def test_mail_for_elsewhere_is_relayed_as_it_is(relay, sink):
    body = "a line\n.a dot\n" + "long " * 150 + "\n"
    queue_id = relay.send("someone@faraway.example", body=body)
    wait_until(lambda: sink.messages, lambda: "a relayed message\n" + relay.log_tail())
    sender, recipients, content = sink.messages[0]
    assert (sender, recipients) == ("someone@elsewhere.example", ["someone@faraway.example"])
    assert content.endswith(b"\r\n\r\n" + body.replace("\n", "\r\n").encode())
    relay.wait_for_log(queue_id + r": to=<someone@faraway\.example>, relay=127\.0\.0\.1\[127\.0\.0\.1\]:\d+, "
                       r"delay=[\d.]+, delays=[\d./]+, dsn=2\.0\.0, status=sent \(250 2\.0\.0 Ok: message 1\)")
    relay.wait_for_log(queue_id + ": removed")


def test_a_connection_is_kept_for_the_next_messages(relay, sink):
    for number in range(20):
        relay.send(f"r{number}@faraway.example")
    wait_until(lambda: len(sink.messages) == 20, lambda: f"{len(sink.messages)} of 20\n" + relay.log_tail())
    assert sink.connections < 20


def test_a_refused_recipient_is_reported_to_the_sender(relay, sink):
    user = relay.first_user()
    relay.send("refused@faraway.example", subject="lost cause", sender=user.address)
    [raw] = user.wait_for_mail()
    report = email.message_from_bytes(raw)
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    assert raw.startswith(b"Return-Path: <>\n")
    parts = {part.get_content_type(): part for part in report.walk()}
    status = parts["message/delivery-status"].as_string()
    assert "Final-Recipient: rfc822; refused@faraway.example" in status
    assert "Action: failed" in status and "Status: 5.1.1" in status
    assert re.search(r"Diagnostic-Code: smtp; 550 5\.1\.1 no such user here", status)
    assert "Subject: lost cause" in raw.decode()


def test_a_deferred_recipient_waits_in_the_queue_and_leaves_on_flush(relay, sink):
    queue_id = relay.send("later@faraway.example")
    relay.wait_for_log(queue_id + r": to=<later@faraway\.example>.* status=deferred \(host .* said: 451")
    listing = wait_until(lambda: (text := relay.command("prqueue", "-p").stdout) and "later@" in text and text,
                         "the message in the listing")
    assert queue_id in listing
    sink.verdicts.clear()
    relay.command("prqueue", "-f")
    wait_until(lambda: sink.messages, lambda: "the flushed message\n" + relay.log_tail())
    relay.wait_for_empty_queue()


def test_a_dead_next_server_defers(make_instance):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        instance = make_instance(relayhost=f"[127.0.0.1]:{closed.getsockname()[1]}")
        queue_id = instance.send("someone@faraway.example")
        instance.wait_for_log(r"connect to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: Connection refused")
        instance.wait_for_log(queue_id + r": to=<someone@faraway\.example>, relay=none, .* status=deferred")


def test_a_message_with_sixty_received_fields_is_taken_for_a_loop(instance, user):
    hops = "".join(f"Received: from a by b id {n}\n" for n in range(60))
    client = instance.smtp_client()
    client.ehlo()
    client.mail(user.address)
    client.rcpt(user.address)
    code, text = client.data(hops + "Subject: round and round\n\nHello\n")
    client.quit()
    assert code == 554 and b"too many hops" in text


def test_the_postmaster_alias_leads_to_a_mailbox(make_instance):
    instance = make_instance()
    instance.send("postmaster@localhost", subject="for the postmaster")
    [message] = instance.first_user().wait_for_mail()
    assert b"Subject: for the postmaster\n" in message


def test_an_address_extension_reaches_the_mailbox(make_instance):
    instance = make_instance(recipient_delimiter="+")
    user = instance.first_user()
    instance.send(user.address.replace("@", "+lists@"))
    [message] = user.wait_for_mail()
    assert b"+lists@" in message
