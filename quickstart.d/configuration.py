"""The files of an instance: main.cf, master.cf, tables, users, certificates, programs.

Every file is written only when its text changes, so that a second run finds nothing to do.
"""

import os
import pathlib
import pwd
import subprocess

from paths import TOP  # first: it makes install known
import install
from root import DOMAIN, HOST
from say import Failure


def write(path, text, mode=0o644, owner=None):
    """True when the file was not so before."""
    same = path.exists() and path.read_text() == text
    if not same:
        new = path.with_name(path.name + ".new")
        new.unlink(missing_ok=True)
        new.touch(mode=mode)
        new.write_text(text)
        os.replace(new, path)
    os.chmod(path, mode)
    if owner and os.geteuid() == 0:
        os.chown(path, pwd.getpwnam(owner).pw_uid, pwd.getpwnam(owner).pw_gid)
    return not same


def install_programs(root, built):
    """As `make install` would, into the instance's directory; as root it makes the accounts."""
    if root.as_root:
        install.create_accounts()
    directories = {
        "config_directory": root.etc, "queue_directory": root.spool, "data_directory": root.file("data"),
        "daemon_directory": root.file("libexec"), "command_directory": root.file("sbin"),
        "bin_directory": root.file("bin"), "compat_directory": root.file("libexec", "postfix-compat"),
        "unit_directory": root.file("share"),
    }
    before = {p: p.stat().st_ino for p in root.file("libexec").glob("*")} if root.file("libexec").exists() else {}
    install.install(str(built), {k: str(v) for k, v in directories.items()},
                    kinds=("dir", "place", "program", "link", "data"), hard_links=True)
    after = {p: p.stat().st_ino for p in root.file("libexec").glob("*")}
    return before != after


def services(root):
    """The services whose programs are installed."""
    have = {p.name for p in root.file("libexec").glob("*")}
    found = []
    if {"smtpd", "cleanup", "qmgr"} <= have:
        found += ["smtp", "submission", "submissions"]
    if "pop3d" in have:
        found += ["pop3", "pop3s"]
    if "imapd" in have:
        found += ["imap", "imaps"]
    return found


def main_cf(root):
    mail = root.file("mail")
    settings = {
        "compatibility_level": "3.6",
        "queue_directory": root.spool,
        "data_directory": root.file("data"),
        "daemon_directory": root.file("libexec"),
        "command_directory": root.file("sbin"),
        "mailq_path": root.file("bin", "mailq"),
        "newaliases_path": root.file("bin", "newaliases"),
        "maillog_file": root.log,
        "maillog_file_prefixes": root.file("log"),
        "myhostname": HOST,
        "mydomain": DOMAIN,
        "mydestination": "$myhostname, localhost.$mydomain, localhost",
        "inet_interfaces": "loopback-only",
        "inet_protocols": "ipv4",
        "mynetworks": "127.0.0.0/8",
        "alias_maps": f"hash:{root.etc}/aliases",
        "alias_database": f"hash:{root.etc}/aliases",
        "virtual_mailbox_domains": DOMAIN,
        "virtual_mailbox_base": mail,
        "virtual_mailbox_maps": f"texthash:{root.etc}/mailboxes",
        "virtual_uid_maps": f"texthash:{root.etc}/owners",
        "virtual_gid_maps": f"texthash:{root.etc}/owners",
        "virtual_minimum_uid": "1",
        "smtpd_tls_chain_files": root.file("tls", "server.pem"),
        "smtpd_tls_security_level": "may",
    }
    if not root.as_root:
        me = pwd.getpwuid(os.getuid()).pw_name
        settings |= {"mail_owner": me, "default_privs": me}
    settings |= root.state["set"]
    return "# Written by quickstart; --set name=value changes it.\n" + \
        "".join(f"{name} = {value}\n" for name, value in settings.items())


def inet_services(root, have):
    ports = root.state["ports"]
    sasl = "  -o smtpd_sasl_auth_enable=yes\n" \
           "  -o smtpd_client_restrictions=permit_sasl_authenticated,reject\n"
    lines = {
        "smtp": ("smtpd", ""),
        "submission": ("smtpd", "  -o syslog_name=postfix/submission\n"
                                "  -o smtpd_tls_security_level=encrypt\n" + sasl),
        "submissions": ("smtpd", "  -o syslog_name=postfix/submissions\n"
                                 "  -o smtpd_tls_wrappermode=yes\n" + sasl),
        "pop3": ("pop3d", ""),
        "pop3s": ("pop3d", "  -o pop3d_tls_wrappermode=yes\n"),
        "imap": ("imapd", ""),
        "imaps": ("imapd", "  -o imapd_tls_wrappermode=yes\n"),
    }
    return "".join(f"127.0.0.1:{ports[s]} inet n - - - - {lines[s][0]}\n{lines[s][1]}"
                   for s in have if s in lines)


