// A message in the active queue: what qmgr knows of it while its recipients are being tried.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "lib/base/clock.h"
#include "lib/queue/envelope.h"
#include "lib/queue/layout.h"
#include "lib/queue/queue_reader.h"

namespace postrider::qmgr {

struct Message {
  queue::Envelope envelope;
  // Where it is stored: in the journal, or in a file of its own in deferred/.
  std::optional<queue::Place> place;
  bool in_content_file = false;

  // As it was stored, to append only what changed.
  queue::Envelope stored;
  WallTime activated;

  queue::Content content;  // open while deliveries are under way
  unsigned content_users = 0;

  // Of this pass over the recipients.
  std::size_t pending = 0;    // not yet settled
  std::size_t in_flight = 0;  // of these, with an agent now
  bool resolving = false;
  unsigned losses = 0;                   // agents that died on it
  std::vector<std::uint32_t> bounced;    // to be returned
  std::vector<std::uint32_t> succeeded;  // to be reported when the sender asked for it
  std::vector<bool> expanded, relayed;   // parallel to the recipients, for success reports

  // What a tool asked for while deliveries were under way; obeyed when they ended.
  enum class Wish : std::uint8_t { none, remove, hold, requeue, expire };
  Wish wish = Wish::none;
};

}  // namespace postrider::qmgr
