"""The mail system as its administrator and a service manager handle it."""

import os
import pathlib
import signal
import socket
import subprocess

import pytest
from harness import Lines, wait_until


@pytest.fixture(scope="module")
def own(make_lasting_instance):
    return make_lasting_instance()


@pytest.fixture
def running(own):
    yield own
    if own.command("postrider", "status", check=False).returncode != 0:
        own.command("postrider", "start")


@pytest.fixture
def master_cf(running):
    path = running.master_cf_path
    text = path.read_text()
    yield path
    path.write_text(text)
    running.command("postrider", "reload")


def master_pid(instance):
    return int((pathlib.Path(instance.queue_directory) / "pid" / "master.pid").read_text())


def greeting(instance):
    with Lines(instance.smtp) as client:
        return client.reply("220")


def test_start_stop_and_status_say_what_postfix_says(running):
    pid = master_pid(running)
    done = running.command("postrider", "status")
    assert done.stderr == f"postfix/postfix-script: the Postfix mail system is running: PID: {pid}\n"
    done = running.command("postrider", "start", check=False)
    assert done.returncode == 1 and "fatal: the Postfix mail system is already running" in done.stderr
    mark = running.log_mark()
    assert "stopping the Postfix mail system" in running.command("postrider", "stop").stderr
    log = running.log(mark)
    assert f"postfix/master[{pid}]: terminating on signal 15" in log
    assert "postfix/postfix-script[" in log
    done = running.command("postrider", "status", check=False)
    assert done.returncode == 1 and "the Postfix mail system is not running" in done.stderr
    for action in ("stop", "reload", "abort", "flush"):
        done = running.command("postrider", action, check=False)
        assert done.returncode == 1 and "fatal: the Postfix mail system is not running" in done.stderr
    mark = running.log_mark()
    assert "starting the Postfix mail system" in running.command("postrider", "start").stderr
    assert f"daemon started -- version " in running.log(mark)
    greeting(running)


def test_abort_ends_every_process_at_once(running):
    client = Lines(running.smtp)
    client.reply("220")
    running.command("postrider", "abort")
    assert client.read_to_end() == b""
    client.close()


def test_a_killed_master_takes_its_children_along_and_the_next_start_serves(running):
    client = Lines(running.smtp)
    client.reply("220")
    os.kill(master_pid(running), signal.SIGKILL)
    assert b"250" not in client.read_to_end()
    client.close()
    running.command("postrider", "start")
    greeting(running)


def test_a_configuration_with_mistakes_is_refused_and_the_former_serves_on(running, master_cf):
    pid = master_pid(running)
    master_cf.write_text(master_cf.read_text() + "nosuchport inet n - n - - smtpd\n")
    mark = running.log_mark()
    os.kill(pid, signal.SIGHUP)
    wait_until(lambda: "reload refused" in running.log(mark), running.log_tail)
    assert 'master.cf: line ' in running.log(mark) and 'unknown port "nosuchport"' in running.log(mark)
    greeting(running)
    done = running.command("postrider", "check", check=False)
    assert done.returncode == 1 and 'unknown port "nosuchport"' in done.stderr


def test_check_names_the_command_that_mends_a_mode(running):
    directory = pathlib.Path(running.queue_directory) / "hold"
    directory.chmod(0o777)
    line = next(l for l in running.command("postrider", "check").stderr.splitlines() if str(directory) in l)
    assert line.startswith("postfix/postfix-script: warning: group or other writable: ")
    mend = line.split("(to mend: ", 1)[1].rstrip(")")
    subprocess.run(mend.split(), check=True)
    assert directory.stat().st_mode & 0o7777 == 0o700
    assert str(directory) not in running.command("postrider", "check").stderr


def test_missing_queue_directories_are_made_at_start(running):
    running.command("postrider", "stop")
    directory = pathlib.Path(running.queue_directory) / "hold"
    directory.rmdir()
    running.command("postrider", "start")
    assert directory.stat().st_mode & 0o7777 == 0o700
    assert directory.stat().st_uid == (directory.parent / "active").stat().st_uid


def test_a_service_manager_hears_of_start_reload_and_stop(running, tmp_path):
    running.command("postrider", "stop")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(30)
    process = subprocess.Popen(
        [pathlib.Path(running.command_directory) / "postrider", "-c", running.config_directory, "start-fg"],
        env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}, stdin=subprocess.DEVNULL)
    try:
        assert manager.recv(4096) == b"READY=1"
        assert master_pid(running) == process.pid
        greeting(running)
        running.command("postrider", "reload")
        assert manager.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert manager.recv(4096) == b"READY=1"
        process.terminate()
        assert manager.recv(4096) == b"STOPPING=1"
        assert process.wait(30) == 0
    finally:
        process.kill()
        manager.close()


def test_a_reload_lets_go_of_a_log_that_was_renamed(running):
    log = pathlib.Path(running.log_file)
    former = log.with_name("former")
    log.rename(former)
    running.command("postrider", "reload")
    wait_until(lambda: "reload -- version" in running.log(), lambda: former.read_text()[-2000:])
    greeting(running)
    wait_until(lambda: "smtpd[" in running.log(), running.log_tail)
