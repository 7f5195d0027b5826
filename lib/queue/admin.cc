#include "lib/queue/admin.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include <fmt/core.h>

#include "lib/queue/file_bytes.h"
#include "lib/queue/maildrop.h"
#include "lib/queue/outcome_journal.h"

namespace postrider::queue {

namespace {
constexpr Seconds unfinished_age{3600};
constexpr Seconds orphan_age{24 * 3600};
}  // namespace

QueueAdmin::QueueAdmin(os::Files& files, const Clock& clock, Log& log, Layout layout)
    : files_(files), clock_(clock), log_(log), layout_(layout), store_(files, layout) {}

Result<> QueueAdmin::list(Shelf shelf, const std::function<bool(const Listed&)>& each) {
  return store_.list(shelf, [&](QueueId id) {
    auto message = store_.read(shelf, id);
    if (message) return each({shelf_name(shelf), std::move(message->envelope)});
    if (!message.error().is(Trouble::not_found)) log_.warning("{}", message.error().text());
    return true;
  });
}

Result<> QueueAdmin::list_incoming(const std::function<bool(const Listed&)>& each) {
  const auto outcomes = OutcomeJournal::view(files_, log_, layout_);
  if (!outcomes) return fail(outcomes.error());
  QueueReader reader(files_, layout_);
  const auto segments = reader.segments();
  if (!segments) return fail(segments.error());
  for (const SegmentName name : *segments) {
    auto scan = reader.scan(name);
    if (!scan) {
      if (!scan.error().is(Trouble::not_found)) log_.warning("{}", scan.error().text());
      continue;
    }
    for (;;) {
      auto found = scan->next();
      if (!found) return fail(found.error());
      if (!*found) break;
      if ((*found)->damaged || (*outcomes)->gone((*found)->place) || store_.find((*found)->envelope.id))
        continue;
      (*outcomes)->apply((*found)->place, (*found)->envelope);
      if (!each({"incoming", std::move((*found)->envelope)})) return {};
    }
  }
  return {};
}

Result<> QueueAdmin::remove(QueueId id) {
  const auto shelf = store_.find(id);
  if (!shelf) return fail(Trouble::not_found, id.text() + ": no such message");
  return store_.remove(*shelf, id);
}

Result<> QueueAdmin::hold(QueueId id) { return store_.move(id, Shelf::deferred, Shelf::hold, clock_.wall()); }

Result<> QueueAdmin::release(QueueId id) {
  const auto message = store_.read(Shelf::hold, id);
  if (!message) return fail(message.error());
  Envelope released = message->envelope;
  released.flags &= ~flag::hold;
  if (auto updated = store_.update(Shelf::hold, message->envelope, released, clock_.wall(), Sync::now);
      !updated)
    return updated;
  return store_.move(id, Shelf::hold, Shelf::deferred, clock_.wall());
}

Result<> QueueAdmin::requeue(QueueId id) {
  const auto shelf = store_.find(id);
  if (!shelf || *shelf == Shelf::corrupt) return fail(Trouble::not_found, id.text() + ": no such message");
  auto message = store_.read(*shelf, id, true);
  if (!message) return fail(message.error());
  Envelope again = message->envelope;
  again.id = {};
  again.orig_queue_id = id.text();
  again.flags &= ~(flag::hold | flag::warned | flag::expire);
  std::erase_if(again.recipients, [](const Recipient& r) { return r.status != RecipientStatus::todo; });
  for (Recipient& recipient : again.recipients) {
    recipient.attempts = 0;
    recipient.dsn = recipient.reason = recipient.remote_mta = recipient.remote_reply = {};
  }
  auto writer = MaildropWriter::create(files_, layout_.maildrop(), again);
  if (!writer) return fail(writer.error());
  for (std::uint64_t done = 0; done < message->content.length;) {
    const auto length =
        static_cast<std::size_t>(std::min<std::uint64_t>(256U << 10, message->content.length - done));
    const auto bytes = message->content.read(files_, done, length);
    if (!bytes) return fail(bytes.error());
    if (auto appended = writer->append(*bytes); !appended) return appended;
    done += length;
  }
  if (const auto committed = writer->commit(); !committed) return fail(committed.error());
  return store_.remove(*shelf, id);
}

Result<> QueueAdmin::expire(QueueId id) {
  const auto shelf = store_.find(id);
  if (!shelf || *shelf == Shelf::corrupt) return fail(Trouble::not_found, id.text() + ": no such message");
  const auto message = store_.read(*shelf, id);
  if (!message) return fail(message.error());
  Envelope expired = message->envelope;
  expired.flags |= flag::expire;
  return store_.update(*shelf, message->envelope, expired, clock_.wall(), Sync::now);
}

Result<std::vector<QueueAdmin::Problem>> QueueAdmin::purge(bool running) {
  std::vector<Problem> problems;
  const WallTime now = clock_.wall();
  const auto remove_old = [&](const std::string& directory, std::string_view prefix, Seconds age,
                              std::string_view text) {
    std::vector<std::string> names;
    (void)files_.list(directory, [&](std::string_view name) {
      if (name.starts_with(prefix)) names.emplace_back(name);
      return true;
    });
    for (const std::string& name : names) {
      const std::string path = directory + "/" + name;
      const auto status = files_.lstat(path);
      if (!status || status->kind != os::FileStatus::Kind::regular || now - status->modified < age) continue;
      const bool removed = files_.unlink(path).has_value();
      problems.push_back({path.substr(layout_.root().size() + 1), std::string(text), removed});
    }
  };
  remove_old(layout_.maildrop(), "t", unfinished_age, "unfinished submission");
  for (const Shelf shelf : {Shelf::hold, Shelf::corrupt})
    remove_old(layout_.shelf(shelf), ".", unfinished_age, "unfinished file");
  for (const char letter : std::string_view("0123456789ABCDEF"))
    remove_old(layout_.shelf(Shelf::deferred) + "/" + letter, ".", unfinished_age, "unfinished file");
  if (running) return problems;

  // Content files are looked for in the segments before any is called an orphan.
  std::vector<QueueId> named;
  QueueReader reader(files_, layout_);
  const auto segments = reader.segments();
  if (!segments) return fail(segments.error());
  for (const SegmentName name : *segments) {
    auto scan = reader.scan(name);
    if (!scan && scan.error().is(Trouble::not_found)) continue;
    if (!scan) return problems;  // a segment nobody can read may name any of them
    scan->report_tail(true);
    for (;;) {
      auto found = scan->next();
      if (!found) return fail(found.error());
      if (!*found) break;
      if ((*found)->in_content_file) named.push_back((*found)->envelope.id);
    }
  }
  std::ranges::sort(named);
  std::vector<QueueId> orphans;
  auto listed = files_.list(layout_.incoming(), [&](std::string_view name) {
    if (!name.ends_with(".content")) return true;
    const auto id = QueueId::parse(name.substr(0, name.size() - 8));
    if (id && !std::ranges::binary_search(named, *id)) orphans.push_back(*id);
    return true;
  });
  if (!listed) return fail(listed.error());
  for (const QueueId id : orphans)
    remove_old(layout_.incoming(), id.text() + ".content", orphan_age, "content without a message");
  return problems;
}

}  // namespace postrider::queue
