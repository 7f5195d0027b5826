// Between master and each of its children, over the link that is descriptor 3 of every child. When
// the link closes the master is gone, and the child ends.
#pragma once

#include <cstdint>

#include "lib/ipc/codec.h"

namespace postrider::protocol {

inline constexpr int link_descriptor = 3;  // the listening sockets follow from 4

// Child to master, whenever it changes.
struct ChildStatus {
  static constexpr std::string_view name = "master.child-status/1";
  bool available = true;      // would accept a client now; master starts another process when none is
  std::uint32_t clients = 0;  // being served
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.flag(self.available);
    v.number(self.clients, UINT32_MAX);
  }
};

// Master to child: accept nothing more, finish what you have, end. For reload and orderly stop.
struct Drain {
  static constexpr std::string_view name = "master.drain/1";
  template <class Self, class V>
  static void fields(Self&, V&) {}
};

}  // namespace postrider::protocol
