// The command line of sendmail(1), as Postfix reads it, turned into what is wanted. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/queue/envelope.h"

namespace postrider::tools {

struct SendmailRequest {
  enum class Mode {
    enqueue,     // submit standard input
    mailq,       // list the queue
    flush,       // try everything now
    flush_site,  // -qR
    flush_id,    // -qI
    daemon,      // start the mail system
    newaliases,  // rebuild alias databases
    stdin_smtp,  // -bs
  };
  Mode mode = Mode::enqueue;
  std::string config;  // -C: a directory, or main.cf in it
  std::string target;  // of flush_site and flush_id; of newaliases by -oA
  bool has_sender = false;
  std::string sender;  // as given; "" is the null sender
  std::string full_name;
  bool extract = false;       // -t
  bool dot_is_data = false;   // -i
  bool default_verp = false;  // -XV without delimiters
  int verbose = 0;
  queue::Envelope envelope;             // flags, encoding, RET, ENVID, rewrite context, VERP
  std::uint8_t notify = 0;              // for every recipient
  std::vector<std::string> recipients;  // operands, unparsed
  std::vector<std::string> warnings;
};

// `arguments` without argv[0], whose last part is `program`: "mailq", "newaliases", or anything else. An
// error is for EX_USAGE.
Result<SendmailRequest> parse_sendmail(const std::string& program, const std::vector<std::string>& arguments);

}  // namespace postrider::tools
