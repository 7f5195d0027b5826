"""Local submission: sendmail, the set-gid prdrop and what hostile callers try on them."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess

import pytest
from harness import wait_until

pytestmark = pytest.mark.programs("sendmail", "prdrop", "pickup")

LETTER = "Subject: a letter\n\nHello\n"
LARGE = LETTER + ("x" * 70 + "\n") * 1500  # more than pickup takes at its socket


def program(instance, name):
    return str(pathlib.Path(instance.command_directory) / name)


def maildrop(instance):
    return sorted(f.name for f in (pathlib.Path(instance.queue_directory) / "maildrop").iterdir())


def environment(instance, **more):
    return {"PATH": "/usr/bin:/bin", "MAIL_CONFIG": instance.config_directory, **more}


def test_recipients_come_from_the_header_with_t(instance, user):
    other = instance.new_user()
    instance.command("sendmail", "-t", "-i", stdin=f"From: me@elsewhere.example\nTo: {user.address}\n"
                     f"Bcc: {other.address}\nSubject: to both\n\n.\nafter the dot\n")
    for receiver in (user, other):
        mail = receiver.wait_for_mail()[0]
        assert b"\n.\nafter the dot\n" in mail
        assert b"Bcc:" not in mail
    assert other.address.encode() not in user.wait_for_mail()[0]


def test_a_missing_header_is_completed(instance, user):
    instance.command("sendmail", "-f", "ann@elsewhere.example", "-F", "Ann, the First", user.address, stdin="\nbody\n")
    mail = user.wait_for_mail()[0].decode()
    assert 'From: "Ann, the First" <ann@elsewhere.example>\n' in mail
    assert "\nMessage-Id: <" in mail and "\nDate: " in mail
    assert f"from userid {os.getuid()})" in mail


@pytest.mark.parametrize("arguments, status", [
    (["-n", "a@b"], 64), (["-bz"], 64), (["-Xlog"], 64), (["-qSx"], 64), ([], 64), (["-t"], 64),
    (["a@b\nRCPT TO:<c@d>"], 65)])
def test_mistakes_have_the_exit_codes_of_sysexits(instance, arguments, status):
    assert instance.command("sendmail", *arguments, stdin="", check=False).returncode == status


def test_smtp_on_standard_input(instance, user):
    done = instance.command("sendmail", "-bs", stdin=f"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<{user.address}>\r\n"
                            "DATA\r\nSubject: by -bs\r\n\r\n..dot\r\n.\r\nQUIT\r\n")
    assert "250 2.0.0 Ok" in done.stdout
    assert b"\n\n.dot\n" in user.wait_for_mail()[0]


def test_a_message_over_the_limit_is_refused_and_leaves_nothing(make_instance):
    instance = make_instance(message_size_limit=10000)
    done = instance.command("sendmail", "root", stdin=LETTER + "x" * 20000, check=False)
    assert done.returncode == 69 and "message file too big" in done.stderr
    assert maildrop(instance) == []


def test_a_sendmail_that_is_killed_half_way_submits_nothing(instance, user):
    mark = instance.log_mark()
    child = subprocess.Popen([program(instance, "sendmail"), user.address], stdin=subprocess.PIPE,
                             env=environment(instance), stderr=subprocess.DEVNULL)
    child.stdin.write(b"Subject: half\n\n" + b"x" * 100000)
    child.stdin.flush()
    wait_until(lambda: any(n.startswith("t") for n in maildrop(instance)), "an unfinished submission")
    child.kill()
    child.wait()
    wait_until(lambda: maildrop(instance) == [], lambda: f"an empty maildrop, not {maildrop(instance)}")
    assert "uid=" not in instance.log(mark)


def test_a_prdrop_that_is_told_to_end_removes_its_file(instance):
    child = subprocess.Popen([program(instance, "sendmail"), "somebody@example.com"], stdin=subprocess.PIPE,
                             env=environment(instance), stderr=subprocess.PIPE, text=True)
    child.stdin.write(LARGE)
    child.stdin.flush()
    wait_until(lambda: any(n.startswith("t") for n in maildrop(instance)), "an unfinished submission")
    children = pathlib.Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGTERM)
    child.communicate("x" * 500_000)
    assert child.returncode == 75
    assert maildrop(instance) == []


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_descriptors_break_nothing(instance, user, closed):
    redirect = " ".join(f"{fd}>&-" for fd in closed if fd) + (" 0<&-" if 0 in closed else "")
    given = "" if 0 in closed else LETTER
    done = subprocess.run(["sh", "-c", f"exec {program(instance, 'sendmail')} {user.address} {redirect}"],
                          input=given, text=True, env=environment(instance), capture_output=True)
    assert done.returncode == 0  # an empty message is a message
    mail = user.wait_for_mail()[0]
    assert (b"Hello" in mail) == (0 not in closed)
    done = subprocess.run(["sh", "-c", f"exec {program(instance, 'prdrop')} {redirect}"], input="",
                          text=True, env=environment(instance), capture_output=True)
    assert done.returncode in (65, 75)


def test_limits_of_the_caller_make_the_submission_fail_and_not_shrink(instance, user):
    done = subprocess.run(["sh", "-c", f"ulimit -f 1; exec {program(instance, 'sendmail')} {user.address}"],
                          input=LETTER + "x" * 100000, text=True, env=environment(instance), capture_output=True)
    assert done.returncode in (69, 75)
    wait_until(lambda: maildrop(instance) == [], "an empty maildrop")


@pytest.mark.parametrize("garbage", [b"", b"\xff\xff\xff\xff", b"\x02\0\0\0E\1", os.urandom(5000)])
def test_prdrop_refuses_what_is_no_submission(instance, garbage):
    done = subprocess.run([program(instance, "prdrop"), "-r"], input=garbage, env=environment(instance),
                          capture_output=True)
    assert done.returncode == 65
    assert maildrop(instance) == []


@pytest.mark.root
def test_a_caller_without_an_account_is_told_so(instance):
    """The programs are linked statically and cannot load the databases that would be asked last."""
    done = subprocess.run([program(instance, "sendmail"), "a@elsewhere.example"], input=LETTER, text=True,
                          capture_output=True, env=environment(instance), user=54321, group=54321, extra_groups=[])
    assert done.returncode == 71, done.stderr
    assert "unable to find a login name for user ID 54321" in done.stderr


@pytest.mark.root
def test_an_ordinary_user_submits_by_the_set_gid_program_and_only_where_allowed(instance, user, tmp_path):
    """In a mount namespace of its own, whose /etc names our configuration directory as an alternate one."""
    if not shutil.which("unshare") or not shutil.which("setpriv"):
        pytest.skip("needs unshare and setpriv")
    if not pathlib.Path(program(instance, "prdrop")).stat().st_mode & 0o2000:
        pytest.skip("prdrop is not set-gid here")
    etc = tmp_path / "etc"
    shutil.copytree("/etc", etc, symlinks=True, ignore_dangling_symlinks=True)
    installed = etc / "postrider"
    installed.mkdir(exist_ok=True)
    tmp_path.chmod(0o755)
    etc.chmod(0o755)
    script = (f"mount --bind {etc} /etc && exec setpriv --reuid=65534 --regid=65534 --clear-groups "
              f"{program(instance, 'sendmail')} -f nobody@elsewhere.example {user.address}")

    def submit(main_cf):
        (installed / "main.cf").write_text(main_cf)
        return subprocess.run(["unshare", "-m", "sh", "-c", script], input=LARGE, text=True,
                              env=environment(instance, LD_LIBRARY_PATH="/nowhere", IFS="x"), capture_output=True)

    refused = submit("compatibility_level = 3.6\n")
    if "unshare" in refused.stderr or "mount" in refused.stderr:
        pytest.skip("no mount namespaces here")
    assert refused.returncode != 0 and "alternate_config_directories" in refused.stderr
    allowed = submit(f"compatibility_level = 3.6\nalternate_config_directories = {instance.config_directory}\n")
    assert allowed.returncode == 0, allowed.stderr
    assert b"from userid 65534)" in user.wait_for_mail()[0]


def reach_pickup(instance):
    """A connection to its socket. It may have been told to finish, by a reload; a letter brings the next."""
    client = socket.socket(socket.AF_UNIX)
    instance.command("sendmail", "-f", "", instance.first_user().address, stdin=LETTER)

    def connects():
        return client.connect_ex(str(pathlib.Path(instance.queue_directory) / "submit" / "pickup")) == 0
    wait_until(connects, "pickup at its socket")
    return client


def as_nobody(instance, letter, receiver):
    return subprocess.run([program(instance, "sendmail"), receiver.address], input=letter, text=True, user=65534,
                          group=65534, extra_groups=[], capture_output=True, env=environment(instance))


@pytest.mark.root
def test_a_small_letter_needs_neither_prdrop_nor_a_file(instance, user):
    reach_pickup(instance).close()
    prdrop = pathlib.Path(program(instance, "prdrop"))
    away = prdrop.rename(prdrop.with_name("away"))
    try:
        done = as_nobody(instance, LETTER, user)
        assert done.returncode == 0, done.stderr
        large = as_nobody(instance, LARGE, user)
        assert large.returncode == 71 and "prdrop cannot be run" in large.stderr
    finally:
        away.rename(prdrop)
    assert b"from userid 65534)" in user.wait_for_mail()[0]
    assert maildrop(instance) == []


@pytest.mark.root
def test_who_may_not_submit_is_refused_whatever_the_way(make_instance):
    instance = make_instance(authorized_submit_users="root")
    user = instance.first_user()
    for letter in (LETTER, LARGE):
        done = as_nobody(instance, letter, user)
        assert done.returncode != 0, done.stderr
    instance.command("sendmail", user.address, stdin=LETTER)
    assert len(user.wait_for_mail()) == 1


def test_submissions_of_a_stopped_system_wait_in_maildrop(make_instance):
    instance = make_instance()
    user = instance.first_user()
    instance.command("postrider", "stop")
    instance.command("sendmail", user.address, stdin=LETTER)
    assert len(maildrop(instance)) == 1
    instance.command("postrider", "start")
    user.wait_for_mail()


def test_a_client_that_says_nothing_holds_up_nobody(instance, user):
    """It has a connection to pickup until its time is over."""
    idle = []
    try:
        for _ in range(40):
            idle.append(reach_pickup(instance))
        instance.command("sendmail", user.address, stdin=LETTER)
    finally:
        for client in idle:
            client.close()
    user.wait_for_mail()


def test_a_flood_of_submissions_is_taken_whole(instance, user):
    children = [subprocess.Popen([program(instance, "sendmail"), user.address], stdin=subprocess.PIPE,
                                 env=environment(instance)) for _ in range(40)]
    for child in children:
        child.communicate(LETTER.encode())
    assert all(child.returncode == 0 for child in children)
    user.wait_for_mail(40)
