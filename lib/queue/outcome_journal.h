// What became of the messages in the segments: qmgr's append-only log in active/, replayed at start.
//
// Recording is memory only; flush() hands it to the kernel (survives kill -9, costs one write per
// turn of the loop); sync() makes it durable. A lost outcome never loses mail, it repeats a delivery,
// so syncing once a second is enough. One writer, locked. Everything but sync() belongs to one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/os/files.h"
#include "lib/queue/envelope.h"
#include "lib/queue/layout.h"
#include "lib/queue/queue_reader.h"

namespace postrider::queue {

class OutcomeJournal {
 public:
  struct Options {
    std::uint64_t rotate_bytes = 8U << 20;  // a file above this is replaced by its summary
    std::size_t pool_limit = 4;             // segments kept for reuse
  };

  // Reads the newest journal, starts a new one with its summary. temporary when another qmgr holds
  // it. Damaged entries are skipped and counted in one warning.
  static Result<std::unique_ptr<OutcomeJournal>> open(os::Files& files, Log& log, Layout layout,
                                                      Options options);
  // What the files say, for listing the queue while no qmgr runs: changes nothing, takes no lock.
  static Result<std::unique_ptr<const OutcomeJournal>> view(os::Files& files, Log& log, Layout layout);
  ~OutcomeJournal();

  // True when the message needs attention: it was not known yet and is not gone. Called for every
  // message that cleanup announces or a scan finds; a second call for the same place says false.
  bool arrived(Place place);
  bool gone(Place place) const;  // removed or spilled
  // Marks recipients of `envelope` that earlier attempts finished.
  void apply(Place place, Envelope& envelope) const;
  std::optional<WallTime> deferred_until(Place place) const;
  std::uint32_t attempts(Place place) const;

  void recipients_done(Place place, std::uint32_t first, std::uint32_t count, RecipientStatus status);
  void deferred(Place place, WallTime until);  // counts one attempt
  // The message is finished. `content` names the content file to unlink once this is durable.
  void removed(Place place, std::optional<QueueId> content = std::nullopt);
  // The message now lives on a shelf, durably, and left the journal.
  void spilled(Place place);

  Result<> flush();
  // Any thread. Durable up to the last flush(); then content files of removed messages are unlinked.
  Result<> sync();
  bool needs_sync() const;

  // Segments without a known message left, except each slot's newest while the slot is in use. Before
  // recycle() scan each once more for messages cleanup could not announce.
  Result<std::vector<SegmentName>> idle_segments() const;
  // Of the segment that `scan` read, every message of which the owner knows to be gone: keeps a copy of each
  // damaged record in corrupt/, makes the header void, durably, then moves the file to the pool. Refused
  // (temporary) when the scan did not come to the end: behind that may be messages nobody has seen. Blocks on
  // the disk. From any thread, but not while the owner uses the segment; then call forget() in the owner's.
  Result<> recycle(const SegmentScan& scan);
  // The same for a segment whose header is void already: a crash came between that and the move. Refused
  // (temporary) when it holds anything.
  Result<> recycle_void(SegmentName name);
  void forget(SegmentName name);

  std::size_t live_messages() const;

 private:
  struct State;
  explicit OutcomeJournal(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace postrider::queue
