#include "lib/address/domain.h"

#include <cstdint>
#include <memory>

#include <idn2.h>

#include "lib/address/address.h"
#include "lib/address/ip.h"
#include "lib/base/text.h"
#include "lib/base/utf8.h"

namespace postrider::address {
namespace {

struct Idn2Free {
  void operator()(char* text) const { idn2_free(text); }
};
using Idn2Text = std::unique_ptr<char, Idn2Free>;

// A U-label name may be longer than its A-labels' 255 octets allow; this caps the converter's work.
constexpr std::size_t max_utf8_domain = 1024;

bool valid_label(std::string_view label, bool lenient, bool utf8) {
  if (label.empty() || (!utf8 && label.size() > 63)) return false;
  for (const char c : label) {
    const bool high = static_cast<unsigned char>(c) >= 0x80;
    if (!(is_alnum(c) || c == '-' || (lenient && c == '_') || (utf8 && high))) return false;
  }
  return lenient || (label.front() != '-' && label.back() != '-');
}

bool valid_labels(std::string_view name, bool lenient, bool utf8) {
  bool numeric = true;
  while (true) {
    const std::size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    if (!valid_label(label, lenient, utf8)) return false;
    for (const char c : label) numeric = numeric && is_digit(c);
    if (dot == std::string_view::npos) return !numeric;
    name.remove_prefix(dot + 1);
  }
}

}  // namespace

bool valid_hostname(std::string_view name, bool lenient) {
  return !name.empty() && name.size() <= max_domain && valid_labels(name, lenient, false);
}

bool valid_utf8_domain(std::string_view name, bool lenient) {
  if (is_ascii(name)) return valid_hostname(name, lenient);
  return name.size() <= max_utf8_domain && valid_labels(name, lenient, true) && is_plain_utf8(name) &&
         to_ascii(name).has_value();
}

bool valid_literal(std::string_view text, bool lenient) {
  if (text.size() < 4 || text.size() > 64 || text.front() != '[' || text.back() != ']') return false;
  text = text.substr(1, text.size() - 2);
  constexpr std::string_view tag = "IPv6:";
  if (istarts_with(text, tag)) {
    const auto ip = IpAddress::parse(text.substr(tag.size()));
    return ip && ip->is_v6();
  }
  const auto ip = IpAddress::parse(text);
  return ip && (lenient || ip->is_v4());
}

Result<std::string> to_ascii(std::string_view domain) {
  if (domain.size() > max_utf8_domain || domain.find('\0') != std::string_view::npos)
    return fail(Trouble::permanent, "domain name too long or with a null byte");
  if (is_ascii(domain)) {
    if (domain.size() > max_domain) return fail(Trouble::permanent, "domain name too long");
    return lower(domain);
  }
  char* raw = nullptr;
  const std::string copy(domain);
  const int status =
      idn2_to_ascii_8z(copy.c_str(), &raw, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL | IDN2_USE_STD3_ASCII_RULES);
  const Idn2Text owned(raw);
  if (status != IDN2_OK)
    return fail(Trouble::permanent, std::string("domain name not convertible: ") + idn2_strerror(status));
  std::string ascii = lower(owned.get());
  if (!valid_hostname(ascii)) return fail(Trouble::permanent, "domain name not convertible to a host name");
  return ascii;
}

std::string to_unicode(std::string_view domain) {
  std::string copy(domain);
  if (domain.size() > max_domain || copy.find("xn--") == std::string::npos ||
      copy.find('\0') != std::string::npos)
    return copy;
  char* raw = nullptr;
  const int status = idn2_to_unicode_8z8z(copy.c_str(), &raw, 0);
  const Idn2Text owned(raw);
  if (status != IDN2_OK || !is_plain_utf8(owned.get())) return copy;
  // One text has one meaning: what does not lead back is shown as it is on the wire.
  const auto back = to_ascii(owned.get());
  if (!back || *back != lower(domain)) return copy;
  return owned.get();
}

std::string canonical_domain(std::string_view domain) {
  if (domain.size() > 1 && domain.ends_with('.')) domain.remove_suffix(1);
  auto ascii = to_ascii(domain);
  return ascii ? std::move(*ascii) : lower(domain);
}

std::string_view parent_domain(std::string_view domain) {
  const std::size_t dot = domain.find('.');
  return dot == std::string_view::npos ? std::string_view{} : domain.substr(dot + 1);
}

bool is_within(std::string_view domain, std::string_view parent) {
  if (!domain.ends_with(parent)) return false;
  return domain.size() == parent.size() || parent.empty() || domain[domain.size() - parent.size() - 1] == '.';
}

}  // namespace postrider::address
