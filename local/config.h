// What an administrator can tell local, virtual and pipe, under Postfix's names.
#pragma once

#include "lib/config/common.h"
#include "lib/config/settings.h"

namespace postrider::local {

// Of every agent that writes mbox files or runs commands.
struct DeliveryConfig : config::Section {
  config::Integer lock_attempts{*this,
                                "deliver_lock_attempts",
                                "20",
                                {.min = 1, .max = 100'000},
                                "How often to try to lock a mailbox file before the mail is deferred."};
  config::Duration lock_delay{
      *this, "deliver_lock_delay", "1s", {.min = 1}, "The time between two attempts to lock a mailbox file."};
  config::Duration stale_lock{*this,
                              "stale_lock_time",
                              "500s",
                              {.min = 1},
                              "The age at which a lock file beside a mailbox counts as left behind."};
  config::Duration command_time_limit{
      *this, "command_time_limit", "1000s", {.min = 1}, "How long a command that gets mail may run."};
};

struct LocalConfig : config::Section {
  static constexpr const char* harmless =
      "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

  config::List allow_commands{*this,
                              "allow_mail_to_commands",
                              "alias, forward",
                              {},
                              "Where |command is obeyed: alias, forward, include."};
  config::List allow_files{
      *this, "allow_mail_to_files", "alias, forward", {}, "Where /file is obeyed: alias, forward, include."};
  config::RawText command_directory{
      *this,
      "command_execution_directory",
      "",
      {},
      "The directory in which commands of users run; may use $home and the like."};
  config::Text command_filter{*this,
                              "command_expansion_filter",
                              harmless,
                              {.min_length = 1},
                              "Characters that $name expansions in mailbox_command and in the environment of "
                              "commands may hold; others become _."};
  config::Text directory_filter{*this,
                                "execution_directory_expansion_filter",
                                harmless,
                                {.min_length = 1},
                                "The same for command_execution_directory."};
  config::Text forward_filter{
      *this, "forward_expansion_filter", harmless, {.min_length = 1}, "The same for forward_path."};
  config::RawText forward_path{*this,
                               "forward_path",
                               "$home/.forward${recipient_delimiter}${extension}, $home/.forward",
                               {},
                               "Files of a user that say where his mail goes; the first that exists counts."};
  config::Text home_mailbox{
      *this, "home_mailbox", "", {}, "A mailbox below the home directory; with / at the end a Maildir."};
  config::Text spool{*this,
                     "mail_spool_directory",
                     "/var/mail",
                     {.min_length = 1},
                     "Where mailboxes are when home_mailbox is empty; with / at the end they are Maildirs."};
  config::RawText mailbox_command{
      *this, "mailbox_command", "", {}, "A command that takes the mail of every user instead of a mailbox."};
  config::List mailbox_command_maps{
      *this, "mailbox_command_maps", "", {}, "Tables of such commands by recipient."};
  config::List mailbox_lock{*this,
                            "mailbox_delivery_lock",
                            "fcntl, dotlock",
                            {},
                            "How mailbox files are locked, in this order: fcntl, flock, dotlock."};
  config::Text mailbox_transport{*this,
                                 "mailbox_transport",
                                 "",
                                 {},
                                 "The transport:nexthop that delivers to mailboxes of users, known or not."};
  config::List mailbox_transport_maps{
      *this, "mailbox_transport_maps", "", {}, "Tables of such transports by recipient."};
  config::Text fallback_transport{
      *this, "fallback_transport", "", {}, "The transport:nexthop for names that are no user here."};
  config::List fallback_transport_maps{
      *this, "fallback_transport_maps", "", {}, "Tables of such transports by recipient."};
  config::RawText luser_relay{
      *this, "luser_relay", "", {}, "The address that gets mail for names that are no user here."};
  config::Boolean owner_request_special{
      *this, "owner_request_special", "yes",
      "Whether owner-list and list-request are special: never split, and owner-list is the sender of "
      "mail to list."};
  config::Boolean expand_owner{
      *this, "expand_owner_alias", "no",
      "Whether the sender of mail to list is what owner-list stands for, if that is one address, instead of "
      "owner-list itself."};
  config::List prepend_delivered{*this,
                                 "prepend_delivered_header",
                                 "command, file, forward",
                                 {},
                                 "Deliveries that get a Delivered-To: header field, which stops mail loops."};
  config::Boolean require_home{*this, "require_home_directory", "no",
                               "Defer mail of users whose home directory does not exist."};
  config::Boolean strict_ownership{*this, "strict_mailbox_ownership", "yes",
                                   "Refuse a mailbox file that does not belong to its user."};
};

struct VirtualConfig : config::Section {
  config::Text base{*this,
                    "virtual_mailbox_base",
                    "",
                    {},
                    "The directory that what virtual_mailbox_maps says is below of."};
  config::Integer minimum_uid{
      *this, "virtual_minimum_uid", "100", {.min = 1}, "The least uid that virtual_uid_maps may say."};
  config::List uid_maps{*this, "virtual_uid_maps", "", {}, "Tables of the owners' uids by recipient."};
  config::List gid_maps{*this, "virtual_gid_maps", "", {}, "Tables of the owners' gids by recipient."};
  config::List mailbox_lock{*this,
                            "virtual_mailbox_lock",
                            "fcntl, dotlock",
                            {},
                            "How virtual mailbox files are locked, in this order: fcntl, flock, dotlock."};
};

struct PipeConfig : config::Section {
  config::Duration time_limit{*this,
                              "pipe_time_limit",
                              "$command_time_limit",
                              {.min = 1},
                              "How long the command of a pipe service may run."};
  config::PerService<config::Duration> service_time_limit{*this, "_time_limit", time_limit, {"pipe"}};
};

}  // namespace postrider::local

namespace postrider::config {
class Catalogue;
}

namespace postrider::local {
void declare_local(config::Catalogue& catalogue);
}
