"""Mail that finds its way by the DNS, and clients and senders that are looked up there."""

import socket
import time

import pytest
from harness import Lines, wait_until
from name_server import NameServer
from sink import Sink

pytestmark = pytest.mark.programs("smtp")


@pytest.fixture
def name_server():
    made = []

    def make(records):
        made.append(NameServer(records))
        return made[-1]

    yield make
    for one in made:
        one.close()


def own_address():
    """An address of this machine that is not loopback; none in a bare container."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = probe.getsockname()[0]
        except OSError:
            address = "127.0.0.1"
    if address.startswith("127."):
        pytest.skip("needs an address that is not loopback")
    return address


def test_mail_goes_to_the_best_mx_host_that_answers(make_instance, name_server):
    sink = Sink()
    dns = name_server({("hub.example.org", "MX"): [(20, "second.example.org"), (10, "first.example.org")],
                       ("first.example.org", "A"): ["127.0.0.77"],
                       ("second.example.org", "A"): ["127.0.0.1"]})
    instance = make_instance(relayhost=f"hub.example.org:{sink.port}", dns_server_address=dns.address)
    queue_id = instance.send("someone@faraway.example")
    wait_until(lambda: sink.messages, lambda: "a relayed message\n" + instance.log_tail())
    instance.wait_for_log(rf"connect to first\.example\.org\[127\.0\.0\.77\]:{sink.port}: Connection refused")
    instance.wait_for_log(queue_id + r": to=<someone@faraway\.example>, relay=second\.example\.org\[127\.0\.0\.1\]:"
                          r"\d+, delay=[\d.]+, delays=[\d./]+, dsn=2\.0\.0, status=sent")
    sink.close()


def test_mail_for_domains_without_mail_comes_back(make_instance, name_server):
    dns = name_server({("null.example.org", "MX"): [(0, "")]})
    instance = make_instance(dns_server_address=dns.address)
    user = instance.first_user()
    instance.send("someone@null.example.org", sender=user.address)
    instance.send("someone@gone.example.org", sender=user.address)
    instance.wait_for_log(r"to=<someone@null\.example\.org>, relay=none, .*dsn=5\.1\.10, status=bounced "
                          r"\(Domain null\.example\.org does not accept mail \(nullMX\)\)")
    instance.wait_for_log(r"to=<someone@gone\.example\.org>, relay=none, .*dsn=5\.4\.4, status=bounced "
                          r"\(Host or domain name not found\. Name service error for name=gone\.example\.org type=A")


def test_sender_domains_are_looked_up(make_instance, name_server):
    dns = name_server({("real.example.org", "A"): ["192.0.2.1"]})
    instance = make_instance(dns_server_address=dns.address, smtpd_sender_restrictions="reject_unknown_sender_domain")
    user = instance.first_user()
    instance.send(user.address, sender="a@real.example.org")
    client = instance.smtp_client()
    client.ehlo()
    client.mail("a@fake.example.org")
    code, text = client.rcpt(user.address)
    assert code == 450
    assert text == b"4.1.8 <a@fake.example.org>: Sender address rejected: Domain not found"
    client.quit()
    instance.send(user.address, sender=user.address)


def test_a_client_from_this_machine_is_greeted_at_once_without_any_name_server(make_instance, name_server):
    dns = name_server({("1.0.0.127.in-addr.arpa", "PTR"): NameServer.SILENT})
    instance = make_instance(dns_server_address=dns.address)
    began = time.monotonic()
    with Lines(instance.smtp) as client:
        client.reply("220")
    assert time.monotonic() - began < 2
    assert dns.asked == []


def test_a_client_is_known_by_a_name_that_leads_back_to_it(make_instance, name_server):
    address = own_address()
    reverse = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
    dns = name_server({(reverse, "PTR"): ["client.example.org"], ("client.example.org", "A"): [address]})
    instance = make_instance(dns_server_address=dns.address)
    with socket.create_connection(("127.0.0.1", instance.smtp), source_address=(address, 0)) as client:
        assert client.recv(100).startswith(b"220 ")
    instance.wait_for_log(rf"connect from client\.example\.org\[{address}\]")


def test_a_silent_name_server_delays_a_client_for_five_seconds_and_no_more(make_instance, name_server):
    address = own_address()
    reverse = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
    dns = name_server({(reverse, "PTR"): NameServer.SILENT})
    instance = make_instance(dns_server_address=dns.address)
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", instance.smtp), source_address=(address, 0), timeout=30) as client:
        assert client.recv(100).startswith(b"220 ")
    assert time.monotonic() - began < 12
    instance.wait_for_log(rf"connect from unknown\[{address}\]")
