#include "lib/mailbox/location.h"

#include <vector>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/mailbox/percent.h"

namespace postrider::mailbox {

namespace {

// Whether a part of a user's name may become part of a path.
bool safe_part(std::string_view part) {
  return !part.starts_with('.') && part.size() <= 255 &&
         part.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

Result<std::string> expand_path(std::string_view text, const MailOwner& owner) {
  bool unsafe = false;
  const auto at = owner.user.find('@');
  const auto part = [&](std::string value) {
    unsafe = unsafe || value.empty() || !safe_part(value);
    return value;
  };
  const auto lookup = [&](std::string_view name) -> std::optional<std::string> {
    if (name == "u" || name == "user") return part(owner.user);
    if (name == "n" || name == "username") return part(owner.user.substr(0, at));
    if (name == "d" || name == "domain")
      return part(at == std::string::npos ? "" : owner.user.substr(at + 1));
    if (name == "h" || name == "home") return owner.home;
    return std::nullopt;
  };
  auto path = expand_percent(text, lookup);
  if (!path) return path;
  if (unsafe)
    return fail(Trouble::permanent, fmt::format("user name \"{}\" cannot be part of a path", owner.user));
  if (*path == "~" || path->starts_with("~/")) *path = owner.home + path->substr(1);
  if (!path->starts_with('/')) {
    return fail(Trouble::configuration, fmt::format("mail_location: \"{}\" is not an absolute path", *path));
  }
  while (path->size() > 1 && path->ends_with('/')) path->pop_back();
  return path;
}

}  // namespace

Result<MailLocation> parse_mail_location(std::string_view text, const MailOwner& owner) {
  const auto wrong = [&](std::string_view why) {
    return fail(Trouble::configuration, fmt::format("mail_location = {}: {}", text, why));
  };
  MailLocation location;
  auto parts = split(text, ':');
  if (parts[0] == "maildir" || parts[0] == "mbox") {
    location.kind = parts[0] == "mbox" ? MailLocation::Kind::mbox : MailLocation::Kind::maildir;
    parts.erase(parts.begin());
  } else if (parts[0].ends_with('/')) {
    location.kind = MailLocation::Kind::maildir;  // as home_mailbox says it
  } else if (parts[0].starts_with('/') || parts[0].starts_with('~')) {
    location.kind = MailLocation::Kind::mbox;
  } else {
    return wrong("neither maildir: nor mbox:");
  }
  if (parts.empty() || parts[0].empty()) return wrong("names no directory");

  auto root = expand_path(parts[0], owner);
  if (!root) return fail(root.error());
  location.root = location.inbox = std::move(*root);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const auto equals = parts[i].find('=');
    const auto key = parts[i].substr(0, equals);
    const auto value = equals == std::string_view::npos ? std::string_view{} : parts[i].substr(equals + 1);
    if (key == "INBOX" || key == "CONTROL") {
      auto path = expand_path(value, owner);
      if (!path) return fail(path.error());
      (key == "INBOX" ? location.inbox : location.control) = std::move(*path);
    } else if (key == "LAYOUT" && !iequals(value, "Maildir++")) {
      return wrong("only LAYOUT=Maildir++ is known");
    } else if (key != "LAYOUT" && key != "INDEX" && key != "INDEXPVT" && key != "INDEXCACHE" &&
               key != "VOLATILEDIR" && key != "SUBSCRIPTIONS" && key != "UTF-8") {
      return wrong(fmt::format("unknown key \"{}\"", key));
    }
  }
  return location;
}

}  // namespace postrider::mailbox
