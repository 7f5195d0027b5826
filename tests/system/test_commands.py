"""The administrator's commands, as scripts written for Postfix call and parse them."""

import json
import os
import pathlib
import re
import socket
import subprocess

import pytest
from harness import TOP, run, wait_until

pytestmark = pytest.mark.programs("smtp", "showq", "prqueue", "prsuper", "prcat", "prconf", "prmap", "sendmail")

# pymailq's expressions, and those of most monitoring plugins.
MAILQ_HEAD = re.compile(r"^-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------$")
MAILQ_ITEM = re.compile(r"^([A-F0-9]{8,})([*!#]?) +(\d+) ([A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)  ?(.*)$")
MAILQ_TAIL = re.compile(r"^-- (\d+) Kbytes in (\d+) Requests?\.$")


@pytest.fixture
def stuck(make_instance):
    """An instance whose next server does not answer, with three messages waiting for it."""
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    instance = make_instance(relayhost=f"[127.0.0.1]:{closed.getsockname()[1]}")
    ids = [instance.send(f"r{n}@faraway.example") for n in range(3)]
    for queue_id in ids:
        instance.wait_for_log(queue_id + ": .* status=deferred")
    yield instance, ids
    closed.close()


def listed(instance):
    """queue id -> mark (* active, ! hold, # forced expiry, or nothing) as mailq prints them."""
    text = run(instance.root / "bin" / "mailq", "-C", instance.config_directory).stdout
    found = {}
    for line in text.splitlines():
        if match := MAILQ_ITEM.match(line):
            found[match.group(1)] = match.group(2)
    return text, found


def test_mailq_prints_what_postfix_prints(stuck):
    instance, ids = stuck
    text, found = listed(instance)
    lines = text.splitlines()
    assert MAILQ_HEAD.match(lines[0])
    assert set(found) == set(ids)
    assert MAILQ_TAIL.match(lines[-1]).group(2) == "3"
    assert re.search(r"^ *\(.*[Cc]onnection refused.*\)$", text, re.M)
    assert re.search(r"^ +r0@faraway\.example$", text, re.M)


def test_an_empty_queue_says_so(instance, user):
    instance.send(user.address)
    user.wait_for_mail()
    instance.wait_for_empty_queue()
    assert run(instance.root / "bin" / "mailq", "-C", instance.config_directory).stdout == "Mail queue is empty\n"


def test_prqueue_j_prints_one_object_per_message_in_postfixs_order(stuck):
    instance, ids = stuck
    objects = [json.loads(line) for line in instance.command("prqueue", "-j").stdout.splitlines()]
    assert {o["queue_id"] for o in objects} == set(ids)
    keys = ["queue_name", "queue_id", "arrival_time", "message_size", "forced_expire", "sender", "recipients"]
    assert all(list(o) == keys and o["queue_name"] == "deferred" for o in objects)
    assert all("refused" in o["recipients"][0]["delay_reason"] for o in objects)


def test_prsuper_holds_releases_requeues_and_deletes(stuck):
    instance, ids = stuck
    instance.command("prsuper", "-h", ids[0])
    assert listed(instance)[1][ids[0]] == "!"
    instance.command("prsuper", "-H", ids[0])
    wait_until(lambda: listed(instance)[1].get(ids[0]) in ("", "*"), "the message released")
    done = instance.command("prsuper", "-d", "-", stdin=f"{ids[1]}\n")
    assert f"{ids[1]}: removed" in done.stderr + instance.log()
    wait_until(lambda: ids[1] not in listed(instance)[1], "the message removed")
    done = instance.command("prsuper", "-d", "ALL")
    assert "Deleted: 2 messages" in done.stderr
    instance.wait_for_empty_queue()


def test_prcat_shows_envelope_and_content(stuck):
    instance, ids = stuck
    text = instance.command("prcat", "-q", ids[0]).stdout
    assert "sender: someone@elsewhere.example" in text
    assert "recipient: r0@faraway.example" in text
    assert "Subject: a letter" in text


def test_prconf_n_is_stable_and_can_be_fed_back(instance, tmp_path):
    first = instance.command("prconf", "-n").stdout
    assert "myhostname = mail.example.test\n" in first
    (tmp_path / "main.cf").write_text(first)
    (tmp_path / "master.cf").write_text(instance.master_cf_path.read_text())
    again = run(instance.root / "sbin" / "prconf", "-c", tmp_path, "-n")
    changed = f"config_directory = {instance.config_directory}\n"
    assert again.stdout.replace(f"config_directory = {tmp_path}\n", changed) == first
    assert again.stderr == ""


