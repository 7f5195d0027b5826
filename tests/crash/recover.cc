// Says which letters a queue directory still holds, reading it as qmgr and pickup do after a crash: outcome
// journal first, then segments, deferred/, hold/ and maildrop/. For powercut.py, which asks about thousands
// of directories.
//
// stdin: a path per line. stdout, for each: blocks of
//   "letter <where> <bytes>\n" "to <recipient still to be tried>\n"… "content\n" and so many bytes
// then "done\n", or "failed <why>\n" when the queue could not be opened at all.
#include <cstdio>
#include <iostream>
#include <string>

#include <fmt/core.h>

#include "lib/base/log.h"
#include "lib/queue/maildrop.h"
#include "lib/queue/outcome_journal.h"
#include "lib/queue/queue_reader.h"
#include "lib/queue/spill.h"

namespace {

using namespace postrider;
using namespace postrider::queue;

void say(const std::string& where, const Envelope& envelope, const Content& content) {
  const auto bytes = content.read(os::system_files(), 0, static_cast<std::size_t>(content.length));
  if (!bytes) return;
  std::string text = fmt::format("letter {} {}\n", where, bytes->size());
  for (const Recipient& recipient : envelope.recipients)
    if (recipient.status == RecipientStatus::todo) text += "to " + recipient.address + "\n";
  text += "content\n" + *bytes;
  std::fwrite(text.data(), 1, text.size(), stdout);
}

Result<> say_segments(const Layout& layout, OutcomeJournal& outcomes) {
  os::Files& files = os::system_files();
  QueueReader reader(files, layout);
  const auto segments = reader.segments();
  if (!segments) return fail(segments.error());
  for (const SegmentName name : *segments) {
    auto scan = reader.scan(name);
    if (!scan) continue;
    for (auto found = scan->next(); found && *found; found = scan->next()) {
      if ((*found)->damaged || !outcomes.arrived((*found)->place)) continue;
      auto message = reader.read((*found)->place);
      if (!message) continue;
      outcomes.apply((*found)->place, message->envelope);
      say("incoming", message->envelope, message->content);
    }
  }
  return {};
}

Result<> say_all(const std::string& directory) {
  os::Files& files = os::system_files();
  const Layout layout(directory);
  MemoryLog log;
  if (auto made = create_queue_directories(files, layout); !made) return made;
  auto outcomes = OutcomeJournal::open(files, log, layout, {});
  if (!outcomes) return fail(outcomes.error());
  if (auto said = say_segments(layout, **outcomes); !said) return said;
  const SpillStore store(files, layout);
  for (const Shelf shelf : {Shelf::deferred, Shelf::hold}) {
    auto listed = store.list(shelf, [&](QueueId id) {
      if (const auto message = store.read(shelf, id, true))
        say(std::string(shelf_name(shelf)), message->envelope, message->content);
      return true;
    });
    if (!listed) return listed;
  }
  return files.list(layout.maildrop(), [&](std::string_view name) {
    if (!is_maildrop_name(name)) return true;
    if (const auto dropped = read_submission(files, layout.maildrop() + "/" + std::string(name), 0))
      say("maildrop", dropped->envelope, dropped->content);
    return true;
  });
}

}  // namespace

int main() {
  for (std::string directory; std::getline(std::cin, directory);) {
    const auto said = say_all(directory);
    fmt::print("{}\n", said ? "done" : "failed " + said.error().text());
    std::fflush(stdout);
  }
}
