"""The checks find what they are there to find."""

import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import documents  # noqa: E402
import layers  # noqa: E402
import tree  # noqa: E402


def test_a_room_may_include_what_its_line_allows_and_what_that_allows():
    allowed = layers.layers()
    assert layers.judge("lib/io/x.cc", "lib/base/error.h", allowed, {"smtpd"}) is None
    assert layers.judge("lib/queue/x.cc", "lib/io/stream.h", allowed, {"smtpd"}) is None


@pytest.mark.parametrize("source, target", [
    ("lib/base/x.cc", "lib/os/fd.h"),          # upwards
    ("lib/smtp/x.cc", "lib/event/loop.h"),     # a grammar with a loop
    ("lib/queue/x.cc", "smtpd/session.h"),     # lib on a process
    ("smtpd/x.cc", "cleanup/commit.h"),        # one process on another
    ("tools/x.cc", "cleanup/commit.h"),        # a command on more than parameters
])
def test_an_include_across_the_layers_is_found(source, target):
    assert layers.judge(source, target, layers.layers(), {"smtpd", "cleanup", "tools"})


def test_a_command_may_include_a_daemons_parameters():
    assert layers.judge("tools/x.cc", "cleanup/config.h", layers.layers(), {"cleanup", "tools"}) is None


@pytest.fixture
def small_tree(tmp_path, monkeypatch):
    (tmp_path / "doc").mkdir()
    (tmp_path / "smtpd").mkdir()
    (tmp_path / "smtpd" / "data.cc").write_text("// gone()\nTask<> receive(Session& s) {}\n")
    monkeypatch.setattr(tree, "TOP", tmp_path)
    return tmp_path


@pytest.mark.parametrize("line, findings", [
    ("`smtpd/data.cc`: `receive`", 0),
    ("`smtpd/data.cc`: `gone`", 1),        # only in a comment
    ("`smtpd/other.cc`: `receive`", 1),
])
def test_the_letter_names_functions_that_exist(small_tree, line, findings):
    (small_tree / "doc" / "letter.md").write_text(line + "\n")
    found, hops = documents.hop_findings("doc/letter.md")
    assert (len(found), hops) == (findings, 1)


def manifest_check(*programs):
    return subprocess.run([sys.executable, tree.TOP / "mk" / "install.py", "--check", *programs],
                          capture_output=True, text=True)


def test_a_program_that_would_not_be_installed_is_found():
    done = manifest_check("master", "stowaway")
    assert done.returncode == 1
    assert "stowaway is built but not installed" in done.stdout


DIRECTORIES = {
    "config_directory": "/etc/postrider", "queue_directory": "/var/spool/postrider",
    "data_directory": "/var/lib/postrider", "daemon_directory": "/usr/libexec/postrider",
    "command_directory": "/usr/sbin", "bin_directory": "/usr/bin",
    "compat_directory": "/usr/libexec/postrider/postfix-compat", "manpage_directory": "/usr/share/man",
    "unit_directory": "/usr/lib/systemd/system",
}


def install_into(destdir, programs):
    settings = [word for name, value in DIRECTORIES.items() for word in ("--set", f"{name}={value}")]
    subprocess.run([sys.executable, tree.TOP / "mk" / "install.py", "--programs", programs,
                    "--destdir", destdir, *settings], check=True, capture_output=True)


def test_install_under_destdir_lays_down_files_directories_and_modes(tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sendmail", "prdrop", "prconf"):
        (programs / name).write_text(name)
    root = tmp_path / "d"
    install_into(root, programs)
    mode = {p: (root / p).stat().st_mode & 0o7777 for p in (
        "usr/sbin/prdrop", "usr/sbin/sendmail", "var/spool/postrider/maildrop", "etc/postrider/main.cf")}
    assert mode == {"usr/sbin/prdrop": 0o2755, "usr/sbin/sendmail": 0o755,
                    "var/spool/postrider/maildrop": 0o1770, "etc/postrider/main.cf": 0o644}
    compat = root / "usr/libexec/postrider/postfix-compat"
    assert (compat / "postconf").resolve() == (root / "usr/sbin/prconf").resolve()
    assert not (compat / "postmap").is_symlink(), "a link to a program that is not there"
    unit = (root / "usr/lib/systemd/system/postrider.service").read_text()
    assert "ExecStart=/usr/sbin/postrider start-fg" in unit


def test_install_keeps_an_edited_configuration(tmp_path):
    (tmp_path / "etc/postrider").mkdir(parents=True)
    edited = tmp_path / "etc/postrider/main.cf"
    edited.write_text("myhostname = mine.example\n")
    install_into(tmp_path, tmp_path)
    assert edited.read_text() == "myhostname = mine.example\n"
    assert (tmp_path / "etc/postrider/main.cf.new").exists()
