// Inside lib/sasl only: Cyrus SASL's callback tables, which it keeps pointers into.
#pragma once

#include <vector>

#include <sasl/sasl.h>

namespace postrider::sasl {

// Under which name Cyrus knows our source of secrets.
inline constexpr const char* auxprop_name = "postrider";

class CallbackTable {
 public:
  CallbackTable() { table_.push_back({SASL_CB_LIST_END, nullptr, nullptr}); }
  // Cyrus casts each back to the type that goes with its id.
  template <class F>
  void add(unsigned long id, F* function, void* context) {
    table_.insert(
        table_.end() - 1,
        sasl_callback_t{id, reinterpret_cast<int (*)()>(reinterpret_cast<void (*)()>(function)), context});
  }
  // Valid until the next add().
  const sasl_callback_t* entries() const { return table_.data(); }

 private:
  std::vector<sasl_callback_t> table_;
};

}  // namespace postrider::sasl
