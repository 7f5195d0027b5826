// What prsuper, prqueue and prcat do to spilled messages and to the segments of a stopped suite.
// Messages that a running qmgr holds are its own; the tools ask it for those.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/os/files.h"
#include "lib/queue/envelope.h"
#include "lib/queue/layout.h"
#include "lib/queue/spill.h"

namespace postrider::queue {

// One message as prqueue lists it.
struct Listed {
  std::string_view queue_name;  // "deferred", "hold", "corrupt", "incoming", "maildrop"
  Envelope envelope;
};

class QueueAdmin {
 public:
  QueueAdmin(os::Files& files, const Clock& clock, Log& log, Layout layout);

  // Each message of the shelf, until `each` says false; damaged files are logged and skipped.
  Result<> list(Shelf shelf, const std::function<bool(const Listed&)>& each);
  // Each message in the segments that no outcome ended. For when no qmgr runs; changes nothing.
  Result<> list_incoming(const std::function<bool(const Listed&)>& each);

  // not_found when no shelf has the message.
  Result<> remove(QueueId id);
  Result<> hold(QueueId id);     // deferred/ to hold/
  Result<> release(QueueId id);  // hold/ to deferred/, due at once
  Result<> requeue(QueueId id);  // back through pickup and cleanup: new rewriting, new id
  Result<> expire(QueueId id);   // flag expire, due at once

  struct Problem {
    std::string path;  // below the queue directory
    std::string text;
    bool repaired = false;
  };
  // prsuper -s: names, places, headers, checksums, doubles, owners, in every directory of the queue; `repair`
  // mends what it can and moves the rest to corrupt/. Never deletes a message.
  Result<std::vector<Problem>> check(bool repair);
  // prsuper -p: temporary files older than an hour, content files without a record older than a day.
  Result<std::vector<Problem>> purge(bool running);

 private:
  os::Files& files_;
  const Clock& clock_;
  Log& log_;
  Layout layout_;
  SpillStore store_;
};

}  // namespace postrider::queue
