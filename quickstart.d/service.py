"""Starting, stopping and asking after an instance, through its own `postrider` command."""

import os
import signal
import socket
import subprocess
import time

from say import Failure, say, step

PATIENCE = 30.0


def postrider(root, action, check=True):
    command = [str(root.file("sbin", "postrider")), "-c", str(root.etc), action]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(command)} failed ({done.returncode}):\n{done.stdout}{done.stderr}"
                      + last_log(root))
    return done


def last_log(root, lines=15):
    if not root.log.exists():
        return ""
    text = root.log.read_text(errors="replace").splitlines()[-lines:]
    return "the end of its log:\n" + "".join(f"  {line}\n" for line in text)


def wait_until(condition, what, root, patience=PATIENCE):
    deadline = time.monotonic() + patience
    pause = 0.002
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise Failure(f"{what} did not happen within {patience:.0f} s; " + last_log(root))
        time.sleep(pause)
        pause = min(pause * 2, 0.1)
    return result


def greets(port):
    """A plain-text service that says something; an encrypted one that accepts."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as client:
            client.settimeout(2)
            return bool(client.recv(1))
    except OSError:
        return False


def start(root, services):
    postrider(root, "start")
    wait_until(root.master_pid, "the start of master", root)
    for service in services:
        if service in ("smtp", "pop3", "imap"):
            port = root.state["ports"][service]
            wait_until(lambda: greets(port), f"a greeting from {service} on port {port}", root)


def stop(root):
    pid = root.master_pid()
    if pid is None:
        return False
    done = postrider(root, "stop", check=False)
    if done.returncode != 0:
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: root.master_pid() is None, "the end of master", root)
    return True


def bring_up(root, changes, services):
    """Starts what is down, restarts what has new programs or listeners, reloads what has new settings."""
    programs, listeners, settings = changes
    running = root.master_pid()
    if running and not programs and not listeners:
        if settings:
            step("reloading the configuration")
            postrider(root, "reload")
        else:
            step(f"already running (master is process {running})")
        return
    if running:
        step("restarting with the new programs" if programs else "restarting with the new services")
        stop(root)
    else:
        step("starting")
    start(root, services)
    say(f"           master is process {root.master_pid()}, its log is {root.log}")
