#include "showq/showq.h"

#include <unistd.h>

#include "lib/config/catalogue.h"
#include "lib/ipc/pool.h"
#include "lib/os/credentials.h"
#include "lib/protocol/qmgr.h"
#include "lib/protocol/services.h"
#include "lib/queue/maildrop.h"
#include "lib/queue/outcome_journal.h"
#include "lib/queue/queue_reader.h"

namespace postrider::showq {

namespace {
constexpr Seconds handover_time{2};
}

Showq::Showq(daemon::Daemon& daemon)
    : daemon_(daemon), layout_(daemon.paths().queue_directory()), store_(daemon.files(), layout_) {}

event::Task<> Showq::send(io::Stream& out, const queue::ListedMessage& message) {
  std::string wire;
  queue::append_wire(message, wire);
  co_await out.write(wire, daemon_.loop().after(Seconds{60}));
}

event::Task<> Showq::list_active(io::Stream& out, std::unordered_set<std::string>& seen) {
  Result<os::Fd> socket = os::connect_unix(std::string(protocol::qmgr_intake));
  if (!socket) {
    daemon_.log().warning("qmgr: {}; listing what is on the disk", socket.error().text());
    co_await list_segments(out, seen);
    co_return;
  }
  ipc::Channel channel(daemon_.loop(), std::move(*socket), daemon_.stop_token());
  co_await channel.send(protocol::ListQueue{}, daemon_.loop().after(Seconds{10}));
  while (true) {
    ipc::Frame frame = co_await channel.receive(daemon_.loop().after(Seconds{60}));
    if (frame.is<protocol::QueueListEnd>()) co_return;
    const auto entry = frame.as<protocol::QueueEntry>();
    if (!entry) co_return;
    const Result<queue::Envelope> envelope = queue::decode_envelope(entry->envelope);
    if (!envelope) continue;
    seen.insert(envelope->id.text());
    co_await send(out, queue::listed(entry->active ? "active" : "incoming", *envelope));
  }
}

// As qmgr would find it at its start.
event::Task<> Showq::list_segments(io::Stream& out, std::unordered_set<std::string>& seen) {
  const auto outcomes = queue::OutcomeJournal::view(daemon_.files(), daemon_.log(), layout_);
  queue::QueueReader reader(daemon_.files(), layout_);
  const auto segments = reader.segments();
  if (!outcomes || !segments) {
    daemon_.log().warning("{}", outcomes ? segments.error().text() : outcomes.error().text());
    co_return;
  }
  std::size_t looked_at = 0;
  for (const queue::SegmentName name : *segments) {
    Result<queue::SegmentScan> scan = reader.scan(name);
    while (scan) {
      Result<std::optional<queue::Found>> found = scan->next();
      if (!found || !*found) break;
      queue::Found& record = **found;
      if (++looked_at % 100 == 0) co_await daemon_.loop().yield();
      if (record.damaged || (*outcomes)->gone(record.place) || store_.find(record.envelope.id)) continue;
      (*outcomes)->apply(record.place, record.envelope);
      seen.insert(record.envelope.id.text());
      co_await send(out, queue::listed("incoming", record.envelope));
    }
  }
}

event::Task<> Showq::list_shelf(io::Stream& out, queue::Shelf shelf, std::unordered_set<std::string>& seen) {
  std::vector<queue::QueueId> ids;
  const Result<> read = store_.list(shelf, [&](queue::QueueId id) {
    ids.push_back(id);
    return true;
  });
  if (!read) daemon_.log().warning("{}", read.error().text());
  std::size_t done = 0;
  for (const queue::QueueId id : ids) {
    if (seen.contains(id.text())) continue;
    const Result<queue::SpilledMessage> message = store_.read(shelf, id);
    // Gone meanwhile: delivered, or moved.
    if (!message) continue;
    co_await send(out, queue::listed(queue::shelf_name(shelf), message->envelope));
    if (++done % 100 == 0) co_await daemon_.loop().yield();
  }
}

event::Task<> Showq::list_maildrop(io::Stream& out) {
  std::vector<std::string> names;
  const Result<> read = daemon_.files().list(layout_.maildrop(), [&](std::string_view name) {
    if (queue::is_maildrop_name(name)) names.emplace_back(name);
    return names.size() < 100'000;
  });
  if (!read) daemon_.log().warning("{}", read.error().text());
  for (const std::string& name : names) {
    const Result<queue::ListedMessage> message =
        queue::listed_submission(daemon_.files(), layout_, name, ::geteuid());
    if (message) co_await send(out, *message);
  }
}

event::Task<> Showq::serve(os::Fd client) {
  io::Stream out(daemon_.loop(), std::move(client), daemon_.stop_token());
  std::unordered_set<std::string> seen;
  io::Ended::Why why{};
  bool qmgr_lost = false;
  try {
    co_await list_active(out, seen);
  } catch (const io::Ended& ended) {
    why = ended.why;
    qmgr_lost = true;
  }
  if (qmgr_lost && why == io::Ended::Why::stopped) co_return;
  co_await list_maildrop(out);
  co_await list_shelf(out, queue::Shelf::deferred, seen);
  co_await list_shelf(out, queue::Shelf::hold, seen);
  co_await out.close(daemon_.loop().after(Seconds{60}));
}

bool Flush::authorised(const ipc::Call& call) const {
  const Result<os::PeerCredentials> peer = os::peer_credentials(call.socket());
  if (!peer) return false;
  if (peer->uid == 0) return true;
  const Result<std::optional<os::User>> user = os::find_user(peer->uid);
  for (const std::string& entry : config_.authorized()) {
    if (entry == "static:anyone" || entry.starts_with("static:")) return true;
    if (user && *user && (*user)->name == entry) return true;
  }
  return false;
}

event::Task<> Flush::answer(ipc::Call call, ipc::Frame frame) {
  using Verb = protocol::QueueCommand::Verb;
  const auto command = frame.as<protocol::QueueCommand>();
  if (!command ||
      (command->verb != Verb::flush && command->verb != Verb::flush_id && command->verb != Verb::flush_site))
    throw io::Ended{io::Ended::Why::lost, "no flush request"};
  protocol::QueueCommandDone done;
  if (!authorised(call)) {
    done.trouble = "you are not in authorized_flush_users";
    call.answer(done);
    co_return;
  }
  // It is gone for a moment when the configuration is reloaded. Who asks is not to wait for long.
  const Result<protocol::QueueCommandDone> answer = co_await qmgr_.ask_once<protocol::QueueCommandDone>(
      *command, daemon_.loop().after(handover_time), daemon_.loop().after(Seconds{60}));
  if (!answer) throw io::Ended{io::Ended::Why::lost, answer.error().text()};
  call.answer(*answer);
}

void declare_showq(config::Catalogue& catalogue) { catalogue.add<FlushConfig>("flush"); }

}  // namespace postrider::showq