# As Debian's postfix package writes it, for a host named by the installer.
DEBIAN_MAIN_CF = """\
# See /usr/share/postfix/main.cf.dist for a commented, more complete version


# Debian specific:  Specifying a file name will cause the first
# line of that file to be used as the name.  The Debian default
# is /etc/mailname.
#myorigin = /etc/mailname

smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)
biff = no

# appending .domain is the MUA's job.
append_dot_mydomain = no

# Uncomment the next line to generate "delayed mail" warnings
#delay_warning_time = 4h

readme_directory = no

# See http://www.postfix.org/COMPATIBILITY_README.html -- default to 3.6 on
# fresh installs.
compatibility_level = 3.6



# TLS parameters
smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem
smtpd_tls_key_file=/etc/ssl/private/ssl-cert-snakeoil.key
smtpd_tls_security_level=may

smtp_tls_CApath=/etc/ssl/certs
smtp_tls_security_level=may
smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache


smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
myhostname = host.example.net
alias_maps = hash:/etc/aliases
alias_database = hash:/etc/aliases
mydestination = $myhostname, host.example.net, localhost.example.net, localhost
relayhost = 
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
mailbox_size_limit = 0
recipient_delimiter = +
inet_interfaces = all
inet_protocols = all
"""


def test_a_main_cf_written_by_debians_postfix_is_accepted(instance, tmp_path):
    (tmp_path / "main.cf").write_text(DEBIAN_MAIN_CF)
    (tmp_path / "master.cf").write_text((TOP / "conf" / "master.cf").read_text())
    done = run(instance.root / "sbin" / "prconf", "-c", tmp_path, "-n")
    # What Postfix knows and we do not need is said, and nothing else.
    assert all(line.endswith("(known to Postfix, without effect here)") for line in done.stderr.splitlines())
    assert "smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)\n" in done.stdout
    assert run(instance.root / "sbin" / "prconf", "-c", tmp_path, "-hx", "smtpd_banner").stdout == \
        "host.example.net ESMTP Postrider (Debian/GNU)\n"


def test_a_misspelt_parameter_draws_one_warning_that_names_the_nearest(instance, tmp_path):
    (tmp_path / "main.cf").write_text("mesage_size_limit = 1000\n")
    (tmp_path / "master.cf").write_text((TOP / "conf" / "master.cf").read_text())
    warnings = run(instance.root / "sbin" / "prconf", "-c", tmp_path).stderr.splitlines()
    assert len(warnings) == 1 and "mesage_size_limit" in warnings[0] and "message_size_limit" in warnings[0]


def test_check_names_a_bad_value_with_file_line_and_range(instance, tmp_path):
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\nmessage_size_limit = lots\n")
    (tmp_path / "master.cf").write_text((TOP / "conf" / "master.cf").read_text())
    done = run(instance.root / "sbin" / "postrider", "-c", tmp_path, "check", check=False)
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"{tmp_path}/main.cf" in text and "line 2" in text and "message_size_limit" in text


def test_the_compatibility_names_work(instance):
    compat = instance.root / "libexec" / "postfix-compat"
    assert run(compat / "postconf", "-c", instance.config_directory, "-h", "myhostname").stdout == "mail.example.test\n"
    assert run(compat / "postqueue", "-c", instance.config_directory, "-p").returncode == 0
    (instance.root / "map").write_text("key value\n")
    run(compat / "postmap", "-c", instance.config_directory, f"hash:{instance.root}/map")
    assert run(compat / "postmap", "-c", instance.config_directory, "-q", "key", f"hash:{instance.root}/map").stdout \
        == "value\n"


@pytest.mark.parametrize("words", [("prconf", "-n"), ("prqueue", "-p"), ("prmap", "-q", "x", "inline:{x=y}"), ("prcat", "-q", "A"),
                                   ("prsuper", "--nonsense"), ("pralias", "--nonsense"), ("prlog", "--nonsense"),
                                   ("postrider", "--nonsense"), ("postrider", "status"), ("sendmail", "--nonsense")],
                         ids=" ".join)
def test_a_command_without_standard_streams_ends_by_itself(instance, words):
    program = pathlib.Path(instance.command_directory) / words[0]
    environment = {**os.environ, "MAIL_CONFIG": str(instance.config_directory)}
    script = 'exec "$@" <&- >&- 2>&-'
    done = subprocess.run(["sh", "-c", script, "sh", program, *words[1:]], env=environment, timeout=60)
    assert 0 <= done.returncode < 128


def test_sendmail_bv_reports_and_delivers_nothing(instance):
    asker, asked = instance.new_user(), instance.new_user()
    instance.command("sendmail", "-bv", "-f", asker.address, asked.address, stdin="")
    report = asker.wait_for_mail()[0].decode()
    assert "Mail Delivery Status Report" in report and asked.address in report
    instance.wait_for_empty_queue()
    assert asked.files() == []
