#include "showq/showq.h"

#include <unistd.h>

#include "lib/config/catalogue.h"
#include "lib/ipc/pool.h"
#include "lib/os/credentials.h"
#include "lib/protocol/qmgr.h"
#include "lib/protocol/services.h"
#include "lib/queue/maildrop.h"

namespace postrider::showq {

Showq::Showq(daemon::Daemon& daemon)
    : daemon_(daemon), store_(daemon.files(), queue::Layout(daemon.paths().queue_directory())) {}

event::Task<> Showq::send(io::Stream& out, const queue::ListedMessage& message) {
  std::string wire;
  queue::append_wire(message, wire);
  co_await out.write(wire, daemon_.loop().after(Seconds{60}));
}

event::Task<> Showq::list_active(io::Stream& out, std::unordered_set<std::string>& seen) {
  Result<os::Fd> socket = os::connect_unix(std::string(protocol::qmgr_intake));
  if (!socket) {
    daemon_.log().warning("qmgr: {}; listing what is on the disk only", socket.error().text());
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
  const std::string directory = queue::Layout(daemon_.paths().queue_directory()).maildrop();
  std::vector<std::string> names;
  const Result<> read = daemon_.files().list(directory, [&](std::string_view name) {
    if (queue::is_maildrop_name(name)) names.emplace_back(name);
    return names.size() < 100'000;
  });
  if (!read) daemon_.log().warning("{}", read.error().text());
  for (const std::string& name : names) {
    const Result<queue::Submission> submission =
        queue::read_submission(daemon_.files(), directory + "/" + name, ::geteuid());
    if (!submission) continue;
    queue::ListedMessage message = queue::listed("maildrop", submission->envelope);
    message.id = name;
    message.size = submission->content.length;
    message.arrival = std::chrono::duration_cast<Seconds>(submission->arrival.time_since_epoch()).count();
    co_await send(out, message);
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
  Result<protocol::QueueCommandDone> answer =
      co_await qmgr_.ask<protocol::QueueCommandDone>(*command, daemon_.loop().after(Seconds{60}));
  if (answer)
    done = std::move(*answer);
  else
    done.trouble = answer.error().text();
  call.answer(done);
}

void declare_showq(config::Catalogue& catalogue) { catalogue.add<FlushConfig>("flush"); }

}  // namespace postrider::showq
