// Paths and address lists from strangers: what is accepted must print to something that reads back the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/address/domain.h"
#include "lib/address/header.h"
#include "lib/address/ip.h"
#include "lib/address/path.h"

using namespace postrider::address;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const PathRules rules{.strict = (data[0] & 1) != 0, .utf8 = (data[0] & 2) != 0, .allow_null = true};
  if (const auto path = parse_path(text, rules)) {
    if (path->size > text.size()) std::abort();
    const auto again = parse_path(path->address.path(), {.utf8 = true, .allow_null = true});
    if (!again || again->address != path->address) std::abort();
    if (Address::from_internal(path->address.internal()) != path->address) std::abort();
  }
  const auto list = parse_address_list(text, 100);
  for (const HeaderMailbox& box : list.mailboxes) {
    if (box.begin > box.end || box.end > text.size()) std::abort();
    const auto again = parse_address_list(format_mailbox(box.name, box.address), 2);
    if (again.mailboxes.size() != 1 || again.mailboxes[0].address != box.address) std::abort();
  }
  if (const auto network = Network::parse(text)) {
    const auto again = Network::parse(network->text());
    if (!again || *again != *network) std::abort();
  }
  (void)canonical_domain(text);
  (void)to_unicode(text);
  return 0;
}
