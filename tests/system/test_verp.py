"""VERP: senders that name the recipient, by sendmail -XV and by XVERP."""

import re
import smtplib

import pytest
from sink import Sink

pytestmark = pytest.mark.programs("sendmail", "prdrop", "pickup", "bounce")


@pytest.fixture
def instance(make_instance):
    return make_instance(recipient_delimiter="+", authorized_verp_clients="127.0.0.0/8")


def return_path(mail):
    return re.search(rb"^Return-Path: <(.*)>$", mail, re.M).group(1).decode()


def named(sender, recipient, delimiters="+="):
    local, domain = sender.split("@")
    return f"{local}{delimiters[0]}{recipient.replace('@', delimiters[1])}@{domain}"


@pytest.mark.parametrize("options, delimiters", [(["-XV"], "+="), (["-XV-="], "-="), (["-V", "x"], None)])
def test_sendmail_names_each(instance, options, delimiters):
    first, second = instance.first_user(), instance.new_user()
    instance.command("sendmail", *options, "-f", "owner@lists.example", first.address, second.address,
                     stdin="Subject: to the list\n\nhello\n")
    for user in (first, second):
        expected = named("owner@lists.example", user.address, delimiters) if delimiters else "owner@lists.example"
        assert return_path(user.wait_for_mail()[0]) == expected


@pytest.mark.parametrize("keyword, delimiters", [("XVERP", "+="), ("XVERP=-=", "-=")])
def test_xverp_names_each(instance, keyword, delimiters):
    user = instance.first_user()
    with smtplib.SMTP("127.0.0.1", instance.smtp, "client.example") as client:
        client.ehlo()
        assert client.has_extn("xverp")
        client.sendmail("owner@lists.example", [user.address], "Subject: x\r\n\r\nhello\r\n", [keyword])
    assert return_path(user.wait_for_mail()[0]) == named("owner@lists.example", user.address, delimiters)


@pytest.mark.parametrize("command, code", [
    ("MAIL FROM:<> XVERP", 503), ("MAIL FROM:<a@lists.example> XVERP=@=", 501), ("MAIL FROM:<a@lists.example> XVERP=+", 555),
    ("MAIL FROM:<a@lists.example> XVERP XVERP", 501), ("MAIL FROM:<a@lists.example> XVERP", 250)])
def test_what_xverp_cannot_mean_is_refused(instance, command, code):
    with smtplib.SMTP("127.0.0.1", instance.smtp, "client.example") as client:
        client.ehlo()
        assert client.docmd(command)[0] == code


def test_the_next_server_sees_the_sender_that_names_its_recipient(make_instance):
    sink = Sink({})
    instance = make_instance(relayhost=f"[127.0.0.1]:{sink.port}")
    instance.command("sendmail", "-XV", "-f", "owner@lists.example", "a@faraway.example", "b@faraway.example",
                     stdin="Subject: x\n\nhello\n")
    instance.wait_for_empty_queue()
    seen = {(sender, tuple(recipients)) for sender, recipients, _ in sink.messages}
    assert seen == {(named("owner@lists.example", r), (r,)) for r in ("a@faraway.example", "b@faraway.example")}


@pytest.mark.parametrize("disabled", ["no", "yes"])
def test_failures_name_each(make_instance, disabled):
    instance = make_instance(recipient_delimiter="+", disable_verp_bounces=disabled)
    user = instance.first_user()
    gone = [f"gone{number}@{instance.domain}" for number in (1, 2)]
    instance.command("sendmail", "-XV", "-f", user.address, *gone, stdin="Subject: x\n\nhello\n")
    reports = user.wait_for_mail(1 if disabled == "yes" else 2)
    told = sorted(re.search(rb"^To: (.*)$", report, re.M).group(1).decode() for report in reports)
    assert told == ([user.address] if disabled == "yes" else sorted(named(user.address, one) for one in gone))
