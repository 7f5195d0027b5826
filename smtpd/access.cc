#include "smtpd/access.h"

#include <algorithm>

#include <fmt/core.h>

#include "lib/address/address.h"
#include "lib/base/text.h"

namespace postrider::smtpd {

using Kind = AccessAction::Kind;

std::vector<std::string> network_keys(const Client& client) {
  std::vector<std::string> keys;
  keys.push_back(client.address);
  const char separator = client.ip.is_v4() ? '.' : ':';
  std::string rest = client.address;
  while (true) {
    const std::size_t cut = rest.rfind(separator);
    if (cut == std::string::npos) break;
    rest.resize(cut);
    if (!rest.empty() && rest.back() != separator) keys.push_back(rest);
  }
  return keys;
}

std::vector<std::string> domain_keys(std::string_view domain, const KeyRules& rules) {
  constexpr std::size_t most = 150;  // a Lookup holds 200; names in DNS have at most 127 labels
  std::vector<std::string> keys;
  const std::string name = lower(domain);
  if (name.empty()) return keys;
  keys.push_back(name);
  if (name.starts_with('[')) return keys;  // an address literal has no parents
  std::size_t dot = name.find('.');
  while (dot != std::string::npos && keys.size() < most) {
    std::string parent = name.substr(rules.bare_parents ? dot + 1 : dot);
    if (parent.size() > (rules.bare_parents ? 0U : 1U)) keys.push_back(std::move(parent));
    dot = name.find('.', dot + 1);
  }
  return keys;
}

std::vector<std::string> address_keys(std::string_view address, const KeyRules& rules) {
  const std::string whole = lower(address);
  if (whole.empty()) return {"<>"};
  const std::size_t at = whole.rfind('@');
  const std::string local = whole.substr(0, at);
  const std::string domain = at == std::string::npos ? std::string() : whole.substr(at + 1);
  const address::Extension parts = address::split_extension(local, rules.delimiters);
  const std::string user(parts.present ? parts.user : std::string_view());

  std::vector<std::string> keys;
  keys.push_back(whole);
  if (!user.empty() && !domain.empty()) keys.push_back(user + "@" + domain);
  for (std::string& key : domain_keys(domain, rules)) keys.push_back(std::move(key));
  keys.push_back(local + "@");
  if (!user.empty()) keys.push_back(user + "@");
  return keys;
}

namespace {

// "554 5.7.1 <what>: text"; a status at the front of `text` is taken instead, in the class of the code.
smtp::Reply worded(int code, std::string_view what, std::string_view text) {
  smtp::Status status{0, 7, 1};
  if (const auto given = smtp::Status::take(text)) status = *given;
  status = status.with_kind(static_cast<std::uint8_t>(code / 100));
  return {code, status, fmt::format("{}: {}", what, text.empty() ? "Access denied" : text)};
}

AccessAction refuse(smtp::Reply reply) { return {Kind::refuse, std::move(reply), ""}; }

bool is_header(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos) return false;
  const bool name = std::ranges::all_of(line.substr(0, colon), [](char c) { return c > ' ' && c < '\x7f'; });
  return name && std::ranges::none_of(line, [](char c) { return c == '\n' || c == '\r' || c == '\0'; });
}

// An action that is nothing without what follows it.
AccessAction with_argument(Kind kind, bool fits, std::string_view action, std::string_view text) {
  if (fits) return {kind, {}, std::string(text)};
  return {Kind::malformed, {}, fmt::format("{} with a bad argument: \"{}\"", upper(action), text)};
}

}  // namespace

AccessAction parse_access(std::string_view value, std::string_view what, int reject_code) {
  constexpr int defer_code = 450;
  value = trim(value);
  const std::size_t blank = value.find_first_of(" \t");
  const std::string action = lower(value.substr(0, blank));
  const std::string_view text =
      blank == std::string_view::npos ? std::string_view() : trim(value.substr(blank));

  const bool number = !action.empty() && std::ranges::all_of(action, is_digit);
  // DEVIATES access(5): "550" alone refuses as well, though it is all digits; nobody means OK by it.
  if (number && action.size() == 3 && (action[0] == '4' || action[0] == '5'))
    return refuse(worded(*parse_number<int>(action), what, text));
  if (number && text.empty()) return {Kind::permit, {}, ""};
  if (action == "ok" || action == "relay" || action == "permit") return {Kind::permit, {}, ""};
  if (action == "dunno" || action.empty()) return {};
  if (action == "reject") return refuse(worded(reject_code, what, text));
  if (action == "defer") return refuse(worded(defer_code, what, text));
  if (action == "defer_if_permit") return {Kind::defer_if_permit, worded(defer_code, what, text), ""};
  if (action == "hold") return {Kind::hold, {}, std::string(text)};
  if (action == "discard") return {Kind::discard, {}, std::string(text)};
  if (action == "warn" || action == "info") return {Kind::warn, {}, std::string(text)};
  if (action == "redirect")
    return with_argument(Kind::redirect, text.find('@') != std::string_view::npos, action, text);
  if (action == "filter") return with_argument(Kind::filter, !text.empty(), action, text);
  if (action == "prepend") return with_argument(Kind::prepend, is_header(text), action, text);
  return {Kind::restrictions, {}, std::string(value)};
}

}  // namespace postrider::smtpd
