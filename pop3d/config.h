// What an administrator can tell pop3d and its sessions. Postfix has no such server: parameters that Dovecot
// has too carry its names behind our prefix.
#pragma once

#include "lib/config/settings.h"
#include "lib/daemon/tls_config.h"

namespace postrider::config {
class Catalogue;
}

namespace postrider::pop3d {

struct Pop3dConfig : config::Section {
  config::Text greeting{*this, "pop3d_greeting", "$mail_name POP3 ready", {}, "The text of the greeting."};
  config::Integer client_limit{*this,
                               "pop3d_client_per_process_limit",
                               "10000",
                               {.min = 1},
                               "How many clients one pop3d process serves at a time."};
  config::Duration login_timeout{*this,
                                 "pop3d_login_timeout",
                                 "180s",
                                 {.min = 1},
                                 "How long a client may wait with its next line before it has logged in."};
  config::Integer auth_attempts{*this,
                                "pop3d_auth_attempts",
                                "3",
                                {.min = 1},
                                "After how many failed logins a client is disconnected."};
  config::Boolean disable_plaintext{
      *this, "pop3d_disable_plaintext_auth", "yes",
      "Refuse passwords in clear on connections that are not encrypted, except from "
      "this machine."};
};

struct SessionConfig : config::Section {
  config::Duration timeout{*this,
                           "pop3d_timeout",
                           "600s",
                           {.min = 600},
                           "How long a session may be idle; RFC 1939 asks for ten minutes at least."};
  config::Text mail_location{
      *this,
      "mail_location",
      "maildir:~/Maildir",
      {.min_length = 1},
      "Where users keep their mail, in Dovecot's notation; auth(8) may know better for a user."};
  config::Text uidl_format{
      *this,
      "pop3_uidl_format",
      "%08Xu%08Xv",
      {.min_length = 1},
      "How UIDLs are made; changing it makes every client fetch everything again. %u UID, %v "
      "UIDVALIDITY, %f file name, %g GUID, %m MD5 of the file name. Write $$ for a dollar sign."};
  config::Text uidl_duplicates{*this,
                               "pop3_uidl_duplicates",
                               "allow",
                               {},
                               "What to do about equal UIDLs: allow, or rename the second to <uidl>-2."};
  config::Boolean reuse_xuidl{*this, "pop3_reuse_xuidl", "no",
                              "Use the X-UIDL: header field of a message as its UIDL."};
  config::Boolean mark_seen{*this, "pop3_mark_seen", "yes", "Mark retrieved messages as seen."};
  config::Duration lock_timeout{*this,
                                "pop3_lock_timeout",
                                "5s",
                                {},
                                "How long a login waits for another session of the same user to end."};
};

void declare_pop3d(config::Catalogue& catalogue);

}  // namespace postrider::pop3d
