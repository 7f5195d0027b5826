// What an administrator can tell auth. Postfix leaves users and passwords to others, so most of these
// names are our own; those of Postfix keep their meaning.
#pragma once

#include "lib/config/settings.h"

namespace postrider::config {
class Catalogue;
}

namespace postrider::auth {

// Whom the process serves.
enum class Protocol {
  postrider,  // lib/protocol/auth.h
  dovecot,    // Dovecot's auth-client protocol, for programs of others
};

struct AuthConfig : config::Section {
  config::Enum<Protocol> protocol{
      *this,
      "auth_protocol",
      "postrider",
      {{"postrider", Protocol::postrider}, {"dovecot", Protocol::dovecot}},
      "The protocol that a service of auth speaks, set with -o in master.cf: postrider "
      "for the other daemons, dovecot for programs that ask Dovecot for logins."};
  config::List databases{
      *this,
      "auth_databases",
      "passwd-file:$config_directory/passwd, system",
      {.max_items = 20},
      "Where users and passwords are, in the order they are asked: passwd-file:/file (Dovecot's "
      "format), system (/etc/shadow), pam. The first that knows a user decides."};
  config::List mechanisms{
      *this,
      "auth_mechanisms",
      "PLAIN LOGIN",
      {.max_items = 32},
      "SASL mechanisms in order of preference. CRAM-MD5 needs passwords stored as {PLAIN}, "
      "SCRAM-SHA-1 and SCRAM-SHA-256 those or their own scheme."};
  config::Text realm{
      *this,
      "smtpd_sasl_local_domain",
      "",
      {.max_length = 255},
      "The domain that is appended to login names without one that are not known as they are."};
  config::Duration failure_delay{*this,
                                 "auth_failure_delay",
                                 "2s",
                                 {.max = 60},
                                 "How long the answer to a failed login is held back; doubled with each "
                                 "further failure from the same address."};
  config::Duration failure_delay_limit{
      *this, "auth_failure_delay_limit", "15s", {.max = 300}, "The most that auth_failure_delay grows to."};
  config::Integer worker_threads{*this,
                                 "auth_worker_threads",
                                 "4",
                                 {.min = 1, .max = 64},
                                 "How many passwords are verified at the same time."};
  config::Integer queue_limit{*this,
                              "auth_queue_limit",
                              "500",
                              {.min = 1, .max = 100'000},
                              "How many verifications may wait; beyond that logins fail temporarily."};
  config::Text default_uid{*this,
                           "auth_default_uid",
                           "",
                           {.max_length = 32},
                           "The uid, or an account's name, of users whose database says none."};
  config::Text default_gid{*this,
                           "auth_default_gid",
                           "",
                           {.max_length = 32},
                           "The gid, or a group's name, of users whose database says none."};
  config::Text default_home{
      *this,
      "auth_default_home",
      "",
      {.max_length = 4096},
      "The home directory of users whose database says none. %u is the user, %n the part "
      "before @, %d the domain."};
  config::Text default_mail{
      *this,
      "auth_default_mail",
      "",
      {.max_length = 4096},
      "Where users keep their mail, if their database does not say; empty: mail_location."};
  config::Integer system_minimum_uid{
      *this, "auth_system_minimum_uid", "500", {.min = 1}, "System accounts below this uid cannot log in."};
  config::Text pam_service{*this,
                           "auth_pam_service",
                           "smtp",
                           {.min_length = 1, .max_length = 64},
                           "The PAM service, a file in /etc/pam.d, that the database pam asks."};
};

void declare_auth(config::Catalogue& catalogue);

}  // namespace postrider::auth
