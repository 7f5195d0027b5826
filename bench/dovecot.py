"""Dovecot as a POP3 server: its defaults, but for login processes that serve many clients, as its documentation advises
for speed. A session has a process of its own, since each mailbox has an owner of its own."""

import os
import subprocess

from measure import wait_until
from peers import Packages

from servers import DOMAIN, FIRST_UID, PASSWORD, Server, free_port, greeting

CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log/maillog
protocols = pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_login_user = dovenull
default_internal_user = dovecot
mail_location = maildir:~/Maildir
first_valid_uid = 1
mail_max_userip_connections = 100
maildir_very_dirty_syncs = yes
passdb {{
  driver = passwd-file
  args = scheme=SHA512-CRYPT {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
service pop3-login {{
  service_count = 0
  process_min_avail = 2
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service pop3 {{
  process_limit = 200
}}
"""


class Dovecot(Server):
    name, label = "dovecot", "Dovecot"
    traced = False  # perf does not follow the processes of its sessions: far fewer calls than there are messages
    package = Packages("dovecot-pop3d")

    def inside(self, command):
        return self.package.inside(command)

    def configure(self):
        self.package.fetch()
        self.pop3 = free_port(())
        for name in ("run", "state", "log"):
            (self.folder / name).mkdir()
        crypted = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, capture_output=True, text=True,
                                 check=True).stdout.strip()
        users = ""
        for number in range(self.setup.users):
            uid, home = FIRST_UID + number, self.user_folder(number)
            home.mkdir(parents=True, mode=0o700)
            os.chown(home, uid, uid)
            users += f"u{number}@{DOMAIN}:{crypted}:{uid}:{uid}::{home}::\n"
        (self.folder / "users").write_text(users)
        (self.folder / "dovecot.conf").write_text(CONFIGURATION.format(folder=self.folder, port=self.pop3))

    def start(self):
        self.launch(["/usr/sbin/dovecot", "-c", self.folder / "dovecot.conf"])
        wait_until(lambda: greeting(self.pop3), "a greeting from Dovecot")
