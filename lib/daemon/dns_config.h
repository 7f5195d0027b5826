// Which DNS a daemon asks, and how it begins to.
#pragma once

#include <memory>

#include "lib/config/settings.h"
#include "lib/dns/unbound_resolver.h"

namespace postrider::daemon {

struct DnsConfig : config::Section {
  config::Text server{*this,
                      "dns_server_address",
                      "",
                      {.max_length = 100},
                      "The DNS server to ask, address or address@port, instead of those that "
                      "/etc/resolv.conf names."};
  config::Text trust_anchor{*this,
                            "dnssec_trust_anchor_file",
                            "/usr/share/dns/root.key",
                            {},
                            "The keys of the DNS root, where answers are validated."};
};

// `validate`: Answer::secure tells what was validated; what fails is given as insecure. Postfix, too, leaves
// it to the name server to hold back forged answers. To be called before the sandbox is entered.
// configuration: the text names the parameter.
Result<std::unique_ptr<dns::UnboundResolver>> open_resolver(event::Loop& loop, const DnsConfig& config,
                                                            bool validate, event::StopToken stop);

}  // namespace postrider::daemon
