// What an administrator can tell cleanup, under Postfix's names.
#pragma once

#include <vector>

#include "lib/config/common.h"
#include "lib/config/settings.h"

namespace postrider::config {
class Catalogue;
}

namespace postrider::cleanup {

struct CleanupConfig : config::Section {
  // ---- addresses
  config::List canonical_maps{
      *this, "canonical_maps", "", {}, "Tables that give addresses in envelopes and headers another form."};
  config::List sender_canonical_maps{
      *this, "sender_canonical_maps", "", {}, "The same for senders only; looked up before canonical_maps."};
  config::List recipient_canonical_maps{*this,
                                        "recipient_canonical_maps",
                                        "",
                                        {},
                                        "The same for recipients only; looked up before canonical_maps."};
  config::List canonical_classes{*this,
                                 "canonical_classes",
                                 "envelope_sender, envelope_recipient, header_sender, header_recipient",
                                 {},
                                 "Which addresses canonical_maps applies to."};
  config::List sender_canonical_classes{*this,
                                        "sender_canonical_classes",
                                        "envelope_sender, header_sender",
                                        {},
                                        "Which addresses sender_canonical_maps applies to."};
  config::List recipient_canonical_classes{*this,
                                           "recipient_canonical_classes",
                                           "envelope_recipient, header_recipient",
                                           {},
                                           "Which addresses recipient_canonical_maps applies to."};
  config::List masquerade_domains{*this,
                                  "masquerade_domains",
                                  "",
                                  {},
                                  "Domains whose subdomains are cut off in addresses; !domain is left alone. "
                                  "The first that matches decides."};
  config::List masquerade_classes{*this,
                                  "masquerade_classes",
                                  "envelope_sender, header_sender, header_recipient",
                                  {},
                                  "Which addresses masquerade_domains applies to."};
  config::List masquerade_exceptions{
      *this, "masquerade_exceptions", "", {}, "User names that keep their subdomain."};
  config::List propagate_extensions{
      *this,
      "propagate_unmatched_extensions",
      "canonical, virtual",
      {},
      "For which tables an address extension that was not part of the key is "
      "added to the result: canonical, virtual, alias, forward, include, generic."};
  config::Integer expansion_limit{*this,
                                  "virtual_alias_expansion_limit",
                                  "1000",
                                  {.min = 1},
                                  "How many addresses one recipient may become by virtual_alias_maps."};
  config::Integer recursion_limit{*this,
                                  "virtual_alias_recursion_limit",
                                  "1000",
                                  {.min = 1},
                                  "How deep virtual aliases may refer to virtual aliases."};
  config::Integer address_length_limit{*this,
                                       "virtual_alias_address_length_limit",
                                       "1000",
                                       {.min = 10},
                                       "The longest address that may come out of a virtual alias."};
  config::Boolean original_recipient{*this, "enable_original_recipient", "yes",
                                     "Remember the recipient as it was before it was rewritten."};
  config::Integer duplicate_limit{*this,
                                  "duplicate_filter_limit",
                                  "1000",
                                  {.min = 0},
                                  "How many recipients are remembered to find repetitions; 0: no limit."};
  // ---- copies
  config::Text always_bcc{*this, "always_bcc", "", {}, "An address that receives a copy of every message."};
  config::List sender_bcc_maps{
      *this, "sender_bcc_maps", "", {}, "Tables from a sender to an address that receives a copy."};
  config::List recipient_bcc_maps{
      *this, "recipient_bcc_maps", "", {}, "Tables from a recipient to an address that receives a copy."};
  // ---- headers
  config::Boolean always_add_headers{*this, "always_add_missing_headers", "no",
                                     "Add From:, To:, Date: and Message-ID: that are missing in mail from "
                                     "clients outside local_header_rewrite_clients, too."};
  config::Text undisclosed{
      *this, "undisclosed_recipients_header", "", {}, "The header added when a message names no recipient."};
  config::List drop_headers{*this,
                            "message_drop_headers",
                            "bcc, content-length, resent-bcc, return-path",
                            {},
                            "Headers that are removed from every message."};
  config::Text remote_domain{*this,
                             "remote_header_rewrite_domain",
                             "",
                             {},
                             "The domain that completes addresses in headers of other clients' mail; empty "
                             "leaves their headers alone."};
  // ---- inspection
  config::List header_checks{
      *this, "header_checks", "", {}, "Tables of patterns for the message's own headers and what to do."};
  config::List mime_header_checks{
      *this, "mime_header_checks", "$header_checks", {}, "The same for headers that describe MIME parts."};
  config::List nested_header_checks{
      *this, "nested_header_checks", "$header_checks", {}, "The same for headers of attached messages."};
  config::List body_checks{*this, "body_checks", "", {}, "Tables of patterns for lines of the body."};
  config::Bytes body_checks_limit{
      *this, "body_checks_size_limit", "51200", {}, "How much of each part body_checks looks at."};
  config::Integer mime_nesting{
      *this, "mime_nesting_limit", "100", {.min = 1}, "How deep MIME parts are told apart."};
  config::Bytes mime_boundary{*this,
                              "mime_boundary_length_limit",
                              "2048",
                              {.min = 1},
                              "How much of a boundary between MIME parts is compared."};
  // ---- the queue
  config::Bytes segment_bytes{*this,
                              "queue_segment_size",
                              "67108864",
                              {.min = 1 << 20, .max = 1 << 30},
                              "The size of a segment of the queue journal in incoming/."};
  config::Bytes content_threshold{*this,
                                  "queue_content_threshold",
                                  "262144",
                                  {.min = 4096, .max = 16 << 20},
                                  "Longer messages get a file of their own beside the queue journal."};
};

struct Sections {
  CleanupConfig cleanup;
  config::Identity identity;
  config::Domains domains;
  config::Network network;
  config::Limits limits;
  config::Services services;
  config::Tables tables;
  std::vector<config::Section*> all() {
    return {&cleanup, &identity, &domains, &network, &limits, &services, &tables};
  }
};

void declare_cleanup(config::Catalogue& catalogue);

}  // namespace postrider::cleanup
