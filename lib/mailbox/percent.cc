#include "lib/mailbox/percent.h"

#include <algorithm>

#include <fmt/core.h>
#include <openssl/evp.h>

#include "lib/base/text.h"

namespace postrider::mailbox {

namespace {

constexpr std::size_t most_width = 255;

std::string zero_padded(std::string text, std::size_t width) {
  return text.size() < width ? std::string(width - text.size(), '0') + text : text;
}

std::string hexadecimal(std::string_view decimal) {
  return fmt::format("{:x}", parse_number<std::uint64_t>(decimal).value_or(0));
}

std::unexpected<Error> wrong(std::string_view text, std::string_view why) {
  return fail(Trouble::configuration, fmt::format("\"{}\": {}", text, why));
}

std::optional<std::string> apply_modifier(char modifier, const std::string& value) {
  switch (modifier) {
    case 'X': return hexadecimal(value);
    case 'L': return lower(value);
    case 'U': return upper(value);
    case 'M': return md5_hex(value);
    case 'R': return std::string(value.rbegin(), value.rend());
    default: return std::nullopt;
  }
}

std::optional<std::string> apply_filter(std::string_view filter, const std::string& value) {
  if (filter == "lower") return lower(value);
  if (filter == "upper") return upper(value);
  if (filter == "md5") return md5_hex(value);
  if (filter == "username") return value.substr(0, value.find('@'));
  if (filter == "domain")
    return value.substr(std::min(value.size(), value.find('@')) + (value.contains('@') ? 1 : 0));
  if (filter.starts_with("hex(") && filter.ends_with(')')) {
    const auto width = parse_number<std::size_t>(filter.substr(4, filter.size() - 5));
    if (width && *width <= most_width) return zero_padded(hexadecimal(value), *width);
  }
  return std::nullopt;
}

// One variable: what stands after the '%'. Takes it off the front of `rest`.
class Variable {
 public:
  Variable(std::string_view whole, std::string_view& rest, const PercentLookup& lookup)
      : whole_(whole), rest_(rest), lookup_(lookup) {}

  Result<std::string> expand() { return rest_.starts_with('{') ? expand_long() : expand_short(); }

 private:
  std::size_t number() {
    std::size_t value = 0;
    while (!rest_.empty() && is_digit(rest_[0])) {
      value = std::min(value * 10 + static_cast<std::size_t>(rest_[0] - '0'), most_width + 1);
      rest_.remove_prefix(1);
    }
    return value;
  }

  Result<std::string> expand_short() {
    bool zeros = rest_.starts_with('0');
    std::size_t offset = 0, width = number();
    if (rest_.starts_with('.')) {
      rest_.remove_prefix(1);
      offset = width;
      zeros = rest_.starts_with('0');
      width = number();
    }
    if (offset > most_width || width > most_width) return wrong(whole_, "a width is too large");
    std::string modifiers;
    while (!rest_.empty() && std::string_view("XLUMR").contains(rest_[0])) {
      modifiers += rest_[0];
      rest_.remove_prefix(1);
    }
    if (rest_.empty()) return wrong(whole_, "ends within a variable");
    auto value = lookup_(rest_.substr(0, 1));
    if (!value) return wrong(whole_, fmt::format("unknown variable %{}", rest_[0]));
    rest_.remove_prefix(1);
    for (const char modifier : modifiers) value = apply_modifier(modifier, *value);
    if (offset != 0) value = value->substr(std::min(offset, value->size()));
    if (zeros) return zero_padded(*value, width);
    return width != 0 ? value->substr(0, width) : *value;
  }

  Result<std::string> expand_long() {
    const auto end = rest_.find('}');
    if (end == std::string_view::npos) return wrong(whole_, "a '{' is not closed");
    const auto parts = split(rest_.substr(1, end - 1), '|');
    rest_.remove_prefix(end + 1);
    auto value = lookup_(trim(parts[0]));
    if (!value) return wrong(whole_, fmt::format("unknown variable %{{{}}}", trim(parts[0])));
    for (std::size_t i = 1; i < parts.size(); ++i) {
      value = apply_filter(trim(parts[i]), *value);
      if (!value) return wrong(whole_, fmt::format("unknown filter \"{}\"", trim(parts[i])));
    }
    return *value;
  }

  std::string_view whole_;
  std::string_view& rest_;
  const PercentLookup& lookup_;
};

}  // namespace

std::string md5_hex(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_md5(), nullptr) != 1) return {};
  std::string text;
  for (unsigned i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

Result<std::string> expand_percent(std::string_view text, const PercentLookup& lookup) {
  const auto whole = text;
  std::string result;
  while (!text.empty()) {
    const auto at = text.find('%');
    result += text.substr(0, at);
    if (at == std::string_view::npos) break;
    text.remove_prefix(at + 1);
    if (text.starts_with('%')) {
      result += '%';
      text.remove_prefix(1);
      continue;
    }
    const auto value = Variable(whole, text, lookup).expand();
    if (!value) return fail(value.error());
    result += *value;
  }
  return result;
}

}  // namespace postrider::mailbox
