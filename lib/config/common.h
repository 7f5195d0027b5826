// The parameters that several programs read, in small sections by theme; a program loads those it needs
// beside its own. Names, defaults and meanings are Postfix's. Their defaults are known to every Values.
#pragma once

#include "lib/config/settings.h"

namespace postrider::config {

class Catalogue;

// Who this system is in mail.
struct Identity : Section {
  Text myhostname{*this,
                  "myhostname",
                  {host_name, "the host name, with $mydomain if it has no dot"},
                  {.min_length = 1},
                  "The internet host name of this mail system."};
  Text mydomain{*this,
                "mydomain",
                {domain_name, "$myhostname without its first label"},
                {.min_length = 1},
                "The internet domain of this mail system."};
  Text myorigin{
      *this,
      "myorigin",
      "$myhostname",
      {.min_length = 1},
      "The domain that mail sent on this machine appears to come from; /file reads it from a file."};
  Text mail_name{*this,
                 "mail_name",
                 "Postrider",
                 {},
                 "The name of this mail system in greetings and Received: header fields."};
  Text mail_version{*this,
                    "mail_version",
                    {version, "the version of this program"},
                    {},
                    "The version of this mail system."};
  Text mail_release_date{*this,
                         "mail_release_date",
                         {release_date, "the date of this version"},
                         {},
                         "The release date of this mail system, as YYYYMMDD."};
  Text multi_instance_name{
      *this, "multi_instance_name", "", {}, "The name of this instance among several on one machine."};
  Text compatibility_level{
      *this,
      "compatibility_level",
      "0",
      {},
      "Defaults that changed since this level keep their former value below it: 0, 1, 2, 3.6, 3.11."};

  static std::string host_name(const Values& values);
  static std::string domain_name(const Values& values);
  static std::string version(const Values& values);
  static std::string release_date(const Values& values);
};

// What a running process is; mostly for $name in other parameters.
struct Process : Section {
  Text process_name{*this, "process_name", {name, "the name of the program"}, {}, "The name of the program."};
  Text process_id{*this, "process_id", {id, "the process id"}, {}, "The process id."};
  Text service_name{
      *this, "service_name", "", {}, "The name of the service in master.cf that the process serves."};
  Text stress{*this,
              "stress",
              "",
              {},
              "Not empty while the service has more clients than processes (see STRESS in smtpd)."};
  Duration max_idle{*this,
                    "max_idle",
                    "100s",
                    {.min = 1},
                    "How long an idle process waits for its next client before it ends."};
  Integer max_use{*this,
                  "max_use",
                  "100",
                  {.min = 1},
                  "How many clients a process that serves one at a time serves before it ends."};
  Integer default_process_limit{*this,
                                "default_process_limit",
                                "100",
                                {.min = 1},
                                "How many processes of one service may run where master.cf does not say."};
  Duration daemon_timeout{*this,
                          "daemon_timeout",
                          "18000s",
                          {.min = 1},
                          "How long a request may take before the process ends as stuck."};
  Duration ipc_timeout{*this,
                       "ipc_timeout",
                       "3600s",
                       {.min = 1},
                       "How long to wait for an answer of another process of this mail system."};
  Duration ipc_idle{
      *this, "ipc_idle", "5s", {.min = 1}, "How long an unused connection to another process is kept."};
  Duration ipc_ttl{*this,
                   "ipc_ttl",
                   "1000s",
                   {.min = 1},
                   "How long a connection to another process is used before it is renewed."};
  Duration trigger_timeout{
      *this, "trigger_timeout", "10s", {.min = 1}, "How long sending a wake-up to another process may take."};
  Integer line_length_limit{
      *this,
      "line_length_limit",
      "2048",
      {.min = 512},
      "Longer lines of message header and between processes are cut into pieces of this many bytes."};
  List import_environment{
      *this,
      "import_environment",
      "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ XAUTHORITY DISPLAY LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME",
      {},
      "Environment variables kept, or set with name=value, when a program starts."};
  List export_environment{
      *this,
      "export_environment",
      "TZ MAIL_CONFIG LANG",
      {},
      "Environment variables passed, or set with name=value, to programs outside the mail system."};

