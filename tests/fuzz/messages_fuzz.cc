// Every message between processes, decoded from arbitrary bytes: what decodes must encode again.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "lib/protocol/all.h"

using namespace postrider;

namespace {

template <class M>
void try_one(std::string_view bytes) {
  std::vector<os::Fd> descriptors;
  ipc::Decoder decoder(bytes, descriptors);
  M message;
  M::fields(message, decoder);
  if (!decoder.complete()) return;
  std::string again;
  std::vector<int> numbers;
  ipc::Encoder encoder(again, numbers);
  M::fields(message, encoder);
  if (again.size() > bytes.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::size_t which = 0;
  [&]<class... M>(std::tuple<M...>*) {
    ((which++ == static_cast<std::uint8_t>(bytes[0]) % sizeof...(M) ? try_one<M>(bytes.substr(1)) : void()),
     ...);
  }(static_cast<protocol::AllMessages*>(nullptr));
  return 0;
}
