// What an administrator can tell smtpd, under Postfix's names.
#pragma once

#include "lib/config/common.h"
#include "lib/config/settings.h"
#include "lib/daemon/tls_config.h"

namespace postrider::smtpd {

enum class BareNewline { no, yes, normalize, reject, note };

struct SmtpdConfig : config::Section {
  config::Text banner{*this,
                      "smtpd_banner",
                      "$myhostname ESMTP $mail_name",
                      {.min_length = 1},
                      "The text after 220 in the greeting; it must begin with the host name."};
  config::Integer client_limit{
      *this,
      "smtpd_client_per_process_limit",
      "10000",
      {.min = 1},
      "How many clients one process serves at a time; 1 gives each a process of its own."};
  config::Duration timeout{*this,
                           "smtpd_timeout",
                           "${stress?{10}:{300}}s",
                           {.min = 1},
                           "How long to wait for the client's next line, and for it to take a reply."};
  config::Integer min_data_rate{*this,
                                "smtpd_min_data_rate",
                                "500",
                                {.min = 1},
                                "Bytes per second below which a client that sends content is cut off, once "
                                "smtpd_timeout has passed."};
  config::Duration starttls_timeout{*this,
                                    "smtpd_starttls_timeout",
                                    "${stress?{10}:{300}}s",
                                    {.min = 1},
                                    "How long a TLS handshake may take."};
  config::Integer line_limit{*this,
                             "smtpd_line_length_limit",
                             "2048",
                             {.min = 512, .max = 65536},
                             "The longest command line; BASE64 responses of AUTH may have 12288 bytes."};

  config::Integer soft_error_limit{
      *this,
      "smtpd_soft_error_limit",
      "10",
      {.min = 1},
      "After how many errors each further reply waits for smtpd_error_sleep_time."};
  config::Integer hard_error_limit{*this,
                                   "smtpd_hard_error_limit",
                                   "${stress?{1}:{20}}",
                                   {.min = 1},
                                   "After how many errors the client is disconnected."};
  config::Duration error_sleep{*this,
                               "smtpd_error_sleep_time",
                               "1s",
                               {},
                               "How long to wait before replies to a client with many errors."};
  config::Integer junk_limit{
      *this,
      "smtpd_junk_command_limit",
      "${stress?{1}:{100}}",
      {.min = 1},
      "How many NOOP, VRFY, ETRN and RSET a client may send without counting as errors."};
  config::Integer recipient_limit{
      *this, "smtpd_recipient_limit", "1000", {.min = 1}, "How many recipients one message may have."};
  config::Integer recipient_overshoot{
      *this,
      "smtpd_recipient_overshoot_limit",
      "1000",
      {.min = 1},
      "How many recipients above the limit are refused before they count as errors."};

  config::Integer connection_count_limit{*this,
                                         "smtpd_client_connection_count_limit",
                                         "50",
                                         {},
                                         "How many connections one client may have open; 0: no limit."};
  config::Integer connection_rate_limit{
      *this,
      "smtpd_client_connection_rate_limit",
      "0",
      {},
      "How many connections a client may make in anvil_rate_time_unit; 0: no limit."};
  config::Integer message_rate_limit{
      *this,
      "smtpd_client_message_rate_limit",
      "0",
      {},
      "How many messages a client may begin in anvil_rate_time_unit; 0: no limit."};
  config::Integer recipient_rate_limit{
      *this,
      "smtpd_client_recipient_rate_limit",
      "0",
      {},
      "How many recipients a client may name in anvil_rate_time_unit; 0: no limit."};
  config::Integer auth_rate_limit{*this,
                                  "smtpd_client_auth_rate_limit",
                                  "0",
                                  {},
                                  "How often a client may try AUTH in anvil_rate_time_unit; 0: no limit."};
  config::Integer tls_rate_limit{
      *this,
      "smtpd_client_new_tls_session_rate_limit",
      "0",
      {},
      "How many new TLS sessions a client may have in anvil_rate_time_unit; 0: no limit."};
  config::List limit_exceptions{*this,
                                "smtpd_client_event_limit_exceptions",
                                "$mynetworks",
                                {},
                                "Clients to which these limits do not apply."};

