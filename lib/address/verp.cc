#include "lib/address/verp.h"

#include <algorithm>

namespace postrider::address {

bool are_verp_delimiters(std::string_view delimiters, std::string_view allowed) {
  return delimiters.size() == 2 &&
         std::ranges::all_of(delimiters, [&](char c) { return allowed.find(c) != std::string_view::npos; });
}

std::string verp_sender(std::string_view sender, std::string_view delimiters, std::string_view recipient) {
  if (sender.empty()) return {};
  const std::size_t at = std::min(sender.rfind('@'), sender.size());
  const std::size_t recipient_at = std::min(recipient.rfind('@'), recipient.size());
  std::string named(sender.substr(0, at));
  named += delimiters[0];
  named += recipient.substr(0, recipient_at);
  if (recipient_at < recipient.size()) {
    named += delimiters[1];
    named += recipient.substr(recipient_at + 1);
  }
  named += sender.substr(at);
  return named;
}

}  // namespace postrider::address
