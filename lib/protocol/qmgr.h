// What qmgr is told and asked on its intake socket: new messages by cleanup, commands by the tools,
// flush and showq. Only mail_owner and root can reach it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/ipc/codec.h"
#include "lib/queue/envelope.h"
#include "lib/queue/layout.h"

namespace postrider::protocol {

// A message was committed. Not answered: what is lost on the way is found by the scan that follows the end of
// the connection, or by the one at the start.
struct Queued {
  static constexpr std::string_view name = "qmgr.queued/1";
  std::uint8_t slot = 0;
  std::uint64_t serial = 0;
  std::uint32_t offset = 0;
  bool in_content_file = false;
  std::string envelope;  // queue::encode()

  queue::Place place() const { return {{serial, slot}, offset}; }
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.number(self.slot, 63);
    v.number(self.serial, UINT64_MAX);
    v.number(self.offset, UINT32_MAX);
    v.flag(self.in_content_file);
    v.text(self.envelope, 12U << 20);
  }
};

struct QueueCommand {
  static constexpr std::string_view name = "qmgr.command/1";
  enum class Verb : std::uint8_t {
    flush,       // everything deferred is due now; `items` empty
    flush_id,    // the named messages
    flush_site,  // messages for these destination domains
    remove,
    hold,
    release,
    requeue,
    expire,
  };
  Verb verb = Verb::flush;
  bool all = false;                 // every message (prsuper ALL), of `queues` when given
  std::vector<std::string> items;   // ids or domains
  std::vector<std::string> queues;  // "active", "deferred", "hold", "incoming"; empty: all
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.word(self.verb, Verb::expire);
    v.flag(self.all);
    v.texts(self.items, 10'000, 256);
    v.texts(self.queues, 8, 16);
  }
};

struct QueueCommandDone {
  static constexpr std::string_view name = "qmgr.command-done/1";
  std::vector<std::string> done;  // ids it was applied to, at most 10,000; then `more`
  std::uint64_t count = 0;
  std::string trouble;  // empty: none
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.texts(self.done, 10'000, queue::max_queue_id_length);
    v.number(self.count, UINT64_MAX);
    v.text(self.trouble, 1024);
  }
};

// Asks for what qmgr holds in memory: the answer is any number of QueueEntry, then QueueListEnd.
// Sleeping messages are read from deferred/ and hold/ by whoever lists them.
struct ListQueue {
  static constexpr std::string_view name = "qmgr.list/1";
  template <class Self, class V>
  static void fields(Self&, V&) {}
};

struct QueueEntry {
  static constexpr std::string_view name = "qmgr.entry/1";
  bool active = true;    // else incoming: not yet admitted to the active queue
  std::string envelope;  // queue::encode(); recipients with their present state
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.flag(self.active);
    v.text(self.envelope, 12U << 20);
  }
};

struct QueueListEnd {
  static constexpr std::string_view name = "qmgr.list-end/1";
  template <class Self, class V>
  static void fields(Self&, V&) {}
};

}  // namespace postrider::protocol