  static std::string name(const Values& values);
  static std::string id(const Values& values);
};

// Directories and the accounts that own them.
struct Paths : Section {
  Text config_directory{
      *this,
      "config_directory",
      {configured, "/etc/postrider"},
      {.min_length = 1},
      "Where main.cf and master.cf are. Set with the option -c or MAIL_CONFIG, not in main.cf."};
  Text queue_directory{*this,
                       "queue_directory",
                       {queue, "/var/spool/postrider"},
                       {.min_length = 1},
                       "The queue, and the root directory of processes that run chrooted."};
  Text data_directory{*this,
                      "data_directory",
                      {data, "/var/lib/postrider"},
                      {.min_length = 1},
                      "Caches and other files that only the mail system writes."};
  Text daemon_directory{*this,
                        "daemon_directory",
                        {daemons, "/usr/libexec/postrider"},
                        {.min_length = 1},
                        "Where the programs named in master.cf are."};
  Text command_directory{*this,
                         "command_directory",
                         {commands, "/usr/sbin"},
                         {.min_length = 1},
                         "Where the administrative commands are."};
  Text meta_directory{*this,
                      "meta_directory",
                      "$config_directory",
                      {},
                      "Files of the installation that are not to be edited."};
  Text sendmail_path{*this, "sendmail_path", "$command_directory/sendmail", {}, "The sendmail command."};
  Text mailq_path{*this, "mailq_path", "/usr/bin/mailq", {}, "The mailq command."};
  Text newaliases_path{*this, "newaliases_path", "/usr/bin/newaliases", {}, "The newaliases command."};
  Text manpage_directory{
      *this, "manpage_directory", "/usr/share/man", {}, "Where the manual pages are installed."};
  Text mail_owner{
      *this,
      "mail_owner",
      "postrider",
      {.min_length = 1},
      "The account that owns the queue and runs most processes; no other account may share its ids."};
  Text network_owner{*this,
                     "network_owner",
                     "prnet",
                     {.min_length = 1},
                     "The account of processes that read what strangers send; it owns no file."};
  Text keys_owner{*this,
                  "keys_owner",
                  "prkeys",
                  {.min_length = 1},
                  "The account that reads private keys and password databases."};
  Text setgid_group{
      *this, "setgid_group", "prdrop", {.min_length = 1}, "The group that may submit mail into the queue."};
  Text default_privs{
      *this,
      "default_privs",
      "nobody",
      {.min_length = 1},
      "The account that runs deliveries to files and commands where no recipient's account applies."};

  static std::string configured(const Values& values);
  static std::string queue(const Values& values);
  static std::string data(const Values& values);
  static std::string daemons(const Values& values);
  static std::string commands(const Values& values);
};

// Where log lines go and what they start with.
struct Logging : Section {
  Text syslog_name{*this,
                   "syslog_name",
                   "${multi_instance_name?{$multi_instance_name}:{postfix}}",
                   {.min_length = 1},
                   "What stands before /program in log lines; log analysers expect postfix."};
  Text syslog_facility{*this, "syslog_facility", "mail", {.min_length = 1}, "The syslog facility."};
  Text maillog_file{
      *this, "maillog_file", "", {}, "A file (or /dev/stdout) that receives the log instead of syslog."};
  List maillog_file_prefixes{
      *this, "maillog_file_prefixes", "/var, /dev/stdout", {}, "Where maillog_file may be."};
  Text maillog_file_rotate_suffix{
      *this,
      "maillog_file_rotate_suffix",
      "%Y%m%d-%H%M%S",
      {.min_length = 1},
      "What logrotate appends to the name of the former log file, in strftime(3) notation."};
  Text maillog_file_compressor{
      *this, "maillog_file_compressor", "gzip", {}, "The command that compresses a former log file."};
  Text maillog_file_permissions{
      *this, "maillog_file_permissions", "0600", {}, "The mode of a log file that is made."};
  List debug_peer_list{
      *this, "debug_peer_list", "", {}, "Hosts and networks whose sessions are logged in detail."};
  Integer debug_peer_level{
      *this, "debug_peer_level", "2", {.min = 1}, "How much more detail debug_peer_list means."};
  Integer delay_logging_resolution_limit{*this,
                                         "delay_logging_resolution_limit",
                                         "2",
                                         {.max = 6},
                                         "Digits after the decimal point in logged delays, at most."};
};

// Addresses this machine uses and the networks it trusts.
struct Network : Section {
  List inet_interfaces{
      *this, "inet_interfaces", "all", {}, "Addresses or host names to receive mail on; all, loopback-only."};
  List inet_protocols{*this, "inet_protocols", "all", {}, "ipv4, ipv6 or all."};
  List proxy_interfaces{
      *this, "proxy_interfaces", "", {}, "Addresses outside, of a proxy or translator, that lead here."};
  List mynetworks{
      *this,
      "mynetworks",
      {own_networks, "as mynetworks_style says"},
      {},
      "Networks of clients that are trusted, mainly to relay: address/bits, /file, type:table, !pattern."};
  Text mynetworks_style{*this,
                        "mynetworks_style",
                        "${{$compatibility_level} <level {2} ? {subnet} : {host}}",
                        {},
                        "What mynetworks holds by itself: host, subnet or class."};