  config::List authorized_verp_clients{
      *this, "authorized_verp_clients", "", {}, "The default of smtpd_authorized_verp_clients."};
  config::List verp_clients{*this,
                            "smtpd_authorized_verp_clients",
                            "$authorized_verp_clients",
                            {},
                            "Clients that may ask with XVERP for senders that name the recipient."};

  config::Boolean helo_required{*this, "smtpd_helo_required", "no", "MAIL needs a HELO or EHLO before it."};
  config::Boolean disable_vrfy{*this, "disable_vrfy_command", "no", "Do not offer VRFY."};
  config::List discard_keywords{
      *this, "smtpd_discard_ehlo_keywords", "", {}, "EHLO keywords not to be offered, such as chunking."};
  config::List forbidden_commands{
      *this,
      "smtpd_forbidden_commands",
      "CONNECT GET POST regexp:{{/^[^A-Z]/ Bogus}}",
      {},
      "Commands that show that the client does not speak SMTP; it is disconnected."};
  config::List noop_commands{
      *this, "smtpd_noop_commands", "", {}, "Commands that are answered with 250 and do nothing."};
  config::Enum<BareNewline> forbid_bare_newline{
      *this,
      "smtpd_forbid_bare_newline",
      "normalize",
      {{"normalize", BareNewline::normalize},
       {"yes", BareNewline::yes},
       {"reject", BareNewline::reject},
       {"note", BareNewline::note},
       {"no", BareNewline::no}},
      "What to do about lines that end in LF alone. Only <CR><LF>.<CR><LF> ever ends a message; reject "
      "disconnects the client, note logs it, the others accept such lines inside content."};
  config::List forbid_bare_newline_exclusions{
      *this,
      "smtpd_forbid_bare_newline_exclusions",
      "$mynetworks",
      {},
      "Clients to which smtpd_forbid_bare_newline = reject does not apply."};
  config::Integer forbid_bare_newline_code{*this,
                                           "smtpd_forbid_bare_newline_reject_code",
                                           "550",
                                           {.min = 400, .max = 599},
                                           "The reply code for such lines."};
  config::Boolean forbid_unauth_pipelining{*this, "smtpd_forbid_unauth_pipelining", "yes",
                                           "Disconnect clients that send commands before they may."};
  config::Boolean client_port_logging{*this, "smtpd_client_port_logging", "no", "Log the client's port."};
  config::Boolean peername_lookup{*this, "smtpd_peername_lookup", "yes", "Look up the names of clients."};

