// dovecot-uidlist: a list that is accepted keeps its rules and reads back the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/mailbox/uidlist.h"

using namespace postrider::mailbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto list = Uidlist::parse(text);
  if (!list) return 0;
  std::uint32_t last = 0;
  for (const auto& record : list->records()) {
    if (record.uid <= last || record.base.empty() || record.base.find('/') != std::string_view::npos)
      std::abort();
    (void)uid_field(record.fields, 'W');
    last = record.uid;
  }
  if (list->next_uid() <= last) std::abort();
  (void)list->add("new");
  const auto again = Uidlist::parse(list->format());
  if (!again || again->format() != list->format()) std::abort();
  return 0;
}