def master_cf(root, have):
    """The installed master.cf with the instance's own listeners, and no service without its program."""
    programs = {p.name for p in root.file("libexec").glob("*")}
    kept, skip = [], False
    for line in (TOP / "conf" / "master.cf").read_text().splitlines(keepends=True):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if not line[0].isspace():
            skip = words[1] == "inet" or words[7] not in programs
        if not skip:
            kept.append(line)
    return "# Written by quickstart.\n" + inet_services(root, have) + "".join(kept)


def crypted(password):
    done = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=password, capture_output=True, text=True,
                          check=True)
    return done.stdout.strip()


def write_users(root):
    """The password file, the mailbox table, the owners' table, and each user's directory."""
    changed = False
    lines = []
    for address, user in root.state["users"].items():
        home = root.mail_directory(address)
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)
        if root.as_root:
            os.chown(home, user["uid"], user["gid"])
        # The salt is random, so the hash is made once and kept.
        if user.get("hash_of") != user["password"]:
            user["crypt"], user["hash_of"] = crypted(user["password"]), user["password"]
        lines.append(f"{address}:{{SHA512-CRYPT}}{user['crypt']}:{user['uid']}:{user['gid']}::{home}::\n")
    users = root.state["users"]
    secret = "prkeys" if root.as_root else None
    changed |= write(root.etc / "passwd", "".join(lines), 0o400 if root.as_root else 0o600, secret)
    changed |= write(root.etc / "mailboxes", "".join(
        f"{a} {a.split('@')[1]}/{a.split('@')[0]}/Maildir/\n" for a in users))
    changed |= write(root.etc / "owners", "".join(f"{a} {u['uid']}\n" for a, u in users.items()))
    if write(root.etc / "aliases", "postmaster: " + root.user + "\n") or not (root.etc / "aliases.db").exists():
        root.aliases_changed = True
    root.save()
    return changed


def build_aliases(root):
    """hash: tables are read from their built form; what builds them needs main.cf."""
    pralias = root.file("sbin", "pralias")
    if root.aliases_changed and pralias.exists():
        done = subprocess.run([pralias, "-c", root.etc, f"hash:{root.etc}/aliases"], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"pralias failed:\n{done.stderr}")


def openssl(*arguments, **more):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise Failure(f"openssl {arguments[0]} failed:\n{done.stderr}")


def make_certificates(root):
    """A certificate authority of the instance's own, and the server's key and chain signed by it."""
    tls = root.file("tls")
    chain = tls / "server.pem"
    if chain.exists():
        return
    names = f"subjectAltName=DNS:{HOST},DNS:{DOMAIN},DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *curve, "-days", "3650", "-subj", "/CN=Postrider quickstart CA",
            "-keyout", tls / "ca.key", "-out", tls / "ca.pem")
    openssl("req", *curve, "-subj", f"/CN={HOST}", "-keyout", tls / "server.key", "-out", tls / "server.csr")
    (tls / "names").write_text(names)
    openssl("x509", "-req", "-in", tls / "server.csr", "-CA", tls / "ca.pem", "-CAkey", tls / "ca.key",
            "-CAcreateserial", "-days", "3650", "-extfile", tls / "names", "-out", tls / "server.crt")
    text = (tls / "server.key").read_text() + (tls / "server.crt").read_text()
    for left in ("server.csr", "names", "ca.srl", "server.key", "server.crt"):
        (tls / left).unlink(missing_ok=True)
    (tls / "ca.key").chmod(0o600)
    write(chain, text, 0o400 if root.as_root else 0o600, "prkeys" if root.as_root else None)


def write_all(root, built):
    """(programs changed, master.cf changed, anything else changed)"""
    programs = install_programs(root, built)
    make_certificates(root)
    users = write_users(root)
    main = write(root.etc / "main.cf", main_cf(root))
    master = write(root.etc / "master.cf", master_cf(root, services(root)))
    build_aliases(root)
    return programs, master, users or main
