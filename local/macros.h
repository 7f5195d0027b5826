// The $name that forward_path, mailbox_command, luser_relay and the environment of commands may use.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/os/credentials.h"
#include "lib/queue/envelope.h"

namespace postrider::local {

// One recipient as these names show it. Views outlive the object's use.
struct MacroSource {
  std::string_view recipient;  // full address
  std::string_view local;      // left of '@'
  std::string_view domain;
  std::string_view user;  // local without extension
  std::string_view extension;
  char delimiter = '\0';  // that separates them
  const os::User* account = nullptr;
};

// Characters of values that are not in `allowed` become '_'; the text around them is the
// administrator's and stays. configuration: a malformed text.
Result<std::string> expand_macros(std::string_view text, const MacroSource& source, std::string_view allowed);

// What a command finds in its environment, NAME=value each, as local(8) of Postfix lists them.
std::vector<std::string> command_environment(const MacroSource& source, const queue::Envelope& envelope,
                                             const queue::Recipient& recipient, std::string_view sender,
                                             const std::vector<std::string>& exported,
                                             std::string_view allowed);

}  // namespace postrider::local
