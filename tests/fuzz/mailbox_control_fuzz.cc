// The small files and names of a Maildir: keywords, subscriptions, message and folder names, locations
// and UIDL formats. The first byte chooses.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/mailbox/folder_name.h"
#include "lib/mailbox/keywords.h"
#include "lib/mailbox/location.h"
#include "lib/mailbox/maildir_name.h"
#include "lib/mailbox/pop3_uidl.h"
#include "lib/mailbox/subscriptions.h"

using namespace postrider::mailbox;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

void maildir_name(std::string_view text) {
  const auto name = parse_maildir_name(text);
  const auto changed = with_flags(text, "SF", "T");
  const auto parsed = parse_maildir_name(changed);
  check(parsed.base == name.base && parsed.size == name.size && parsed.virtual_size == name.virtual_size);
  check(parsed.flags.contains('S') && parsed.flags.contains('F') && !parsed.flags.contains('T'));
  check(with_flags(changed, "SF", "T") == changed);
  (void)arrived_before(text, name.base);
}

void folder(std::string_view text) {
  const FolderRules rules{'/', "", false};
  if (const auto directory = folder_directory(text, rules); directory && !directory->empty()) {
    check(directory->find('/') == std::string::npos && directory->find("..") == std::string::npos);
    check(folder_name(*directory, rules) == text);
  }
  if (const auto name = folder_name(text, rules)) check(folder_directory(*name, rules) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'k': {
      const auto keywords = Keywords::parse(text);
      check(Keywords::parse(keywords.format()).format() == keywords.format());
      break;
    }
    case 's': {
      const auto names = Subscriptions::parse(text);
      check(Subscriptions::parse(names.format()).names() == names.names());
      break;
    }
    case 'n': maildir_name(text); break;
    case 'f': folder(text); break;
    case 'l': {
      const auto location = parse_mail_location(text, {"user@example.org", "/home/user"});
      if (location) check(location->root.starts_with('/') && location->inbox.starts_with('/'));
      break;
    }
    case 'u': {
      const auto uidl =
          make_uidl(text, {.uid = 7, .uid_validity = 9, .base = "base", .guid = "guid", .md5 = "md5"});
      if (uidl) check(uidl->find_first_of(" \r\n\t") == std::string::npos);
      break;
    }
    default: break;
  }
  return 0;
}
