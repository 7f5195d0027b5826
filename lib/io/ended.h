// The three ways a conversation can end without its consent, thrown by lib/io and caught once, where
// the session is served, so that dialogues stay straight lines. Nothing else in the suite throws.
#pragma once

#include <string>

namespace postrider::io {

struct Ended {
  enum class Why {
    lost,       // the peer closed or reset the connection, or broke TLS
    timed_out,  // a deadline passed
    stopped,    // this process was told to stop
  };
  Why why;
  std::string detail;  // for the log; may be empty
};

}  // namespace postrider::io
