// XCLIENT and XFORWARD: what a trusted proxy says about the client behind it.
#include <array>
#include <utility>

#include <fmt/core.h>

#include "lib/address/address.h"
#include "lib/address/domain.h"
#include "lib/address/ip.h"
#include "lib/base/text.h"
#include "lib/base/utf8.h"
#include "lib/smtp/command.h"
#include "lib/smtp/xtext.h"

namespace postrider::smtp {
namespace {

std::unexpected<Reply> refuse(std::string_view text) { return std::unexpected(Reply(501, text)); }

struct Row {
  std::string_view name;
  bool xclient;
  bool xforward;
};
constexpr std::array<Row, 11> attributes{{
    {"NAME", true, true},
    {"REVERSE_NAME", true, false},
    {"ADDR", true, true},
    {"PORT", true, true},
    {"PROTO", true, true},
    {"HELO", true, true},
    {"LOGIN", true, false},
    {"DESTADDR", true, false},
    {"DESTPORT", true, false},
    {"IDENT", false, true},
    {"SOURCE", false, true},
}};

bool knows(Verb verb, std::string_view name) {
  for (const Row& row : attributes)
    if (row.name == name) return verb == Verb::xclient ? row.xclient : row.xforward;
  return false;
}

// Checks `value` and brings it into its one form.
bool normalise(std::string_view name, std::string& value) {
  if (name == "ADDR" || name == "DESTADDR") {
    constexpr std::string_view tag = "IPV6:";
    const bool v6 = istarts_with(value, tag);
    const auto ip = address::IpAddress::parse(std::string_view(value).substr(v6 ? tag.size() : 0));
    // An untagged IPv6 address is taken too: nothing else could be meant.
    if (!ip || (v6 && value.find(':', tag.size()) == std::string::npos)) return false;
    value = ip->text();
    return true;
  }
  if (name == "PORT" || name == "DESTPORT") return parse_number<std::uint16_t>(value).has_value();
  if (name == "NAME" || name == "REVERSE_NAME") return address::valid_utf8_domain(value);
  if (name == "PROTO") {
    value = upper(value);
    return value == "SMTP" || value == "ESMTP";
  }
  if (name == "SOURCE") {
    value = upper(value);
    return value == "LOCAL" || value == "REMOTE";
  }
  // HELO, LOGIN, IDENT
  return !value.empty() && value.size() <= address::max_domain && is_plain_utf8(value);
}

}  // namespace

Parsed<std::vector<PeerAttribute>> parse_peer_attributes(Verb verb, std::string_view arguments) {
  const std::vector<std::string_view> words = split_any(arguments, " \t");
  if (words.empty() || words.size() > 2 * attributes.size())
    return refuse(fmt::format("5.5.4 Syntax: {} attribute=value...", verb_name(verb)));
  std::vector<PeerAttribute> out;
  for (const std::string_view word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) return refuse("5.5.4 Error: attribute=value expected");
    PeerAttribute attribute;
    attribute.name = upper(word.substr(0, equals));
    if (!knows(verb, attribute.name))
      return refuse(
          fmt::format("5.5.4 Bad {} attribute name: {}", verb_name(verb), attribute.name.substr(0, 100)));
    const std::string_view value = word.substr(equals + 1);
    auto decoded = xtext_decode(value);
    if (!decoded) return refuse(fmt::format("5.5.4 Bad attribute value syntax: {}", value.substr(0, 100)));
    if (iequals(*decoded, "[UNAVAILABLE]")) {
      attribute.known = PeerAttribute::Known::unavailable;
    } else if (iequals(*decoded, "[TEMPUNAVAIL]")) {
      attribute.known = PeerAttribute::Known::temporarily_not;
    } else {
      if (!normalise(attribute.name, *decoded))
        return refuse(fmt::format("5.5.4 Bad {} syntax: {}", attribute.name, value.substr(0, 100)));
      attribute.value = std::move(*decoded);
    }
    out.push_back(std::move(attribute));
  }
  return out;
}

}  // namespace postrider::smtp
