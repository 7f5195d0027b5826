// Why some recipients were not delivered to: what is logged, told to the sender, and decided by.
#pragma once

#include <string>

namespace postrider::smtp_client {

struct Failure {
  std::string dsn;           // "4.4.1"
  std::string reason;        // one line, as Postfix words it
  std::string remote_mta;    // host that spoke, if one did
  std::string remote_reply;  // what it said

  bool soft() const { return dsn.starts_with('4'); }
};

}  // namespace postrider::smtp_client