  static std::string own_networks(const Values& values);
};

// Which domains are ours, in which of the four address classes, and how each is delivered.
struct Domains : Section {
  List mydestination{*this,
                     "mydestination",
                     "$myhostname, localhost.$mydomain, localhost",
                     {},
                     "Domains whose mail is for accounts and aliases of this system."};
  List relay_domains{*this,
                     "relay_domains",
                     "${{$compatibility_level} <level {2} ? {$mydestination} : {}}",
                     {},
                     "Domains (and subdomains) that this system relays mail to."};
  List virtual_alias_domains{*this,
                             "virtual_alias_domains",
                             "$virtual_alias_maps",
                             {},
                             "Domains all of whose addresses are aliases."};
  List virtual_alias_maps{
      *this, "virtual_alias_maps", "$virtual_maps", {}, "Tables of aliases for any address."};
  List virtual_mailbox_domains{*this,
                               "virtual_mailbox_domains",
                               "$virtual_mailbox_maps",
                               {},
                               "Domains whose mailboxes belong to no account of this system."};
  List virtual_mailbox_maps{
      *this,
      "virtual_mailbox_maps",
      "",
      {},
      "Tables of the mailboxes of virtual_mailbox_domains, below virtual_mailbox_base."};
  List local_recipient_maps{
      *this,
      "local_recipient_maps",
      "proxy:unix:passwd.byname $alias_maps",
      {},
      "Tables of all accounts and aliases; empty turns the check of local recipients off."};
  List relay_recipient_maps{
      *this, "relay_recipient_maps", "", {}, "Tables of all recipients in relay_domains; empty accepts any."};
  List alias_maps{*this, "alias_maps", "hash:/etc/aliases", {}, "Tables of local aliases."};
  List alias_database{
      *this, "alias_database", "hash:/etc/aliases", {}, "Alias files that newaliases rebuilds."};
  Text recipient_delimiter{
      *this, "recipient_delimiter", "", {}, "Characters that separate a user name from its extension."};
  List parent_domain_matches_subdomains{
      *this,
      "parent_domain_matches_subdomains",
      "debug_peer_list,fast_flush_domains,mynetworks,permit_mx_backup_networks,qmqpd_authorized_clients,"
      "relay_domains,smtpd_access_maps",
      {},
      "Features for which example.com also means its subdomains; others want .example.com."};
  Text local_transport{*this,
                       "local_transport",
                       "local:$myhostname",
                       {.min_length = 1},
                       "How mail for mydestination is delivered."};
  Text virtual_transport{*this,
                         "virtual_transport",
                         "virtual",
                         {.min_length = 1},
                         "How mail for virtual_mailbox_domains is delivered."};
  Text relay_transport{
      *this, "relay_transport", "relay", {.min_length = 1}, "How mail for relay_domains is delivered."};
  Text default_transport{
      *this, "default_transport", "smtp", {.min_length = 1}, "How all other mail is delivered."};
  Text relayhost{*this,
                 "relayhost",
                 "",
                 {},
                 "Where mail that is not for us goes: domain, [host] or [host]:port; empty uses MX."};
  List transport_maps{*this, "transport_maps", "", {}, "Tables from address or domain to transport:nexthop."};
};

// Who may submit mail on this machine.
struct Submission : Section {
  List authorized_users{
      *this,
      "authorized_submit_users",
      "static:anyone",
      {},
      "Local users who may submit mail: names, !names, tables; static:anyone lets everybody."};
};

// Sender addresses that name the recipient: lib/address/verp.h.
struct Verp : Section {
  Text delimiters{*this,
                  "default_verp_delimiters",
                  "+=",
                  {.min_length = 2, .max_length = 2},
                  "The two characters of VERP sender addresses where XVERP or -XV names none."};
  Text filter{*this,
              "verp_delimiter_filter",
              "-=+",
              {.min_length = 1},
              "The characters that may be VERP delimiters."};
};

// How much of anything is accepted.
struct Limits : Section {
  Bytes message_size_limit{
      *this, "message_size_limit", "10240000", {}, "The largest message with envelope; 0 for no limit."};
  Bytes mailbox_size_limit{
      *this, "mailbox_size_limit", "51200000", {}, "The largest mbox or file delivered to; 0 for no limit."};
  Bytes virtual_mailbox_limit{
      *this, "virtual_mailbox_limit", "51200000", {}, "The largest virtual mailbox file; 0 for no limit."};
  Bytes header_size_limit{
      *this, "header_size_limit", "102400", {.min = 1}, "The longest message header; the rest is cut."};
  Bytes queue_minfree{*this,
                      "queue_minfree",
                      "0",
                      {},
                      "Free space below which no mail is accepted; 0 for 1.5 times message_size_limit."};
  Integer hopcount_limit{
      *this, "hopcount_limit", "50", {.min = 1}, "How many Received: fields make a mail loop."};
  Boolean soft_bounce{*this, "soft_bounce", "no",
                      "Answer and treat every permanent failure as temporary, for trials."};
  Boolean enable_long_queue_ids{*this, "enable_long_queue_ids", "no",
                                "Long queue ids that are never used again."};
  Boolean smtputf8_enable{*this, "smtputf8_enable", "${{$compatibility_level} <level {1} ? {no} : {yes}}",
                          "Support for internationalised addresses (RFC 6531)."};
  Boolean strict_rfc821_envelopes{*this, "strict_rfc821_envelopes", "no",
                                  "Refuse addresses in MAIL and RCPT that RFC 5321 does not allow."};
  Boolean allow_min_user{*this, "allow_min_user", "no", "Accept recipient addresses that start with '-'."};
};

// Names of services in master.cf that others connect to.
struct Services : Section {
  Text cleanup_service_name{*this,
                            "cleanup_service_name",
                            "cleanup",
                            {.min_length = 1},
                            "The service that takes new mail into the queue."};
  Text queue_service_name{*this, "queue_service_name", "qmgr", {.min_length = 1}, "The queue manager."};
  Text pickup_service_name{*this,
                           "pickup_service_name",
                           "pickup",
                           {.min_length = 1},
                           "The service that collects local submissions."};
  Text rewrite_service_name{*this,
                            "rewrite_service_name",
                            "rewrite",
                            {.min_length = 1},
                            "The service that rewrites and resolves addresses."};
  Text bounce_service_name{*this,
                           "bounce_service_name",
                           "bounce",
                           {.min_length = 1},
                           "The service that keeps failure records and returns mail."};
  Text defer_service_name{
      *this, "defer_service_name", "defer", {.min_length = 1}, "The service that keeps records of delays."};
  Text trace_service_name{*this,
                          "trace_service_name",
                          "trace",
                          {.min_length = 1},
                          "The service that keeps records of traced deliveries."};
  Text error_service_name{
      *this, "error_service_name", "error", {.min_length = 1}, "The service that bounces what it is given."};
  Text showq_service_name{
      *this, "showq_service_name", "showq", {.min_length = 1}, "The service that lists the queue."};
  Text flush_service_name{
      *this, "flush_service_name", "flush", {.min_length = 1}, "The service that knows mail by destination."};
  Text auth_service_name{
      *this, "auth_service_name", "auth", {.min_length = 1}, "The service that checks passwords."};
  Text keys_service_name{
      *this, "keys_service_name", "keys", {.min_length = 1}, "The service that holds private keys."};
  Text anvil_service_name{
      *this, "anvil_service_name", "anvil", {.min_length = 1}, "The service that counts clients and rates."};
};

// Lookup tables.
struct Tables : Section {
  Text default_database_type{
      *this, "default_database_type", "hash", {.min_length = 1}, "The table type where none is named."};
  Text default_cache_db_type{
      *this, "default_cache_db_type", "btree", {.min_length = 1}, "The table type of caches."};
  Bytes berkeley_db_create_buffer_size{*this,
                                       "berkeley_db_create_buffer_size",
                                       "16777216",
                                       {.min = 1},
                                       "Memory for making a Berkeley DB table."};
  Bytes berkeley_db_read_buffer_size{
      *this, "berkeley_db_read_buffer_size", "131072", {.min = 1}, "Memory for reading a Berkeley DB table."};
  Bytes lmdb_map_size{
      *this, "lmdb_map_size", "16777216", {.min = 8192}, "The initial size of an LMDB table."};
  List proxy_read_maps{*this,
                       "proxy_read_maps",
                       "$local_recipient_maps $mydestination $virtual_alias_maps $virtual_alias_domains "
                       "$virtual_mailbox_maps $virtual_mailbox_domains $relay_recipient_maps $relay_domains "
                       "$canonical_maps $sender_canonical_maps $recipient_canonical_maps $relocated_maps "
                       "$transport_maps $mynetworks $smtpd_sender_login_maps $sender_bcc_maps "
                       "$recipient_bcc_maps $smtp_generic_maps $lmtp_generic_maps $alias_maps "
                       "$smtpd_client_restrictions $smtpd_helo_restrictions $smtpd_sender_restrictions "
                       "$smtpd_relay_restrictions $smtpd_recipient_restrictions",
                       {},
                       "Tables that other processes may ask the proxy service about."};
};

void declare_common(Catalogue& catalogue);

}  // namespace postrider::config
