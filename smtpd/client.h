// Who is at the other end of an SMTP connection, as far as it is known.
#pragma once

#include <optional>
#include <string>

#include "lib/address/ip.h"
#include "lib/dns/client_name.h"

namespace postrider::smtpd {

struct Client {
  address::IpAddress ip;
  std::string address = "127.0.0.1";  // ip as text
  std::string port;
  std::string name = "unknown";          // verified, or "unknown"
  std::string reverse_name = "unknown";  // as the reverse lookup said
  dns::ClientName::Status name_status = dns::ClientName::Status::absent;
  dns::ClientName::Status reverse_status = dns::ClientName::Status::absent;
  std::string local_address, local_port;
  bool trusted = false;    // in $mynetworks
  bool unlimited = false;  // in $smtpd_client_event_limit_exceptions
  bool verp = false;       // in $smtpd_authorized_verp_clients
  bool no_auth = false;    // in $smtpd_sasl_exceptions_networks
  std::string logged;      // "name[address]" or "name[address]:port", for the log
};

}  // namespace postrider::smtpd
