// The restrictions that ask the DNS: is there such a client, such a HELO name, such a mail domain?
#pragma once

#include <string>
#include <string_view>

#include "lib/dns/resolver.h"
#include "lib/event/task.h"
#include "smtpd/restrictions.h"

namespace postrider::smtpd {

// What the DNS says of a domain as a place for mail.
enum class MailDomain {
  exists,   // MX or address records
  no_mail,  // a null MX (RFC 7505)
  absent,   // neither
  unclear,  // the DNS could not be asked
};
event::Task<MailDomain> look_up_mail_domain(dns::Resolver& resolver, std::string domain, MonoTime deadline);

// "reject_unknown_client_hostname" and its like.
bool is_dns_check(std::string_view restriction);
event::Task<Verdict> check_with_dns(Server& server, std::string_view restriction, Situation at);

}  // namespace postrider::smtpd
