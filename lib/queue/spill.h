// Messages that left the journal: one self-contained file each, in deferred/, hold/ or corrupt/.
//
//   page 0: header (id, lengths, checksums) | content at 4096 | envelope | status blocks …
//
// The state of recipients changes by appending a status block; a torn last block is ignored. A
// deferred file's mtime is the time of its next attempt, so that an administrator's `touch` moves it.
// Stateless; usable from any thread as long as one file is changed by one thread at a time. Blocks.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/os/files.h"
#include "lib/queue/envelope.h"
#include "lib/queue/layout.h"
#include "lib/queue/queue_reader.h"

namespace postrider::queue {

struct SpilledMessage {
  Envelope envelope;  // with the recipients' present state
  Content content;    // the file itself; offset 4096
  WallTime next_attempt;
  std::uint64_t file_bytes = 0;  // up to the last valid status block
  std::uint32_t content_checksum = 0;
  bool torn_status = false;  // the last status block was incomplete and is ignored
};

enum class Sync : std::uint8_t { now, later };  // later: survives kill -9, a power cut may lose it

class SpillStore {
 public:
  SpillStore(os::Files& files, Layout layout) : files_(files), layout_(std::move(layout)) {}

  // Durable when it returns. A content file (in_content_file) is completed and moved, not copied.
  // Replaces a file of the same id, arrival and sender on that shelf: it is an earlier try at the same.
  // Refuses (permanent) when another message has the id.
  Result<> put(Shelf shelf, const Message& message, WallTime next_attempt);

  // not_found, or permanent when damaged. `check_content` also reads all of it against its checksum.
  Result<SpilledMessage> read(Shelf shelf, QueueId id, bool check_content = false) const;
  Result<SpilledMessage> read_path(const std::string& path, bool check_content = false) const;
  bool exists(Shelf shelf, QueueId id) const;
  std::optional<Shelf> find(QueueId id) const;

  // Appends the present state of all recipients that differ from `before`, and of the flags; sets
  // the next attempt. The file is rewritten instead when status blocks outweigh the envelope.
  Result<> update(Shelf shelf, const Envelope& before, const Envelope& after, WallTime next_attempt,
                  Sync sync);

  Result<> reschedule(QueueId id, WallTime next_attempt);  // deferred/ only
  Result<> remove(Shelf shelf, QueueId id);
  Result<> move(QueueId id, Shelf from, Shelf to, WallTime next_attempt);

  // Every id on the shelf, until `each` says false. Names that are no ids are skipped.
  Result<> list(Shelf shelf, const std::function<bool(QueueId)>& each) const;

  // Keeps bytes that are no valid message in corrupt/<name>, for the administrator.
  Result<> keep_damaged(const std::string& name, std::string_view bytes);
  // The same for the record, of so many bytes, that a segment has there.
  Result<> keep_damaged_record(Place place, std::uint64_t bytes);

  const Layout& layout() const { return layout_; }

 private:
  os::Files& files_;
  Layout layout_;
};

}  // namespace postrider::queue
