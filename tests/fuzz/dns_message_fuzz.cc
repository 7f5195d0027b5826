// DNS responses, as a hostile name server sends them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lib/address/domain.h"
#include "lib/dns/message.h"

using namespace postrider;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view packet(reinterpret_cast<const char*>(data), size);
  for (const dns::Type type :
       {dns::Type::a, dns::Type::aaaa, dns::Type::mx, dns::Type::ptr, dns::Type::txt}) {
    const Result<dns::Answer> answer = dns::parse_response(packet, type);
    if (!answer) continue;
    if (answer->records.size() + answer->invalid > dns::max_records) std::abort();
    for (const dns::Record& record : answer->records)
      if (!record.host.empty() && !address::valid_hostname(record.host)) std::abort();
  }
  return 0;
}
