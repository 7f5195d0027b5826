#include "lib/sasl/authenticator.h"

#include <algorithm>

#include "lib/address/ip.h"
#include "lib/sasl/password_scheme.h"

namespace postrider::sasl {

bool is_user_name(std::string_view name) {
  if (name.empty() || name.size() > 255) return false;
  return std::none_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

std::string expand_user(std::string_view text, std::string_view user) {
  const std::size_t at = user.rfind('@');
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%' || i + 1 == text.size()) {
      result += text[i];
      continue;
    }
    switch (text[++i]) {
      case 'u': result += user; break;
      case 'n': result += user.substr(0, at); break;
      case 'd': result += at == std::string_view::npos ? std::string_view() : user.substr(at + 1); break;
      case '%': result += '%'; break;
      default: result.append("%").append(1, text[i]);
    }
  }
  return result;
}

Authenticator::Authenticator(Log& log, std::vector<std::unique_ptr<UserDatabase>> databases,
                             UserDefaults defaults)
    : log_(log), databases_(std::move(databases)), defaults_(std::move(defaults)) {}

Result<std::optional<Authenticator::Found>> Authenticator::look_up(std::string_view name) {
  std::vector<std::string> names{std::string(name)};
  if (name.find('@') == std::string_view::npos && !defaults_.realm.empty()) {
    names.push_back(std::string(name) + "@" + defaults_.realm);
  }
  for (const auto& database : databases_) {
    for (const std::string& each : names) {
      auto user = database->find(each);
      if (!user) return fail(user.error());
      if (*user) return Found{database.get(), std::move(**user)};
    }
  }
  return std::nullopt;
}

Authenticator::Checked Authenticator::check(std::string_view name, std::string_view password,
                                            std::string_view client_address) {
  Checked result;
  result.user = printable(name.substr(0, 255));
  const auto say = [&](std::string_view label, std::string_view what) {
    log_.info("{}({},{}): {}", label, result.user, client_address, what);
  };
  const auto spend_time = [&] {
    const std::string typical =
        databases_.empty() ? nobodys_password() : databases_.front()->typical_password();
    [[maybe_unused]] const auto ignored = verify_password(typical, password);
  };
  if (!is_user_name(name)) {
    spend_time();
    result.reason = "malformed user name";
    return result;
  }
  const auto found = look_up(name);
  if (!found) {
    result.verdict = Verdict::temporary;
    result.reason = found.error().text();
    return result;
  }
  if (!*found) {
    spend_time();
    say(databases_.empty() ? "auth" : databases_.back()->label(), "unknown user");
    result.reason = "unknown user";
    return result;
  }
  const UserEntry& user = (*found)->user;
  result.user = user.name;
  result.verdict = (*found)->database->check(user, password, result.reason);
  if (result.verdict == Verdict::match && !admits(user, client_address)) result.verdict = Verdict::disabled;
  switch (result.verdict) {
    case Verdict::match: break;
    case Verdict::mismatch:
      say((*found)->database->label(), "Password mismatch");
      if (result.reason.empty()) result.reason = "Password mismatch";
      break;
    case Verdict::unknown_user:
      say((*found)->database->label(), "unknown user");
      result.reason = "unknown user";
      break;
    case Verdict::disabled:
      if (result.reason.empty()) result.reason = "login not allowed";
      say((*found)->database->label(), result.reason);
      break;
    case Verdict::temporary:
      log_.warning("{}({}): {}", (*found)->database->label(), result.user, result.reason);
  }
  return result;
}

Result<std::optional<UserEntry>> Authenticator::find(std::string_view name) {
  if (!is_user_name(name)) return std::nullopt;
  auto found = look_up(name);
  if (!found) return fail(found.error());
  if (!*found) return std::nullopt;
  return std::move((*found)->user);
}

bool Authenticator::admits(const UserEntry& user, std::string_view client_address) {
  if (user.disabled) return false;
  if (user.allow_nets.empty()) return true;
  const auto address = address::IpAddress::parse(client_address);
  return std::any_of(user.allow_nets.begin(), user.allow_nets.end(), [&](const std::string& text) {
    if (text == "local") return address && address->is_loopback();
    const auto net = address::Network::parse(text);
    return address && net && net->contains(*address);
  });
}

UserEntry Authenticator::completed(UserEntry user) const {
  if (!user.uid) user.uid = defaults_.uid;
  if (!user.gid) user.gid = defaults_.gid;
  if (user.home.empty()) user.home = defaults_.home;
  if (user.mail.empty()) user.mail = defaults_.mail;
  user.home = expand_user(user.home, user.name);
  return user;
}

}  // namespace postrider::sasl
