#include "lib/smtp/extensions.h"

#include <algorithm>
#include <string_view>

#include "lib/base/text.h"

namespace postrider::smtp {
namespace {

constexpr std::size_t max_words = 64;

void add_words(std::vector<std::string>& out, std::string_view words) {
  for (const std::string_view word : split_any(words, " \t")) {
    std::string name = upper(word);
    if (out.size() < max_words && std::find(out.begin(), out.end(), name) == out.end())
      out.push_back(std::move(name));
  }
}

}  // namespace

Extensions parse_extensions(const Reply& reply, const std::vector<std::string>& discard) {
  Extensions out;
  out.esmtp = true;
  for (std::size_t i = 0; i < reply.lines.size(); ++i) {
    const std::string_view line = trim(reply.lines[i]);
    // "AUTH=LOGIN" is how old servers write "AUTH LOGIN".
    const std::size_t end = std::min(line.find_first_of(" \t="), line.size());
    if (i == 0) {
      out.host = line.substr(0, std::min(line.find(' '), line.size()));
      continue;
    }
    const std::string keyword = upper(line.substr(0, end));
    const std::string_view rest = end < line.size() ? trim(line.substr(end + 1)) : std::string_view{};
    if (std::find(discard.begin(), discard.end(), keyword) != discard.end()) continue;
    if (keyword == "PIPELINING") out.pipelining = true;
    if (keyword == "8BITMIME") out.eight_bit = true;
    if (keyword == "BINARYMIME") out.binary = true;
    if (keyword == "CHUNKING") out.chunking = true;
    if (keyword == "STARTTLS") out.starttls = true;
    if (keyword == "SMTPUTF8") out.smtputf8 = true;
    if (keyword == "DSN") out.dsn = true;
    if (keyword == "ENHANCEDSTATUSCODES") out.enhanced_status = true;
    if (keyword == "ETRN") out.etrn = true;
    if (keyword == "VRFY") out.vrfy = true;
    if (keyword == "REQUIRETLS") out.require_tls = true;
    if (keyword == "XCLIENT") add_words(out.xclient_attributes, rest);
    if (keyword == "XFORWARD") add_words(out.xforward_attributes, rest);
    if (keyword == "AUTH") {
      out.auth = true;
      add_words(out.auth_mechanisms, rest);
    }
    if (keyword == "SIZE") {
      out.size = true;
      out.size_limit = parse_number<std::uint64_t>(rest).value_or(0);
    }
  }
  return out;
}

}  // namespace postrider::smtp