  config::Boolean delay_reject{
      *this, "smtpd_delay_reject", "yes",
      "Evaluate client, HELO and sender restrictions when the first recipient is given."};
  config::List client_restrictions{*this, "smtpd_client_restrictions", "", {}, "Restrictions on clients."};
  config::List helo_restrictions{*this, "smtpd_helo_restrictions", "", {}, "Restrictions on HELO and EHLO."};
  config::List sender_restrictions{*this, "smtpd_sender_restrictions", "", {}, "Restrictions on MAIL FROM."};
  config::List relay_restrictions{
      *this,
      "smtpd_relay_restrictions",
      "${{$compatibility_level} <level {1} ? {} : {permit_mynetworks, permit_sasl_authenticated, "
      "defer_unauth_destination}}",
      {},
      "Who may relay. Evaluated before smtpd_recipient_restrictions."};
  config::List recipient_restrictions{
      *this, "smtpd_recipient_restrictions", "", {}, "Restrictions on RCPT TO."};
  config::List data_restrictions{*this, "smtpd_data_restrictions", "", {}, "Restrictions on DATA and BDAT."};
  config::List end_of_data_restrictions{
      *this, "smtpd_end_of_data_restrictions", "", {}, "Restrictions on the end of content."};
  config::List restriction_classes{*this,
                                   "smtpd_restriction_classes",
                                   "",
                                   {},
                                   "Names of parameters that hold restrictions and may be used as one."};
  config::Boolean reject_unlisted_recipient{*this, "smtpd_reject_unlisted_recipient", "yes",
                                            "Refuse recipients that no table of their domain lists."};
  config::Boolean reject_unlisted_sender{*this, "smtpd_reject_unlisted_sender", "no",
                                         "Refuse senders of our domains that no table lists."};
  config::Boolean untrusted_routing{*this, "allow_untrusted_routing", "no",
                                    "Forward mail with a route in the local part (user@elsewhere@here)."};
  config::Integer relay_code{*this,
                             "relay_domains_reject_code",
                             "554",
                             {.min = 400, .max = 599},
                             "The reply code when a client may not relay."};
  config::Integer access_code{*this,
                              "access_map_reject_code",
                              "554",
                              {.min = 400, .max = 599},
                              "The reply code of a table's REJECT."};
  config::Integer reject_code{
      *this, "reject_code", "554", {.min = 400, .max = 599}, "The reply code of reject."};
  config::Integer defer_code{
      *this, "defer_code", "450", {.min = 400, .max = 499}, "The reply code of defer."};
  config::Integer non_fqdn_code{*this,
                                "non_fqdn_reject_code",
                                "504",
                                {.min = 400, .max = 599},
                                "The reply code for names that are not fully qualified."};
  config::Integer invalid_host_code{*this,
                                    "invalid_hostname_reject_code",
                                    "501",
                                    {.min = 400, .max = 599},
                                    "The reply code for malformed HELO names."};
  config::Integer unknown_client_code{*this,
                                      "unknown_client_reject_code",
                                      "450",
                                      {.min = 400, .max = 599},
                                      "The reply code for clients without a name."};
  config::Integer unknown_hostname_code{*this,
                                        "unknown_hostname_reject_code",
                                        "450",
                                        {.min = 400, .max = 599},
                                        "The reply code for HELO names without DNS records."};
  config::Integer unknown_address_code{*this,
                                       "unknown_address_reject_code",
                                       "450",
                                       {.min = 400, .max = 599},
                                       "The reply code for addresses whose domain has no DNS records."};
  config::Integer unknown_local_code{*this,
                                     "unknown_local_recipient_reject_code",
                                     "550",
                                     {.min = 400, .max = 599},
                                     "The reply code for unknown local recipients."};
  config::Integer unknown_virtual_code{*this,
                                       "unknown_virtual_mailbox_reject_code",
                                       "550",
                                       {.min = 400, .max = 599},
                                       "The reply code for unknown recipients of virtual mailbox domains."};
  config::Integer unknown_alias_code{*this,
                                     "unknown_virtual_alias_reject_code",
                                     "550",
                                     {.min = 400, .max = 599},
                                     "The reply code for unknown recipients of virtual alias domains."};
  config::Integer unknown_relay_code{*this,
                                     "unknown_relay_recipient_reject_code",
                                     "550",
                                     {.min = 400, .max = 599},
                                     "The reply code for unknown recipients of relay domains."};

  config::Boolean sasl_enable{*this, "smtpd_sasl_auth_enable", "no", "Offer AUTH."};
  config::List sasl_security{*this,
                             "smtpd_sasl_security_options",
                             "noanonymous",
                             {},
                             "noplaintext: no mechanisms that show the password, unless under TLS."};
  config::Boolean sasl_header{*this, "smtpd_sasl_authenticated_header", "no",
                              "Show the login name in Received:."};
  config::Boolean broken_clients{*this, "broken_sasl_auth_clients", "no",
                                 "Also offer AUTH in the form AUTH=."};
  config::List sasl_exceptions{
      *this, "smtpd_sasl_exceptions_networks", "", {}, "Clients to which AUTH is not offered."};
  config::Boolean tls_header{*this, "smtpd_tls_received_header", "no", "Show the TLS session in Received:."};
  config::List receive_overrides{*this,
                                 "receive_override_options",
                                 "",
                                 {},
                                 "What is not done to mail received here: no_unknown_recipient_checks, "
                                 "no_address_mappings, no_header_body_checks, no_milters."};
  config::Text content_filter{
      *this, "content_filter", "", {}, "transport:destination that all mail passes first."};
};

void declare_smtpd(config::Catalogue& catalogue);

}  // namespace postrider::smtpd
