#include "lib/mailbox/pop3_uidl.h"

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/mailbox/percent.h"

namespace postrider::mailbox {

Result<std::string> make_uidl(std::string_view format, const UidlSource& source) {
  auto uidl = expand_percent(format, [&](std::string_view name) -> std::optional<std::string> {
    if (name == "u" || name == "uid") return std::to_string(source.uid);
    if (name == "v" || name == "uidvalidity") return std::to_string(source.uid_validity);
    if (name == "f" || name == "filename") return std::string(source.base);
    if (name == "g" || name == "guid") return std::string(source.guid);
    if (name == "m" || name == "md5") return std::string(source.md5);
    return std::nullopt;
  });
  if (!uidl) return fail(uidl.error().within("pop3_uidl_format"));
  for (char& c : *uidl) {
    if (c <= ' ' || c >= 0x7f) c = '_';
  }
  return uidl;
}

bool uidl_from_uid_alone(std::string_view format) {
  const auto one = make_uidl(format, {1, 2, "a", "a", "a"});
  const auto other = make_uidl(format, {1, 2, "b", "b", "b"});
  return one && other && *one == *other;
}

void rename_duplicates(std::vector<std::string>& uidls) {
  StringMap<unsigned> seen;
  seen.reserve(uidls.size());
  for (auto& uidl : uidls) {
    const unsigned nth = ++seen[uidl];
    if (nth > 1) uidl += fmt::format("-{}", nth);
  }
}

}  // namespace postrider::mailbox
